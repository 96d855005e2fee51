"""``Link`` headers (RFC 8288), by which federations say where their metalinks and replicas are (RFC 6249)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from dodas.staging.values import Replica
from dodas.values import dataclass

_MOST = 256
_TARGET = re.compile(r"<([^<>]{0,8192})>")
_PARAMETER = re.compile(
    r"""\s*;\s*([\w!#$&+.^`|~-]{1,64}\*?)\s*(?:=\s*(?:"((?:[^"\\]|\\.){0,2048})"|([^\s;,"]{0,2048})))?"""
)
_METALINKS = ("application/metalink4+xml", "application/metalink+xml")


class _Headers(Protocol):
    def all(self, name: str) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link.

    Attributes:
        target: As it was written; may be relative.
        relations: What it is to the thing asked for, in small letters.
        parameters: The rest, the first value of each, names in small letters.
    """

    target: str
    relations: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """Return a parameter, empty if it is not there."""
        return dict(self.parameters).get(name, "")


def links(headers: _Headers) -> tuple[Link, ...]:
    """Return the links in the headers of an answer, in their order; what is no link is left out."""
    return tuple(islice((link for value in headers.all("link") for link in _read(value)), _MOST))


def described_by(headers: _Headers) -> str | None:
    """Return where the metalink of a file is, version 4 preferred; ``None`` if nobody says."""
    found = {
        link.get("type").partition(";")[0].strip().lower(): link.target
        for link in reversed(links(headers))
        if "describedby" in link.relations
    }
    return next((found[kind] for kind in _METALINKS if kind in found), None)


def duplicates(headers: _Headers) -> tuple[Replica, ...]:
    """Return the replicas that an answer names, the best first; their URLs may be relative."""
    found = [
        Replica(url=link.target, priority=_priority(link.get("pri")), location=link.get("geo").lower())
        for link in links(headers)
        if "duplicate" in link.relations
    ]
    return tuple(sorted(found, key=lambda replica: replica.priority))


def _read(value: str) -> Iterator[Link]:
    place = 0
    while found := _TARGET.search(value, place):
        parameters: dict[str, str] = {}
        place = found.end()
        while parameter := _PARAMETER.match(value, place):
            name, quoted, token = parameter.groups()
            text = token or re.sub(r"\\(.)", r"\1", quoted or "")
            parameters.setdefault(name.lower(), text)
            place = parameter.end()
        relations = tuple(parameters.pop("rel", "").lower().split())
        yield Link(target=found[1].strip(), relations=relations, parameters=tuple(parameters.items()))


def _priority(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 7 else 999_999
