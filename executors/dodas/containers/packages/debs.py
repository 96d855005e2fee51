"""Debian packages and all they depend on, fetched and unpacked by an ordinary user.

Nothing of the system is touched: apt works in directories of its own, with the mirror this host already
uses and Debian's signing keys, and ``dpkg-deb`` unpacks.  Standard library only, because the project's set-up
runs this before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dodas import paths
from dodas.containers.packages.apt import Apt, DebsError, claim, output, require, sources_for

__all__ = ["DebsError", "closure", "default_cache", "unpack"]

MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
"""Directories that are links into ``/usr`` on every Debian since bookworm."""

_LAYOUT = 1  # raise it when what the cache holds changes its form


def closure(
    packages: Sequence[str],
    *,
    without: Sequence[str] = (),
    cache: Path | None = None,
    suite: str = "bookworm",
    refresh: bool = False,
) -> list[Path]:
    """Return the ``.deb`` files of ``packages`` and of everything they depend on, fetched if need be.

    The first answer for given packages, suite, mirror and architecture is kept, so that later calls are
    quick, work without a network, and give the same versions.

    Args:
        packages: Names of binary packages, ``name`` or ``name=version``.
        without: Packages taken as installed already: neither they nor what only they need is fetched.
        cache: Directory to keep them in; default :func:`default_cache`.
        suite: Code name of the Debian release.
        refresh: Ask the mirror again, for newer versions.

    Raises:
        DebsError: apt, the keys, a package or the network is missing.
    """
    require("apt-get", "dpkg-deb")
    cache = default_cache() if cache is None else cache
    sources = sources_for(suite)
    architecture = output("dpkg", "--print-architecture").strip()
    key = _digest(json.dumps([_LAYOUT, sorted(packages), sorted(without), sources, architecture]).encode())[
        :20
    ]
    answer = cache / "closures" / f"{key}.json"
    apt = Apt(home=cache / f"apt-{_digest(sources.encode())[:12]}", archives=cache / "archives")
    for directory in (answer.parent, apt.archives / "partial"):
        directory.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        known = None if refresh else _kept(answer, apt.archives)
        if known is not None:
            return known
        apt.configure(sources, claim(without, architecture))
        return _ask(apt, packages, answer)


def unpack(debs: Sequence[Path], target: Path) -> None:
    """Unpack packages into ``target``, with ``/bin``, ``/lib`` and the like merged into ``/usr``.

    No maintainer script runs.  Files belong to the caller.

    Raises:
        DebsError: ``dpkg-deb`` is missing or fails.
    """
    require("dpkg-deb", "tar")
    for name in MERGED:
        (target / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (target / name).is_symlink():
            (target / name).symlink_to(f"usr/{name}")
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(lambda deb: _extract(deb, target), debs))


def _extract(deb: Path, target: Path) -> None:
    # `dpkg-deb --extract` would replace the link /lib by the package's directory.
    command = ("tar", "-xp", "--no-same-owner", "--keep-directory-symlink", "-C", str(target))
    packing = ("dpkg-deb", "--fsys-tarfile", str(deb))
    try:
        with subprocess.Popen(packing, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packed:
            output(*command, stdin=packed.stdout)
    except DebsError as error:
        raise DebsError(f"{deb} cannot be unpacked: {error}") from error
    if packed.returncode != 0:
        raise DebsError(f"{deb} cannot be unpacked; remove it and try again")


def default_cache() -> Path:
    """Return the directory for packages when none is given: ``debian`` in dodas' cache."""
    return Path(paths.cache_dir(), "debian")


def _ask(apt: Apt, packages: Sequence[str], answer: Path) -> list[Path]:
    apt.run("update")
    # With an empty archive every package is printed, also those already here: the complete closure.
    empty = apt.home / "empty"
    (empty / "partial").mkdir(parents=True, exist_ok=True)
    listed = apt.run("--print-uris", "install", *packages, archives=empty)
    files = dict(re.findall(r"^'[^']+' (\S+) \d+ SHA256:([0-9a-f]{64})$", listed, re.MULTILINE))
    if not files:
        raise DebsError(f"apt names no files for {', '.join(packages)}")
    for name, digest in files.items():
        _drop_damaged(apt.archives / name, digest)  # apt takes any file of the right size for the right one
    apt.run("--download-only", "install", *packages)
    partial = answer.with_suffix(".part")
    partial.write_text(json.dumps(files, indent=1, sort_keys=True))
    partial.replace(answer)
    found = _kept(answer, apt.archives)
    if found is None:
        raise DebsError(f"packages in {apt.archives} differ from the signed index; remove that directory")
    return found


def _drop_damaged(package: Path, digest: str) -> None:
    if package.exists() and _digest(package.read_bytes()) != digest:
        package.unlink()


def _kept(answer: Path, archives: Path) -> list[Path] | None:
    """Return the files of an earlier answer if all are still here, byte for byte."""
    try:
        files: dict[str, str] = json.loads(answer.read_text())
        intact = all(_digest((archives / name).read_bytes()) == files[name] for name in files)
    except (OSError, ValueError):
        return None
    return [archives / name for name in sorted(files)] if intact else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
