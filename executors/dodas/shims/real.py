"""The programs behind our own: udocker, and what else `dodas env` puts in front."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # without typing, which takes longer to import than all of this to run
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import NoReturn

MARK = b"dodas.shims"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


def become(words: list[str], environ: Mapping[str, str]) -> NoReturn:
    """Become udocker, with the same arguments, streams and environment, or say that there is none.

    Args:
        words: Its arguments.
        environ: Its environment; if that says where dodas has its store and not where udocker has one, it is
            the same.
    """
    environment = dict(environ)
    if environ.get("DODAS_STORE") and not environ.get("UDOCKER_DIR"):
        environment["UDOCKER_DIR"] = environ["DODAS_STORE"]
    program = command(environ)
    if not program:
        print("Error: dodas' udocker passes this on to udocker itself, which is not on PATH", file=sys.stderr)
        print("  hint: install it with: pip install udocker", file=sys.stderr)
        sys.exit(_NOT_FOUND)
    execute([*program, *words], environment)


def execute(command: list[str], environ: Mapping[str, str]) -> NoReturn:
    """Become a command, with our streams, or say why that cannot be."""
    try:
        os.execve(command[0], command, environ)  # noqa: S606
    except OSError as error:
        print(f"Error: {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(_NOT_EXECUTABLE)


def command(environ: Mapping[str, str]) -> list[str]:
    """Return how to start udocker, from PATH, beside this Python, or as its module; empty if it is absent."""
    found = behind(("udocker",), (*folders(environ), os.path.dirname(sys.executable)))
    if found:
        return [found]
    from importlib.util import find_spec  # noqa: PLC0415 - seldom needed

    add_site_packages()
    return [sys.executable, "-I", "-m", "udocker.maincmd"] if find_spec("udocker") else []


def folders(environ: Mapping[str, str]) -> list[str]:
    """Return the directories of PATH."""
    return environ.get("PATH", os.defpath).split(os.pathsep)


def behind(names: Iterable[str], places: Iterable[str]) -> str:
    """Return a program of these names, the first rather, that is not ours; empty if there is none."""
    for path in (os.path.join(place or ".", name) for name in names for place in places):
        if os.path.isfile(path) and os.access(path, os.X_OK) and not is_ours(path):
            return path
    return ""


def is_ours(path: str) -> bool:
    """Return whether a program is one that `dodas env` made, of this dodas or of another one."""
    try:
        with open(path, "rb") as file:
            return MARK in file.read(1000)
    except OSError:
        return False


def add_site_packages() -> None:
    """Make what is installed beside dodas importable, which the program left out because it takes time."""
    if sys.flags.no_site:
        import site  # noqa: PLC0415 - that is what was left out

        site.main()
