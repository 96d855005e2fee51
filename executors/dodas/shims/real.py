"""The udocker behind our own."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # without typing, which takes longer to import than all of this to run
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import NoReturn

MARK = b"dodas.shims"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


def become(words: list[str], environ: Mapping[str, str]) -> NoReturn:
    """Become it, with the same arguments, streams and environment, or say that there is none.

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
    try:
        os.execve(program[0], [*program, *words], environment)  # noqa: S606
    except OSError as error:
        print(f"Error: {program[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(_NOT_EXECUTABLE)


def command(environ: Mapping[str, str]) -> list[str]:
    """Return how to start it: from PATH, from beside this Python, as its module; empty if it is not there."""
    for path in _candidates(environ.get("PATH", os.defpath)):
        if os.path.isfile(path) and os.access(path, os.X_OK) and not is_ours(path):
            return [path]
    from importlib.util import find_spec  # noqa: PLC0415 - seldom needed

    add_site_packages()
    return [sys.executable, "-I", "-m", "udocker.maincmd"] if find_spec("udocker") else []


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


def _candidates(path: str) -> Iterator[str]:
    for folder in path.split(os.pathsep):
        yield os.path.join(folder or ".", "udocker")
    yield os.path.join(os.path.dirname(sys.executable), "udocker")
