"""Workers as jobs of another HTCondor pool: glideins.

Setting ``pool`` names one of ``dodas pool``, or is a collector's address; ``schedd`` names a schedd there.
Without either it is the pool of this host's own configuration.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from dodas.errors import SpecError
from dodas.pool.access import of_user
from dodas.pool.layout import existing, known
from dodas.pool.providers.base import ProviderUnavailable, Seen, Setup, State, Worker
from dodas.pool.providers.commands import run
from dodas.pool.providers.ours import names_of, own_output
from dodas.pool.rendering.htcondor import render

# JobStatus (HTCondor manual, "Job ClassAd Attributes").
_STATES = {
    1: State.PENDING,
    2: State.RUNNING,
    3: State.ENDED,
    4: State.ENDED,
    5: State.FAILED,
    6: State.RUNNING,
    7: State.RUNNING,
}
_COMPLETED = 4
_ATTRIBUTES = ("ClusterId", "ProcId", "JobStatus", "DodasWorkerName", "RemoteHost", "HoldReason", "ExitCode")


def make(setup: Setup) -> Htcondor:
    """Return the provider.

    Raises:
        SpecError: It names the pool itself.
    """
    return Htcondor(setup)


class Htcondor:
    """The workers of one pool that are jobs in the queue of another."""

    def __init__(self, setup: Setup) -> None:
        provider = setup.pool.provider(setup.provider)
        name = str(provider.get("pool") or "")
        if name == setup.pool.name:
            raise SpecError(
                f"the provider {setup.provider} has the pool {name} get its workers from itself",
                hint="name another pool",
            )
        ours = name in {layout.name for layout in existing()}
        self._pool = setup.pool
        self._prefixes = names_of(setup)
        self._config = {"CONDOR_CONFIG": known(name).client_config if ours else of_user()}
        self._where = {"collector": "" if ours else name, "schedd": str(provider.get("schedd") or "")}

    def launch(self, workers: Sequence[Worker]) -> None:
        """Submit a job for each worker that has none."""
        there = {one.worker for one in self.list()}
        new = [worker for worker in workers if worker.name not in there]
        if new:
            texts = [render(self._pool, worker.flavour, worker)[0].text for worker in new]
            self._ask("submit", descriptions=texts)

    def list(self) -> Sequence[Seen]:
        """Return the workers in the queue."""
        wanted = f'DodasPool == "{self._pool.name}" && DodasWorkerName =!= undefined'
        said = self._ask("list", constraint=wanted, attributes=_ATTRIBUTES)
        return [one for one in map(seen, said) if one.worker.startswith(self._prefixes)]

    def terminate(self, workers: Sequence[str]) -> None:
        """Remove the jobs: HTCondor tells a worker that runs, which then has a minute to end."""
        names = [f'DodasWorkerName == "{name}"' for name in workers if name.startswith(self._prefixes)]
        if names:
            self._ask("remove", constraint=" || ".join(names))

    def logs(self, worker: str) -> str:
        """Return what a worker printed, as far as it has come back."""
        return own_output(self._pool.name, worker)

    def _ask(self, verb: str, **asked: object) -> Any:
        words = [sys.executable, "-m", "dodas.pool.providers.htcondor_talk", verb]
        said = run(words, given=json.dumps({**self._where, **asked}), config=self._config)
        try:
            return json.loads(said)
        except ValueError as error:
            raise ProviderUnavailable(f"HTCondor gave an answer that cannot be read: {error}") from error


def seen(ad: Mapping[str, Any]) -> Seen:
    """Return the worker that a job is."""
    status = int(ad.get("ExitCode", 0)) if ad["JobStatus"] == _COMPLETED else 0
    ended = f"exit status {status}" if status else ""
    return Seen(
        worker=str(ad["DodasWorkerName"]),
        state=State.FAILED if status else _STATES.get(ad["JobStatus"], State.FAILED),
        handle=f"{ad['ClusterId']}.{ad['ProcId']}",
        node=str(ad.get("RemoteHost", "")).partition("@")[2],
        reason=str(ad.get("HoldReason", "")).replace("\n", " ") or ended,
    )
