"""The user's credentials for storage on a node: files that travelled with the job, renewed while it runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from dodas import whole
from dodas.errors import TransferError

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

TOKEN, PROXY, AUTHORITIES = "token", "proxy", "authorities"
# The variable that names each of them to whoever looks for credentials.
VARIABLES = {TOKEN: "BEARER_TOKEN_FILE", PROXY: "X509_USER_PROXY", AUTHORITIES: "SSL_CERT_FILE"}
_EVERY = 60.0  # seconds; a token that is taken from there has been renewed before it would end


def environment(folder: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return ``environ`` with the variables for those credentials that are in ``folder``."""
    files = {variable: os.path.join(folder, name) for name, variable in VARIABLES.items()}
    return {**environ, **{name: path for name, path in files.items() if os.path.exists(path)}}


def storage(folder: str) -> Storage:
    """Return a client that shows the credentials in ``folder``, or those of the node where there are none.

    Raises:
        SpecError: A variable of the environment has an impossible value.
    """
    from dodas.auth.credentials import Credentials  # noqa: PLC0415 - not needed without URLs
    from dodas.staging.settings import Settings  # noqa: PLC0415
    from dodas.staging.storage import Storage  # noqa: PLC0415

    return Storage(Settings.from_environment(), Credentials.from_environment(environment(folder, os.environ)))


def write(path: str, content: bytes) -> None:
    """Write a credential so that it is never seen in part, and only by its owner.

    Raises:
        OSError: The disk does not take it.
    """
    whole.write(path, content)


class Renewal:
    """Asks the submit side for newer credentials, now and then, when it is called.

    Args:
        read: Returns the content of a file of the submit side.
        there: The directory with the credentials there.
        here: The directory with those that came along.
    """

    def __init__(self, read: Callable[[str], bytes], there: str, here: str) -> None:
        self._read = read
        self._there = there
        self._here = here
        self._mutex = threading.Lock()
        self._due = time.monotonic() + _EVERY

    def __call__(self) -> None:
        """Renew what came along, if it is time to; if the submit side does not answer, it stays as it is."""
        with self._mutex:
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + _EVERY
            for name in (TOKEN, PROXY):
                path = os.path.join(self._here, name)
                if os.path.exists(path):
                    with suppress(TransferError, OSError):
                        write(path, self._read(os.path.join(self._there, name)))


def by_chirp(config: str) -> Callable[[str], bytes]:
    """Return a function that reads files of the submit side through HTCondor.

    Args:
        config: File that says how to reach it.
    """

    def read(path: str) -> bytes:
        from dodas.node.chirp import Chirp  # noqa: PLC0415 - seldom needed

        with Chirp(config) as chirp:
            return b"".join(chirp.read(path))

    return read
