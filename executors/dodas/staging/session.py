"""What every transfer needs: the way to the servers, what the user has set, and what has been learned."""

from __future__ import annotations

from dodas.errors import Corrupt, DodasError, NotAllowed, NotThere, StorageUnreachable
from dodas.staging.cuts import Distrust
from dodas.staging.exchange import Exchange
from dodas.staging.manners import Manner, Manners
from dodas.staging.settings import Settings
from dodas.staging.urls import Url
from dodas.values import dataclass

# Failures of one server, after which another may do better.
ELSEWHERE = (NotThere, NotAllowed, Corrupt, StorageUnreachable, Distrust)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What the transfers of one `Storage` share.

    Attributes:
        exchange: Asks servers.
        settings: The user's.
        manners: What has been learned of servers.
    """

    exchange: Exchange
    settings: Settings
    manners: Manners

    def failed(self, error: DodasError) -> None:
        """Remember a server that does not answer."""
        where = endpoint_of(error)
        if where is not None and isinstance(error, StorageUnreachable):
            self.manners.learn(where, Manner.DEAD, True)


def as_dav(url: Url) -> Url:
    """Return the same in the spelling that says that its server speaks WebDAV, whatever the user wrote."""
    scheme = "davs" if url.secure else "dav"
    return Url(scheme=scheme, host=url.host, port=url.port, path=url.path, query=url.query)


def endpoint_of(error: BaseException) -> Url | None:
    """Return the server that an error came from; ``None`` if it is not known."""
    where = getattr(error, "endpoint", None)
    return where if isinstance(where, Url) else None
