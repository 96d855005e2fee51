"""A file from storage to this disk: from wherever there is a copy, complete and verified or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from dodas.errors import Corrupt, StorageUnreachable
from dodas.staging import replicas, urls
from dodas.staging.checksums import compare
from dodas.staging.download_answer import Answer, refuse_what_is_no_file, understand
from dodas.staging.download_check import checked
from dodas.staging.download_division import fetch_rest
from dodas.staging.download_state import State
from dodas.staging.drafts import Draft
from dodas.staging.failures import Failures
from dodas.staging.ranges import Haste
from dodas.staging.receiving import receive
from dodas.staging.response import Response
from dodas.staging.session import ELSEWHERE, Session
from dodas.staging.urls import Url
from dodas.staging.values import Expected, OnProgress, Received

_GAIN = 1 << 20  # bytes, or a part of the file, for which it is worth asking the same server again
_GAINS = 64


def download(
    session: Session,
    url: Url,
    path: str,
    *,
    expected: Expected,
    overwrite: bool,
    resume: bool,
    progress: OnProgress,
    modified: float | None = None,
) -> Received:
    """See `dodas.staging.storage.Storage.download`."""
    with Draft(path, overwrite=overwrite, resume=resume) as draft:
        received = _from_anywhere(State(session, url, draft, expected, progress))
        draft.part.admit(overwrite=overwrite, modified=modified)
    return received


def _from_anywhere(state: State) -> Received:
    """Fetch it, from one copy after the other, until it is complete and right."""
    failures = Failures(state.session.settings)
    while True:
        for source in _sources(state, again=failures.rounds > 0):
            try:
                return _from(state, source)
            except ELSEWHERE as error:
                state.session.failed(error)
                failures.add(error)
        failures.rest_or_raise()


def _sources(state: State, *, again: bool) -> Iterator[Url]:
    """Yield where to ask: what the user named, and the other copies, which are looked for when needed."""
    session, url = state.session, state.url
    first = not session.settings.prefer and not (again and session.manners.is_dead(url))
    if first:
        yield url
    found = replicas.others(session, url)
    if found is not None:
        state.known = found.checksums
        for replica in replicas.ordered(session, found.replicas):
            yield urls.parse(replica.url)
    if not first:
        yield url


def _from(state: State, source: Url) -> Received:
    """Fetch it from one place, again and again as long as that brings it on."""
    while True:
        before = state.part.length
        state.mixed = before > 0
        try:
            return _once(state, source)
        except StorageUnreachable:
            memo, gained = state.part.memo, state.part.length - before
            if gained <= 0 or gained < min(_GAIN, ((memo.size if memo else 0) or 0) // _GAINS):
                raise
        except Corrupt:
            if not state.mixed:
                raise
            state.alone = True


def _once(state: State, source: Url) -> Received:
    offset = state.prepare(source)
    if not offset:
        state.begin_anew()
    with _ask(state, source, offset) as response:
        if response.status != 416:
            certain = bool(state.expected.checksums)
            refuse_what_is_no_file(state.session, state.url, response, is_certain=certain)
        answer = understand(response)
        if offset and not state.continues(response, answer, offset):
            state.begin_anew()
            if answer.start != 0 or response.status == 416:
                response.close()
                return _once(state, source)
        _refuse_another(state, answer)
        if not state.has_place(answer.size):
            response.close()
            return _once(state, source)
        state.part.make_room(answer.size)
        state.note(answer)
        end = _receive(state, response, answer)
    return _finish(state, response, answer, end)


def _ask(state: State, source: Url, offset: int) -> Response:
    memo = state.part.memo
    if not offset or memo is None or memo.size is None:
        return state.ask("GET", source, {}, (200, 202))
    # With its end: there are servers that send nothing otherwise.
    headers = {"Range": f"bytes={offset}-{memo.size - 1}"}
    if memo.etag:
        headers["If-Range"] = memo.etag
    return state.ask("GET", source, headers, (200, 202, 206, 416))


def _refuse_another(state: State, answer: Answer) -> None:
    """Fail now if the server says itself that it does not have what is expected."""
    wanted, size = state.expected, answer.size
    if wanted.size is not None and size is not None and wanted.size != size:
        raise Corrupt(f"{answer.endpoint} has {size} bytes and should have {wanted.size}")
    if state.session.settings.verify and compare(wanted.checksums, answer.checksums) is False:
        told = ", ".join(map(str, answer.checksums))
        raise Corrupt(f"{answer.endpoint} has another checksum, {told}, than it should")


def _receive(state: State, response: Response, answer: Answer) -> int:
    """Take the body, with the help of other connections if it is large and comes slowly."""
    part, size, start = state.part, answer.size, answer.start
    haste = Haste(state.session, size, start)
    end = receive(response, part, state.hasher, state.progress, start=start, total=size, enough=haste)
    if size is None or end >= size or not haste.felt:
        return end
    if fetch_rest(state, response, size):
        return size
    return receive(response, part, state.hasher, state.progress, start=end, total=size)


def _finish(state: State, response: Response, answer: Answer, size: int) -> Received:
    expected = Expected(
        size=state.expected.size if state.expected.size is not None else answer.size, checksums=state.wanted
    )
    try:
        return checked(
            state.session,
            state.url,
            response,
            part=state.part,
            hasher=state.hasher,
            expected=expected,
            size=size,
        )
    except Corrupt:
        state.part.cut(0)
        raise
