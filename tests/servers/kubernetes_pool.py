"""A pool on a cluster of a test: its workers have a program that behaves as its order says."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from dodas.pool.description.model import Flavour, PoolDescription, ProviderSettings
from dodas.pool.providers import kubernetes
from dodas.pool.providers.base import Seen, Setup, State, Worker
from servers.kubernetes_cluster import USER, Cluster, kubeconfig

_THERE = (State.PENDING, State.RUNNING)
SECRET = "eyJhbGciOi.the-token-of-a-worker.c2lnbmF0dXJl"
_PROGRAM = b"""#!/bin/sh
[ "$1" = pilot ] && [ "$(cat token)" = "%s" ] || exit 3
[ "$(stat -c %%a . token | tr "\\n" ,)" = 700,600, ] || exit 4
echo "order $(cat "$2")"
case "$(cat "$2")" in
*ends*) exit 0;;
*fails*) echo broken; exit 7;;
esac
trap 'echo told; exit 0' TERM
echo ready
while :; do sleep 0.05; done
exit
""" % SECRET.encode()


class Pool:
    """The pool, what its provider is, and the workers that were asked for."""

    def __init__(self, cluster: Cluster, folder: Path, **settings: Any) -> None:
        self.cluster = cluster
        self.folder = folder
        self.namespace = settings.get("namespace") or cluster.namespace()
        config = folder / "kubeconfig"
        config.write_text(yaml.safe_dump(kubeconfig(cluster.server, cluster.pki, {"token": USER})))
        given = {"kubeconfig": str(config), "namespace": self.namespace, **settings}
        self.flavour = Flavour(
            name="small", provider="cluster", cores=1, memory=64 << 20, image="registry.test/worker:1"
        )
        self.description = PoolDescription(
            name=f"phy-{next(cluster.folders)}",
            providers=(
                ProviderSettings(
                    name="cluster",
                    kind="kubernetes",
                    settings=tuple((name, value) for name, value in given.items() if value),
                ),
            ),
            flavours=(self.flavour,),
        )
        # Longer than one ConfigMap; what follows `exit` is never read.
        (folder / "program").write_bytes(_PROGRAM + os.urandom(1_500_000))
        (folder / "state").mkdir(mode=0o700)
        self.provider = self.fresh()

    def fresh(self) -> kubernetes.Kubernetes:
        """Return the provider as another process would have it."""
        return kubernetes.make(
            Setup(pool=self.description, provider="cluster", state=str(self.folder / "state"))
        )

    def worker(self, number: int = 1, does: str = "stays", **changes: Any) -> Worker:
        """Return a worker, which ``stays``, ``ends`` or ``fails``; of a flavour that is changed."""
        name = f"{self.description.name}-small-{number:08x}"
        directory = self.folder / name
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / "pilot.json").write_text(json.dumps({"does": does, "grace": 5}))
        (directory / "token").write_text(SECRET)
        return Worker(
            name=name,
            flavour=replace(self.flavour, **changes),
            site=None,
            directory=str(directory),
            program=str(self.folder / "program"),
        )

    def seen(self, worker: Worker) -> Seen | None:
        """Return how a worker is, ``None`` if it is gone."""
        return next((one for one in self.provider.list() if one.worker == worker.name), None)

    def left(self, workers: Sequence[Worker]) -> list[Seen]:
        """Return those of workers that are not over."""
        names = {worker.name for worker in workers}
        return [one for one in self.provider.list() if one.worker in names and one.state in _THERE]

    def wait(self, worker: Worker, state: State, reason: str = "") -> Seen:
        """Wait for a worker to be so, for such a reason."""
        last: list[Seen | None] = []

        def is_so() -> bool:
            last[:] = [self.seen(worker)]
            return last[0] is not None and last[0].state is state and reason in last[0].reason

        try:
            self.cluster.until(is_so, what=f"{worker.name} to be {state.value} {reason}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last}") from None
        assert last[0] is not None
        return last[0]

    def wait_gone(self, workers: Sequence[Worker]) -> None:
        """Wait for workers to be gone, with all that was theirs."""
        mine = {worker.name for worker in workers}
        for plural in ("jobs", "secrets", "configmaps"):
            self.cluster.until(
                lambda plural=plural: not mine & set(self.cluster.names(self.namespace, plural)),
                what=f"the {plural} of {mine} to go",
            )
        self.cluster.until(lambda: not self.left(workers), what="Pods to go")
