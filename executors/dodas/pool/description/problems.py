"""What is wrong with a description, all at once, each by line and field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dodas.errors import SpecError

Path = tuple[str | int, ...]
"""Where something is in a file: keys of mappings and positions in lists, from the top."""

_MOST = 50
_PLAIN = re.compile(r"[\w+./-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        line: Its line in the file, from 1.
        text: What is wrong, in words that may follow the field's name.
        path: The field; empty for the file as a whole.
        column: Its column, from 1; 0 where that says nothing.
    """

    line: int
    text: str
    path: Path = ()
    column: int = 0

    def at(self, name: str) -> str:
        """Return it as a line that editors and people can follow."""
        place = f"{name}:{self.line}:{self.column}" if self.column else f"{name}:{self.line}"
        return f"{place}: {dotted(self.path)}: {self.text}" if self.path else f"{place}: {self.text}"


class DescriptionError(SpecError):
    """A description of a pool cannot be used as it is.

    Attributes:
        problems: What is wrong with it, in the order of the file.
    """

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        lines = [problem.at(shown_name(name)) for problem in self.problems[:_MOST]]
        if len(self.problems) > _MOST:
            lines.append(f"and {len(self.problems) - _MOST} more problems")
        super().__init__("\n".join(lines), hint="change the file; `dodas pool validate FILE` checks it again")


def dotted(path: Path) -> str:
    """Return a path as people write it: ``sites.cms.prechecks[1].command``."""
    words = ""
    for part in path:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            words += ("." if words else "") + (part if _PLAIN.fullmatch(part) else shown(part))
    return words


def shown(value: object) -> str:
    """Return a value as a message may show it: on one line, short, and readable."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:56] + "..."


def shown_name(name: str) -> str:
    """Return the name of a file so that it cannot break a line."""
    return name if name.isprintable() else repr(name)
