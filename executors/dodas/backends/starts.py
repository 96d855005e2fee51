"""The last things that a job is given before it starts: its GPUs, its log files, its launch."""

from __future__ import annotations

import os

from dodas.backends import gpus
from dodas.backends.gpus import Gpu
from dodas.backends.jobs import Job
from dodas.backends.logs import Logs
from dodas.containers.engines import engine
from dodas.containers.launch import Launch
from dodas.worker.plan import plan


class Starts:
    """Hands out GPUs and log files, and makes launches.

    Args:
        logs: Directory for the logs of steps.
        own: The GPUs that there are; admission sees to it that there are enough.
    """

    def __init__(self, logs: str, own: tuple[Gpu, ...]) -> None:
        self._logs = Logs(logs)
        self._free = list(own)
        self._cwd = os.getcwd()
        self._warned: set[str] = set()

    def launch(self, job: Job) -> Launch:
        """Return the launch of ``job``.

        Raises:
            OSError: Its log directory cannot be made.
            SpecError: Its image and it have no command.
        """
        step = job.shown or job.step
        self._warn_of_network(job)
        stdout = stderr = None
        if step.stdout is None or step.stderr is None:
            stdout, stderr = self._logs.streams(step.id)
        job.gpus = tuple(self._free[: step.resources.gpus])
        del self._free[: step.resources.gpus]
        return plan(
            step,
            job.root,
            engine=job.engine,
            program=_program(job),
            stdout=stdout,
            stderr=stderr,
            cwd=self._cwd,
            env=gpus.environment(job.gpus) if job.gpus and job.root is None else (),
            mounts=gpus.libraries(job.gpus),
            devices=tuple(dict.fromkeys(device for gpu in job.gpus for device in gpu.devices)),
        )

    def ended(self, job: Job) -> None:
        """Take back what ``job`` had."""
        self._free += job.gpus
        job.gpus = ()

    def _warn_of_network(self, job: Job) -> None:
        if job.step.network or job.engine in self._warned or engine(job.engine).isolates_network:
            return
        self._warned.add(job.engine)
        how = "without a container" if job.root is None else f"in the engine {job.engine}"
        import logging  # noqa: PLC0415 - takes milliseconds, and is not needed by most

        logging.getLogger(__name__).warning(
            "steps that should have no network, like %s, have one: it cannot be taken away %s",
            job.step.name,
            how,
        )


def _program(job: Job) -> str:
    if job.root is None:
        return ""
    from dodas.worker.choose import program_of  # noqa: PLC0415 - not needed without containers

    return program_of(job.engine)
