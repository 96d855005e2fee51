"""The hint ``dodas:HTCondor`` as hints of a step; functions of plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dodas_cwl.reference import WorkflowException

_PREFIX = "htcondor."
# Field of the hint -> command of a submit file (HTCondor manual, condor_submit).
_COMMANDS = {
    "slotRequirements": "requirements",
    "rank": "rank",
    "accountingGroup": "accounting_group",
    "priority": "priority",
    "concurrencyLimits": "concurrency_limits",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# In the language of submit files a backslash means something before a quote only, and $(X) is a macro.
_ESCAPES = str.maketrans({'"': '\\"', "$": "$(DOLLAR)"})


def htcondor(hint: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the hints for a step.

    Args:
        hint: As in the document, without expressions.

    Raises:
        WorkflowException: A value cannot be what it is given for.
    """
    return tuple((_PREFIX + name, value) for name, value in _settings(hint))


def _settings(hint: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, command in _COMMANDS.items():
        value = hint.get(field)
        if value is None:
            continue
        words = [str(item) for item in value] if isinstance(value, list) else [str(value)]
        if not all(word.strip() and _is_line(word) for word in words):
            raise WorkflowException(f"{field} of dodas:HTCondor must be one line of text, got {value!r}")
        if field == "priority" and not re.fullmatch(r"[+-]?\d+", words[0]):
            raise WorkflowException(f"priority of dodas:HTCondor must be a whole number, got {value!r}")
        yield command, ",".join(words)
    for item in hint.get("attributes") or ():
        if not _NAME.fullmatch(item["attribute"]):
            raise WorkflowException(
                f"{item['attribute']!r} cannot be the name of an attribute in dodas:HTCondor"
            )
        if not _is_line(str(item["setting"])):
            raise WorkflowException(f"dodas:HTCondor: {item['attribute']} must be one line of text")
        yield "+" + item["attribute"], literal(item["setting"])


def literal(value: str | float) -> str:
    """Return a value as a submit file has it; text is always text, never an expression."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value.translate(_ESCAPES)}"' if isinstance(value, str) else str(value)


def _is_line(text: str) -> bool:
    return len(text.splitlines()) <= 1 and "\0" not in text
