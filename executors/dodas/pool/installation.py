"""Where a pool's HTCondor comes from: this host, an image that the user names, or the one dodas makes."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass

from dodas.containers.progress import OnProgress, Say, ignore, silent
from dodas.errors import SpecError
from dodas.node.daemons import MASTER, Programs, programs_in, programs_of
from dodas.node.hosting import OF_THE_SYSTEM, Mounts
from dodas.pool import image
from dodas.pool.layout import Layout

_PLACES = ("RELEASE_DIR", "SBIN", "BIN", "LIB", "LIBEXEC")
_PATIENCE = 20.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """HTCondor, ready to be started.

    Attributes:
        source: Where it is from, for people: the name of an image, or ``this host``.
        root: Root file system of the containers.
        master: The daemon that starts the others.
        programs: Where everything is.
        mounts: What the containers need besides.
        lock: File that is locked while they run, so that nobody removes their root; empty for none.
    """

    source: str
    root: str
    master: str
    programs: Programs
    mounts: Mounts = ()
    lock: str = ""


def find(layout: Layout, wanted: str, *, progress: OnProgress = ignore, say: Say = silent) -> Installation:
    """Return the HTCondor to use.

    Args:
        layout: The pool, for what must be made.
        wanted: The image that the user named; empty for the host's own, else dodas' image.
        progress: Told how far fetching and unpacking are.
        say: Told in words what goes on.

    Raises:
        ImageError: The image cannot be had.
        SpecError: There is no HTCondor in it.
    """
    # Directories of system programs are not on everybody's PATH.
    places = (os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin")
    master = shutil.which(MASTER, path=os.pathsep.join(places))
    if master and not wanted:
        return _of_host(layout, os.path.realpath(master))
    root = image.root(wanted, progress=progress, say=say)
    programs = programs_in(root.path)
    if programs is None:
        raise SpecError(
            f"there is no {MASTER} in the image {wanted}", hint="name another, such as htcondor/mini"
        )
    return Installation(
        source=wanted or image.RECIPE.name,
        root=root.path,
        lock=root.lock,
        master=f"{programs.sbin}/{MASTER}",
        programs=programs,
    )


def _of_host(layout: Layout, master: str) -> Installation:
    """Return the host's own: its containers are made of the directories of its system."""
    root = layout.at("root")
    os.makedirs(root, mode=0o755, exist_ok=True)
    mounts = []
    for name in sorted(OF_THE_SYSTEM & set(os.listdir("/"))):
        path = f"/{name}"
        if os.path.islink(path):
            with suppress(FileExistsError):
                os.symlink(os.readlink(path), os.path.join(root, name))
        elif os.path.isdir(path):
            mounts.append((path, path, True))
    programs = _configured() or programs_of(master)
    if not any(programs.release == path or programs.release.startswith(f"{path}/") for path, _, _ in mounts):
        mounts.append((programs.release, programs.release, False))
    return Installation(source="this host", root=root, mounts=tuple(mounts), master=master, programs=programs)


def _configured() -> Programs | None:
    """Return the places that the host's configuration names, if it has one."""
    command = shutil.which("condor_config_val")
    if command is None:
        return None
    with suppress(OSError, subprocess.SubprocessError):
        env = {name: value for name, value in os.environ.items() if name != "CONDOR_CONFIG"}
        done = subprocess.run(
            (command, *_PLACES), check=True, text=True, capture_output=True, timeout=_PATIENCE, env=env
        )
        values = done.stdout.split("\n")[: len(_PLACES)]
        if len(values) == len(_PLACES) and all(value.startswith("/") for value in values):
            release, sbin, binaries, lib, libexec = values
            return Programs(release=release, sbin=sbin, bin=binaries, lib=lib, libexec=libexec)
    return None
