"""Workers that the user's own template makes, each all by itself: an infrastructure, or a deployment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from dodas.pool.providers import im_memory, im_states, im_template
from dodas.pool.providers.base import ProviderError, Seen, Setup, State, Worker
from dodas.pool.providers.im_memory import Known, Memory

_LONGEST = 65536  # characters of a log


class Maker(Protocol):
    """A service that makes things from templates, and calls each by an id."""

    def create(self, template: str) -> str:
        """Make one, and return its id."""

    def destroy(self, infrastructure: str) -> None:
        """Remove one; an unknown one is fine."""

    def overall(self, infrastructure: str) -> str:
        """Return the state of one in the words of an Infrastructure Manager; empty if it does not exist."""

    def message(self, infrastructure: str) -> str:
        """Return what it said of one."""

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield id and name of all that are there."""


class EachItsOwn:
    """What the workers of one pool have.

    Args:
        setup: What they are for.
        manager: Who makes them.
    """

    def __init__(self, setup: Setup, manager: Maker) -> None:
        self._setup, self._manager = setup, manager
        self._file = os.path.join(setup.state, "infrastructures.json")

    def launch(self, workers: Sequence[Worker]) -> None:
        """Make an infrastructure for each worker that has none."""
        there = {one.worker for one in self.list() if one.state in (State.PENDING, State.RUNNING)}
        for worker in workers:
            if worker.name not in there:
                made = self._manager.create(im_template.own(self._setup, worker))
                known = {**im_memory.load(self._file).machines, made: Known(worker=worker.name, node="")}
                self._save(known)

    def list(self) -> Sequence[Seen]:
        """Return the workers whose infrastructures are there."""
        known, found = self._known(), {}
        states: dict[str, str] = {}
        for infrastructure, one in known.items():
            state = self._manager.overall(infrastructure)
            if state and state != "deleting":
                states[infrastructure] = state
                found[infrastructure] = self._noted(infrastructure, state, one)
        self._save(found)
        return im_states.seen("", states, found)

    def terminate(self, workers: Sequence[str]) -> None:
        """Remove what these workers have."""
        known = dict(self._known())
        for infrastructure in [key for key, one in known.items() if one.worker in workers]:
            self._manager.destroy(infrastructure)
            del known[infrastructure]
            self._save(known)

    def logs(self, worker: str) -> str:
        """Return what Ansible said."""
        found = next((key for key, one in self._known().items() if one.worker == worker), "")
        if not found:
            raise ProviderError(f"there is nothing of {worker} (any more)")
        return im_states.clean(self._manager.message(found))[-_LONGEST:]

    def _noted(self, infrastructure: str, state: str, known: Known) -> Known:
        known = im_states.noted(state, known)
        if not im_states.needs_reason(state, known):
            return known
        reason = im_states.why(self._manager.message(infrastructure))
        return Known(worker=known.worker, node="", reason=reason or f"it is {state}")

    def _known(self) -> Mapping[str, Known]:
        if os.path.exists(self._file):
            return im_memory.load(self._file).machines
        return dict(self._found_again())

    def _found_again(self) -> Iterator[tuple[str, Known]]:
        prefix = im_template.name_of(self._setup, "")
        for infrastructure, name in self._manager.named():
            if name.startswith(prefix):
                yield infrastructure, Known(worker=name.removeprefix(prefix), node="")

    def _save(self, machines: Mapping[str, Known]) -> None:
        im_memory.save(self._file, Memory(machines=machines))
