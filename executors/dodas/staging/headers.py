"""Header fields of an answer: names in any case, several of one name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Headers(Mapping[str, str]):
    """Fields as they came.  As a mapping, several of one name are one value, joined by commas (RFC 9110)."""

    __slots__ = ("_fields",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in pairs:
            self._fields.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def all(self, name: str) -> tuple[str, ...]:
        """Return each value of ``name``, none if it is not there."""
        return tuple(self._fields.get(name.lower(), ()))

    def without(self, name: str) -> Headers:
        """Return all fields but those of one name."""
        kept = [(one, value) for one, values in self._fields.items() for value in values]
        return Headers([(one, value) for one, value in kept if one != name.lower()])

    def has(self, name: str, word: str) -> bool:
        """Tell whether ``word`` is in the list that ``name`` holds, such as ``close`` in ``Connection``."""
        values = self._fields.get(name.lower(), ())
        return any(word == item.strip().lower() for value in values for item in value.split(","))


def parse(lines: list[str]) -> Headers:
    """Return the fields in the lines of a head; what is no field is left out.

    A line that begins with a blank belongs to the one before (RFC 9112, section 5.2).
    """
    pairs: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            if pairs:
                name, value = pairs[-1]
                pairs[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon:
            pairs.append((name.rstrip(), value.strip()))
    return Headers(pairs)
