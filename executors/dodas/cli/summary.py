"""What is said at the end of a run, in plain text."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dodas.backends.words import duration, size
from dodas.cli.tally import Stage, Tally, printable
from dodas.step import Result

_LINES = 20
_WINDOW = 1 << 16  # bytes looked at for the last lines
_DETAILED = 10  # failed steps told of at length


def summary(tally: Tally) -> Iterator[str]:
    """Yield the lines: what failed and why, and what the whole run took."""
    for name, result in tally.failed[:_DETAILED]:
        yield ""
        yield from failure(name, result)
    if len(tally.failed) > _DETAILED:
        yield ""
        yield f"and {len(tally.failed) - _DETAILED} more failed:"
        yield from (
            f"  {name}: {printable(result.reason)}" for name, result in tally.failed[_DETAILED:][:_LINES]
        )
    if not tally.finished():
        return
    yield ""
    yield totals(tally)


def totals(tally: Tally) -> str:
    """Return one line on the whole run."""
    counts = [f"{_steps(tally.finished())}"]
    counts += [
        f"{tally.counts[stage]} {stage.value}"
        for stage in (Stage.FAILED, Stage.CANCELLED)
        if tally.counts[stage]
    ]
    return (
        f"{', '.join(counts)}, {duration(tally.elapsed())};"
        f" CPU {duration(tally.cpu)}, largest step {size(tally.peak_memory)}"
    )


def failure(name: str, result: Result) -> Iterator[str]:
    """Yield the lines on one failed step: why, the end of its standard error, where to look further."""
    yield f"step {name} failed: {printable(result.reason)}"
    last = tail(result.stderr) if result.stderr else []
    if last:
        yield "  the last it wrote to standard error:"
        yield from (f"    {line}" for line in last)
    if result.node and result.node != os.uname().nodename:
        yield f"  node:    {printable(result.node)}"
    for what, path in (("stdout", result.stdout), ("stderr", result.stderr), ("scratch", result.scratch)):
        if path:
            yield f"  {what + ':':8} {printable(path)}"


def tail(path: str, lines: int = _LINES) -> list[str]:
    """Return the last lines of a file, made safe for a terminal; none when it cannot be read."""
    try:
        with open(path, "rb") as file:
            size_now = file.seek(0, os.SEEK_END)
            file.seek(max(0, size_now - _WINDOW))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [printable(line.expandtabs()) for line in text.splitlines()[-lines:]]


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"
