"""From YAML's nodes to plain values, with the line of every field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from dodas.pool.description.problems import Path, Problem, shown
from dodas.pool.description.scalars import plain

_VALUES, _DEPTH, _TEXT = 20_000, 40, 4 << 20
_CONTROLS = frozenset(map(chr, (*range(32), *range(0x7F, 0xA0)))) - {"\n", "\t"}
_MERGE = "<<"

_Entries = dict[str, tuple[int, yaml.Node]]


@dataclass(slots=True, kw_only=True)
class Document:
    """A file in plain values.

    Attributes:
        value: Mappings, lists, texts, numbers, ``True``, ``False``; ``None`` where there is nothing, or
            nothing that could be taken over.
        lines: The line of each field.
        written: Numbers and switches as they were written, ``3.10`` for instance, by field.
        problems: What is wrong.
        bad: Fields whose value cannot be used.
    """

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    bad: set[Path] = field(default_factory=set)

    def line(self, path: Path) -> int:
        """Return the line of a field, or of the nearest one around it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def say(self, text: str, path: Path, line: int = 0, *, usable: bool = False) -> None:
        """Note that something is wrong with a field, whose value may be ``usable`` all the same."""
        self.problems.append(Problem(line=line or self.line(path), text=text, path=path))
        if not usable:
            self.bad.add(path)


class _TooMuch(Exception):
    """References to other places make the document larger than any pool is."""


def plant(node: yaml.Node) -> Document:
    """Return a document out of the node of it."""
    grower = _Grower()
    document = grower.document
    try:
        document.value = grower.value(node, (), node.start_mark.line + 1)
    except _TooMuch:
        document.problems, document.value = [], None
        document.say(
            "this is too much: does an *alias* stand in what it names, or multiply?", grower.last[:3]
        )
    return document


class _Grower:
    def __init__(self) -> None:
        self.document = Document()
        self.last: Path = ()
        self._count = self._text = 0

    def value(self, node: yaml.Node, path: Path, line: int) -> Any:
        self.last = path
        self._spend(len(path))
        self.document.lines[path] = line
        if isinstance(node, yaml.MappingNode):
            entries = self._entries(node, path, {}, 0)
            return {key: self.value(child, (*path, key), place) for key, (place, child) in entries.items()}
        if isinstance(node, yaml.SequenceNode):
            return [
                self.value(child, (*path, position), child.start_mark.line + 1)
                for position, child in enumerate(node.value)
            ]
        return self._scalar(node, path) if isinstance(node, yaml.ScalarNode) else None

    def _spend(self, depth: int) -> None:
        self._count += 1
        if self._count > _VALUES or depth > _DEPTH or self._text > _TEXT:
            raise _TooMuch

    def _entries(self, node: yaml.MappingNode, path: Path, entries: _Entries, depth: int) -> _Entries:
        """Add what a mapping says, after what those say that it is merged into, which goes before it."""
        self._spend(depth)
        merged: list[yaml.MappingNode] = []
        own: dict[str, int] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.style is None and key.value == _MERGE:
                merged += self._sources(child, (*path, _MERGE), line)
                continue
            name = self._key(key, path, line)
            if name in own:
                self._say(f"is there twice, first on line {own[name]}", (*path, name), line)
            elif name:
                own[name] = line
                entries.setdefault(name, (line, child))
        for source in merged:
            self._entries(source, path, entries, depth + 1)
        return entries

    def _sources(self, node: yaml.Node, path: Path, line: int) -> list[yaml.MappingNode]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found = [one for one in nodes if isinstance(one, yaml.MappingNode)]
        if len(found) < len(nodes):
            self._say("must name mappings with *NAME", path, line)
        return found

    def _key(self, node: yaml.Node, path: Path, line: int) -> str:
        """Return the name of a field; nothing if it cannot be one."""
        if not isinstance(node, yaml.ScalarNode):
            self._say("the name of a field must be a text", path, line)
            return ""
        if not self._clean(node.value, path, line):
            return ""
        known = len(self.document.problems)
        if node.value == "" or (node.style is None and self._plain(node, (*path, node.value), line) is None):
            if len(self.document.problems) == known:
                self._say("a field has no name, or one that must be quoted", path, line)
            return ""
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        line = self.document.lines[path]
        self._text += len(node.value)
        if not self._clean(node.value, path, line):
            return None
        if node.style is not None:
            return node.value
        value = self._plain(node, path, line)
        if not isinstance(value, str) and value is not None:
            self.document.written[path] = node.value
        return value

    def _plain(self, node: yaml.ScalarNode, path: Path, line: int) -> Any:
        try:
            return plain(node.value)
        except ValueError as trap:
            self._say(f"{shown(node.value)[1:-1]} {trap}", path, line)
            return None

    def _clean(self, text: str, path: Path, line: int) -> bool:
        clean = _CONTROLS.isdisjoint(text) and not any("\ud800" <= char <= "\udfff" for char in text)
        if not clean:
            self._say("has a character that cannot be printed", path, line)
        return clean

    def _say(self, text: str, path: Path, line: int) -> None:
        self.document.say(text, path, line)
