"""The file in which ``udocker login`` and ``dodas image login`` keep passwords.

udocker's format, read and written so that a login with either serves both: JSON, one entry per address of a
registry (``https://quay.io``), ``auth`` being ``user:password`` in base64.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from typing import Any

from dodas import whole
from dodas.errors import SpecError


def keystore_path() -> str:
    """Return where the file is: ``$UDOCKER_KEYSTORE``, else ``~/.udocker/keystore`` (never in the store)."""
    return os.path.join(
        os.path.expanduser("~/.udocker"), os.environ.get("UDOCKER_KEYSTORE", "") or "keystore"
    )


def read_json(path: str) -> dict[str, Any]:
    """Return the object in a file of credentials; empty when there is no such file.

    Raises:
        SpecError: It cannot be read, or is not JSON.  Its content is not told.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SpecError(
            f"cannot read the credentials in {path}: {error.strerror}", hint="check who may read that file"
        ) from error
    except ValueError:
        content = None
    if not isinstance(content, dict):
        # Without `from`: the text of a JSON error may quote what is in the file.
        raise SpecError(
            f"the credentials in {path} are damaged", hint="repair or remove that file, then log in again"
        ) from None
    return content


def decode(auth: object) -> tuple[str, str] | None:
    """Return user and password of an ``auth`` field, ``None`` when it holds none."""
    try:
        user, colon, password = base64.b64decode(str(auth), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    # Docker pads the field with NULs when a helper holds the password.
    return (user, password.strip("\0")) if colon else None


def encode(user: str, password: str) -> str:
    """Return the ``auth`` field for a user and a password."""
    return base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def remember(address: str, user: str, password: str) -> str:
    """Keep a password for the registry at ``address``; returns the file, which only its owner can read."""
    with _changed() as entries:
        entries[address] = {"auth": encode(user, password), "email": ""}
    return keystore_path()


def forget(*addresses: str) -> bool:
    """Remove what is kept for a registry under any of its addresses; returns whether there was something."""
    with _changed() as entries:
        found = [entries.pop(address, None) for address in addresses]
    return any(entry is not None for entry in found)


@contextlib.contextmanager
def _changed() -> Iterator[dict[str, Any]]:
    """Yield the entries and write them back, whole or not at all, alone on the file."""
    path = os.path.realpath(keystore_path())
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    gate = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        entries = read_json(path)
        before = json.dumps(entries)
        yield entries
        if json.dumps(entries) != before:
            # Their owner's alone: udocker refuses a keystore that others can read.
            whole.write(path, json.dumps(entries), lasting=True)
    finally:
        os.close(gate)
