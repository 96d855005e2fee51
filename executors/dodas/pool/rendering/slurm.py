"""The job script of a worker on a Slurm cluster (sbatch(1)).  Pure text.

The worker is the job: Slurm's signals reach it, and what it prints is the job's output.
"""

from __future__ import annotations

import math
import posixpath
import shlex
from collections.abc import Iterator

from dodas.pool.description.model import Flavour, PoolDescription, Setting
from dodas.pool.providers.base import Worker, prefix
from dodas.pool.rendering import Rendered

_WARNING = 120  # seconds before the end of its time at which a job is told

_OPTIONS = ("partition", "account", "qos", "constraint", "clusters", "reservation")


def render(pool: PoolDescription, flavour: Flavour, worker: Worker | None = None) -> tuple[Rendered, ...]:
    """Return the script of a worker, or of any worker if none is named."""
    name = worker.name if worker else f"{prefix(pool.name, flavour.name)}00000000"
    place = str(pool.provider(flavour.provider).get("directory") or "WORKERS")
    directory = worker.directory if worker else posixpath.join(place, name)
    program = worker.program if worker else posixpath.join(place, "dodas-worker")
    lines = [
        "#!/bin/sh",
        *(f"#SBATCH {option}" for option in _options(pool, flavour, name, directory)),
        *_text_lines(pool.provider(flavour.provider).get("module_commands")),
        # Slurm's own variables of a step would be taken for those of jobs.
        f"exec {shlex.quote(program)} pilot {shlex.quote(posixpath.join(directory, 'pilot.json'))}",
        "",
    ]
    return (Rendered(name=f"{name}.sh", text="\n".join(lines)),)


def _options(pool: PoolDescription, flavour: Flavour, name: str, directory: str) -> Iterator[str]:
    provider, own = pool.provider(flavour.provider), dict(flavour.settings)
    yield f"--job-name={name}"
    yield f"--comment=dodas:{pool.name}"
    yield "--nodes=1"
    yield "--ntasks=1"
    yield f"--cpus-per-task={flavour.cores}"
    yield f"--mem={math.ceil(flavour.memory / (1 << 20))}M"
    yield f"--time={math.ceil((flavour.lifetime + _WARNING) / 60)}"
    yield f"--signal=B:TERM@{_WARNING}"
    yield "--no-requeue"  # the pool asks for another, by another name
    yield f"--output={_name(posixpath.join(directory, 'worker.out'))}"
    yield "--open-mode=append"
    # Of the little that sbatch is given: anything else has the node ask for the user's own environment, which
    # not every cluster allows.
    yield "--export=ALL"
    if flavour.gpus:
        yield f"--gpus-per-node={flavour.gpus}"
    for option in _OPTIONS:
        value = own.get(option) or provider.get(option)
        if value:
            yield f"--{option}={value}"
    yield from (*_words(provider.get("extra")), *_words(own.get("extra")))


def _name(path: str) -> str:
    r"""Return a file name of sbatch, in which ``%`` begins a replacement and ``\`` ends that (sbatch(1))."""
    return '"' + path.replace("%", "%%") + '"' if " " in path else path.replace("%", "%%")


def _words(setting: Setting) -> Iterator[str]:
    for value in setting if isinstance(setting, tuple) else () if setting is None else (setting,):
        yield str(value)


def _text_lines(setting: Setting) -> Iterator[str]:
    for value in _words(setting):
        yield from value.splitlines()
