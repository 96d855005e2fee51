"""What goes wrong between two machines, before it is known what that means for a request."""

from __future__ import annotations

import socket
import ssl

from dodas.errors import TransferError
from dodas.staging.urls import Url


class Cut(Exception):
    """A connection did not come about, broke, or fell silent.

    Attributes:
        reason: Words that follow the name of the server.
        begun: Whether the server may have begun to do what it was asked.
        gone: Whether the server has closed the connection.
        url: What was asked for, once that is known.
    """

    def __init__(self, reason: str, *, begun: bool = True, gone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.begun = begun
        self.gone = gone
        self.url: Url | None = None


class Distrust(TransferError):
    """The server is not the one that it says, or nobody whom the user believes says so."""


def closed(when: str = "") -> Cut:
    """Return that the server has closed the connection."""
    return Cut(f"closed the connection{when}", gone=True)


def cut_of(error: OSError) -> Cut:
    """Return what an error of a socket means."""
    if isinstance(error, (socket.timeout, BlockingIOError)):
        return Cut("fell silent")
    if isinstance(error, (ConnectionError, ssl.SSLEOFError)):
        return closed()
    if isinstance(error, ssl.SSLError):
        reason = error.reason or str(error)
        # Older Pythons have no class for the end without a farewell.
        return closed() if "EOF" in reason else Cut(f"does not do TLS as we do ({reason})", gone=True)
    return Cut(f"lost the connection ({error.strerror or error})")
