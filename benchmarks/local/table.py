"""Measurements as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.local.measure import Cost

_COLUMNS = ("", "wall, least", "wall, median", "CPU", "wall against dodas", "CPU against dodas")
_HEAD = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|"


@dataclass(frozen=True)
class Row:
    """One line: what was measured, how, and what it is compared with.

    Attributes:
        what: The work; lines with the same one stand together.
        how: Who did it.
        cost: What it took.
        versus: What dodas took for the same; ``None`` for dodas itself.
        note: How the figure came about, when it is not simply measured.
    """

    what: str
    how: str
    cost: Cost
    versus: Cost | None = None
    note: str = ""

    def line(self) -> str:
        """Return the line of a Markdown table."""
        ratios = ["", ""]
        if self.versus is not None:
            ratios = [f"{self.cost.wall / self.versus.wall:.2f}", f"{self.cost.cpu / self.versus.cpu:.2f}"]
        how = f"{self.how} ({self.note})" if self.note else self.how
        times = (_time(self.cost.wall_least), _time(self.cost.wall), _time(self.cost.cpu))
        return f"| {how} | {' | '.join((*times, *ratios))} |"


def write(rows: Sequence[Row], folder: Path) -> str:
    """Write ``results.json`` and ``results.md`` into ``folder`` and return the latter."""
    machine = {
        "date": date.today().isoformat(),
        "kernel": platform.release().split("-")[0],
        "machine": platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }
    plain = [
        {"what": row.what, "how": row.how, "note": row.note, **row.cost.__dict__, "versus_cpu": _ratio(row)}
        for row in rows
    ]
    (folder / "results.json").write_text(json.dumps({"machine": machine, "rows": plain}, indent=1) + "\n")
    text = f"# Results\n\n{', '.join(f'{name} {value}' for name, value in machine.items())}\n"
    for what in dict.fromkeys(row.what for row in rows):
        text += f"\n## {what}\n\n{_HEAD}\n" + "".join(f"{row.line()}\n" for row in rows if row.what == what)
    (folder / "results.md").write_text(text)
    return text


def _ratio(row: Row) -> float | None:
    return None if row.versus is None else round(row.cost.cpu / row.versus.cpu, 3)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
