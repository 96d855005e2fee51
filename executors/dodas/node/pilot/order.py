"""The order of a pilot, as JSON: who made the pool wrote it, and it has no secret."""

from __future__ import annotations

import json
from typing import Any, Optional

from dodas.errors import SpecError
from dodas.values import dataclass

FORMAT = 1
NAME = "pilot.json"
TOKEN = "token"  # noqa: S105 - the name of a file beside the order
STATUS = "status.json"
SAYS = "dodas worker: "
"""How lines begin in which a pilot tells on its standard output what it tells in :data:`STATUS`."""

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A command for ``sh -c`` that must succeed within ``seconds``, again ``every`` so many; 0: once."""

    name: str
    command: str
    seconds: float
    every: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotOrder:
    """One worker.

    Attributes:
        worker: Its name.
        pool: The pool's.
        image: Image with HTCondor in which it runs; empty where HTCondor is beside the pilot.
        store: Image store on a shared disk; empty for the node's own.
        engine: Engine for containers; empty for the best that works.
        config: Settings of the daemons (HTCondor manual, "Configuration Macros"), in order.
        disk: Bytes that must be free.
        lifetime: Seconds after which it ends.
        end: Unix time at which it ends at the latest; ``None`` if there is no such time.
        grace: Seconds for running jobs when it is told to end.
        checks: What must work on the node.
        environment: Variables of checks and jobs.
        mounts: ``(source, target, writable)``.
        files: Absolute path and content of files that jobs see.
        shared_disk: Whether jobs see the directories of the node, each at its own path.
        user: What the user of the daemons is called in the container.
    """

    worker: str
    pool: str
    image: str = ""
    store: str = ""
    engine: str = ""
    config: Pairs = ()
    disk: int = 0
    lifetime: float = 86400.0
    end: Optional[float] = None  # noqa: UP045 - evaluated, and nodes may have 3.9
    grace: float = 300.0
    checks: tuple[Check, ...] = ()
    environment: Pairs = ()
    mounts: tuple[tuple[str, str, bool], ...] = ()
    files: Pairs = ()
    shared_disk: bool = False
    user: str = "dodas"

    def to_json(self) -> str:
        """Return the order as JSON."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _NAMES}
        plain["checks"] = [[one.name, one.command, one.seconds, one.every] for one in self.checks]
        return json.dumps({"format": FORMAT, **plain}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PilotOrder:
        """Return the order that :meth:`to_json` wrote.

        Raises:
            SpecError: The text is no order, or one of another version of dodas.
        """
        try:
            plain = json.loads(text)
            if plain.pop("format") != FORMAT:
                raise SpecError("this order for a worker was written by another version of dodas")
            checks = tuple(
                Check(name=name, command=command, seconds=seconds, every=every)
                for name, command, seconds, every in plain.pop("checks")
            )
            lists: dict[str, Any] = {name: tuple(map(tuple, plain.pop(name))) for name in _LISTS}
            return cls(checks=checks, **lists, **plain)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise SpecError(f"this is not an order for a worker: {error}") from error


_LISTS = ("config", "environment", "mounts", "files")
_NAMES = (
    *("worker", "pool", "image", "store", "engine", "config", "disk", "lifetime", "end", "grace"),
    *("environment", "mounts", "files", "shared_disk", "user"),
)
