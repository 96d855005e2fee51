"""One request and the head of its answer (HTTP/1.1, RFC 9112).

Not ``http.client``: its answers are read through two buffers and parsed as mail, which costs more than all
else here together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace

from dodas import __version__
from dodas.errors import SpecError, TransferError
from dodas.staging import headers
from dodas.staging.bodies import BLOCK, Body
from dodas.staging.channel import Channel
from dodas.staging.cuts import Cut
from dodas.staging.headers import Headers
from dodas.values import dataclass

ASK_FIRST = 64 << 10  # bytes; smaller bodies are sent without asking whether they are wanted
_CONSIDERATION = 1.0  # seconds that a server has to say so
_FINAL, _REFUSAL = 200, 300
_INTERIM = 20  # answers of the kind "go on" before the real one
_STATUS = re.compile(r"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: (.*))?")
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: *[^\r\n\0]*")
_COMMON = f"User-Agent: dodas/{__version__}\r\nAccept-Encoding: identity\r\n"


# Not frozen: one is made for each request, and that would take thrice as long.
@dataclass(slots=True, kw_only=True)
class Head:
    """The head of an answer.

    Attributes:
        status: Its number.
        reason: Its words.
        headers: Its fields.
        reusable: Whether the connection may be used again, once all of the answer has been read.
        ignored_question: Whether the server let us wait, though it was asked if it wants the body.
    """

    status: int
    reason: str
    headers: Headers
    reusable: bool
    ignored_question: bool = False


# Not frozen: one is made for each request, and that would take thrice as long.
@dataclass(slots=True, kw_only=True)
class Request:
    """A request as it goes over a connection.

    Attributes:
        head: From :func:`request_head`; a secret.
        body: What follows it.
        ask_first: Whether the body waits for the server's consent, which the head asks for.
    """

    head: bytes = field(repr=False)
    body: Body | None = None
    ask_first: bool = False


def exchange(channel: Channel, request: Request) -> Head:
    """Send a request over an idle connection, and read the head of the answer.

    Raises:
        Cut: The connection broke.
        TransferError: The body cannot be read.
    """
    body = request.body
    if body is None or not body.length:
        _send_first(channel, request.head)
        return _final(channel)
    if not request.ask_first:
        return _answer_after_body(channel, body, first=request.head)
    _send_first(channel, request.head)
    if not channel.has_input(_CONSIDERATION):
        return replace(_answer_after_body(channel, body), ignored_question=True)
    head = _read(channel)
    # After a refusal the server may expect the body still, or not: the connection is of no further use.
    return replace(head, reusable=False) if head.status >= _FINAL else _answer_after_body(channel, body)


def request_head(
    method: str,
    target: str,
    site: str,
    fields: Mapping[str, str],
    *,
    length: int | None,
    ask_first: bool = False,
) -> bytes:
    """Return the head of a request.

    Args:
        method: In capitals.
        target: Path and query, or all of the URL for a proxy.
        site: For ``Host``.
        fields: More header fields.
        length: Bytes of the body; ``None`` if it has none and needs none.
        ask_first: See :func:`exchange`.

    Raises:
        SpecError: A field cannot be sent.
    """
    lines = [f"{name}: {value}" for name, value in fields.items()]
    for line in lines:
        if not _FIELD.fullmatch(line):
            raise SpecError(
                f"the header {line.partition(':')[0]!r} cannot be sent: it has a line break in it"
            )
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if ask_first:
        lines.append("Expect: 100-continue")
    more = "".join(f"{line}\r\n" for line in lines)
    return f"{method} {target} HTTP/1.1\r\nHost: {site}\r\n{_COMMON}{more}\r\n".encode(
        "utf-8", "surrogateescape"
    )


def _send_first(channel: Channel, request: bytes) -> None:
    try:
        channel.send(request)
    except Cut as cut:
        # It may have said why.
        if not cut.gone or not channel.has_input():
            raise


def _answer_after_body(channel: Channel, body: Body, first: bytes = b"") -> Head:
    """Send the body, unless the answer comes first."""
    send = _send_file if _by_kernel(channel, body) else _send_blocks
    try:
        head = send(channel, body, first)
    except Cut as cut:
        # Whoever refuses a body closes the connection, but says why before; what it said may be here.
        if not cut.gone and not channel.has_input():
            raise
        try:
            head = _final(channel)
        except Cut:
            raise cut from None
    if head is None:
        return _final(channel)
    if head.status < _REFUSAL:
        raise Cut("said that it was done before it had been sent everything")
    return replace(head, reusable=False)


def _by_kernel(channel: Channel, body: Body) -> bool:
    return channel.can_send_files and body.length > BLOCK and body.file() is not None


def _send_blocks(channel: Channel, body: Body, first: bytes) -> Head | None:
    """Return the answer if it came before all was sent."""
    for block in body.blocks():
        view = block
        if first and len(block) <= ASK_FIRST:
            # One packet instead of two, where both are small; nobody answers what has not been asked.
            view = memoryview(first + block)
            view = view[channel.send_some(view) or 0 :]
        elif first:
            channel.send(first)
        first = b""
        while view:
            early = _early(channel)
            if early is not None:
                return early
            view = view[channel.send_some(view) or 0 :]
    return None


def _send_file(channel: Channel, body: Body, first: bytes) -> Head | None:
    """Return the answer if it came before all was sent."""
    if first:
        channel.send(first)
    descriptor, offset = body.file() or (-1, 0)
    end = offset + body.length
    while offset < end:
        early = _early(channel)
        if early is not None:
            return early
        count = channel.send_file(descriptor, offset, min(8 * BLOCK, end - offset))
        if count == 0:
            raise TransferError("a file became shorter while it was sent")
        offset += count or 0
    return None


def _early(channel: Channel) -> Head | None:
    """Return the answer if there is one already."""
    while channel.has_input():
        head = _read(channel)
        if head.status >= _FINAL:
            return head
    return None


def _final(channel: Channel) -> Head:
    for _ in range(_INTERIM):
        head = _read(channel)
        if head.status >= _FINAL:
            return head
    raise Cut("does not come to the point")


def _read(channel: Channel) -> Head:
    lines = channel.head().decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    found = _STATUS.fullmatch(lines[0])
    if found is None:
        raise Cut("does not speak HTTP/1.1")
    fields = headers.parse(lines[1:])
    if found[1] == "0":
        stays = fields.has("Connection", "keep-alive")
    else:
        stays = not fields.has("Connection", "close")
    return Head(status=int(found[2]), reason=(found[3] or "").strip(), headers=fields, reusable=stays)
