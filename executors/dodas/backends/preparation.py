"""The two slow things that must precede the first container: choosing an engine, preparing the image."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dodas.containers.prepared import PreparedRoot
from dodas.containers.progress import OnProgress
from dodas.errors import EngineError
from dodas.worker.plan import HOST

if TYPE_CHECKING:
    from dodas.containers.prepare import Pull
    from dodas.containers.store import Store


class EngineChoice:
    """Names the engine for containers; chosen when first asked for, in the caller's thread."""

    def __init__(self, name: str = "") -> None:
        self._asked = name
        self._chosen = ""

    def __call__(self) -> str:
        """Return the engine's name.

        Raises:
            EngineError: None works here, or the one asked for does not.
        """
        if not self._chosen:
            from dodas.worker.choose import choose  # noqa: PLC0415 - not needed without containers

            chosen = choose(self._asked)
            if chosen == HOST:
                raise EngineError(
                    "the engine host runs no containers, and a step has an image",
                    hint="choose another engine, or none for the best that works here",
                )
            self._chosen = chosen
        return self._chosen


class PreparedImages:
    """The images of one store.

    Args:
        store: Directory of the image store; ``None`` is the default.
        pull: When to ask a registry, or the storage that stands for all of them.
    """

    def __init__(self, store: str | None, pull: Pull) -> None:
        self._place = store
        self._pull = pull
        self._store: Store | None = None

    def __call__(self, name: str, progress: OnProgress) -> AbstractContextManager[PreparedRoot]:
        """Return the context in which the image ``name`` is there, unpacked; entering it may take minutes.

        Raises:
            ImageError: It cannot be had.
            StoreError: The store cannot be used.
        """
        from dodas.backends.bringing import Bringing  # noqa: PLC0415 - not needed without containers
        from dodas.containers.prepare import using  # noqa: PLC0415

        return using(self._opened(), name, pull=self._pull, progress=progress, bring=Bringing())

    def _opened(self) -> Store:
        from dodas.containers.store import Store  # noqa: PLC0415 - not needed without containers

        if self._store is None:
            self._store = Store(self._place)
        return self._store
