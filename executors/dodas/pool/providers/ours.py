"""What providers have in common whose workers see the directory of the pool."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable

from dodas import whole
from dodas.pool.layout import Layout
from dodas.pool.look import tail
from dodas.pool.providers.base import ProviderError, Setup, prefix

_LINES = 200
_FORGOTTEN = 86400.0


def names_of(setup: Setup) -> tuple[str, ...]:
    """Return how the names of a provider's workers begin."""
    flavours = [one.name for one in setup.pool.flavours if one.provider == setup.provider]
    return tuple(prefix(setup.pool.name, name) for name in flavours) or ("\0",)


def own_output(pool: str, worker: str) -> str:
    """Return the end of what a worker printed.

    Raises:
        ProviderError: There is nothing.
    """
    path = Layout(pool).at("workers", worker, "worker.out")
    if not os.path.exists(path):
        raise ProviderError(f"the worker {worker} has printed nothing yet")
    return "\n".join(tail(path, _LINES)) + "\n"


class Told:
    """Remembers how often workers were told to end.

    Args:
        directory: Where to remember it.
    """

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "told.json")

    def again(self, workers: Iterable[str]) -> dict[str, int]:
        """Note that workers are told once more; return how often each was told, this time included."""
        now = time.time()
        told = {name: one for name, one in self._read().items() if one[1] > now - _FORGOTTEN}
        counts = {name: told.get(name, (0, now))[0] + 1 for name in workers}
        whole.write(
            self._path, json.dumps({**told, **{name: (count, now) for name, count in counts.items()}})
        )
        return counts

    def _read(self) -> dict[str, tuple[int, float]]:
        try:
            with open(self._path, encoding="utf-8") as file:
                return {str(name): (int(count), float(at)) for name, (count, at) in json.load(file).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
