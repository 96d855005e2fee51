"""One server copies from another, or to it, and tells how it gets on (HTTP-TPC).

The status of the answer says nothing: it comes before the first byte is copied.  The last line does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dodas.errors import StorageUnreachable, TransferError
from dodas.staging.manners import Manner
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.urls import Url, redacted
from dodas.staging.values import OnProgress
from dodas.values import dataclass

_STARTED = (200, 201, 202, 204)
_NOT_DONE_HERE = (400, 405, 501)
_LONGEST_LINE = 8192
_NUMBER = re.compile(r"(Stripe Index|Stripe Bytes Transferred):\s*([0-9]{1,19})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One copy.

    Attributes:
        active: Who is asked to do it.
        passive: The other one.
        origin: What the user named, of ``active``.
        other: What the user named, of ``passive``.
        pull: Whether ``active`` fetches.
        total: Bytes of the file, if known.
        within: Whether both are one server, which copies before it answers, as WebDAV has it.
    """

    active: Url
    passive: Url
    origin: Url
    other: Url
    pull: bool
    total: int | None
    within: bool = False


def perform(session: Session, copy: Copy, progress: OnProgress) -> bool:
    """Have it done; return whether the server does such a thing at all.

    Raises:
        TransferError: It did not succeed; something may be left.
    """
    if not copy.within and session.manners.known(copy.active, Manner.COPIES) is False:
        return False
    headers = {
        "Source" if copy.pull else "Destination": copy.passive.wire,
        "Overwrite": "T",  # nobody else has the name that it is copied to
        "Credential": "none",
        "X-Number-Of-Streams": "1",
    }
    token = session.exchange.token_for(copy.passive, asked=copy.other)
    if token is not None:
        headers["TransferHeaderAuthorization"] = f"Bearer {token.value}"
    ok = (*_STARTED, *_NOT_DONE_HERE)
    with session.exchange.ask("COPY", copy.active, headers=headers, origin=copy.origin, ok=ok) as response:
        does = response.status in _STARTED
        if copy.within:
            response.drain()
            return does
        if does:
            _attend(response, copy, progress)
    session.manners.learn(copy.active, Manner.COPIES, does)
    return does


def _attend(response: Response, copy: Copy, progress: OnProgress) -> None:
    """Follow what the server tells until it has told the end."""
    stripes: dict[int, int] = {}
    stripe, verdict = 0, ""
    for line in _lines(response):
        found = _NUMBER.match(line)
        if found and found[1] == "Stripe Index":
            stripe = int(found[2])
        elif found:
            stripes[stripe] = max(stripes.get(stripe, 0), int(found[2]))
            progress(sum(stripes.values()), copy.total)
        if line:
            verdict = line
    if verdict.lower().startswith("success"):
        return
    words = redacted(verdict.partition(":")[2].strip())[:300]
    problem = f"{copy.active.authority} did not copy {copy.passive.redacted}"
    if not verdict.lower().startswith(("failure", "failed", "aborted")):
        raise StorageUnreachable(f"{problem}: it did not say how it ended")
    raise TransferError(f"{problem}: {words or 'it does not say why'}")


def _lines(response: Response) -> Iterator[str]:
    """Yield the lines of an answer as they come, without the blanks around them."""
    rest = b""
    buffer = memoryview(bytearray(4096))
    while count := response.readinto(buffer):
        *lines, rest = (rest + bytes(buffer[:count])).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").strip()
        if len(rest) > _LONGEST_LINE:
            raise StorageUnreachable(f"{response.endpoint} tells what nobody understands")
    yield rest.decode("utf-8", "replace").strip()
