"""The user's credentials for storage as files beside the jobs that need them, renewed while dodas lives.

Only what ends by itself leaves this machine: tokens and proxies, no keys of long life and no refresh tokens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from dodas.auth.credentials import Credentials
from dodas.containers.removal import remove_tree
from dodas.errors import TransferError
from dodas.node.papers import AUTHORITIES, PROXY, TOKEN, VARIABLES, write

_EVERY = 30.0  # seconds


class Papers:
    """A directory of credentials that is made when the first job needs it.

    Args:
        folder: The directory.
        make: Finds the user's credentials.
    """

    def __init__(self, folder: str, make: Callable[[], Credentials] = Credentials.from_environment) -> None:
        self.folder = folder
        self._make = make
        self._credentials: Credentials | None = None
        self._due = 0.0

    def link(self, into: str) -> None:
        """Let what there is travel with a job: links, which HTCondor follows when the job starts.

        Raises:
            NotAllowed: What the user names is useless, or others can read it.
            OSError: The disk does not take it.
        """
        self.open()
        for name in VARIABLES:
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                os.symlink(path, os.path.join(into, name))

    def open(self) -> None:
        """Have the credentials there.

        Raises:
            NotAllowed: What the user names is useless, or others can read it.
            OSError: The disk does not take it.
        """
        if self._credentials is None:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            self._credentials = self._make()
            self._due = 0.0
        if time.monotonic() >= self._due:
            self._refresh(self._credentials)

    def renew(self) -> None:
        """Write down what is newer than what was written, if it is time to look and jobs need it."""
        if self._credentials is not None and time.monotonic() >= self._due:
            with suppress(TransferError, OSError):  # what was written may still do
                self._refresh(self._credentials)

    def remove(self) -> None:
        """Remove them from the disk."""
        with suppress(OSError):
            remove_tree(self.folder)
        self._credentials = None

    def _refresh(self, credentials: Credentials) -> None:
        self._due = time.monotonic() + _EVERY
        found = dict(_contents(credentials))
        for name in VARIABLES:
            path = os.path.join(self.folder, name)
            if name not in found:
                with suppress(FileNotFoundError):
                    os.unlink(path)
            elif found[name] != _read(path):
                write(path, found[name])


def _contents(credentials: Credentials) -> Iterator[tuple[str, bytes]]:
    token = credentials.token()
    if token is not None:
        yield TOKEN, token.value.encode()
    certificate = credentials.certificate()
    if certificate is not None and certificate.path == certificate.key:
        yield PROXY, _read(certificate.path)
    named = os.environ.get(VARIABLES[AUTHORITIES])
    if named:
        yield AUTHORITIES, _read(named)


def _read(path: str) -> bytes:
    with suppress(FileNotFoundError), open(path, "rb") as file:
        return file.read()
    return b""
