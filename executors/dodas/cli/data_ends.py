"""How the parts of a command on storage ended: what failed is told at once and makes the exit status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from dodas.cli.tally import printable
from dodas.errors import DodasError, NotAllowed, NotThere, SpecError, TransferError

# For scripts; --help and docs/staging.md list them.
FAILED, WRONG_USE, NOT_THERE, NOT_ALLOWED = 1, 2, 4, 5
_STATUS: dict[type[DodasError], int] = {NotThere: NOT_THERE, NotAllowed: NOT_ALLOWED, SpecError: WRONG_USE}
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Ends:
    """Takes failures, prints each with what to do about it, and knows the exit status.

    Args:
        say: Prints a line; default to standard error.
    """

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or complain
        self._kinds: set[int] = set()
        self._hints: set[str] = set()
        self.count = 0

    def failed(self, error: DodasError) -> None:
        """Print a failure; the same advice once only."""
        self.count += 1
        self._kinds.add(status_of(error))
        self._say(f"error: {printable(str(error))}")
        if error.hint and error.hint not in self._hints:
            self._hints.add(error.hint)
            self._say(f"  hint: {printable(error.hint)}")

    def status(self) -> int:
        """Return 0, the status of all failures if they are of one kind, else 1."""
        return FAILED if len(self._kinds) > 1 else next(iter(self._kinds), 0)


def status_of(error: DodasError) -> int:
    """Return the exit status for one failure."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), FAILED)


def complain(line: str) -> None:
    """Print a line on standard error."""
    print(line, file=sys.stderr, flush=True)


def as_failure(error: OSError) -> TransferError:
    """Return what this machine's own failure means for a transfer."""
    kind = NotThere if isinstance(error, FileNotFoundError) else TransferError
    name = f"{os.fspath(error.filename)!r}: " if isinstance(error.filename, str | bytes) else ""
    return kind(f"{name}{error.strerror or error}")


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let the usual signals end what runs inside as Ctrl-C does, so that it tidies up."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # of nohup
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
