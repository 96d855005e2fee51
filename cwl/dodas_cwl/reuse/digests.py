"""The digest that the name of an image stands for."""

from __future__ import annotations

import os

from dodas.containers.prepare import Pull
from dodas.containers.store import Store, lookup
from dodas.errors import DodasError


class Digests:
    """Looks names up once each, in the store and at the registry, in the order in which steps get images.

    Args:
        pull: Whether steps ask the registry: if an image is ``missing``, ``never``, or ``always``.
    """

    def __init__(self, pull: Pull) -> None:
        ask = {
            "missing": (_in_store, _at_registry),
            "never": (_in_store,),
            "always": (_at_registry, _in_store),
        }
        self._ask = ask[pull]
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return ``sha256:…``; empty if nobody says."""
        if name not in self._known:
            self._known[name] = next(filter(None, (ask(name) for ask in self._ask)), "")
        return self._known[name]


def _in_store(name: str) -> str:
    try:
        return lookup(Store(), name).digest
    except DodasError:
        return ""


def _at_registry(name: str) -> str:
    from dodas.containers.reference import Reference  # noqa: PLC0415 - what follows needs requests
    from dodas.containers.registry.endpoints import Surroundings  # noqa: PLC0415
    from dodas.containers.registry.patience import Patience  # noqa: PLC0415
    from dodas.containers.registry.platforms import Platform  # noqa: PLC0415
    from dodas.containers.registry.resolve import resolve  # noqa: PLC0415
    from dodas.containers.registry.wire import Wire  # noqa: PLC0415

    try:
        with Wire(Surroundings(os.environ), Patience()) as wire:
            return resolve(wire, Reference.parse(name), Platform.wanted(None)).manifest.digest
    except DodasError:
        return ""
