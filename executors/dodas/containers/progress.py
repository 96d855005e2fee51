"""What long work tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable

from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A word on how far something is.

    Attributes:
        what: The thing worked on, for people: ``"layer 3f4a9c"``, ``"unpacking debian:bookworm"``.
        done: Bytes done so far.
        total: Bytes in all; ``None`` when not known.
    """

    what: str
    done: int
    total: int | None = None


OnProgress = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """Take a word of progress and do nothing with it."""


def one_at_a_time(progress: OnProgress) -> OnProgress:
    """Return what passes words on one after the other, whichever threads they come from."""
    from threading import Lock  # noqa: PLC0415 - not for the processes that are forked for steps

    lock = Lock()

    def tell(word: Progress) -> None:
        with lock:
            progress(word)

    return tell


Say = Callable[[str], None]


def silent(text: str) -> None:
    """Take a sentence on what goes on and do nothing with it."""
