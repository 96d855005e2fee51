"""Where the copies of a file are, the best first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dodas.errors import DodasError, SpecError, TransferError
from dodas.staging import hosts, urls, weblinks
from dodas.staging.manners import Manner
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.urls import Url
from dodas.staging.values import Replica

if TYPE_CHECKING:
    from dodas.staging.metalink import Metalink

ACCEPT = "application/metalink4+xml, application/metalink+xml;q=0.9"
_REDIRECTS = (301, 302, 303, 307, 308)


def metalink_of(session: Session, url: Url) -> Metalink | None:
    """Return what the federation behind ``url`` tells of the copies; ``None`` if it does not do that.

    Raises:
        TransferError: It does not answer, or says that there is no such file.
    """
    if session.manners.known(url, Manner.METALINK) is False:
        return None
    ask = session.exchange.ask
    headers = {"Accept": ACCEPT}
    with ask("HEAD", url, headers=headers, ok=(200, *_REDIRECTS), follow=False, retry=False) as response:
        where = _metalink_url(url, response)
    if where is not None or not session.manners.known(url, Manner.METALINK):
        session.manners.learn(url, Manner.METALINK, where is not None)
    if where is None:
        return None
    with ask("GET", where, headers=headers, origin=url, retry=False) as response:
        from dodas.staging import metalink  # noqa: PLC0415 - reads XML, which most never need

        return metalink.read(response, where)


def ordered(session: Session, replicas: Iterable[Replica]) -> tuple[Replica, ...]:
    """Return replicas in the order to try them: living ones first, then as user and storage prefer."""
    prefer = session.settings.prefer

    def rank(replica: Replica) -> tuple[bool, int, int]:
        url = urls.parse(replica.url)
        places = [at for at, pattern in enumerate(prefer) if _is_meant(pattern, url, replica.location)]
        return session.manners.is_dead(url), min(places, default=len(prefer)), replica.priority

    return tuple(sorted(_usable(replicas), key=rank))


def locate(session: Session, url: Url) -> tuple[Replica, ...]:
    """Return all copies of ``url``; it alone where there is no federation that knows of others."""
    found = metalink_of(session, url)
    if found is not None and found.replicas:
        return ordered(session, found.replicas)
    with session.exchange.ask("HEAD", url) as response:
        return (Replica(url=response.url.wire),)


def others(session: Session, url: Url) -> Metalink | None:
    """Return what is known of the copies of ``url``, after one has failed; never fails itself."""
    try:
        return metalink_of(session, url)
    except DodasError:
        return None


def _metalink_url(url: Url, response: Response) -> Url | None:
    link = weblinks.described_by(response.headers)
    if link:
        try:
            return urls.redirected(url, link)
        except SpecError:
            return None
    kind = response.headers.get("content-type") or ""
    return url if kind.startswith("application/metalink") else None


def _usable(replicas: Iterable[Replica]) -> Iterable[Replica]:
    for replica in replicas:
        try:
            urls.parse(replica.url)
        except (SpecError, TransferError):
            continue
        yield replica


def _is_meant(pattern: str, url: Url, location: str) -> bool:
    return pattern.lower() == location.lower() or (
        hosts.is_pattern(pattern) and hosts.matches(pattern.lower(), url)
    )
