"""Header fields of an answer: names in any case, several of one name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar, overload

_BLANKS = (" ", "\t")

Other = TypeVar("Other")


class Headers(Mapping[str, str]):
    """Fields as they came.  As a mapping, several of one name are one value, joined by commas (RFC 9110)."""

    __slots__ = ("_fields",)

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in pairs:
            key = name.lower()
            if key in self._fields:
                self._fields[key].append(value)
            else:
                self._fields[key] = [value]

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    @overload
    def get(self, name: str, /) -> str | None: ...

    @overload
    def get(self, name: str, /, default: str | Other) -> str | Other: ...

    def get(self, name: str, /, default: object = None) -> object:
        """Return the value of ``name``."""
        values = self._fields.get(name.lower())
        if values is None:
            return default
        return values[0] if len(values) == 1 else ", ".join(values)

    def has_any(self, names: Collection[str]) -> bool:
        """Tell whether one of ``names``, in small letters, is there."""
        return not self._fields.keys().isdisjoint(names)

    def all(self, name: str) -> tuple[str, ...]:
        """Return each value of ``name``, none if it is not there."""
        return tuple(self._fields.get(name.lower(), ()))

    def without(self, name: str) -> Headers:
        """Return all fields but those of one name."""
        kept = [(one, value) for one, values in self._fields.items() for value in values]
        return Headers([(one, value) for one, value in kept if one != name.lower()])

    def has(self, name: str, word: str) -> bool:
        """Tell whether ``word`` is in the list that ``name`` holds, such as ``close`` in ``Connection``."""
        values = self._fields.get(name.lower())
        if values is None:
            return False
        return any(word == item.strip().lower() for value in values for item in value.split(","))


def parse(lines: list[str]) -> Headers:
    """Return the fields in the lines of a head; what is no field is left out.

    A line that begins with a blank belongs to the one before (RFC 9112, section 5.2).
    """
    pairs: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if line[:1] in _BLANKS:
            if pairs:
                name, value = pairs[-1]
                pairs[-1] = (name, f"{value} {line.strip()}")
        elif colon:
            pairs.append((name.rstrip(), value.strip()))
    return Headers(pairs)
