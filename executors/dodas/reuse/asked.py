"""What runs asked for, and what became of it: a file for each step, of the last time."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from dodas.reuse.document import differences
from dodas.reuse.entries import Entry, Layout

REUSED, NEW, DAMAGED, LEFT_OUT = "reused", "new", "damaged", "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question.

    Attributes:
        step: What people call the step; of several that are made of the same one, all have this name.
        job: The name of this one.
        run: Which run asked.
        time: When, in Unix seconds.
        outcome: ``reused``; ``new``: there was nothing; ``damaged``; ``left out``: it is not to be kept.
        reason: Why, in words.
        key: Of the document; empty for what is left out.
        document: What the result is made of; ``None`` for what is left out.
    """

    step: str
    job: str
    run: str
    time: float
    outcome: str
    reason: str = ""
    key: str = ""
    document: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why a step was reused or not.

    Attributes:
        asked: The question.
        nearest: The result of the same step that comes nearest; ``None`` if there was none.
        differs: In what that one differs.
    """

    asked: Asked
    nearest: Entry | None = None
    differs: tuple[str, ...] = ()


def note(layout: Layout, asked: Asked) -> None:
    """Write down a question, instead of the last one for the same step.  What the disk says is no matter."""
    path = os.path.join(layout.asked, _name(asked.step), f"{_name(asked.job)}.json")
    unnamed = f"{path}.{os.urandom(4).hex()}"
    with suppress(OSError):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with open(unnamed, "w", encoding="utf-8") as file:
                json.dump(asdict(asked), file)
            os.rename(unnamed, path)
        except OSError:
            os.unlink(unnamed)


def why(layout: Layout, step: str) -> list[Answer]:
    """Return the answers for a step, or for one job of it, in the last run that asked; none if no run did."""
    mine = [asked for asked in all_asked(layout) if step in (asked.step, asked.job)]
    if not mine:
        return []
    last = max(mine, key=lambda asked: asked.time).run
    kept = [entry for _, entry in layout.known() if entry is not None]
    return [_answer(asked, kept) for asked in sorted(mine, key=lambda one: one.time) if asked.run == last]


def all_asked(layout: Layout) -> Iterator[Asked]:
    """Yield all questions that are known."""
    for here, _, names in os.walk(layout.asked):
        for name in names:
            with suppress(OSError, ValueError, TypeError), open(os.path.join(here, name)) as file:
                yield Asked(**json.load(file))


def forget(layout: Layout, *, older_than: float) -> None:
    """Remove questions, and what is left of those that were never written to the end."""
    before = time.time() - older_than
    for here, _, names in os.walk(layout.asked, topdown=False):
        for name in names:
            path = os.path.join(here, name)
            with suppress(OSError):
                if os.stat(path).st_mtime < before:
                    os.unlink(path)
        if here != layout.asked:
            with suppress(OSError):
                os.rmdir(here)


def _answer(asked: Asked, kept: list[Entry]) -> Answer:
    if asked.outcome != NEW:
        return Answer(asked=asked)
    others = [
        one for one in kept if one.step == asked.step and one.made < asked.time and one.key != asked.key
    ]
    found = [(differences(one.document, asked.document), one) for one in others]
    if not found:
        return Answer(asked=asked)
    differs, nearest = min(found, key=lambda pair: (len(pair[0]), -pair[1].made))
    return Answer(asked=asked, nearest=nearest, differs=tuple(differs))


def _name(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:24]
