"""The kinds of backend that one suite is run for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dodas.backend import Backend
from dodas.backends.local import LocalBackend
from dodas.step import Step
from local_runs import Followed


@dataclass
class Anywhere:
    """A place where steps run.

    Attributes:
        base: Directory for what they leave.
        pool: A pool; ``None`` is this machine.
        cores: Processors there.
    """

    base: Path
    pool: str | None
    cores: int = 2
    made: list[Backend] = field(default_factory=list)

    @property
    def without_retries(self) -> dict[str, int]:
        """Options with which a step is run once and no more."""
        return {} if self.pool is None else {"retries": 0, "memory_retries": 0}

    def make(self, **options: Any) -> Backend:
        """Make a backend."""
        values = {"logs": str(self.base / "logs"), **options}
        backend = self._local(values) if self.pool is None else self._pooled(values)
        self.made.append(backend)
        return backend

    def run(self, steps: Sequence[Step], **options: Any) -> Followed:
        """Run steps to their end."""
        backend = self.make(**options)
        backend.submit(steps)
        return Followed().finish(backend)

    def close(self) -> None:
        """Close what was made, and see that it left nothing."""
        for backend in self.made:
            backend.close()
        scratch = self.base / "scratch"
        if scratch.exists():
            assert [name for home in scratch.iterdir() for name in os.listdir(home)] == []

    def _local(self, values: dict[str, Any]) -> Backend:
        (self.base / "scratch").mkdir(exist_ok=True)
        return LocalBackend(scratch=str(self.base / "scratch"), cores=self.cores, **values)

    def _pooled(self, values: dict[str, Any]) -> Backend:
        from dodas.backends.htcondor import HtcondorBackend

        run = str(self.base / f"run{len(self.made)}")
        return HtcondorBackend(pool=self.pool, run=run, bundle=None, **values)
