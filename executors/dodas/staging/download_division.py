"""Whether a download can be divided among several connections and copies, and how a piece is asked for."""

from __future__ import annotations

from dodas.errors import DodasError, StorageUnreachable
from dodas.staging import replicas, urls
from dodas.staging.download_answer import understand
from dodas.staging.download_state import State
from dodas.staging.ranges import Ranges
from dodas.staging.response import Response
from dodas.staging.urls import Url


def fetch_rest(state: State, response: Response, size: int) -> bool:
    """Fetch the rest of a file over several connections, if the server lets us; return whether it does.

    Args:
        state: The download, with what is there.
        response: Brings what follows.
        size: Bytes of the whole file.

    Raises:
        DodasError: It did not come to the end.
    """
    if not _can_be_divided(state, response.url, size):
        return False

    def ask(source: Url, start: int, end: int) -> Response:
        return _piece(state, source, start, end)

    ranges = Ranges(state.part, state.hasher, state.progress, ask, size)
    copies = _copies(state, response.url)
    state.mixed = state.mixed or len(copies) > 1
    ranges.run(response, copies, state.session.settings.streams)
    return True


def _can_be_divided(state: State, url: Url, size: int) -> bool:
    """Tell whether a server gives the last byte alone, and of the same file."""
    if not state.can_be_told:
        return False
    try:
        with _piece(state, url, size - 1, size):
            return True
    except DodasError:
        return False


def _copies(state: State, url: Url) -> list[Url]:
    """Return where pieces can come from: other copies too if it can be told that they are the same."""
    several = bool(state.wanted) and not state.alone
    found = replicas.others(state.session, state.url) if several else None
    others = replicas.ordered(state.session, found.replicas) if found else ()
    places = [urls.parse(one.url) for one in others]
    return [url, *(one for one in places if one != url and not state.session.manners.is_dead(one))]


def _piece(state: State, source: Url, start: int, end: int) -> Response:
    """Ask a copy for a piece; see `dodas.staging.ranges.Ask`."""
    memo = state.part.memo
    headers = {"Range": f"bytes={start}-{end - 1}"}
    if memo and memo.etag and memo.endpoint == source.redacted.partition("?")[0]:
        headers["If-Range"] = memo.etag
    ask = state.session.exchange.ask
    response = ask("GET", source, headers=headers, origin=state.url, ok=(200, 206), retry=False)
    if response.status == 206 and state.continues(response, understand(response), start):
        return response
    response.close()
    raise StorageUnreachable(f"{response.endpoint} does not have the rest of {state.url.redacted}")
