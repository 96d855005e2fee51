"""What people ask an agent for, beside what the file says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from dodas import whole
from dodas.pool.layout import Layout


def ask_to_replace(pool: str, workers: Iterable[str]) -> None:
    """Have workers replaced at the next look, and providers tried again that were left alone."""
    whole.write(Layout(pool).at("heal.json"), json.dumps(sorted({*_read(pool), *workers})))


def taken(pool: str) -> list[str] | None:
    """Return the workers that are to be replaced, once; nothing if nobody asked."""
    path = Layout(pool).at("heal.json")
    if not os.path.exists(path):
        return None
    found = _read(pool)
    os.unlink(path)
    return found


def _read(pool: str) -> list[str]:
    try:
        with open(Layout(pool).at("heal.json"), encoding="utf-8") as file:
            return [str(one) for one in json.load(file)]
    except (OSError, ValueError, TypeError):
        return []
