"""Values in dodas' own units: what the schema's ``format`` says of a field is carried out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from dodas.pool.description.problems import Path
from dodas.pool.description.schema import FORMATS, Schema, of_kind, resolved, schema
from dodas.pool.description.tree import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """Makes values out of a document, without the fields that are wrong.

    Attributes:
        document: The document.
        bad: Fields that are wrong.
        directory: Where relative paths begin.
    """

    document: Document
    bad: frozenset[Path]
    directory: str

    def whole(self) -> dict[str, Any]:
        """Return all that is right."""
        value = self.document.value
        return self._mapping(value, schema(), ()) if isinstance(value, dict) else {}

    def _value(self, value: Any, part: Schema, path: Path) -> Any:
        if isinstance(value, dict):
            return self._mapping(value, part, path)
        if isinstance(value, list):
            items = resolved(part.get("items", {}))
            return tuple(
                self._value(one, items, (*path, position))
                for position, one in enumerate(value)
                if (*path, position) not in self.bad
            )
        return self._leaf(value, part, path)

    def _mapping(self, value: dict[str, Any], part: Schema, path: Path) -> dict[str, Any]:
        fields = dict(part.get("properties", {}))
        if "allOf" in part:  # a provider
            fields |= of_kind(str(value.get("kind"))).get("properties", {})
        others = part.get("additionalProperties", {})
        return {
            key: self._value(child, resolved(fields.get(key, others)), (*path, key))
            for key, child in value.items()
            if (*path, key) not in self.bad
        }

    def _leaf(self, value: Any, part: Schema, path: Path) -> Any:
        written = str(self.document.written.get(path, value))
        match part.get("format"):
            case "size" | "duration-in-units" | "date-time" as name:
                return FORMATS[name](value)
            case "classad":
                return " ".join(line.strip() for line in written.splitlines()).strip()
            case "as-written":
                return written
            case "path":
                return os.path.normpath(os.path.join(self.directory, os.path.expanduser(value)))
        return int(value) if part.get("type") == "integer" else value
