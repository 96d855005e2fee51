"""Runs the examples of the documentation, as a reader would, and compares what they print.

In a page, a block marked ``console`` is a terminal session: lines after ``$ `` are typed, the others are
what must appear.  ``…`` stands for anything within a line, and alone on a line for any lines.  A block
after ``<!-- file: NAME -->`` is a file that the reader writes; one after ``<!-- not run: REASON -->`` is
only read.  All of a page happens in one directory, from top to bottom.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>file|not run): (?P<note>.+?) -->\n+)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str
    mark: str
    note: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Example:
    """What is typed, and what must appear."""

    command: str
    expected: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        yield Block(
            kind=found["kind"],
            text=found["text"],
            mark=found["mark"] or "",
            note=found["note"] or "",
            line=text.count("\n", 0, found.start()) + 1,
        )


def examples(session: str) -> Iterator[Example]:
    """Yield the examples of a terminal session; a line that ends in a backslash goes on in the next."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        end = next((i for i, line in enumerate(lines, 1) if not line.endswith("\\\n")), len(lines))
        yield Example(command="".join(lines[:end]), expected="".join(lines[end:]))


def matches(expected: str, printed: str) -> bool:
    """Tell whether ``printed`` is what the page promises."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            # Trailing blanks cannot be seen on a page.
            pattern += ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n"
    return re.fullmatch(pattern, printed) is not None


def play(page: Path, place: Path, environ: Mapping[str, str]) -> int:
    """Do in ``place`` what the page says and return how many commands there were.

    Raises:
        AssertionError: A command printed something else than the page says.
    """
    count = 0
    for block in blocks(page):
        if block.mark == "file":
            target = place / block.note
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        elif block.kind == "console" and not block.mark:
            for example in examples(block.text):
                printed = run(example.command, place, environ)
                assert matches(example.expected, printed), (
                    f"{page.name}, block at line {block.line}: $ {example.command}\n"
                    f"--- the page says\n{example.expected}--- it printed\n{printed}"
                )
                count += 1
    return count


def run(command: str, place: Path, environ: Mapping[str, str]) -> str:
    """Run a command in bash and return what a terminal would show."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=place,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    printed = done.stdout
    return printed if not printed or printed.endswith("\n") else printed + "\n"
