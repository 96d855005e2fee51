"""Files at URLs kept out of the way of what moves files about on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dodas_cwl.remote import is_remote


def set_aside(value: Any) -> Callable[[], None]:
    """Take what is at URLs out of an output object, and return what puts it back.

    In lists nothing stays in its place, elsewhere ``None``.
    """
    undo: list[Callable[[], None]] = []
    _take(value, undo)

    def put_back() -> None:
        for step in reversed(undo):
            step()

    return put_back


def _take(value: Any, undo: list[Callable[[], None]]) -> None:
    if isinstance(value, list):
        whole = list(value)
        kept = [item for item in whole if not _is_away(item)]
        if len(kept) < len(whole):
            value[:] = kept
            undo.append(lambda: value.__setitem__(slice(None), whole))
        for item in kept:
            _take(item, undo)
    elif isinstance(value, dict):
        for name, item in list(value.items()):
            if _is_away(item):
                value[name] = None
                undo.append(lambda name=name, item=item: value.__setitem__(name, item))  # type: ignore[misc]
            else:
                _take(item, undo)


def _is_away(value: Any) -> bool:
    return isinstance(value, dict) and is_remote(str(value.get("location", "/")))
