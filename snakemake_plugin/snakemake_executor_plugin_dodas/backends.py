"""Where steps run, by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from dodas.backend import Backend
from dodas.errors import SpecError
from snakemake_executor_plugin_dodas.allotment import Ceiling
from snakemake_executor_plugin_dodas.settings import ExecutorSettings

_UNITS = {"": 1, "B": 1, **{f"{p}B": 1000**n for n, p in enumerate("KMGT", 1)}}
_UNITS |= {f"{p}IB": 1024**n for n, p in enumerate("KMGT", 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A backend, and the most that it gives one step."""

    backend: Backend
    ceiling: Ceiling


def connect(settings: ExecutorSettings, *, logs: str, cores: int | None = None) -> Place:
    """Return the backend that ``--dodas-backend`` names, ready for steps.

    Args:
        settings: The user's.
        logs: Directory for what steps print.
        cores: Snakemake's own ``--cores``, which counts if ``--dodas-cores`` is not given.

    Raises:
        DodasError: There is no such backend, or it cannot be used here.
    """
    connectors = {"local": _local}
    if settings.backend not in connectors:
        known = ", ".join(connectors)
        raise SpecError(f"there is no backend {settings.backend!r}", hint=f"choose one of: {known}")
    return connectors[settings.backend](settings, logs, cores)


def _local(settings: ExecutorSettings, logs: str, given: int | None) -> Place:
    from dodas.backends import capacity  # noqa: PLC0415
    from dodas.backends.local import LocalBackend  # noqa: PLC0415

    cores = settings.cores or given or capacity.cores()
    memory = parse_size(settings.memory) if settings.memory else capacity.memory()
    pull = cast("Literal['missing', 'always', 'never']", settings.image_pull)  # one of the choices
    backend = LocalBackend(cores=cores, memory=memory, engine=settings.engine, pull=pull, logs=logs)
    return Place(backend=backend, ceiling=Ceiling(cores=cores, memory=memory))


def parse_size(text: str) -> int:
    """Return the bytes that ``text`` means: 512, 8GB (decimal) or 8GiB (binary).

    Raises:
        SpecError: It is not a size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = match[2].upper() if match else ""
    unit = unit if unit in _UNITS else unit + "B"
    if not match or unit not in _UNITS:
        raise SpecError(f"{text!r} is not a size", hint="write 8GB, 512MiB or a number of bytes")
    return int(float(match[1]) * _UNITS[unit])
