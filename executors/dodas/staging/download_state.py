"""What one download knows so far, and what can be told from it."""

from __future__ import annotations

from dodas.errors import DodasError
from dodas.staging.asking import ask_with_digest
from dodas.staging.checksums import Hasher
from dodas.staging.download_answer import Answer, understand
from dodas.staging.download_check import algorithms
from dodas.staging.drafts import Draft, Held
from dodas.staging.parts import Part
from dodas.staging.parts_memo import Memo
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.urls import Url
from dodas.staging.values import Checksum, Expected, OnProgress

_WORTH_IT = 1 << 20  # bytes; fewer are fetched again rather than noted


class State:
    """The state of one download.

    Attributes:
        session: The way to the servers.
        url: What the user asked for.
        part: Where it goes; see `Draft`.
        expected: What it must be.
        progress: Told of the bytes.
        known: Checksums that all copies have, as the federation says.
        hasher: Has seen what is there, without a gap.
        mixed: Whether what is there may be of several copies.
        alone: Whether it is to be of one copy, since those that there are differ.
    """

    def __init__(
        self, session: Session, url: Url, draft: Draft, expected: Expected, progress: OnProgress
    ) -> None:
        self.session, self.url, self._draft = session, url, draft
        self.part: Part | Held = draft.part
        self.expected, self.progress = expected, progress
        self.known: tuple[Checksum, ...] = ()
        self.hasher = Hasher(algorithms(expected))
        self.mixed = self.alone = False
        self._cut_another()

    @property
    def wanted(self) -> tuple[Checksum, ...]:
        """All checksums that the whole file must have."""
        if not self.session.settings.verify:
            return self.expected.checksums
        memo = self.part.memo
        return (*self.expected.checksums, *self.known, *(memo.checksums if memo else ()))

    @property
    def can_be_told(self) -> bool:
        """Whether it can be told if two pieces are of one file: at once by a validator, or at the end."""
        memo = self.part.memo
        return memo is not None and bool(memo.etag or self.wanted)

    def has_place(self, size: int | None) -> bool:
        """Have room for a file of ``size`` bytes; ``False`` if there is a part to go on with instead."""
        if self._draft.suits(size):
            return True
        alone = self._draft.enlarge()
        self.part = self._draft.part
        self._cut_another()
        if alone:
            self.begin_anew()
        return alone

    def begin_anew(self) -> None:
        """Forget what is there."""
        self.part.cut(0)
        self.mixed = False
        if self.hasher.count:
            self.hasher = Hasher(algorithms(self.expected, self.known))

    def prepare(self, source: Url) -> int:
        """Return how much of what is there can be gone on with at ``source``; it has been hashed then."""
        memo, length = self.part.memo, self.part.length
        if memo is None or not length or memo.size is None:
            return 0
        if not self.can_be_told:
            self._ask_checksum(source)
        # Of a file that is complete one byte is fetched again, to hear whether it is still the same.
        offset = min(length, memo.size - 1)
        if offset <= 0 or not self.can_be_told:
            return 0
        self.part.cut(offset)
        if self.hasher.count != offset:
            self.hasher = Hasher(algorithms(self.expected, self.wanted))
            self.part.hash(self.hasher, offset)
        return offset

    def continues(self, response: Response, answer: Answer, offset: int) -> bool:
        """Tell whether an answer goes on at ``offset``, as far as can be told before the end."""
        memo = self.part.memo
        if memo is None or response.status != 206 or answer.start != offset or answer.size != memo.size:
            return False
        same_copy = bool(memo.etag) and (memo.etag, memo.endpoint) == (answer.etag, answer.endpoint)
        return same_copy or bool(self.wanted)

    def note(self, answer: Answer) -> None:
        """Remember whom the bytes come from, that whoever comes after us may know."""
        before = self.part.memo
        memo = Memo(
            url=self.url.redacted,
            endpoint=answer.endpoint,
            etag=answer.etag,
            size=answer.size,
            # Those of another copy, if this server tells none: they are why we go on here.
            checksums=answer.checksums or (before.checksums if before else ()),
        )
        self.part.note(memo, keep=(answer.size or 0) >= _WORTH_IT)

    def ask(self, method: str, source: Url, headers: dict[str, str], ok: tuple[int, ...]) -> Response:
        """Ask a copy for the file, or about it."""
        return ask_with_digest(
            self.session,
            method,
            source,
            origin=self.url,
            algorithms=algorithms(self.expected),
            headers=headers,
            ok=ok,
        )

    def _ask_checksum(self, source: Url) -> None:
        """Ask for what would tell at the end whether the pieces are of one file."""
        memo = self.part.memo
        try:
            with self.ask("HEAD", source, {}, (200,)) as response:
                answer = understand(response)
        except DodasError:
            return
        if memo is not None and answer.size == memo.size and answer.checksums:
            self.note(answer)

    def _cut_another(self) -> None:
        """Forget what is there if it is of something else."""
        memo = self.part.memo
        if memo is not None and memo.url != self.url.redacted:
            self.part.cut(0)
