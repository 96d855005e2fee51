"""The objects of a stand-in for a Kubernetes API server, and what selects them."""

from __future__ import annotations

import copy
import itertools
import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str, str]  # plural, namespace, name


class Conflict(Exception):
    """An object of that name is there."""


class Store:
    """Objects by plural, namespace and name, with what every one of them gets from a server."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._objects: dict[Key, Object] = {}
        self._versions = itertools.count(1)
        self._suffixes = itertools.count(1)

    def add(self, plural: str, namespace: str, given: Mapping[str, Any], *, dry: bool = False) -> Object:
        made: Object = copy.deepcopy(dict(given))
        metadata = made.setdefault("metadata", {})
        if not metadata.get("name"):
            metadata["name"] = f"{metadata.get('generateName', 'x-')}{next(self._suffixes):05d}"
        if (plural, namespace, metadata["name"]) in self._objects:
            raise Conflict
        metadata.update(uid=str(uuid.uuid4()), creationTimestamp=now())
        if namespace:
            metadata["namespace"] = namespace
        if not dry:
            self._objects[(plural, namespace, metadata["name"])] = made
            self.touch(made)
        return made

    def touch(self, changed: Object) -> None:
        changed["metadata"]["resourceVersion"] = str(next(self._versions))

    def get(self, plural: str, namespace: str, name: str) -> Object | None:
        return self._objects.get((plural, namespace, name))

    def remove(self, plural: str, found: Object) -> None:
        metadata = found["metadata"]
        self._objects.pop((plural, metadata.get("namespace", ""), metadata["name"]), None)

    def find(self, plural: str, namespace: str = "", labels: str = "", fields: str = "") -> list[Object]:
        """Return objects, of all namespaces if none is given, in the order of their names."""
        keys = sorted(key for key in self._objects if key[0] == plural and namespace in ("", key[1]))
        found = [self._objects[key] for key in keys]
        return [one for one in found if has_labels(one, labels) and has_fields(one, fields)]


def now(later: float = 0) -> str:
    return datetime.fromtimestamp(time.time() + later, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def has_labels(one: Object, selector: str) -> bool:
    labels = one["metadata"].get("labels") or {}
    return all(_holds(term, labels) for term in _terms(selector))


def has_fields(one: Object, selector: str) -> bool:
    for term in filter(None, selector.split(",")):
        path, _, wanted = term.partition("=")
        value: Any = one
        for name in path.split("."):
            value = (value or {}).get(name) if isinstance(value, dict) else None
        if str(value or "") != wanted.lstrip("="):
            return False
    return True


def _terms(selector: str) -> Iterator[str]:
    yield from (term.strip() for term in re.split(r",(?![^()]*\))", selector) if term.strip())


def _holds(term: str, labels: Mapping[str, str]) -> bool:
    if match := re.fullmatch(r"(\S+)\s+in\s+\((.*)\)", term):
        return labels.get(match[1]) in [one.strip() for one in match[2].split(",")]
    if "!=" in term:
        name, value = term.split("!=")
        return labels.get(name) != value
    if "=" in term:
        name, value = re.split("==?", term, maxsplit=1)
        return labels.get(name) == value
    return term.lstrip("!") in labels if not term.startswith("!") else term[1:] not in labels


def merge(target: Object, patch: Mapping[str, Any]) -> None:
    """Change an object as a merge patch says; lists of conditions are merged by type."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            merge(target[name], value)
        elif name == "conditions" and isinstance(target.get(name), list):
            types = [one["type"] for one in value]
            target[name] = [one for one in target[name] if one["type"] not in types] + value
        else:
            target[name] = copy.deepcopy(value)
