"""The last words of a command, fit for a terminal and for a log that others read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

_LINES = 12
_BYTES = 1 << 16
_WIDTH = 500
_SHORTEST_SECRET = 4  # shorter values are in every other word, and no secrets

# Colours and the like (ECMA-48), and titles of windows.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
# What a second Snakemake says of itself, and the blocks in which it describes jobs.
_NOISE = re.compile(
    r"Building DAG of jobs|Using shell: |Select jobs to execute|Execute \d+ jobs|Shutting down, this might"
    r"|Exiting because a job execution failed|Storing output in storage|Elapsed time: |WorkflowError:$"
    r"|At least one job did not complete|Complete log|Removing output files of failed job"
    r"|\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]"
)
_ERROR = re.compile(r"Error in (?:rule|checkpoint) (\w+):$")
_BLOCK = re.compile(r"(?:Error in |local)?(?:rule|checkpoint) (\w+):$")


def tail(path: str | None, *, of_worker: bool = False) -> list[str]:
    """Return the last lines of a log; none if it is empty or absent.

    Args:
        path: The log.
        of_worker: Whether a second Snakemake wrote it, whose own lines are left out.
    """
    lines: Iterable[str] = _plain(_end_of(path)).splitlines()
    if of_worker:
        lines = _of_command(lines)
    return [_shortened(line) for line in list(lines)[-_LINES:]]


def failed_members(path: str | None) -> list[tuple[str, str]]:
    """Return the jobs that a second Snakemake says have failed: rule, outputs as it prints them."""
    found: list[tuple[str, str]] = []
    in_block = False
    for line in _plain(_end_of(path)).splitlines():
        text = line.strip()
        if match := _ERROR.match(text):
            found.append((match[1], ""))
            in_block = True
        elif not line.startswith(" "):
            in_block = False
        elif in_block and text.startswith("output: "):
            found[-1] = (found[-1][0], text.removeprefix("output: "))
    return found


def discreet(text: str, secrets: Mapping[str, str]) -> str:
    """Return ``text`` with the names of variables, as ``$NAME``, in the place of their values."""
    for name, value in sorted(secrets.items(), key=lambda item: -len(item[1])):
        for form in {value, *value.splitlines()}:
            if len(form) >= _SHORTEST_SECRET:
                text = text.replace(form, f"${name}")
    return text


def _end_of(path: str | None) -> str:
    try:
        with open(path or "", "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _BYTES))
            return file.read().decode(errors="replace").rstrip()
    except OSError:
        return ""


def _plain(text: str) -> str:
    """Return what a terminal would show in the end: of a line that is written over, the last state."""
    lines = _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(_printable(line.rstrip("\r").rpartition("\r")[2].expandtabs()) for line in lines)


def _printable(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() else "�" for c in line)


def _of_command(lines: Iterable[str]) -> Iterator[str]:
    in_block = False
    for line in lines:
        text = line.strip()
        in_block = bool(_BLOCK.match(text)) or (in_block and line.startswith(" "))
        if text and not in_block and not _NOISE.match(text):
            yield line


def _shortened(line: str) -> str:
    return line if len(line) <= _WIDTH else line[:_WIDTH] + "…"
