"""What a container with daemons sees of the host beside its image: directories and accounts."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

from dodas import paths
from dodas.containers.engines import accounts

# As root HTCondor would switch users for every job; what it is not it does not try.
NOT_ROOT = 1000
_NAME_OF_ROOT = "dodas"

OF_THE_SYSTEM = frozenset(("bin", "etc", "lib", "lib32", "lib64", "libx32", "run", "sbin", "usr", "var"))
"""Directories of a system, or of an image (Filesystem Hierarchy Standard); others are their users'."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_OF_THE_KERNEL = frozenset(("boot", "dev", "lost+found", "proc", "sys"))

Mounts = tuple[tuple[str, str, bool], ...]


def user_name() -> str:
    """Return what the user is called in the pool."""
    uid = os.geteuid()
    if uid == 0:
        return _NAME_OF_ROOT
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user{uid}"


def directories() -> Mounts:
    """Return the directories of the host that are its users', each at its own path."""
    tops = sorted(
        entry.path
        for entry in os.scandir("/")
        if entry.name not in OF_THE_SYSTEM | _OF_THE_KERNEL and entry.is_dir()
    )
    chosen = [path for path in tops if os.access(path, os.X_OK)]
    for path in _needed():
        if not any(_is_below(path, other) for other in chosen):
            chosen.append(path)
    return tuple((path, path, True) for path in chosen)


def _needed() -> Iterator[str]:
    """Yield what must be seen even where it lies below a directory of the image's."""
    places = (
        os.path.expanduser("~"),
        paths.store_dir(),
        paths.data_dir(),
        paths.cache_dir(),
        paths.state_dir(),
        paths.scratch_dir(),
        "/var/tmp",  # noqa: S108 - of the host, to be seen
        os.getcwd(),
    )
    for place in places:
        for path in dict.fromkeys((place, os.path.realpath(place))):
            if os.path.isdir(path) and path != "/":
                yield path


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def ids() -> tuple[int, int]:
    """Return the user and group id of the daemons in their container."""
    return (NOT_ROOT, NOT_ROOT) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def passwd(root: str, name: str) -> str:
    """Return the account file of the containers (passwd(5)): the image's, and the user under ``name``."""
    uid, gid = ids()
    home = os.path.expanduser("~").replace(":", "_")
    return _merged(root, "passwd", name, uid, f"{name}:x:{uid}:{gid}::{home}:/bin/sh")


def group(root: str, name: str) -> str:
    """Return the group file of the containers (group(5)), likewise."""
    gid = ids()[1]
    return _merged(root, "group", name, gid, f"{name}:x:{gid}:")


def _merged(root: str, file: str, name: str, number: int, own: str) -> str:
    path = os.path.join(root, "etc", file)
    content = accounts.read(path if os.path.exists(path) else f"/etc/{file}")
    lines = content.decode(errors="replace").splitlines()
    kept = [line for line in lines if line.split(":")[0] != name and line.split(":")[2:3] != [str(number)]]
    return "\n".join((*kept, own, ""))
