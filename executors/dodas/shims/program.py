"""The file called ``udocker`` that goes on PATH."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import sys

from dodas import __version__
from dodas.errors import SpecError, StoreError
from dodas.paths import data_dir

_LONGEST = 120  # the kernel cuts the first line of a script off; older ones after 127 bytes

_TEXT = """\
# Made by `dodas env` of dodas {version} for Python {python}, and made again by it when either changes.
import sys

sys.path.append({package!r})
from dodas.shims.udocker import main

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
    """See that the program is there, made by this dodas for this Python; return its directory.

    Raises:
        SpecError: Its directory cannot be on PATH.
        StoreError: It cannot be written.
    """
    place = folder()
    text = _text()
    try:
        if _content(os.path.join(place, "udocker")) != text:
            os.makedirs(place, exist_ok=True)
            _write(place, text)
    except OSError as error:
        raise StoreError(
            f"cannot make {place}/udocker: {error.strerror}", hint="set DODAS_DATA to a directory of yours"
        ) from error
    return place


def _write(place: str, text: bytes) -> None:
    # Beside its directory, in which nothing else is ever to be seen.
    fresh = f"{place}.{os.urandom(4).hex()}"
    with open(fresh, "xb") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o755)
    os.rename(fresh, os.path.join(place, "udocker"))


def _text() -> bytes:
    body = _TEXT.format(version=__version__, python=platform.python_version(), package=_package())
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
