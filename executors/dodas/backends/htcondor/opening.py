"""The parts of a run put together, for the first time or again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dodas.backend import Event
from dodas.backends.htcondor.ads import Site
from dodas.backends.htcondor.bundles import Bundles
from dodas.backends.htcondor.harvest import Harvest
from dodas.backends.htcondor.journal import Journal
from dodas.backends.htcondor.orders import Orders
from dodas.backends.htcondor.policy import Policy
from dodas.backends.htcondor.run import Run
from dodas.backends.htcondor.scheduler import Scheduler, Slot
from dodas.backends.htcondor.sharing import is_shared
from dodas.backends.htcondor.state import State
from dodas.backends.logs import Logs
from dodas.errors import SpecError
from dodas.node import laying
from dodas.node.build import worker_file

if TYPE_CHECKING:
    from dodas.containers.prepare import Pull


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user says of a run; see :class:`dodas.backends.htcondor.HtcondorBackend`."""

    logs: str
    store: str | None
    engine: str
    pull: Pull
    shared: bool
    defaults: Mapping[str, str]


def decide(state: State, asked: bool | None, files: str, slots: Sequence[Slot]) -> bool:
    """Return whether nodes see our disk: as the user says, as it was before, or as the pool looks.

    Args:
        state: The run.
        asked: What the user says.
        files: FILESYSTEM_DOMAIN here.
        slots: The pool.

    Raises:
        SpecError: The run has jobs that were submitted for the other way.
    """
    known = state.shared
    if known is not None and asked is not None and known is not asked:
        raise SpecError(
            f"the run in {state.path} has jobs that were submitted for "
            + ("a shared disk" if known else "nodes without a shared disk"),
            hint=f"give the same option as before, or forget that run: rm -r {shlex.quote(state.path)}",
        )
    shared = next(value for value in (asked, known, is_shared(files, slots)) if value is not None)
    state.decide(shared)
    return shared


def open_run(
    state: State,
    scheduler: Scheduler,
    *,
    policy: Policy,
    bundles: Bundles,
    settings: Settings,
    emit: Callable[[Event], None],
) -> Run:
    """Return the run in ``state``, ready to go on.

    Raises:
        EngineError: The worker file cannot be made.
        OSError: The disk does not take it.
    """
    with open(state.of("events.log"), "ab"):  # there must be something to watch
        pass
    orders = Orders(
        state.of("jobs"),
        state.run,
        store=settings.store,
        shared=settings.shared,
        engine=settings.engine,
        pull=settings.pull,
        logs=settings.logs,
    )
    site = Site(
        run=state.run,
        name=f"dodas {os.path.basename(state.path)}",
        folder=state.of("jobs"),
        log=state.of("events.log"),
        worker=_worker(state) if settings.shared else worker_file(),
        shared=settings.shared,
        policy=policy,
    )
    return Run(
        site=site,
        defaults=settings.defaults,
        scheduler=scheduler,
        journal=Journal(state.of("journal")),
        orders=orders,
        harvest=Harvest(orders, Logs(settings.logs), shared=settings.shared),
        bundles=bundles,
        emit=emit,
    )


def _worker(state: State) -> str:
    """Return the worker file at a place that nodes see, as they see the run."""
    made = worker_file()
    path = state.of(os.path.basename(made))
    if not os.path.exists(path):
        laying.copy(made, path + ".part")
        os.chmod(path + ".part", 0o700)
        os.replace(path + ".part", path)
    return path
