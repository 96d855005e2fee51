"""Steps of a job that have not begun when its time is up, and are given back to be run elsewhere.

The job's ad keeps them, for a later start of the same job, and an event in its log tells the submit side at
once.  Whatever goes wrong with either, they are in the job's report too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from dodas.errors import TransferError
from dodas.values import dataclass

ATTRIBUTE = "DodasLeft"
_NOTE = re.compile(r"dodas gives back ([\d,-]*) \(([\d.]+|inf) s each\)")
_DIGITS = 6  # of a position; no text makes us count further
_LONGEST = 900  # characters of a note; HTCondor's lines have 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """What a job gives back.

    Attributes:
        positions: Of the steps in its order; none if the job only takes longer than was thought.
        each: Seconds that one of them may take; infinite if none has ended yet.
    """

    positions: frozenset[int]
    each: float


def tell(chirp: str, given: Surplus) -> None:
    """Tell the submit side, if it can be reached.

    Args:
        chirp: File that says how to reach it.
        given: What is given back.
    """
    from dodas.node.chirp import Chirp  # noqa: PLC0415 - most jobs need it not

    text = note(given)
    with suppress(TransferError), Chirp(chirp) as submit_side:
        if given.positions:
            # First this: a job that starts again must not run what is then run elsewhere.
            submit_side.set_attribute(ATTRIBUTE, f'"{ranges(given.positions)}"')
        if len(text) <= _LONGEST:
            submit_side.note(text)


def note(given: Surplus) -> str:
    """Return the text of the event."""
    return f"dodas gives back {ranges(given.positions)} ({given.each:.3f} s each)"


def read(text: str) -> Surplus | None:
    """Return what the text of an event says, if it is one of ours."""
    found = _NOTE.fullmatch(text.strip())
    return found and Surplus(positions=positions(found[1]), each=float(found[2]))


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as text, ``3-5,7``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}-{last}" if first != last else str(first) for first, last in runs)


def positions(text: str) -> frozenset[int]:
    """Return the numbers that :func:`ranges` wrote; none if the text is not of its making."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not _is_position(first) or not _is_position(last):
            return frozenset()
        found.update(range(int(first), int(last) + 1))
    return frozenset(found)


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS
