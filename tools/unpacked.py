"""Programs of Debian packages that an ordinary user runs from a directory, without installing them.

Each gets a wrapper with the library path it needs, so that nothing leaks into the environment of the
tests; static programs are linked instead, since tests copy them into images.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import debs

RECIPE = "1"  # raise it when what this module makes changes its form
TOGETHER = (
    frozenset({"gcc", "libc6-dev", "libtalloc-dev"}),
    frozenset({"apache2-bin", "gridsite"}),
    frozenset({"xrootd-server", "xrootd-scitokens-plugins"}),
)
"""Unpacked together or not at all: a compiler finds headers, a server its plugins, in its own tree only."""

OF_THIS_TREE = frozenset({"gcc", "cc", "apache2", "xrootd", "cmsd"})
"""Offered even if the system has them too, since what they need is in the tree."""


class UnpackError(Exception):
    """The packages could not be unpacked; the text says why."""


def possible() -> bool:
    """Tell whether this is a Debian, whose packages match its C library."""
    return bool(suite()) and bool(shutil.which("apt-get")) and bool(shutil.which("dpkg-deb"))


def suite() -> str:
    """Return the code name of the Debian release that runs here, or nothing for another system."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return ""
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    return facts.get("VERSION_CODENAME", "").strip('"') if facts.get("ID", "").strip('"') == "debian" else ""


def unpack(packages: Sequence[str], place: Path, *, without: Collection[str] = ()) -> None:
    """Make ``place/root`` from packages and their dependencies, and ``place/bin`` with what runs them.

    Args:
        packages: Names of Debian packages.
        place: Directory to make, whole or not at all.
        without: Programs that get no wrapper.

    Raises:
        UnpackError: A package cannot be had, or cannot be unpacked.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
        part = Path(scratch, "part")
        try:
            debs.unpack(debs.closure(packages, suite=suite()), part / "root")
        except debs.DebsError as error:
            raise UnpackError(str(error)) from error
        (part / "bin").mkdir()
        for program in programs(part / "root"):
            if program.name not in without and is_wanted(program):
                offer(program, part, place)
        part.replace(place)


def programs(root: Path) -> Iterator[Path]:
    """Yield the programs below ``root``."""
    for directory in (root / "usr" / "bin", root / "usr" / "sbin"):
        yield from (file for file in sorted(directory.iterdir()) if os.access(file, os.X_OK))


def is_wanted(program: Path) -> bool:
    """Tell whether to offer ``program``: the system lacks it, or it needs what is in this tree."""
    return shutil.which(program.name) is None or program.name in OF_THIS_TREE


def offer(program: Path, part: Path, place: Path) -> None:
    """Put a link or a wrapper for ``program``, which will soon be in ``place``, into ``part/bin``."""
    final = place / program.relative_to(part)
    entry = part / "bin" / program.name
    if is_static(program):
        entry.symlink_to(final)
        return
    entry.write_text(wrapper(final, place / "root"))
    entry.chmod(0o755)


def is_static(program: Path) -> bool:
    """Tell whether ``program`` is an ELF file that names no dynamic loader (its path is near the start)."""
    with program.open("rb") as file:
        start = file.read(8192)
    return start.startswith(b"\x7fELF") and b"/ld-linux" not in start


def wrapper(program: Path, root: Path) -> str:
    """Return the script that starts ``program`` with the libraries below ``root``."""
    libraries = ":".join(str(root / "usr" / "lib" / sub) for sub in (f"{os.uname().machine}-linux-gnu", ""))
    extra = ""
    if program.name in {"gcc", "cc"}:
        extra = f" --sysroot={shlex.quote(str(root))}"
    if program.name == "skopeo":  # else it insists on a file below /etc
        extra = f" --policy={shlex.quote(str(root / 'etc' / 'containers' / 'policy.json'))}"
    return (
        "#!/bin/sh\n"
        f"LD_LIBRARY_PATH={shlex.quote(libraries)}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\n"
        "export LD_LIBRARY_PATH\n"
        f'exec {shlex.quote(str(program))}{extra} "$@"\n'
    )
