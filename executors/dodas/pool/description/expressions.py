"""ClassAd expressions: what is certainly wrong with one, found before a worker finds it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CONSTANTS = frozenset(("true", "false", "undefined", "error"))


def fault(expression: str) -> str:
    """Return what is wrong with an expression, in words that may follow a field's name; else nothing.

    Without HTCondor's Python bindings (``dodas[htcondor]``) only what would break a configuration is found.
    """
    if not expression:
        return "must be a ClassAd expression, not empty"
    if "$(" in expression:
        return "is used as it is: $(…) of a configuration means nothing here; name attributes alone"
    if expression.endswith("\\"):
        return "must not end with a backslash"
    parse = _parser()
    if parse is not None and not parse(expression):
        return f"is no ClassAd expression: {_shortened(expression)}"
    return ""


def is_bare_name(expression: str) -> bool:
    """Return whether an expression is the name of an attribute: perhaps a text without its quotes."""
    return bool(_NAME.fullmatch(expression)) and expression.lower() not in _CONSTANTS


def _parser() -> Callable[[str], bool] | None:
    try:
        import classad2  # noqa: PLC0415  optional, and not needed by those who describe nothing
    except ImportError:
        return None

    def parses(expression: str) -> bool:
        errors: Any = (classad2.ClassAdException, ValueError, UnicodeError)
        try:
            classad2.ExprTree(expression)
        except errors:
            return False
        return True

    return parses


def _shortened(expression: str) -> str:
    return expression if len(expression) <= 80 else expression[:76] + "..."
