"""The providers of a pool, made when they are needed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import cast

from dodas.errors import SpecError
from dodas.pool.description.model import PoolDescription
from dodas.pool.furnish import make_private
from dodas.pool.layout import Layout
from dodas.pool.providers.base import Provider, Setup


class Sources:
    """Makes providers, and keeps them as long as the description says the same of them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._made: dict[str, tuple[PoolDescription, Provider]] = {}

    def of(self, pool: PoolDescription, name: str) -> Provider:
        """Return the provider called ``name``.

        Raises:
            SpecError: There is no such kind, or its settings will not do.
        """
        known = self._made.get(name)
        if known is not None and known[0] == pool:
            return known[1]
        provider = make(self._layout, pool, name)
        self._made[name] = pool, provider
        return provider


def make(layout: Layout, pool: PoolDescription, name: str) -> Provider:
    """Make the provider called ``name``; errors as for :meth:`Sources.of`."""
    kind = pool.provider(name).kind
    path = f"dodas.pool.providers.{kind}"
    if importlib.util.find_spec(path) is None:
        raise SpecError(f"there are no providers of the kind {kind}", hint="see `dodas pool validate --help`")
    state = layout.at("providers", name)
    make_private(layout.at("providers"))
    make_private(state)
    return cast("Provider", importlib.import_module(path).make(Setup(pool=pool, provider=name, state=state)))
