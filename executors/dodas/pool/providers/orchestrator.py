"""Workers on machines of clouds that an INDIGO PaaS Orchestrator chooses.

A pool has one deployment there, whose template has a node for each worker.  While it is being changed, it can
not be changed: what is asked for in between is refused for the moment, and asked for again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from dodas.auth.credentials import Credentials
from dodas.pool.providers import im_authorization, im_memory, im_states, im_workers, orchestrator_changes
from dodas.pool.providers.base import (
    Provider,
    ProviderError,
    Seen,
    Setup,
    State,
    Worker,
)
from dodas.pool.providers.im_memory import Known, Memory
from dodas.pool.providers.im_own import EachItsOwn
from dodas.pool.providers.orchestrator_api import Deployment, Options, Orchestrator, Resource
from dodas.pool.providers.orchestrator_states import View, must_be_changeable, seen
from dodas.pool.providers.rest import Service
from dodas.pool.providers.rest_bounded import Bounded
from dodas.pool.rendering import tosca

_STUCK = 3600.0  # seconds after which a removal does not get on by itself
_LONGEST = 65536  # characters of a log


def make(setup: Setup) -> Provider:
    """Return the provider."""
    settings = setup.pool.provider(setup.provider)
    token = im_authorization.bearer(Credentials.from_environment())
    service = Service(
        name="the Orchestrator",
        url=str(settings.get("url") or ""),
        ca_file=str(settings.get("ca_file") or ""),
        headers=lambda fresh: {"Authorization": f"Bearer {token(fresh)}"},
    )
    minutes = settings.get("timeout_mins")
    options = Options(
        timeout_mins=minutes if isinstance(minutes, int) else None,
        user_group=str(settings.get("user_group") or ""),
    )
    orchestrator = Orchestrator(service=service, options=options)
    kind = EachItsOwn if settings.get("template") else Shared
    return Bounded(provider=kind(setup, orchestrator), service=service)


class Shared:
    """The machines of one pool, in one deployment.

    Args:
        setup: What they are for.
        orchestrator: Who makes them.
    """

    def __init__(self, setup: Setup, orchestrator: Orchestrator) -> None:
        self._setup, self._orchestrator = setup, orchestrator
        self._name = tosca.infrastructure(setup.pool, setup.provider)
        self._file = os.path.join(setup.state, "deployment.json")

    def launch(self, workers: Sequence[Worker]) -> None:
        """Ask for the machines of workers that have none."""
        view = self._look()
        there = {one.worker for one in seen(view) if one.state in (State.PENDING, State.RUNNING)}
        new = [worker for worker in workers if worker.name not in there]
        if not new:
            return
        if view.deployment is not None and view.deployment.status == "CREATE_FAILED":
            view = self._remove(view, view.deployment)
        pool, provider = self._setup.pool, self._setup.provider
        chosen = im_workers.nodes(new, view.machines)
        parameters = im_workers.values(pool, provider, chosen)
        text = tosca.template(pool, provider, [node for node, _ in chosen])
        machines = {node.name: Known(worker=node.worker, node=node.name) for node, _ in chosen}
        if view.deployment is None:
            made = self._orchestrator.create(text, parameters)
            deployment = Deployment(id=made, status="CREATE_IN_PROGRESS")
            self._save(View(deployment=deployment, machines=machines, leaving=view.leaving))
            return
        must_be_changeable(view.deployment)
        template = self._orchestrator.template(view.deployment.id)
        changed = orchestrator_changes.with_more(template, text)
        self._orchestrator.update(view.deployment.id, changed, parameters)
        self._save(replace(view, machines={**view.machines, **machines}))

    def list(self) -> Sequence[Seen]:
        """Return the workers of the deployment."""
        return seen(self._look())

    def terminate(self, workers: Sequence[str]) -> None:
        """Remove machines, and the deployment with the last of them."""
        view = self._look()
        chosen = [node for node, known in view.machines.items() if known.worker in workers]
        if view.deployment is None or not chosen:
            return
        if len(chosen) == len(view.machines) or view.deployment.status == "CREATE_FAILED":
            self._remove(view, view.deployment)
            return
        must_be_changeable(view.deployment)
        template = self._orchestrator.template(view.deployment.id)
        removed = {node: [one.id for one in view.resources.get(node, ())] for node in chosen}
        self._orchestrator.update(view.deployment.id, orchestrator_changes.without(template, removed), {})
        left = {node: known for node, known in view.machines.items() if node not in chosen}
        self._save(replace(view, machines=left))

    def logs(self, worker: str) -> str:
        """Return the log of the deployment; it has none of a single machine."""
        view = self._look()
        if view.deployment is None or all(one.worker != worker for one in view.machines.values()):
            raise ProviderError(f"the Orchestrator has no machine of {worker} (any more)")
        return im_states.clean(self._orchestrator.message(view.deployment.id))[-_LONGEST:]

    def _remove(self, view: View, deployment: Deployment) -> View:
        self._orchestrator.destroy(deployment.id)
        return self._save(View(leaving=(*view.leaving, deployment.id)))

    def _look(self) -> View:
        memory = im_memory.load(self._file)
        leaving = tuple(one for one in memory.leaving if self._is_leaving(one))
        found = self._orchestrator.deployment(memory.infrastructure) if memory.infrastructure else None
        if found is None or found.status.startswith("DELETE_"):
            memory = Memory(infrastructure=self._found_again())
            found = self._orchestrator.deployment(memory.infrastructure) if memory.infrastructure else None
        if found is None:
            return self._save(View(leaving=leaving))
        resources: dict[str, tuple[Resource, ...]] = {}
        for one in self._orchestrator.resources(found.id):
            resources[one.node] = (*resources.get(one.node, ()), one)
        # The template also knows of a change whose answer was lost, and of a removal that failed.
        machines = {**self._of_template(found.id, resources), **memory.machines}
        return self._save(View(deployment=found, machines=machines, resources=resources, leaving=leaving))

    def _is_leaving(self, deployment: str) -> bool:
        """Tell whether a deployment is still being removed, and try that again if it does not get on."""
        found = self._orchestrator.deployment(deployment)
        if found is None or not found.status.startswith("DELETE_"):
            return False
        hung = found.changed is not None and found.changed < time.time() - _STUCK
        if found.status == "DELETE_IN_PROGRESS" and hung:
            self._orchestrator.unstick(found.id)
            self._orchestrator.destroy(found.id)
        elif found.status == "DELETE_FAILED":
            self._orchestrator.destroy(found.id)
        return True

    def _of_template(self, deployment: str, resources: Collection[str]) -> dict[str, Known]:
        found = orchestrator_changes.workers(self._orchestrator.template(deployment), resources)
        return {node: Known(worker=worker, node=node) for node, worker in found.items()}

    def _found_again(self) -> str:
        return next((one for one, name in self._orchestrator.named() if name == self._name), "")

    def _save(self, view: View) -> View:
        known = view.deployment.id if view.deployment else ""
        memory = Memory(infrastructure=known, machines=view.machines, leaving=view.leaving)
        im_memory.save(self._file, memory)
        return view
