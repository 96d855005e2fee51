#!/usr/bin/env python3
"""Run the quick tests on every supported Python that this machine has.

Looks on PATH, where pyenv and uv keep theirs, and where make_python.py does; with ``--make-missing`` that
brings what it can.  Each gets an environment ``.venv-3.N`` of its own, kept for the next time.

Usage: every_python.py [--make-missing] [ARGUMENT OF PYTEST ...]        (standard library only)
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import make_python

PROJECT = Path(__file__).resolve().parent.parent
MINORS = range(10, 15)
QUICK = ("-q", "-x", "-m", "not slow and not network", "-p", "no:cacheprovider")
KEPT_BY_OTHERS = (".pyenv/versions/3.{minor}.*/bin", ".local/share/uv/python/cpython-3.{minor}.*/bin")


def main() -> int:
    """Test on each Python found; 0 when all passed, 1 when one failed or none was found."""
    parser = argparse.ArgumentParser(description="Run the quick tests on every Python.", allow_abbrev=False)
    parser.add_argument("--make-missing", action="store_true", help="bring the Pythons that are not here")
    args, for_pytest = parser.parse_known_args()
    found = {
        minor: python for minor in MINORS if (python := find(minor, bring=args.make_missing)) is not None
    }
    verdicts = {f"3.{minor}": passes(minor, python, for_pytest) for minor, python in found.items()}
    for version, passed in verdicts.items():
        print(f"Python {version:<5} {'passed' if passed else 'FAILED'}")
    absent = [f"3.{minor}" for minor in MINORS if minor not in found]
    if absent:
        print(f"not on this machine: {', '.join(absent)}")
    return 0 if verdicts and all(verdicts.values()) else 1


def find(minor: int, *, bring: bool) -> Path | None:
    """Return a Python 3.``minor`` that works, or nothing; the shims of pyenv are there and may not work."""
    name = f"python3.{minor}"
    candidates = [Path(path) for path in [shutil.which(name)] if path]
    for pattern in KEPT_BY_OTHERS:
        candidates += sorted(Path.home().glob(f"{pattern.format(minor=minor)}/{name}"))
    candidates.append(make_python.program(minor))
    here = next((path for path in candidates if make_python.works(path)), None)
    return made(minor) if here is None and bring else here


def made(minor: int) -> Path | None:
    """Return a Python 3.``minor`` that was not here and now is; or nothing, having said why."""
    try:
        return make_python.make(minor)
    except make_python.NoPythonError as error:
        print(f"warning: {error}", file=sys.stderr)
        return None


def passes(minor: int, python: Path, arguments: list[str]) -> bool:
    """Make the environment for ``python``, run the quick tests in it, tell whether they passed."""
    venv = PROJECT / f".venv-3.{minor}"
    print(f"== Python 3.{minor}: {python}", flush=True)
    make_venv = [str(python), str(PROJECT / "tools" / "make_venv.py"), str(venv), "--group", "tests"]
    made = subprocess.run(make_venv, cwd=PROJECT, check=False)
    if made.returncode != 0:
        return False
    path = os.pathsep.join([str(venv / "bin"), os.environ.get("PATH", os.defpath)])
    command = [str(venv / "bin" / "python"), "-m", "pytest", *QUICK, *arguments]
    return subprocess.run(command, cwd=PROJECT, env={**os.environ, "PATH": path}, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
