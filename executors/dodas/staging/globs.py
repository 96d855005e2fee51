"""Patterns of URLs: ``*``, ``?`` and ``[…]`` within a name, ``**`` for directories at any depth."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from dodas.errors import NotThere
from dodas.staging import urls
from dodas.staging.listing import entries, stat
from dodas.staging.trees import walk
from dodas.staging.urls import Url
from dodas.staging.values import Entry

if TYPE_CHECKING:
    from dodas.staging.exchange import Exchange

_SPECIAL = re.compile(r"[*?[]")


def is_pattern(url: Url) -> bool:
    """Tell whether ``url`` has what makes a pattern; something may be there that has exactly that name."""
    return any(map(_SPECIAL.search, _parts(url)))


def matching(exchange: Exchange, url: Url) -> Iterator[Entry]:
    """Yield what ``url`` means: itself if it is there, otherwise what it is a pattern of; nothing if none is.

    As in a shell, names that begin with a dot match only what begins with one; a slash at the end asks for
    directories alone; ``[*]`` is a star.

    Raises:
        NotThere: It is no pattern, and not there.
        TransferError: See `dodas.staging.listing`.
    """
    if not is_pattern(url):
        yield stat(exchange, url)
        return
    literal = _there(exchange, url)
    if literal:
        yield literal
        return
    parts = _parts(url)
    fixed = next(at for at, part in enumerate(parts) if _SPECIAL.search(part))
    base = url.with_path("/" + "/".join(map(urls.quoted, parts[:fixed])))
    for entry in _expanded(exchange, base, parts[fixed:]):
        if entry.is_directory or not url.path.endswith("/"):
            yield entry


def _expanded(exchange: Exchange, base: Url, parts: Sequence[str], *, seen: bool = False) -> Iterator[Entry]:
    """Yield what is below ``base``, which has been ``seen`` to be a directory or may be nothing."""
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _anywhere(exchange, base, parts, seen=seen)
    elif not _SPECIAL.search(first):
        below = urls.join(base, first)
        if rest:
            yield from _expanded(exchange, below, rest)
        else:
            yield from filter(None, [_there(exchange, below)])
    else:
        for entry in _listed(entries(exchange, base), seen=seen):
            if not _matches(first, entry.name):
                continue
            if not rest:
                yield entry
            elif entry.is_directory:
                yield from _expanded(exchange, urls.parse(entry.url), rest, seen=True)


def _anywhere(exchange: Exchange, base: Url, parts: Sequence[str], *, seen: bool) -> Iterator[Entry]:
    above = len(_parts(base))
    for entry in _listed(walk(exchange, base), seen=seen):
        if _way_matches(tuple(parts), tuple(_parts(urls.parse(entry.url))[above:])):
            yield entry


@lru_cache(maxsize=4096)
def _way_matches(patterns: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Tell whether a way down matches; ``**`` is any number of directories, and of anything at the end."""
    if not patterns or not names:
        return not names and all(one == "**" for one in patterns)
    if patterns[0] != "**":
        return _matches(patterns[0], names[0]) and _way_matches(patterns[1:], names[1:])
    return _way_matches(patterns[1:], names) or (
        not names[0].startswith(".") and _way_matches(patterns, names[1:])
    )


def _listed(members: Iterator[Entry], *, seen: bool) -> Iterator[Entry]:
    """Yield ``members``; that there are none to begin with is an error only of what was seen."""
    try:
        first = next(members, None)
    except NotThere:
        if seen:
            raise
        return
    if first is not None:
        yield first
        yield from members


def _there(exchange: Exchange, url: Url) -> Entry | None:
    try:
        return stat(exchange, url)
    except NotThere:
        return None


def _parts(url: Url) -> list[str]:
    return [urls.decoded(part) for part in url.path.split("/") if part]


def _matches(pattern: str, name: str) -> bool:
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return _compiled(pattern).match(name) is not None


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))
