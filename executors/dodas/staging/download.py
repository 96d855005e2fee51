"""A file from storage to this disk: from wherever there is a copy, complete and verified or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from dodas.errors import Corrupt, DodasError, StorageUnreachable
from dodas.staging import parts, replicas, urls
from dodas.staging.asking import ask_with_digest
from dodas.staging.checksums import Hasher, compare
from dodas.staging.download_answer import Answer, refuse_what_is_no_file, understand
from dodas.staging.download_check import algorithms, checked
from dodas.staging.failures import Failures
from dodas.staging.parts import Part
from dodas.staging.parts_memo import Memo
from dodas.staging.receiving import receive
from dodas.staging.response import Response
from dodas.staging.session import ELSEWHERE, Session
from dodas.staging.urls import Url
from dodas.staging.values import Checksum, Expected, OnProgress, Received

_WORTH_IT = 1 << 20  # bytes; fewer are fetched again rather than noted


def download(
    session: Session,
    url: Url,
    path: str,
    *,
    expected: Expected,
    overwrite: bool,
    resume: bool,
    progress: OnProgress,
) -> Received:
    """See `dodas.staging.storage.Storage.download`."""
    parts.refuse(path, overwrite=overwrite)
    with parts.opened(path, resume=resume) as part:
        parts.refuse(path, overwrite=overwrite)  # another process may have made it while we waited
        received = Download(session, url, part, expected, progress).run()
        part.admit(overwrite=overwrite)
    return received


class Download:
    """One download into a part.

    Args:
        session: The way to the servers.
        url: What the user asked for.
        part: Where it goes; what is there already is gone on with if it can be.
        expected: What it must be.
        progress: Told of the bytes.
    """

    def __init__(
        self, session: Session, url: Url, part: Part, expected: Expected, progress: OnProgress
    ) -> None:
        self._session, self._url, self._part = session, url, part
        self._expected, self._progress = expected, progress
        self._known: tuple[Checksum, ...] = ()  # what the federation says that all copies have
        self._hasher = Hasher(algorithms(expected))
        self._mixed = False
        if part.memo is not None and part.memo.url != url.redacted:
            part.cut(0)

    def run(self) -> Received:
        """Fetch it, from one copy after the other, until it is complete and right."""
        failures = Failures(self._session.settings)
        while True:
            for source in self._sources(again=failures.rounds > 0):
                try:
                    return self._from(source)
                except ELSEWHERE as error:
                    self._session.failed(error)
                    failures.add(error)
            failures.rest_or_raise()

    def _sources(self, *, again: bool) -> Iterator[Url]:
        """Yield where to ask: what the user named, and the other copies, which are looked for when needed."""
        first = not self._session.settings.prefer and not (again and self._session.manners.is_dead(self._url))
        if first:
            yield self._url
        found = replicas.others(self._session, self._url)
        if found is not None:
            self._known = found.checksums
            for replica in replicas.ordered(self._session, found.replicas):
                yield urls.parse(replica.url)
        if not first:
            yield self._url

    def _from(self, source: Url) -> Received:
        """Fetch it from one place, again and again as long as that brings it on."""
        while True:
            before, self._mixed = self._part.length, self._part.length > 0
            try:
                return self._once(source)
            except StorageUnreachable:
                gained = self._part.length - before
                if gained <= 0 or gained < min(_WORTH_IT, (self._size or 0) // 64):
                    raise
            except Corrupt:
                # What was there before may have been of another copy.
                if not self._mixed:
                    raise

    @property
    def _size(self) -> int | None:
        return self._part.memo.size if self._part.memo else None

    def _once(self, source: Url) -> Received:
        offset = self._offset(source)
        if not offset:
            self._begin_anew()
        with self._ask(source, offset) as response:
            if response.status != 416:
                refuse_what_is_no_file(
                    self._session, self._url, response, is_certain=bool(self._expected.checksums)
                )
            answer = understand(response)
            if offset and not self._goes_on(response, answer, offset):
                self._begin_anew()
                if answer.start != 0 or response.status == 416:
                    response.close()
                    return self._once(source)
            self._refuse_another(answer)
            self._part.make_room(answer.size)
            self._note(answer)
            end = receive(
                response, self._part, self._hasher, self._progress, start=answer.start, total=answer.size
            )
        return self._finish(response, answer, end)

    def _refuse_another(self, answer: Answer) -> None:
        """Fail now if the server says itself that it does not have what is expected."""
        wanted, size = self._expected, answer.size
        if wanted.size is not None and size is not None and wanted.size != size:
            raise Corrupt(f"{answer.endpoint} has {size} bytes and should have {wanted.size}")
        if self._session.settings.verify and compare(wanted.checksums, answer.checksums) is False:
            told = ", ".join(map(str, answer.checksums))
            raise Corrupt(f"{answer.endpoint} has another checksum, {told}, than it should")

    def _offset(self, source: Url) -> int:
        """Return how much of what is there can be gone on with; it has been hashed then."""
        memo, length = self._part.memo, self._part.length
        if memo is None or not length or memo.size is None:
            return 0
        if not (memo.etag or self._wanted(memo)):
            self._ask_checksum(source)
        # Of a file that is complete one byte is fetched again, to hear whether it is still the same.
        offset = min(length, memo.size - 1)
        if offset <= 0 or not (memo.etag or self._wanted(self._part.memo)):
            return 0
        self._part.cut(offset)
        if self._hasher.count != offset:
            self._hasher = Hasher(algorithms(self._expected, self._wanted(self._part.memo)))
            self._part.hash(self._hasher, offset)
        return offset

    def _wanted(self, memo: Memo | None) -> tuple[Checksum, ...]:
        return (*self._expected.checksums, *self._known, *(memo.checksums if memo else ()))

    def _begin_anew(self) -> None:
        self._part.cut(0)
        self._mixed = False
        if self._hasher.count:
            self._hasher = Hasher(algorithms(self._expected, self._known))

    def _ask(self, source: Url, offset: int) -> Response:
        headers = {}
        memo = self._part.memo
        if offset and memo is not None and memo.size is not None:
            # With its end: there are servers that send nothing otherwise.
            headers["Range"] = f"bytes={offset}-{memo.size - 1}"
            if memo.etag:
                headers["If-Range"] = memo.etag
        ok = (200, 202, 206, 416) if offset else (200, 202)
        return self._asked("GET", source, headers, ok)

    def _asked(self, method: str, source: Url, headers: dict[str, str], ok: tuple[int, ...]) -> Response:
        return ask_with_digest(
            self._session,
            method,
            source,
            origin=self._url,
            algorithms=algorithms(self._expected),
            headers=headers,
            ok=ok,
        )

    def _goes_on(self, response: Response, answer: Answer, offset: int) -> bool:
        """Tell whether the answer continues what is there, as far as can be told before the end."""
        memo = self._part.memo
        if memo is None or response.status != 206 or answer.start != offset or answer.size != memo.size:
            return False
        same_copy = bool(memo.etag) and (memo.etag, memo.endpoint) == (answer.etag, answer.endpoint)
        return same_copy or bool(self._wanted(memo))

    def _note(self, answer: Answer) -> None:
        before = self._part.memo
        memo = Memo(
            url=self._url.redacted,
            endpoint=answer.endpoint,
            etag=answer.etag,
            size=answer.size,
            # Those of another copy, if this server tells none: they are why we go on here.
            checksums=answer.checksums or (before.checksums if before else ()),
        )
        self._part.note(memo, keep=(answer.size or 0) >= _WORTH_IT)

    def _ask_checksum(self, source: Url) -> None:
        """Ask for what would tell at the end whether the pieces are of one file."""
        memo = self._part.memo
        try:
            with self._asked("HEAD", source, {}, (200,)) as response:
                answer = understand(response)
        except DodasError:
            return
        if memo is not None and answer.size == memo.size and answer.checksums:
            self._note(answer)

    def _finish(self, response: Response, answer: Answer, size: int) -> Received:
        expected = Expected(
            size=self._expected.size if self._expected.size is not None else answer.size,
            checksums=self._wanted(self._part.memo),
        )
        try:
            return checked(
                self._session,
                self._url,
                response,
                part=self._part,
                hasher=self._hasher,
                expected=expected,
                size=size,
            )
        except Corrupt:
            self._part.cut(0)
            raise
