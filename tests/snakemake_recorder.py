"""A backend that keeps what it is given, under a Snakemake in this process."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from snakemake.api import SnakemakeApi
from snakemake.settings import types as settings

from dodas.backend import Event, Finished
from dodas.step import Failure, Result, Step
from snakemake_executor_plugin_dodas import ExecutorSettings, backends
from snakemake_executor_plugin_dodas.backends import Place
from snakemake_executor_plugin_dodas.step.allotment import Ceiling

NO_CEILING = Ceiling()


class Recorder:
    """A backend that keeps steps, and runs them one by one where it is, images or not."""

    def __init__(self, refuse: Callable[[Step], Exception | None] = lambda step: None) -> None:
        self.steps: dict[str, Step] = {}
        self.batches: list[list[str]] = []
        self.closed = False
        self._refuse = refuse
        self._waiting: deque[Step] = deque()
        self._changed = threading.Condition()

    def submit(self, steps: Sequence[Step]) -> None:
        for error in filter(None, map(self._refuse, steps)):
            raise error
        self.batches.append([step.name for step in steps])
        self.steps.update((step.name, step) for step in steps)
        self._waiting.extend(steps)

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        while self._waiting:
            yield self._finished(self._waiting.popleft())

    def cancel(self, steps: Collection[str]) -> None: ...

    def close(self) -> None:
        self.closed = True

    def _finished(self, step: Step) -> Finished:
        env = {**dict(step.env), "PATH": os.environ["PATH"]}
        code = subprocess.run(step.argv, cwd=step.cwd, env=env, check=False).returncode
        failure = Failure.TOOL if code else None
        result = Result(step=step.id, exit_code=code, failure=failure, reason="no" * bool(code))
        return Finished(step=step.id, time=time.time(), result=result)


def run(
    path: Path,
    snakefile: str,
    backend: Recorder,
    *,
    ceiling: Ceiling = NO_CEILING,
    here: bool = True,
    shared: bool = True,
    past: Any = None,
    dag: Mapping[str, bool] | None = None,
    **options: object,
) -> bool:
    """Run a workflow in this process on ``backend``; return whether it succeeded."""
    place = Place(backend=backend, ceiling=ceiling, here=here, shared=shared, past=past)
    (path / "Snakefile").write_text(snakefile)
    before = os.getcwd()
    try:
        with pytest.MonkeyPatch.context() as patch, SnakemakeApi(settings.OutputSettings()) as snakemake:
            patch.setattr(backends, "_local", lambda *_: place)
            workflow = snakemake.workflow(
                resource_settings=settings.ResourceSettings(nodes=20),
                workdir=path,
                snakefile=path / "Snakefile",
            )
            workflow.dag(settings.DAGSettings(**(dag or {}))).execute_workflow(
                executor="dodas",
                executor_settings=ExecutorSettings(**options),  # type: ignore[arg-type]
                execution_settings=settings.ExecutionSettings(keep_going=True, latency_wait=1),
                remote_execution_settings=settings.RemoteExecutionSettings(),
            )
    except settings.WorkflowError:
        return False
    finally:
        os.chdir(before)
    return True
