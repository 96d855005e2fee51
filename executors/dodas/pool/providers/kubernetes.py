"""Workers as Jobs of a Kubernetes cluster, over its REST API alone."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress

from dodas.pool.providers.base import (
    NotAuthorised,
    ProviderError,
    ProviderUnavailable,
    Refused,
    Seen,
    Setup,
    Worker,
)
from dodas.pool.providers.kubernetes_api import Api, Object
from dodas.pool.providers.kubernetes_config import access
from dodas.pool.providers.kubernetes_states import are_missing, seen
from dodas.pool.providers.parted import Parted
from dodas.pool.rendering import kubernetes as rendering
from dodas.pool.rendering.kubernetes import Program

_PART = 768 << 10  # bytes; a ConfigMap holds at most 1 MiB
_TOGETHER = 50  # workers named in one address
_LAUNCHING = 40.0  # seconds after which no further worker is asked for in one call
_LINES = 500


def make(setup: Setup) -> Kubernetes:
    """Return the provider.

    Raises:
        Refused: No cluster is named, or its kubeconfig cannot be used.
    """
    return Kubernetes(setup)


class Kubernetes:
    """The Jobs of one pool in one namespace."""

    def __init__(self, setup: Setup) -> None:
        self._pool = setup.pool
        self._api = Api(access(setup.pool.provider(setup.provider), setup.state))
        self._parted = Parted()
        self._labels = rendering.owner_labels(setup.pool, setup.provider)
        self._selector = ",".join(f"{name}={value}" for name, value in self._labels.items())

    def launch(self, workers: Sequence[Worker]) -> None:
        """Make a Job for each worker that has none, and what it needs."""
        with self._api.together():
            end = time.monotonic() + _LAUNCHING
            programs: dict[tuple[str, str], Program] = {}
            for number, worker in enumerate(workers):
                if time.monotonic() > end:
                    raise ProviderUnavailable(
                        f"{self._api.who} is slow: it was asked for {number} of {len(workers)} workers",
                        hint="the others are asked for in the next round",
                    )
                kind = worker.flavour.name, worker.program
                if kind not in programs:
                    programs[kind] = self._ship(worker)
                    self._try(self._job(worker, programs[kind]))
                self._give(worker, self._made(self._job(worker, programs[kind])))

    def list(self) -> Sequence[Seen]:
        """Return the workers that have a Job, or a Pod that is ending, and those that were told to go."""
        with self._api.together():
            jobs = self._api.find("jobs", labelSelector=self._selector)
            pods = self._api.find("pods", labelSelector=self._selector)
            events: Sequence[Object] = ()
            if are_missing(jobs, pods):
                with suppress(NotAuthorised):  # they only explain
                    events = self._api.find(
                        "events", fieldSelector="involvedObject.kind=Job,reason=FailedCreate"
                    )
            return self._parted.complete(seen(jobs, pods, events))

    def terminate(self, workers: Sequence[str]) -> None:
        """Delete Jobs, whose Pods get SIGTERM and their grace; with the last one goes the program."""
        with self._api.together():
            self._parted.tell(workers)
            for first in range(0, len(workers), _TOGETHER):
                names = ",".join(sorted(workers[first : first + _TOGETHER]))
                self._api.delete_all("jobs", f"{self._selector},dodas.worker in ({names})")
            if not self._api.has_any("jobs", self._selector):
                self._api.delete_all("configmaps", f"{self._selector},dodas.program")

    def logs(self, worker: str) -> str:
        """Return the end of what the last Pod of a worker printed that printed anything."""
        with self._api.together():
            pods = self._api.find("pods", labelSelector=f"{self._selector},dodas.worker={worker}")
            pods.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
            for pod in pods:
                text = self._api.log(str(pod["metadata"]["name"]), _LINES)
                if text:
                    return text
            if pods:
                raise ProviderError(f"worker {worker} has printed nothing yet", hint="try again later")
            raise ProviderError(
                f"the cluster has no Pod of worker {worker}, and so no log",
                hint="look at `dodas pool status`",
            )

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _job(self, worker: Worker, program: Program) -> Object:
        grace = rendering.GRACE
        with suppress(ValueError, TypeError, AttributeError):
            grace = float(json.loads(_content(worker, "pilot.json")).get("grace", grace))
        return rendering.job(self._pool, worker.flavour, worker.name, program=program, grace=grace)

    def _try(self, job: Object) -> None:
        """Ask whether the cluster would take the Pod: it takes a Job whose Pods it refuses for ever."""
        template = job["spec"]["template"]
        metadata = {**template["metadata"], "name": job["metadata"]["name"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        with suppress(NotAuthorised):  # then `list` tells
            self._api.create("pods", pod, dry=True)

    def _made(self, job: Object) -> str:
        """Make a Job unless it is there; return its uid."""
        found = self._api.create("jobs", job) or self._api.get("jobs", job["metadata"]["name"])
        labels = found["metadata"].get("labels") or {}
        if any(labels.get(name) != value for name, value in self._labels.items()):
            raise Refused(
                f"{self._api.who} has a Job {job['metadata']['name']} that is none of this pool's",
                hint="give the pool another name, or a namespace of its own",
            )
        return str(found["metadata"]["uid"])

    def _give(self, worker: Worker, uid: str) -> None:
        """Give a worker its order and its token, which go when its Job goes."""
        text = _content(worker, "pilot.json").decode()
        order = rendering.order(self._pool, worker.flavour, worker.name, owner=uid, text=text)
        value = _content(worker, "token").decode()
        token = rendering.token(self._pool, worker.flavour, worker.name, owner=uid, value=value)
        self._api.create("configmaps", order)
        self._api.create("secrets", token)

    def _ship(self, worker: Worker) -> Program:
        """Bring the program into the namespace, unless the image has it or it is there."""
        if rendering.program_in_image(self._pool, worker.flavour):
            return rendering.EXAMPLE
        content = _read(worker.program)
        parts = [content[at : at + _PART] for at in range(0, len(content), _PART)]
        program = Program(version=hashlib.sha256(content).hexdigest()[:12], parts=len(parts))
        there = self._api.names("configmaps", f"{self._selector},dodas.program={program.version}")
        for number, data in enumerate(parts):
            text = base64.b64encode(data).decode()
            made = rendering.part(self._pool, worker.flavour, program, number, text)
            if made["metadata"]["name"] not in there:
                self._api.create("configmaps", made)
        return program


def _content(worker: Worker, name: str) -> bytes:
    return _read(f"{worker.directory}/{name}")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Refused(
            f"{path}, which the worker needs, cannot be read: {error.strerror}", hint="start the pool again"
        ) from None
