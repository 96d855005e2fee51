#!/usr/bin/env python3
"""Make the project's virtual environment and install dodas into it, editable, with what its tests need.

Works with a Python that lacks ``ensurepip``, as Debian's does without ``python3-venv``: pip then comes
from virtualenv, from that package (as root), or from Debian's pip wheel, unpacked (as anybody).

Usage: make_venv.py DIRECTORY [--extras cwl,rocrate,snakemake,htcondor] [--group dev]  (standard library only)
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
OLDEST = (3, 10)
PIP = "pip>=25.1"  # the first that knows dependency groups


class NoVenvError(Exception):
    """The environment could not be made; the text says what is missing."""


def main() -> int:
    """Make the environment, or say in one sentence why not."""
    parser = argparse.ArgumentParser(description="Make the project's virtual environment.")
    parser.add_argument("venv", type=Path)
    parser.add_argument(
        "--extras", default="cwl,rocrate,snakemake,htcondor", help="extras of dodas to install"
    )
    parser.add_argument("--group", default="dev", help="dependency group of pyproject.toml to install")
    args = parser.parse_args()
    try:
        make(args.venv, extras=args.extras, group=args.group)
    except NoVenvError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def make(venv: Path, *, extras: str, group: str) -> None:
    """Make ``venv`` and install the project, editable, with ``extras`` and a dependency group."""
    if sys.version_info < OLDEST:
        raise NoVenvError(
            f"dodas needs Python {'.'.join(map(str, OLDEST))} or newer, and {sys.executable} is "
            f"{sys.version.split()[0]}; name another with `make setup PYTHON=python3.12`"
        )
    python = venv / "bin" / "python"
    if not works(python):
        create(venv)
    say(f"installing dodas and its tools into {venv}; the first time this takes a minute or two")
    pip(python, "install", "--upgrade", PIP)
    pip(python, "install", "--editable", f".[{extras}]", "--group", group)


def works(python: Path) -> bool:
    """Tell whether ``python`` is one of this version with pip; a half-made environment is made anew."""
    probe = "import pip, sys; print(sys.version)"
    try:
        done = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == sys.version


def create(venv: Path) -> None:
    """Make the bare environment, with pip, by the first way that works here."""
    if not has_ensurepip() and shutil.which("virtualenv"):
        run("virtualenv", "--quiet", "--clear", "--python", sys.executable, venv)
        return
    if not has_ensurepip() and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"{sys.executable} lacks ensurepip; installing the package {venv_package()}")
        run("apt-get", "install", "--yes", "--no-install-recommends", "-qq", venv_package())
    if has_ensurepip():
        run(sys.executable, "-m", "venv", "--clear", venv)
    else:
        create_with_unpacked_pip(venv)


def has_ensurepip() -> bool:
    """Tell whether ``python -m venv`` can bring pip; asked afresh each time."""
    importlib.invalidate_caches()
    return importlib.util.find_spec("ensurepip") is not None


def venv_package() -> str:
    """Return the name of Debian's package with ensurepip for this Python."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def create_with_unpacked_pip(venv: Path) -> None:
    """Make the environment with the pip wheel out of Debian's ``python3-pip-whl``, for an ordinary user."""
    advice = f"install {venv_package()} or virtualenv, or name another Python: `make setup PYTHON=…`"
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NoVenvError(f"{sys.executable} can make no environment with pip; {advice}")
    say(f"{sys.executable} lacks ensurepip; unpacking pip from the package python3-pip-whl")
    run(sys.executable, "-m", "venv", "--clear", "--without-pip", venv)
    with tempfile.TemporaryDirectory(prefix="dodas-pip-") as scratch:
        unpack = [sys.executable, str(PROJECT / "tools" / "debs.py"), "unpack", "--into", scratch]
        unpack.append("python3-pip-whl")
        if subprocess.run(unpack, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            raise NoVenvError(f"the package python3-pip-whl could not be unpacked; {advice}")
        wheel = next(Path(scratch).glob("usr/share/python-wheels/pip-*.whl"))
        run(venv / "bin" / "python", wheel / "pip", "install", "--quiet", PIP)


def pip(python: Path, *arguments: str) -> None:
    """Run pip, with errors only."""
    run(python, "-m", "pip", "-qq", "--disable-pip-version-check", *arguments)


def run(*command: str | Path) -> None:
    """Run a command in the project's directory.

    Raises:
        NoVenvError: It failed; it has said why on standard error.
    """
    if subprocess.run(command, cwd=PROJECT, check=False).returncode != 0:
        raise NoVenvError(f"this failed: {' '.join(map(str, command))}")


def say(text: str) -> None:
    """Tell the user what goes on."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
