"""Workers on machines of clouds, through an Infrastructure Manager (https://www.grycap.upv.es/im).

A pool has one infrastructure there, whose template has a node for each worker.  Machines are added by sending
what is new, and removed one by one; what is there is found again by names, also without what was remembered.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dodas.auth.credentials import Credentials
from dodas.pool.providers import im_authorization, im_memory, im_states, im_workers
from dodas.pool.providers.base import Provider, ProviderError, Seen, Setup, State, Worker
from dodas.pool.providers.im_api import Manager
from dodas.pool.providers.im_memory import Known, Memory
from dodas.pool.providers.im_own import EachItsOwn
from dodas.pool.providers.rest import Service
from dodas.pool.providers.rest_bounded import Bounded
from dodas.pool.rendering import tosca

_LONGEST = 65536  # characters of a log


def make(setup: Setup) -> Provider:
    """Return the provider."""
    settings = setup.pool.provider(setup.provider)
    token = im_authorization.bearer(Credentials.from_environment())
    service = Service(
        name="the Infrastructure Manager",
        url=str(settings.get("url") or ""),
        ca_file=str(settings.get("ca_file") or ""),
        headers=im_authorization.headers(str(settings.get("authorization_file") or ""), token),
    )
    kind = EachItsOwn if settings.get("template") else Shared
    return Bounded(provider=kind(setup, Manager(service)), service=service)


class Shared:
    """The machines of one pool, in one infrastructure.

    Args:
        setup: What they are for.
        manager: Who makes them.
    """

    def __init__(self, setup: Setup, manager: Manager) -> None:
        self._setup, self._manager = setup, manager
        self._name = tosca.infrastructure(setup.pool, setup.provider)
        self._file = os.path.join(setup.state, "machines.json")

    def launch(self, workers: Sequence[Worker]) -> None:
        """Ask for the machines of workers that have none."""
        memory, states = self._look()
        memory, states = self._without_dead(memory, states)
        there = {one.worker for one in im_states.seen("", states, memory.machines) if one.state in _ALIVE}
        new = [worker for worker in workers if worker.name not in there]
        if not new:
            return
        taken = {memory.machines[machine].node for machine in states}
        chosen = im_workers.nodes(new, taken)
        pool, provider = self._setup.pool, self._setup.provider
        nodes = [node for node, _ in chosen]
        stale = set(memory.nodes) - taken - {node.name for node in nodes}
        values = im_workers.values(pool, provider, chosen)
        text = tosca.template(pool, provider, [*nodes, *im_workers.unused(pool, stale)], values)
        if memory.infrastructure:
            self._save(replace(memory, nodes=tuple(sorted({*memory.nodes, *(one.name for one in nodes)}))))
            self._manager.add(memory.infrastructure, text)
        else:
            made = self._manager.create(text)
            self._save(Memory(infrastructure=made, nodes=tuple(one.name for one in nodes)))

    def list(self) -> Sequence[Seen]:
        """Return the workers whose machines are there."""
        memory, states = self._look()
        return im_states.seen(memory.infrastructure, states, memory.machines)

    def terminate(self, workers: Sequence[str]) -> None:
        """Remove machines, and the infrastructure with the last of them."""
        memory, states = self._look()
        chosen = {machine for machine in states if memory.machines[machine].worker in workers}
        if not chosen:
            return
        self._remove(memory, states, chosen)

    def logs(self, worker: str) -> str:
        """Return what Ansible said on the machine of a worker."""
        memory, states = self._look()
        machine = next((one for one in states if memory.machines[one].worker == worker), None)
        if machine is None:
            raise ProviderError(f"the Infrastructure Manager has no machine of {worker} (any more)")
        text = self._manager.message(memory.infrastructure, machine)
        return im_states.clean(text or self._manager.message(memory.infrastructure))[-_LONGEST:]

    def _without_dead(self, memory: Memory, states: Mapping[str, str]) -> tuple[Memory, Mapping[str, str]]:
        """Remove machines that would keep all others from being configured."""
        dead = {machine for machine, state in states.items() if state in im_states.DEAD}
        return self._remove(memory, states, dead) if dead else (memory, states)

    def _remove(
        self, memory: Memory, states: Mapping[str, str], chosen: set[str]
    ) -> tuple[Memory, Mapping[str, str]]:
        left = {machine: state for machine, state in states.items() if machine not in chosen}
        if left:
            self._manager.remove(memory.infrastructure, chosen)
            kept = {machine: known for machine, known in memory.machines.items() if machine in left}
            return self._save(replace(memory, machines=kept)), left
        self._manager.destroy(memory.infrastructure)
        return self._save(Memory()), left

    def _look(self) -> tuple[Memory, Mapping[str, str]]:
        """Return what is there: what is known of it, and the state of each machine of ours."""
        memory = im_memory.load(self._file)
        found = self._manager.states(memory.infrastructure) if memory.infrastructure else None
        if found is None or found[0] == "deleting":
            memory = self._found_again()
            found = self._manager.states(memory.infrastructure) if memory.infrastructure else None
        if found is None:
            return self._save(Memory()), {}
        states = found[1]
        machines = {
            machine: self._noted(memory.infrastructure, machine, state, memory.machines.get(machine))
            for machine, state in states.items()
        }
        known = {machine: one for machine, one in machines.items() if one is not None}
        memory = self._save(replace(memory, machines=known))
        return memory, {machine: state for machine, state in states.items() if machine in known}

    def _noted(self, infrastructure: str, machine: str, state: str, known: Known | None) -> Known | None:
        if known is None or not known.address:
            found = self._manager.machine(infrastructure, machine)
            if found is None:
                return known
            known = replace(
                known or Known(worker=found.name, node=found.node), address=found.address.partition("/")[0]
            )
        known = im_states.noted(state, known)
        if im_states.needs_reason(state, known):
            text = self._manager.message(infrastructure, machine)
            reason = im_states.why(text) or im_states.why(self._manager.message(infrastructure))
            known = replace(known, reason=reason or f"the machine is {state}")
        return known

    def _found_again(self) -> Memory:
        """Return the pool's infrastructure, as it is found among all of the user's."""
        for infrastructure, name in self._manager.named():
            if name == self._name:
                topology = self._manager.template(infrastructure).get("topology_template", {})
                nodes = topology.get("node_templates", {})
                return Memory(infrastructure=infrastructure, nodes=tuple(sorted(nodes)))
        return Memory()

    def _save(self, memory: Memory) -> Memory:
        im_memory.save(self._file, memory)
        return memory


_ALIVE = (State.PENDING, State.RUNNING)
