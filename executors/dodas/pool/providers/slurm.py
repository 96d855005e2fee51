"""Workers as jobs of a Slurm cluster, through its commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from dodas.pool.providers.base import Refused, Seen, Setup, State, Worker
from dodas.pool.providers.commands import run
from dodas.pool.providers.ours import Told, names_of, own_output
from dodas.pool.rendering.slurm import render

# squeue(1), "JOB STATE CODES"; any other is an end.
_STATES = {
    "PENDING": State.PENDING,
    "CONFIGURING": State.PENDING,
    "REQUEUED": State.PENDING,
    "REQUEUE_HOLD": State.PENDING,
    "REQUEUE_FED": State.PENDING,
    "RESIZING": State.RUNNING,
    "RUNNING": State.RUNNING,
    "SIGNALING": State.RUNNING,
    "STAGE_OUT": State.RUNNING,
    "STOPPED": State.RUNNING,
    "SUSPENDED": State.RUNNING,
    "COMPLETING": State.RUNNING,  # its processes end
    "COMPLETED": State.ENDED,
    "CANCELLED": State.ENDED,
    "TIMEOUT": State.ENDED,
    "PREEMPTED": State.ENDED,
}
_PATIENCE = 3  # times that it is told
_FORMAT = "%i|%T|%N|%j|%r"


def make(setup: Setup) -> Slurm:
    """Return the provider."""
    return Slurm(setup)


class Slurm:
    """The jobs of one pool in the queue of one cluster."""

    def __init__(self, setup: Setup) -> None:
        self._pool = setup.pool
        self._prefixes = names_of(setup)
        self._told = Told(setup.state)
        cluster = setup.pool.provider(setup.provider).get("cluster")
        self._where = [f"--clusters={cluster}"] if cluster else []

    def launch(self, workers: Sequence[Worker]) -> None:
        """Submit a job for each worker that has none."""
        known = {one.worker for one in self.list() if one.state in (State.PENDING, State.RUNNING)}
        for worker in workers:
            if worker.name not in known:
                (script,) = render(self._pool, worker.flavour, worker)
                run(["sbatch", "--parsable", *self._where], given=script.text)

    def list(self) -> Sequence[Seen]:
        """Return the workers in the queue, and those that ended within Slurm's memory (MinJobAge)."""
        said = run(["squeue", "--me", "--noheader", "--states=all", f"--format={_FORMAT}", *self._where])
        return [seen for seen in parse(said) if seen.worker.startswith(self._prefixes)]

    def terminate(self, workers: Sequence[str]) -> None:
        """Tell running workers to end, at once when they are told again; the third time Slurm ends them."""
        wanted = set(workers)
        jobs = [seen for seen in self.list() if seen.worker in wanted] if wanted else []
        waiting = [seen.handle for seen in jobs if seen.state is State.PENDING]
        running = {seen.worker: seen.handle for seen in jobs if seen.state is State.RUNNING}
        counts = self._told.again(running) if running else {}
        told = [job for worker, job in running.items() if counts[worker] < _PATIENCE]
        ended = [*waiting, *(job for worker, job in running.items() if counts[worker] >= _PATIENCE)]
        if told:
            # Only the worker itself; without --batch Slurm would signal all that it started.
            self._cancel(["--batch", "--signal=TERM", *told])
        if ended:
            self._cancel(ended)

    def logs(self, worker: str) -> str:
        """Return what a worker printed; Slurm writes it where the directory of the pool is."""
        return own_output(self._pool.name, worker)

    def _cancel(self, words: Iterable[str]) -> None:
        with suppress(Refused):  # it has ended meanwhile
            run(["scancel", *self._where, *words])


def parse(said: str) -> list[Seen]:
    """Return what ``squeue`` printed in the format that it is asked for."""
    found = []
    for line in said.splitlines():
        fields = line.split("|", 4)
        if len(fields) != 5 or not fields[0].strip().isdigit():
            continue
        job, state, node, name, reason = (field.strip() for field in fields)
        found.append(
            Seen(
                worker=name,
                state=_STATES.get(state, State.FAILED),
                handle=job,
                node=node,
                reason=_reason(state, reason),
            )
        )
    return found


def _reason(state: str, reason: str) -> str:
    """Return why a job is as it is, where that does not go without saying."""
    said = "" if reason in {"", "None"} else reason
    if state in {"RUNNING", "COMPLETED", "COMPLETING"}:
        return said
    return f"{state.lower()}: {said}" if said else state.lower()
