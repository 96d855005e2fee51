"""From text to YAML's nodes, which know their lines; how large and deep they may be is bounded."""

from __future__ import annotations

import re
from typing import Any

import yaml

from dodas.pool.description.problems import DescriptionError, Problem

LARGEST = 1 << 20
"""Bytes of the largest file that is read."""

_NODES, _DEPTH = 20_000, 40

# What PyYAML says (the beginning is enough), and what it means to somebody who does not know the grammar.
_SENTENCES = (
    ("found character '\\t' that cannot start any token", "a tab cannot indent; use spaces"),
    (
        "mapping values are not allowed here",
        "a second ': ' in the line, or a wrong indentation; quote the text",
    ),
    ("could not find expected ':'", "a key without ':', or a wrong indentation in the lines above"),
    ("expected <block end>, but found", "the indentation does not fit the lines above"),
    ("found undefined alias", "*NAME stands here without an &NAME before; quote text that begins with *"),
    ("found unexpected end of stream", "a quote that was opened is never closed"),
    ("found duplicate anchor", "this &NAME was there before"),
    ("expected ',' or ']'", "a list in [ ] needs ',' between its items and ']' at its end"),
    ("expected ',' or '}'", "a mapping in { } needs ',' between its items and '}' at its end"),
    (
        "but found another document",
        "a second document begins here; one file describes one pool",
    ),
    ("found character '@' that cannot start any token", "quote text that begins with @"),
    ("found character '`' that cannot start any token", "quote text that begins with `"),
    ("found character '%' that cannot start any token", "quote text that begins with %"),
)


def decode(data: bytes, name: str) -> str:
    """Return the text of a file.

    Raises:
        DescriptionError: It is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = Problem(line=line, text="this is not UTF-8; save the file in that encoding")
        raise DescriptionError(name, [problem]) from error


def compose(text: str, name: str) -> yaml.Node:
    """Return the node of the whole document.

    Raises:
        DescriptionError: It is no YAML, there is nothing in it, or too much.
    """
    text = text.removeprefix("\ufeff")
    bad = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        problem = Problem(line=line, text=f"the character U+{ord(bad[0]):04X} cannot be in a YAML file")
        raise DescriptionError(name, [problem])
    try:
        node = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise DescriptionError(name, [_problem(error)]) from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # PyYAML lets some through, such as that of an escape beyond Unicode.
        sentence = " ".join(str(error).split())[:200]
        raise DescriptionError(name, [Problem(line=1, text=f"this is not YAML: {sentence}")]) from None
    if node is None:
        raise DescriptionError(name, [Problem(line=1, text="there is nothing in this file")])
    return node


class _Composer(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer):
    """PyYAML's own, without resolution of types, and with bounds."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        for part in (yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer):
            part.__init__(self)
        self._count = self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._count += 1
        self._depth += 1
        typed: Any = self  # PyYAML has types for its outside alone
        event = typed.peek_event()
        if self._count > _NODES:
            raise yaml.MarkedYAMLError(
                problem="there is too much in this file", problem_mark=event.start_mark
            )
        if self._depth > _DEPTH:
            raise yaml.MarkedYAMLError(problem="this is nested too deeply", problem_mark=event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(
                problem="tags are not used here; quote text that begins with !", problem_mark=event.start_mark
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def descend_resolver(self, _parent: Any, _index: Any) -> None:
        """Do nothing: there is no resolver."""

    def ascend_resolver(self) -> None:
        """Do nothing."""

    def resolve(self, _kind: Any, _value: Any, _implicit: Any) -> str:
        """Leave the type open: whether a scalar was quoted decides, see :mod:`.scalars`."""
        return ""


def _problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    said = re.sub(r"\s+", " ", error.problem or error.context or "this is not YAML").strip()
    text = next((words for start, words in _SENTENCES if said.startswith(start)), said)
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 0)
    return Problem(line=line, column=column, text=text[:200])
