#!/usr/bin/env python3
"""Bring a Python that this machine lacks: Debian's build of it, unpacked into the cache, by anybody.

Every release of Debian has its Python, built against a C library that may be newer than the one here.  So
its program is changed to start with the loader and the libraries that were unpacked beside it.  Only that
program uses them: what it starts in turn knows nothing of them.

Usage: make_python.py 3.14        (prints the program; standard library only; needs apt-get and dpkg-deb)
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "executors"))

import debs
from dodas import paths

SUITES = {11: "bookworm", 13: "trixie", 14: "forky"}
"""The release of Debian that has Python 3.N; none has 3.10 or 3.12."""

RECIPE = "1"  # raise it when what this module makes changes its form
WHEELS = "/usr/share/python-wheels/"  # where Debian's ensurepip looks for pip


class NoPythonError(Exception):
    """That Python cannot be had here; the text says why."""


def main() -> int:
    """Print where the Python is, once it is there."""
    parser = argparse.ArgumentParser(description="Bring a Python that this machine lacks.")
    parser.add_argument("version", choices=[f"3.{minor}" for minor in SUITES], help="which one")
    try:
        print(make(int(parser.parse_args().version.removeprefix("3."))))
    except NoPythonError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def make(minor: int) -> Path:
    """Return a Python 3.``minor`` below dodas' cache, made unless it is there.

    Raises:
        NoPythonError: No release of Debian has it, its packages cannot be had, or it does not run here.
    """
    python = program(minor)
    if works(python):
        return python
    if minor not in SUITES:
        raise NoPythonError(f"no release of Debian has Python 3.{minor}")
    place = place_of(minor)
    place.parent.mkdir(parents=True, exist_ok=True)
    print(f"unpacking Python 3.{minor} into {place}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
        part = Path(scratch, "part")
        try:
            debs.unpack(debs.closure(packages(minor), suite=SUITES[minor]), part)
        except debs.DebsError as error:
            raise NoPythonError(str(error)) from error
        settle(minor, part, place)
        shutil.rmtree(place, ignore_errors=True)
        part.replace(place)
    if not works(python):
        shutil.rmtree(place)
        raise NoPythonError(f"Python 3.{minor} as built for Debian {SUITES[minor]} does not run here")
    return python


def program(minor: int) -> Path:
    """Return where :func:`make` puts Python 3.``minor``."""
    return place_of(minor) / "usr" / "bin" / f"python3.{minor}"


def place_of(minor: int) -> Path:
    """Return the directory for Python 3.``minor``; another one when what goes into it is another."""
    inputs = [RECIPE, SUITES.get(minor, ""), *packages(minor)]
    key = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]
    return Path(paths.cache_dir(), "pythons", f"3.{minor}-{key}")


def packages(minor: int) -> tuple[str, ...]:
    """Return the packages to unpack: Python, with pip and the headers for extensions, and what changes it."""
    return (f"python3.{minor}", f"python3.{minor}-venv", f"libpython3.{minor}-dev", "patchelf")


def settle(minor: int, part: Path, place: Path) -> None:
    """Change the Python in ``part`` so that it runs from ``place``, wherever that is."""
    loader = next(part.glob("usr/lib/*-linux-gnu/ld-linux*.so.*"))
    final = place / loader.relative_to(part)
    patchelf = (loader, "--library-path", loader.parent, part / "usr" / "bin" / "patchelf")
    # In this order: patchelf 0.18 spoils the program otherwise.  An RPATH, unlike a RUNPATH, is also where
    # the libraries of extension modules are looked for.
    for change in ("--force-rpath", "--set-rpath", final.parent), ("--set-interpreter", final):
        command: list[str | Path] = [*patchelf, *change, part / "usr" / "bin" / f"python3.{minor}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoPythonError(f"patchelf cannot change Python 3.{minor}: {done.stderr.strip()}")
    for file in part.glob(f"usr/lib/python3.{minor}/_sysconfigdata_*.py"):
        if not file.is_symlink():
            file.write_text(file.read_text().replace(repr(WHEELS), repr(f"{place}{WHEELS}")))
    headers = part / "usr" / "include"
    # What is in its place refers to it as if it were below /usr/include.
    next(headers.glob(f"*-linux-gnu/python3.{minor}/pyconfig.h")).replace(
        headers / f"python3.{minor}" / "pyconfig.h"
    )


def works(python: Path) -> bool:
    """Tell whether ``python`` starts and can make environments with pip."""
    probe = [str(python), "-c", "import ensurepip, ssl, venv"]
    try:
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
