"""What can go wrong with an answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Fault:
    """One thing that goes wrong with requests that match.  Without more, the real answer is passed on.

    Attributes:
        method: Of the requests; empty for any.
        path: Part of the path as it is sent; empty for any.
        times: How often it happens; ``None`` for ever.
        skip: How many requests that match are spared before.
        status: Answered without asking the real server; ``None`` to ask it.
        headers: Answered with that, or in place of what the real server says.
        body: Answered with that, instead of what the real server says; ``None`` for its own.
        without: Names of headers that are left out.
        length: The Content-Length that is claimed.
        cut_after: After so many bytes of the body, of either direction, the connection is cut.
        cut_request: ``cut_after`` is about the body that the client sends.
        flip: A bit of this byte of the body is flipped.
        chunked: The body is sent in chunks; with ``cut_after`` the last ones are missing.
        hang_after: After so many bytes of the body nothing more comes until ``gate`` opens.
        lose_answer: The real server does it, but the connection is cut instead of an answer.
        no_continue: The body is awaited, but not asked for, when the client expects that.
        early: The answer is sent before the body of the request is read, which is then thrown away.
        raw: Sent as it is, instead of an answer.
        gate: Opened, what hangs goes on.
        happened: How often it did.
    """

    method: str = ""
    path: str = ""
    times: int | None = None
    skip: int = 0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    without: tuple[str, ...] = ()
    length: int | None = None
    cut_after: int | None = None
    cut_request: bool = False
    flip: int | None = None
    chunked: bool = False
    hang_after: int | None = None
    lose_answer: bool = False
    no_continue: bool = False
    early: bool = False
    raw: bytes | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    happened: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Tell whether it happens to a request, and count."""
        if self.method not in {"", method} or self.path not in path:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.happened >= self.times:
            return False
        self.happened += 1
        return True


HONEST = Fault()
