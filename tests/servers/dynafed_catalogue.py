"""What a federation believes to be where: what its endpoints said some time ago."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from servers.endpoints import Endpoint, Found

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Item:
    """A name of the federation, and the numbers of the endpoints that have it."""

    found: Found
    holders: tuple[int, ...]


@dataclass
class Catalogue:
    """Merges endpoints, and remembers what they said.

    Attributes:
        endpoints: All of them.
        online: The numbers of those that are believed to answer.
        ttl: Seconds for which what was found is remembered.
        negative_ttl: Seconds for which it is remembered that nothing was found.
    """

    endpoints: Sequence[Endpoint]
    online: set[int] = field(default_factory=set)
    ttl: float = 0.0
    negative_ttl: float = 0.0
    _items: dict[str, tuple[float, Item | None]] = field(default_factory=dict)
    _listings: dict[str, tuple[float, dict[str, Found] | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.online.update(range(len(self.endpoints)))

    def item(self, path: str) -> Item | None:
        """Return what is remembered or found at a path, also if all its holders went offline since."""
        said, known = self._items.get(path, (0.0, None))
        if said > time.monotonic():
            return known
        found = {number: what for number, what in self.ask_all(lambda one: one.stat(path)) if what}
        first = next(iter(found.values()), None)
        item = Item(found=first, holders=tuple(found)) if first else None
        self._items[path] = (time.monotonic() + (self.ttl if item else self.negative_ttl), item)
        return item

    def listing(self, path: str) -> dict[str, Found] | None:
        """Return the union of a directory of all endpoints; ``None`` if none has it."""
        said, known = self._listings.get(path, (0.0, None))
        if said > time.monotonic():
            return known
        parts = [entries for _, entries in self.ask_all(lambda one: one.entries(path)) if entries is not None]
        union = {found.name: found for entries in reversed(parts) for found in entries} if parts else None
        keep = self.ttl if union is not None else self.negative_ttl
        self._listings[path] = (time.monotonic() + keep, union)
        return union

    def forget(self, path: str | None = None) -> None:
        """Forget what was said of a path and its directory, or everything."""
        if path is None:
            self._items.clear()
            self._listings.clear()
        else:
            self._items.pop(path, None)
            self._listings.pop(path.rpartition("/")[0], None)

    def check(self) -> None:
        """Ask every endpoint for its root, and believe what comes of it."""
        everything = range(len(self.endpoints))
        self.online = {
            number for number, _ in self.ask_all(lambda one: one.ask("HEAD", one.url()), among=everything)
        }

    def ask_all(
        self, question: Callable[[Endpoint], _T], *, among: Sequence[int] | None = None
    ) -> list[tuple[int, _T]]:
        """Ask those that are online, at the same time; return what those said that answered, in order."""
        asked = sorted(self.online) if among is None else among

        def of(number: int) -> Iterator[tuple[int, _T]]:
            try:
                yield number, question(self.endpoints[number])
            except OSError:
                return

        with ThreadPoolExecutor(max_workers=max(1, len(asked))) as pool:
            return [said for answers in pool.map(lambda number: list(of(number)), asked) for said in answers]
