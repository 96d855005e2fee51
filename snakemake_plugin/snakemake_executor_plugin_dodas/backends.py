"""Where steps run, by name."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, cast

from dodas.backend import Backend
from dodas.errors import SpecError
from dodas.step import Step
from snakemake_executor_plugin_dodas.flight.finished import Finished
from snakemake_executor_plugin_dodas.settings import ExecutorSettings
from snakemake_executor_plugin_dodas.step.allotment import Ceiling

_UNITS = {"": 1, "B": 1, **{f"{p}B": 1000**n for n, p in enumerate("KMGT", 1)}}
_UNITS |= {f"{p}IB": 1024**n for n, p in enumerate("KMGT", 1)}


class Past(Protocol):
    """What a backend knows of an earlier run that was killed."""

    def known(self, steps: Sequence[Step]) -> Collection[str]:
        """Return the ids of steps whose identity is that of a step under way, or finished well meanwhile."""

    def forget(self, steps: Sequence[Step]) -> None:
        """End those under way that have the identity of one of these: nobody will come for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A backend, and what it is like.

    Attributes:
        backend: Ready for steps.
        ceiling: The most that it gives one step.
        here: Whether steps run on this machine.
        shared: Whether they see its files.
        past: What it knows of an earlier run that was killed.
        finished: Where steps are noted as soon as they finish, for backends that do not know by themselves.
    """

    backend: Backend
    ceiling: Ceiling
    here: bool = True
    shared: bool = True
    past: Past | None = None
    finished: Finished | None = None


def connect(settings: ExecutorSettings, *, logs: str, state: str, cores: int | None = None) -> Place:
    """Return the backend that ``--dodas-backend`` names, ready for steps.

    Args:
        settings: The user's.
        logs: Directory for what steps print.
        state: Directory for what outlives the run, the same in every run of this workflow.
        cores: Snakemake's own ``--cores``, which counts if ``--dodas-cores`` is not given.

    Raises:
        DodasError: There is no such backend, or it cannot be used here.
    """
    match "htcondor" if settings.pool else settings.backend:
        case "local":
            return _local(settings, logs, state, cores)
        case "htcondor":
            return _htcondor(settings, logs, state)
        case name:
            raise SpecError(f"there is no backend {name!r}", hint="choose one of: local, htcondor")


def _local(settings: ExecutorSettings, logs: str, state: str, given: int | None) -> Place:
    from dodas.backends import capacity, gpus  # noqa: PLC0415
    from dodas.backends.local import LocalBackend  # noqa: PLC0415
    from snakemake_executor_plugin_dodas.second.starter import Starter  # noqa: PLC0415

    if settings.engine != "auto":
        # With it come the engines, which a run without containers does not need.
        from dodas.worker.choose import choose  # noqa: PLC0415
        from snakemake_executor_plugin_dodas.checks import naming  # noqa: PLC0415

        with naming("engine", settings.engine):
            choose(settings.engine)
    cores = settings.cores or given or capacity.cores()
    memory = parse_size(settings.memory) if settings.memory else capacity.memory()
    finished = Finished(os.path.join(state, "finished"))
    backend = LocalBackend(
        cores=cores,
        memory=memory,
        engine=settings.engine,
        pull=_pull(settings),
        logs=logs,
        worker=partial(Starter, note=finished.note),
    )
    return Place(
        backend=backend,
        ceiling=Ceiling(cores=cores, memory=memory, gpus=len(gpus.found())),
        past=finished,
        finished=finished,
    )


def _htcondor(settings: ExecutorSettings, logs: str, state: str) -> Place:
    from dodas.backends.htcondor import HtcondorBackend  # noqa: PLC0415

    backend = HtcondorBackend(
        pool=settings.pool,
        run=os.path.join(state, "htcondor"),
        logs=logs,
        engine=settings.engine,
        pull=_pull(settings),
        shared={"yes": True, "no": False}.get(settings.shared_disk),
        bundle=parse_bundle(settings.bundle),
        on_hold=cast("Literal['retry', 'fail', 'wait']", settings.on_hold),  # one of the choices
        defaults=parse_condor(settings.condor),
    )
    return Place(backend=backend, ceiling=Ceiling(), here=False, shared=backend.shared, past=backend)


def _pull(settings: ExecutorSettings) -> Literal["missing", "always", "never"]:
    return cast("Literal['missing', 'always', 'never']", settings.image_pull)  # one of the choices


def parse_bundle(text: str) -> int | Literal["auto"] | None:
    """Return how many steps may share a job of a batch system; ``None`` for one each.

    Raises:
        SpecError: It is neither ``auto`` nor ``off`` nor a number above 0.
    """
    if text == "auto":
        return "auto"
    if text == "off":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise SpecError(f"--dodas-bundle {text}: not a number of steps", hint="write auto, off or a number")
    return int(text)


def parse_condor(words: Sequence[str]) -> dict[str, str]:
    """Return submit commands and ad attributes of ``KEY=VALUE`` words.

    Raises:
        SpecError: One of them is not of that form.
    """
    commands = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"\+?[A-Za-z_]\w*", name.strip()):
            raise SpecError(
                f"--dodas-condor {word}: this is not KEY=VALUE",
                hint="give submit commands such as rank=Mips, or attributes such as '+Project=\"x\"'",
            )
        commands[name.strip()] = value.strip()
    return commands


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
