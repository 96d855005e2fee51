"""A provider whose every call, with all that it asks of its service, ends within a minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dodas.pool.providers.base import Provider, Seen, Worker
from dodas.pool.providers.rest import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """A provider, and the service that it asks.

    Attributes:
        provider: Does what is to be done.
        service: Asked by it alone.
    """

    provider: Provider
    service: Service

    def launch(self, workers: Sequence[Worker]) -> None:
        """Ask for workers."""
        with self.service.together():
            self.provider.launch(workers)

    def list(self) -> Sequence[Seen]:
        """Return the workers that are there."""
        with self.service.together():
            return self.provider.list()

    def terminate(self, workers: Sequence[str]) -> None:
        """Tell workers to end."""
        with self.service.together():
            self.provider.terminate(workers)

    def logs(self, worker: str) -> str:
        """Return the output of a worker."""
        with self.service.together():
            return self.provider.logs(worker)
