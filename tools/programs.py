#!/usr/bin/env python3
"""Bring the programs that the tests use: installed by root, unpacked for anybody else.

Writes a file of shell commands that puts them on PATH, which the make targets read.  Programs that
cannot be had here are listed, with what they are for; the tests that use them are then skipped.

Usage: programs.py ENV_FILE        (standard library only)
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "executors"))

import node_packages
import unpacked
from dodas import paths


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A program, or a file to compile with, and the Debian package that has it.

    Attributes:
        name: The program; or a path, of a header or library, relative to ``/usr``.
        package: The Debian package.
        why: What it is for.
        service: Installing it may start a service, so it is unpacked for root too.
        set_uid: Useless to an ordinary user without a set-uid program, so unpacking does not help.
    """

    name: str
    package: str
    why: str
    service: bool = False
    set_uid: bool = False


WANTED = (
    Wanted(name="docker-registry", package="docker-registry", why="a registry to pull from", service=True),
    Wanted(name="htpasswd", package="apache2-utils", why="a registry with a login"),
    Wanted(name="openssl", package="openssl", why="a registry that hands out signed tokens"),
    Wanted(name="skopeo", package="skopeo", why="archives and registries as others write them"),
    Wanted(name="umoci", package="umoci", why="OCI images as others write them"),
    Wanted(name="podman", package="podman", why="archives as podman writes them", set_uid=True),
    Wanted(name="bwrap", package="bubblewrap", why="a peer of the engines in the benchmarks"),
    Wanted(name="fuse-overlayfs", package="fuse-overlayfs", why="the fuse engine"),
    Wanted(name="fusermount3", package="fuse3", why="the fuse engine without user namespaces", set_uid=True),
    Wanted(name="curl", package="curl", why="udocker, which the tests compare with"),
    Wanted(name="node", package="nodejs", why="JavaScript in CWL"),
    Wanted(name="mount", package="mount", why="a small file system that gets full"),
    Wanted(name="unshare", package="util-linux", why="the same"),
    Wanted(name="zstd", package="zstd", why="layers compressed with zstd"),
    Wanted(name="xz", package="xz-utils", why="archives compressed with xz"),
    Wanted(name="busybox", package="busybox-static", why="the smallest image"),
    Wanted(name="gcc", package="gcc", why="building PRoot, and test programs that ask the kernel"),
    Wanted(name="include/stdlib.h", package="libc6-dev", why="the same"),
    Wanted(name="include/talloc.h", package="libtalloc-dev", why="building PRoot"),
    Wanted(name="apache2", package="apache2-bin", why="a storage that speaks WebDAV"),
    Wanted(
        name="lib/apache2/modules/mod_gridsite.so", package="gridsite", why="the same for users with proxies"
    ),
    Wanted(name="xrootd", package="xrootd-server", why="a storage of the grid", service=True),
    Wanted(
        name=f"lib/{os.uname().machine}-linux-gnu/libXrdAccSciTokens-5.so",
        package="xrootd-scitokens-plugins",
        why="the same with tokens",
        service=True,
    ),
)

PROVIDER = Wanted(name="oidc-provider", package="npm", why="an issuer of tokens, of packages of Node")


def main() -> int:
    """Bring what is missing; only a broken unpacking is an error, an absent program is not."""
    parser = argparse.ArgumentParser(description="Bring the programs that the tests use.")
    parser.add_argument("env_file", type=Path)
    env_file = parser.parse_args().env_file
    lacking = missing(WANTED)
    if lacking and os.geteuid() == 0:
        lacking = install(lacking)
    places = unpack(lacking) if lacking else ()
    absent = missing(lacking, places)
    if not node_packages.bring():
        absent += (PROVIDER,)
    env_file.write_text(environment(env_file.absolute().parent, places, absent))
    if absent:
        print(complaint(absent), file=sys.stderr)
    return 0


def missing(wanted: tuple[Wanted, ...], places: tuple[Path, ...] = ()) -> tuple[Wanted, ...]:
    """Return those of ``wanted`` that are neither on this system nor in ``places``."""
    return tuple(one for one in wanted if not is_there(one.name, places))


def is_there(name: str, places: tuple[Path, ...]) -> bool:
    """Tell whether a program is on PATH or a file below ``/usr``, or in one of the unpacked ``places``."""
    if "/" in name:
        tops = [Path("/"), *(place / "root" for place in places)]
        return any((top / "usr" / name).exists() for top in tops)
    path = os.pathsep.join([*(str(place / "bin") for place in places), *_own_path()])
    return shutil.which(name, path=path) is not None


def _own_path() -> list[str]:
    """Return PATH without what an earlier set-up unpacked, which would seem to be of this system."""
    unpacked_here = os.path.join(paths.cache_dir(), "programs", "")
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [directory for directory in directories if not directory.startswith(unpacked_here)]


def install(wanted: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
    """Install, as root, what is no service; return what is still missing."""
    packages = [one.package for one in wanted if not one.service]
    if packages and shutil.which("apt-get"):
        print(f"installing {', '.join(packages)}", file=sys.stderr, flush=True)
        apt_get("update")
        apt_get("install", "--yes", "--no-install-recommends", *packages)
    return missing(wanted)


def apt_get(*arguments: str) -> None:
    """Run apt-get; it is heard only when it fails, which is no error here: what is missing is listed."""
    command = ["apt-get", "-qq", *arguments]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL, text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        print(f"warning: {' '.join(command)} failed:\n{done.stderr.strip()}", file=sys.stderr)


def unpack(wanted: tuple[Wanted, ...]) -> tuple[Path, ...]:
    """Unpack the packages of ``wanted`` into the cache; return where, or nothing if that did not work."""
    packages = {one.package for one in wanted if not one.set_uid}
    for group in unpacked.TOGETHER:
        packages |= group if packages & group else set()
    if not packages or not unpacked.possible():
        return ()
    key = hashlib.sha256(
        "\n".join([unpacked.RECIPE, unpacked.suite(), *sorted(packages)]).encode()
    ).hexdigest()[:16]
    place = Path(paths.cache_dir(), "programs", key)
    if not place.exists():
        print(f"unpacking {', '.join(sorted(packages))} below {place.parent}", file=sys.stderr, flush=True)
        try:
            unpacked.unpack(sorted(packages), place, without=[one.name for one in WANTED if one.set_uid])
        except unpacked.UnpackError as error:
            print(f"warning: {error}", file=sys.stderr)
            return ()
    return (place,)


def environment(venv: Path, places: tuple[Path, ...], absent: tuple[Wanted, ...]) -> str:
    """Return the shell commands that the make targets run first."""
    first = [venv / "bin", *(place / "bin" for place in places), Path(paths.data_dir(), "bin")]
    lines = ["# Made by tools/programs.py; `make setup` makes it again.", "unset PYTHONPATH PYTHONHOME"]
    lines += [f"PATH={':'.join(shlex.quote(str(directory)) for directory in first)}:$PATH", "export PATH"]
    names = " ".join(one.name for one in absent)
    lines += [f"DODAS_TEST_ABSENT={shlex.quote(names)}", "export DODAS_TEST_ABSENT"]
    return "\n".join(lines) + "\n"


def complaint(absent: tuple[Wanted, ...]) -> str:
    """Return the list of what is missing, and the command that an administrator can run."""
    lines = ["These are missing; tests that use them are skipped, the rest works:"]
    lines += [f"  {one.name:<18} {one.why}" for one in absent]
    packages = " ".join(sorted({one.package for one in absent}))
    return "\n".join([*lines, f"An administrator of this machine can run: apt-get install {packages}"])


if __name__ == "__main__":
    sys.exit(main())
