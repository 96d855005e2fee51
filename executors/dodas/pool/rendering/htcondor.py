"""The submit description of a worker in another HTCondor pool: a glidein (HTCondor manual, condor_submit).

The worker's order and token travel with the job's own file transfer, the token encrypted.  Pure text.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator

from dodas.pool.description.model import Flavour, PoolDescription, Setting
from dodas.pool.providers.base import Worker, prefix
from dodas.pool.rendering import Rendered

_SEEN = 120  # seconds that a job stays in the queue after its end, so that it can be seen how it ended
_SLACK = 600  # seconds beyond a worker's life, in which it must have left


def render(pool: PoolDescription, flavour: Flavour, worker: Worker | None = None) -> tuple[Rendered, ...]:
    """Return the submit description of a worker, or of any worker if none is named."""
    name = worker.name if worker else f"{prefix(pool.name, flavour.name)}00000000"
    directory = worker.directory if worker else f"WORKERS/{name}"
    program = worker.program if worker else "WORKERS/dodas-worker"
    lines = [f"{key} = {value}" for key, value in _commands(pool, flavour, name, directory, program)]
    return (Rendered(name=f"{name}.sub", text="\n".join((*lines, "queue", ""))),)


def _commands(
    pool: PoolDescription, flavour: Flavour, name: str, directory: str, program: str
) -> Iterator[tuple[str, str]]:
    yield "universe", "vanilla"
    yield "executable", _literal(program)
    yield "arguments", "pilot pilot.json"
    yield "initialdir", _literal(directory)
    yield "should_transfer_files", "YES"
    yield "when_to_transfer_output", "ON_EXIT_OR_EVICT"
    yield "transfer_input_files", "pilot.json,token"
    yield "encrypt_input_files", "token"
    yield "transfer_output_files", '""'
    yield "output", "worker.out"
    yield "error", "worker.err"
    yield "request_cpus", str(flavour.cores)
    yield "request_memory", str(math.ceil(flavour.memory / (1 << 20)))
    if flavour.disk:
        yield "request_disk", str(math.ceil(flavour.disk / (1 << 10)))
    if flavour.gpus:
        yield "request_gpus", str(flavour.gpus)
    yield "allowed_execute_duration", str(math.ceil(flavour.lifetime) + _SLACK)
    yield "want_graceful_removal", "true"
    yield "job_max_vacate_time", "60"
    yield "max_retries", "0"
    # A worker is never run twice: the pool asks for another one, by another name.
    yield "periodic_remove", "NumJobStarts > 0 && JobStatus == 1 || JobStatus == 5"
    yield "leave_in_queue", f"JobStatus == 4 && time() - CompletionDate < {_SEEN}"
    yield "+DodasPool", f'"{pool.name}"'
    yield "+DodasWorkerName", f'"{name}"'
    yield from _given(pool.provider(flavour.provider).get("submit"))
    yield from _given(dict(flavour.settings).get("submit"))


def _given(setting: Setting) -> Iterator[tuple[str, str]]:
    for pair in setting if isinstance(setting, tuple) else ():
        if isinstance(pair, tuple) and len(pair) == 2:
            yield str(pair[0]), _one_line(str(pair[1]))


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))


def _literal(path: str) -> str:
    """Return a path as it stands in a submit file: a dollar would begin a macro."""
    return posixpath.normpath(path).replace("$", "$(DOLLAR)")
