"""Tables of any columns, for people and for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

Cell = str | int | float


@dataclass(frozen=True, kw_only=True)
class Section:
    """One table.

    Attributes:
        title: Above it.
        text: What was measured, a sentence.
        rows: Its lines; all have the same columns.
    """

    title: str
    text: str
    rows: Sequence[Mapping[str, Cell]]

    def markdown(self) -> str:
        """Return the table for people."""
        columns = list(self.rows[0])
        lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(_text(row[column]) for column in columns)} |" for row in self.rows]
        return f"## {self.title}\n\n{self.text}\n\n" + "\n".join(lines) + "\n"


def write(sections: Sequence[Section], folder: Path) -> str:
    """Write ``results.json`` and ``results.md`` into ``folder`` and return the latter."""
    machine = {
        "date": date.today().isoformat(),
        "kernel": platform.release().split("-")[0],
        "machine": platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }
    plain = [{"title": one.title, "text": one.text, "rows": list(one.rows)} for one in sections]
    content = {"machine": machine, "sections": plain}
    (folder / "results.json").write_text(json.dumps(content, indent=1) + "\n")
    head = f"# Results\n\n{', '.join(f'{name} {value}' for name, value in machine.items())}\n"
    text = "\n".join([head, *(section.markdown() for section in sections)])
    (folder / "results.md").write_text(text)
    return text


def _text(cell: Cell) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
