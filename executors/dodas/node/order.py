"""The order: what one job of a batch system is to do on a node, as JSON.

Written where steps are submitted, read by :mod:`dodas.node.main`.  It may hold secrets, the steps' variables:
it belongs into a file that nobody else can read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dodas.errors import SpecError
from dodas.node.sources import ImageSource
from dodas.node.tree import Entry
from dodas.step import Step
from dodas.values import dataclass

if TYPE_CHECKING:
    from dodas.containers.prepare import Pull

FORMAT = 1
NAME = "order.json"
INPUTS = "in"
OUTPUTS = "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A file or directory that comes along with the job.

    Attributes:
        source: Its path on the submit side.
        entries: What it is; blobs are files in the directory :data:`INPUTS`.
    """

    source: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOrder:
    """One step.

    Attributes:
        step: As it was submitted, with the paths of the submit side.
        brought: What comes along for it; nothing where the disk is shared.
    """

    step: Step
    brought: tuple[Brought, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One job.

    Attributes:
        run: Identifies the run.
        job: Identifies the job in it.
        steps: What to run.
        shared: Whether all paths are the same here and on the submit side.
        images: Where to get images, by the name that steps use; ``None`` is for a registry to know.
        engine: Engine for containers; empty or ``auto`` is the best that works.
        pull: When to ask a registry: ``missing``, ``never``, ``always``.
        store: Image store on the shared disk; ``None`` is the node's own.
        cache_bytes: What images may take in the node's own store; ``None`` is half of what is free there.
        chirp: Whether images may be fetched from the submit side through HTCondor.
        logs: On a shared disk, directory for standard streams of steps that do not redirect them.
        settings: Variables of the submit side that nodes need too; see :func:`settings`.
        papers: Directory of the submit side with the user's credentials for storage, which came along among
            the inputs unless the disk is shared; empty if no step has to do with storage.
        cores: What was asked for: the slot says what was given.
        memory: Likewise, bytes.
        gpus: Likewise.
        patience: Seconds from the first start after which steps that have not begun are given back; ``None``
            keeps them.
    """

    run: str
    job: str
    steps: tuple[StepOrder, ...]
    shared: bool = False
    images: tuple[tuple[str, ImageSource | None], ...] = ()
    engine: str = ""
    pull: Pull = "missing"
    store: str | None = None
    cache_bytes: int | None = None
    chirp: bool = True
    logs: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    papers: str = ""
    cores: float = 1.0
    memory: int | None = None
    gpus: int = 0
    patience: float | None = None

    def to_json(self) -> str:
        """Return the order as one line of JSON."""
        plain = {name: getattr(self, name) for name in _SCALARS}
        plain["format"] = FORMAT
        plain["settings"] = self.settings
        plain["images"] = [[name, source and source.plain()] for name, source in self.images]
        plain["steps"] = [_plain_step(one) for one in self.steps]
        return json.dumps(plain, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Return the order that :meth:`to_json` wrote.

        Raises:
            SpecError: The text is no order, or one of another version of dodas.
        """
        try:
            plain = json.loads(text)
            if plain["format"] != FORMAT:
                raise SpecError(f"this order has the format {plain['format']}, and {FORMAT} is understood")
            return cls(
                **{name: plain[name] for name in _SCALARS},
                settings=tuple((name, value) for name, value in plain["settings"]),
                images=tuple((name, _source(source)) for name, source in plain["images"]),
                steps=tuple(map(_step_order, plain["steps"])),
            )
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise SpecError(f"this is not an order: {error}") from error


# None of them may hold a password.
_SETTINGS = (
    "DODAS_IMAGE_STORAGE",
    "DODAS_REGISTRY_MIRRORS",
    "DODAS_INSECURE_REGISTRIES",
    "UDOCKER_REGISTRY",
)
_SCALARS = (
    *("run", "job", "shared", "engine", "pull", "store", "cache_bytes", "chirp", "logs"),
    *("cores", "memory", "gpus", "patience", "papers"),
)


def settings(environ: Mapping[str, str], *, storage: bool = False) -> tuple[tuple[str, str], ...]:
    """Return those variables of the submit side that nodes need.

    Args:
        environ: All variables.
        storage: Whether those for storage are needed, beside those for images.

    Raises:
        SpecError: One of them has an impossible value.
    """
    found = {name: environ[name] for name in _SETTINGS if environ.get(name)}
    if storage:
        from dodas.staging.settings import Settings  # noqa: PLC0415 - not needed without URLs

        found.update(Settings.from_environment(environ).to_environment())
    return tuple(found.items())


def _plain_step(one: StepOrder) -> dict[str, Any]:
    brought = [[item.source, [entry.plain() for entry in item.entries]] for item in one.brought]
    return {"step": json.loads(one.step.to_json()), "brought": brought}


def _step_order(plain: dict[str, Any]) -> StepOrder:
    brought = tuple(
        Brought(source=source, entries=tuple(map(Entry.from_plain, entries)))
        for source, entries in plain["brought"]
    )
    return StepOrder(step=Step.from_json(json.dumps(plain["step"])), brought=brought)


def _source(plain: dict[str, Any] | None) -> ImageSource | None:
    return None if plain is None else ImageSource.from_plain(plain)
