"""Whether what has been downloaded is the file."""

from __future__ import annotations

from collections.abc import Iterable

from dodas.errors import DodasError
from dodas.staging import checksums
from dodas.staging.asking import ask_with_digest
from dodas.staging.checksums import ALGORITHMS, Hasher
from dodas.staging.digests import told_by
from dodas.staging.download_answer import refuse_page, without_query
from dodas.staging.drafts import Held
from dodas.staging.manners import Manner
from dodas.staging.parts import Part
from dodas.staging.response import Response
from dodas.staging.servers import is_xrootd
from dodas.staging.session import Session
from dodas.staging.urls import Url
from dodas.staging.values import Checksum, Expected, Received

_SMALL = 1 << 20
_USUAL = ("adler32",)


def algorithms(expected: Expected, more: Iterable[Checksum] = ()) -> tuple[str, ...]:
    """Return what to compute: what is expected, as far as we can, and one that costs next to nothing."""
    names = [one.algorithm for one in (*expected.checksums, *more)]
    if not names:
        return _USUAL
    return tuple(dict.fromkeys(name for name in (*names, *_USUAL) if name in ALGORITHMS))


def checked(
    session: Session,
    url: Url,
    response: Response,
    *,
    part: Part | Held,
    hasher: Hasher,
    expected: Expected,
    size: int,
) -> Received:
    """Compare what has come with what is known of it, and with what the endpoint says if that is nothing.

    Args:
        session: Asks the endpoint.
        url: What the user asked for.
        response: The answer that brought the end of it.
        part: What has come.
        hasher: Has seen all of it.
        expected: What is known.
        size: Bytes that have come.

    Raises:
        Corrupt: It is not the file.
    """
    endpoint = without_query(response)
    if session.settings.verify and not any(one.algorithm in ALGORITHMS for one in expected.checksums):
        told = _told(session, url, response, size)
        expected = Expected(size=expected.size, checksums=(*expected.checksums, *told))
    if not expected.checksums and is_xrootd(response.headers):
        # It lists a directory without saying that it does.
        refuse_page(session, url, response.url, size)
    found = hasher.digests()
    missing = set(algorithms(expected)) - {one.algorithm for one in found}
    if missing:
        more = Hasher(missing)
        part.hash(more, size)
        found += more.digests()
    verified = checksums.verify(f"what {endpoint} sent", expected, size, found)
    return Received(path=part.target, url=endpoint, size=size, checksums=found, verified=verified)


def _told(session: Session, url: Url, response: Response, size: int) -> tuple[Checksum, ...]:
    """Ask the endpoint for a checksum that it did not send along."""
    if size < _SMALL and session.manners.known(response.url, Manner.DIGESTS) is False:
        return ()
    try:
        with ask_with_digest(session, "HEAD", response.url, origin=url, algorithms=ALGORITHMS[:3]) as answer:
            found = told_by(answer.headers)
    except DodasError:
        return ()  # signed for GET alone, perhaps; the size has been compared
    if found or not is_xrootd(response.headers):  # which has none of directories
        session.manners.learn(response.url, Manner.DIGESTS, bool(found))
    return found
