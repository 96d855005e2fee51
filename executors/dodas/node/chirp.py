"""Speaks with the submit side through HTCondor's Chirp, from inside a job.

The starter of a job whose ad has ``WantIOProxy`` listens on a socket; a file says where, and the cookie.
Requests are lines, answers a number in a line, followed by that many bytes where a request reads
(https://htcondor.readthedocs.io/en/latest/man-pages/condor_chirp.html, ``src/condor_chirp/PROTOCOL``).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress

from dodas.errors import TransferError

_PIECE = 1 << 20
_SILENCE = 300.0  # seconds; a busy submit side may be slow
_LONGEST_LINE = 1024
_LONGEST_PATH = 1000  # the other side has lines of 1024 bytes (CHIRP_LINE_MAX)
_PROBLEMS = {
    -1: "the job is not allowed to",
    -2: "the job is not allowed to",
    -3: "it is not there",
    -5: "it is too large",
    -7: "the submit side is short of memory",
    -8: "the request was not understood",
}


class Chirp:
    """A connection to the submit side; a context manager.

    Args:
        config: The file that says where the starter listens.

    Raises:
        TransferError: There is no way to the submit side.
    """

    def __init__(self, config: str) -> None:
        try:
            with open(config, encoding="ascii") as file:
                host, port, cookie = file.read().split()
            self._socket = socket.create_connection((host, int(port)), timeout=_SILENCE)
        except (OSError, ValueError) as error:
            raise TransferError(f"the submit side cannot be reached through HTCondor: {error}") from error
        self._buffer = bytearray()
        self._ask(b"cookie", cookie.encode(), what="speak to the submit side")

    def __enter__(self) -> Chirp:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.close()

    def read(self, path: str) -> Iterator[bytes]:
        """Yield the content of a file of the submit side in pieces.

        Raises:
            TransferError: It cannot be read.
        """
        what = f"read {path} on the submit side"
        word = _quoted(os.fsencode(path))
        if len(word) > _LONGEST_PATH:
            raise TransferError(f"cannot {what} through HTCondor: the path is too long")
        number = b"%d" % self._ask(b"open", word, b"r", b"0", what=what)
        self._line(what)  # what stat(2) says of the file
        try:
            while length := self._ask(b"read", number, b"%d" % _PIECE, what=what):
                yield self._take(length, what)
        finally:
            with suppress(TransferError):
                self._ask(b"close", number, what=what)

    def set_attribute(self, name: str, expression: str) -> None:
        """Set an attribute of the job's ad, which a later start of the job will see.

        Raises:
            TransferError: It cannot be set.
        """
        what = f"set {name} in the job's ad"
        self._ask(b"set_job_attr", _quoted(name.encode()), _quoted(expression.encode()), what=what)

    def note(self, text: str) -> None:
        """Write an event with one line of text into the job's event log.

        Raises:
            TransferError: It cannot be written.
        """
        self._ask(b"ulog", _quoted(text.encode()), what="write into the event log")

    def _ask(self, *words: bytes, what: str) -> int:
        try:
            self._socket.sendall(b" ".join(words) + b"\n")
            answer = int(self._line(what))
        except (OSError, ValueError) as error:
            raise TransferError(f"cannot {what} through HTCondor: {error}") from error
        if answer < 0:
            problem = _PROBLEMS.get(answer, f"Chirp answers {answer}")
            raise TransferError(f"cannot {what} through HTCondor: {problem}")
        return answer

    def _line(self, what: str) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_LINE:
                raise TransferError(f"cannot {what} through HTCondor: the answer makes no sense")
            self._more(what)
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = bytearray(rest)
        return bytes(line)

    def _take(self, length: int, what: str) -> bytes:
        while len(self._buffer) < length:
            self._more(what)
        piece = bytes(self._buffer[:length])
        del self._buffer[:length]
        return piece

    def _more(self, what: str) -> None:
        try:
            received = self._socket.recv(_PIECE)
        except OSError as error:
            raise TransferError(f"cannot {what} through HTCondor: {error}") from error
        if not received:
            raise TransferError(f"cannot {what} through HTCondor: the connection broke off")
        self._buffer += received


def _quoted(path: bytes) -> bytes:
    """Return a path as one word: blanks, quotes and backslashes get a backslash before them."""
    quoted = bytearray()
    for byte in path:
        if byte in b" \t\n\\\"'":
            quoted += b"\\"
        quoted.append(byte)
    return bytes(quoted)
