"""What a step in PRoot sees beside the image, and what the kernel lets it do with that."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

from dodas.containers.engines import accounts, landlock
from dodas.containers.launch import Launch, LaunchFault

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")
_FROM_HOST = ("/etc/resolv.conf", "/etc/hosts")
_PRIVATE = ("/tmp", "/var/tmp", "/dev/shm")

Bind = tuple[str, str, int]
"""Source on the host, target in the container, Landlock's rights where a step does not have them anyway."""


def wanted(launch: Launch, root: str, *, writable_root: bool) -> list[Bind]:
    """Return what is bound, in the order in which it applies; makes the step's own directories and files.

    Args:
        launch: The launch.
        root: The step's root.
        writable_root: Whether the step may write there.

    Raises:
        LaunchFault: Something that is to be mounted is not there.
    """
    binds = [("/proc", "/proc", 0), ("/sys", "/sys", 0), *_devices(launch)]
    if launch.network:
        binds += [(path, path, landlock.READ) for path in _FROM_HOST if os.path.exists(path)]
    if not launch.writable_root:
        binds += _private_places(launch, root, writable_root)
        binds += _accounts(launch, root)
    for source, target, writable in launch.mounts:
        if not os.path.exists(source):
            raise LaunchFault(f"cannot mount {source}: No such file or directory")
        binds.append((source, target, landlock.WRITE if writable else landlock.READ))
    return binds


def options(binds: list[Bind], scratch: str) -> list[str]:
    """Return PRoot's options for ``binds``."""
    words = []
    for source, target, _ in binds:
        words += ["-b", f"{_without_colon(source, scratch)}:{target}"]
    return words


@cache
def rules() -> landlock.Rules | None:
    """Return this process's Landlock rules, with what every step may do; nothing if the kernel has none.

    Those of one launch, whose own are added: :func:`renew_rules` comes before the next.
    """
    if not landlock.version():
        return None
    made = landlock.Rules()
    made.allow("/proc", landlock.WRITE)
    made.allow("/sys", landlock.READ)
    made.allow("/dev", landlock.LIST)
    for name in _DEVICES:
        made.allow(f"/dev/{name}", landlock.WRITE)
    return made


def renew_rules() -> None:
    """Make rules for another launch, which have nothing of the last one."""
    if rules.cache_info().currsize and (old := rules()) is not None:
        os.close(old.descriptor)
    rules.cache_clear()
    rules()


def make_private(scratch: str, count: int = len(_PRIVATE)) -> None:
    """Make the first of a launch's own directories, unless that was done ahead of it."""
    before = os.umask(0)
    for number in range(count):
        with suppress(FileExistsError):
            os.mkdir(_private(scratch, number), 0o1777)
    os.umask(before)


def allow(launch: Launch, binds: list[Bind], own: Iterable[tuple[str, int]]) -> None:
    """Add to the rules what a launch needs, so that the kernel can enforce what PRoot only arranges.

    Args:
        launch: The launch; all of its scratch directory may be written.
        binds: What is bound.
        own: Paths that PRoot itself needs, with Landlock's rights.

    Raises:
        OSError: The kernel refused.
    """
    allowed = rules()
    if allowed is None:
        return
    for path in (launch.scratch, *launch.gpus):
        allowed.allow(path, landlock.WRITE)
    for path, right in (*own, *((source, right) for source, _, right in binds if right)):
        allowed.allow(path, right)


def _devices(launch: Launch) -> list[Bind]:
    """Return the devices: all bound at once, which is quick, where Landlock lets only some be used."""
    if landlock.version():
        return [("/dev", "/dev", 0)]
    devices = (*(f"/dev/{name}" for name in _DEVICES), *launch.gpus)
    return [(path, path, 0) for path in devices if os.path.exists(path)]


def _private_places(launch: Launch, root: str, writable_root: bool) -> list[Bind]:
    """Return the places in which the step may write although the root is not its own."""
    home = dict(launch.env).get("HOME", "/")
    if writable_root:
        places = ["/dev/shm"] if os.path.isdir(root + launch.cwd) else ["/dev/shm", launch.cwd]
    else:
        places = [
            *_PRIVATE,
            *(path for path in dict.fromkeys((home, launch.cwd)) if _needs_own(path, launch)),
        ]
    make_private(launch.scratch, len(places))
    return [(_private(launch.scratch, number), path, 0) for number, path in enumerate(places)]


def _private(scratch: str, number: int) -> str:
    return f"{scratch}/d{number}"


def _needs_own(path: str, launch: Launch) -> bool:
    """Return whether ``path`` is neither the root nor reached through a mount or another private place."""
    covers = [*_PRIVATE, *(target for _, target, _ in launch.mounts)]
    inside = any(path == cover or path.startswith(cover.rstrip("/") + "/") for cover in covers)
    return path.startswith("/") and path.strip("/") != "" and not inside


def _accounts(launch: Launch, root: str) -> list[Bind]:
    """Return files in which the user has a name, where those of the image have none."""
    if launch.as_root:
        return []
    uid, gid = launch.ids or (os.geteuid(), os.getegid())
    passwd, group = (accounts.read(f"{root}/etc/{name}") for name in ("passwd", "group"))
    binds = []
    for name, old, new in (
        ("passwd", passwd, accounts.with_user(passwd, uid, gid)),
        ("group", group, accounts.with_group(group, gid)),
    ):
        if new != old:
            path = f"{launch.scratch}/{name}"
            with open(path, "wb") as file:
                file.write(new)
            binds.append((path, f"/etc/{name}", 0))
    return binds


def _without_colon(source: str, scratch: str) -> str:
    """Return a path without colon that leads to ``source``: PRoot splits its option at the first one."""
    if ":" not in source:
        return source
    links = f"{scratch}/l"
    with suppress(FileExistsError):
        os.mkdir(links, 0o700)
    link = f"{links}/{len(os.listdir(links))}"
    os.symlink(source, link)
    return link
