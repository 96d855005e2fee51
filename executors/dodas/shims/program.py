"""The files that go on PATH, called as the programs that they stand in front of."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import sys

from dodas import __version__, whole
from dodas.errors import SpecError, StoreError
from dodas.paths import data_dir

_LONGEST = 120  # the kernel cuts the first line of a script off; older ones after 127 bytes

PROGRAMS = {
    "udocker": "dodas.shims.udocker",
    "apptainer": "dodas.shims.apptainer.main",
    "singularity": "dodas.shims.apptainer.main",
}
"""Their names, and the modules with what they do."""

_TEXT = """\
# Made by `dodas env` of dodas {version} for Python {python}, and made again by it when either changes.
import sys

sys.path.append({package!r})
from {module} import main

main(sys.argv[1:])
"""


def base() -> str:
    """Return the directory of the directories that go on PATH, one for each installation of dodas."""
    return os.path.join(data_dir(), "shims")


def folder() -> str:
    """Return the directory of this installation.

    Raises:
        SpecError: It cannot be on PATH.
    """
    key = hashlib.sha256(os.fsencode(f"{sys.executable}\0{_package()}")).hexdigest()[:12]
    found = os.path.join(base(), key)
    if os.pathsep in found:
        raise SpecError(
            f"{found} has a colon and cannot be on PATH", hint="set DODAS_DATA to another directory"
        )
    return found


def make() -> str:
    """See that the programs are there, made by this dodas for this Python; return their directory.

    Raises:
        SpecError: Their directory cannot be on PATH.
        StoreError: They cannot be written.
    """
    place = folder()
    for name, module in PROGRAMS.items():
        path, text = os.path.join(place, name), _text(module)
        try:
            if _content(path) != text:
                os.makedirs(place, exist_ok=True)
                _write(path, text)
        except OSError as error:
            raise StoreError(
                f"cannot make {path}: {error.strerror}", hint="set DODAS_DATA to a directory of yours"
            ) from error
    return place


def _write(path: str, text: bytes) -> None:
    # Beside its directory, in which nothing else is ever to be seen.
    with whole.written(path, aside=f"{os.path.dirname(path)}.{os.urandom(4).hex()}") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o755)


def _text(module: str) -> bytes:
    body = _TEXT.format(
        version=__version__, python=platform.python_version(), package=_package(), module=module
    )
    return os.fsencode(_first_line() + body)


def _first_line() -> str:
    """Return what starts this Python, without the modules of others, whose search takes time.

    A path that cannot stand there goes through the shell, which sees a command where Python sees a text.
    """
    python = sys.executable
    if len(os.fsencode(python)) < _LONGEST and not any(letter.isspace() for letter in python):
        return f"#!{python} -IS\n"
    return f"#!/bin/sh\n'''exec' {shlex.quote(python)} -IS \"$0\" \"$@\"\n' '''\n"


def _package() -> str:
    """Return the directory in which dodas is found."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
