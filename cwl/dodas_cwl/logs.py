"""What cwltool logs, beside the progress display."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator

# What may stand before a line of a message, the place in a document, and the last line of a script.
_PLACE = re.compile(r"^(?:\S+:\d+:\d+:)?[ \t]*")
_CALLED = re.compile(r"\d+ \(function\(\)\{(?:return \(\()?(?P<expression>.*?)(?:\)\);)?\}\)\(\)")
_FAULT = re.compile(r"\w*(?:Error|Exception)\b.*")
_UNEXPECTED = "Unexpected exception"


class CurrentStderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what ``sys.stderr`` is at the moment.

    The display replaces it while it draws, so that lines appear above the drawing and not through it.

    Args:
        debug: Show what helps only with a fault in cwltool or dodas: traces, whole scripts.
    """

    def __init__(self, *, debug: bool = False) -> None:
        super().__init__()
        self._debug = debug
        # It has no handler of its own, and would print a trace of each expression that fails, which cwltool
        # tells of as well.
        library = logging.getLogger("cwl_utils")
        library.propagate = False
        library.handlers = [self if debug else logging.NullHandler()]

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if not self._debug and record.exc_info and record.getMessage() == _UNEXPECTED:
            return  # the step that has it is named by the next record
        self.stream = sys.stderr
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the words of a record."""
        text = super().format(record)
        return text if self._debug else "\n".join(_shortened(text.split("\n")))


def _shortened(lines: list[str]) -> Iterator[str]:
    """Yield lines without what the JavaScript engine says of an expression but what is wrong with it.

    It tells of a script, with all inputs in it, and of its own stack.
    """
    bare = [_PLACE.sub("", line).rstrip() for line in lines]
    at, last = 0, len(lines) - 1
    while at <= last:
        if at < last and bare[at + 1] == "script was:":
            stack = next((n for n in range(at, last) if bare[n].startswith("stderr was: '")), last)
            called = next(filter(None, map(_CALLED.fullmatch, bare[at:stack])), None)
            fault = next(filter(_FAULT.match, bare[stack:]), "it fails")
            place = lines[at][: len(lines[at]) - len(bare[at])]
            yield f"{place}{fault}" + (f", in: {called['expression']}" if called else "")
            at = next((n for n in range(stack, last) if bare[n].endswith("'")), last)
        else:
            yield lines[at]
        at += 1
