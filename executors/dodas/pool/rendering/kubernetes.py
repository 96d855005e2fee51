"""Workers as Kubernetes objects: a Job each, with its order and its token, and the program that all share.

A Job rather than a bare Pod, because clusters remove bare Pods after hours, do not tidy up after them, and
keep their autoscalers from emptying nodes; its Pod is never repeated, since what replaces a worker is decided
in one place, the pool's agent.  The Pods satisfy the "restricted" profile of the Pod Security Standards.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import yaml

from dodas.pool.providers.base import prefix
from dodas.pool.rendering import Rendered
from dodas.pool.rendering.kubernetes_pod import Object, Program, mapping, part_name, pod, program_in_image

if TYPE_CHECKING:
    from dodas.pool.description.model import Flavour, PoolDescription
    from dodas.pool.providers.base import Worker

__all__ = ["EXAMPLE", "GRACE", "Object", "Program", "program_in_image", "render"]

GRACE = 120.0  # seconds that jobs have when a worker is told to end, for an order that does not say
_LEAVING = 30  # seconds that the worker itself has after that
_KEPT = 3600  # seconds that an ended Job stays, to be seen and to have its log read

EXAMPLE = Program(version="0" * 12, parts=2)
"""A program where there is none to look at."""


def render(pool: PoolDescription, flavour: Flavour, worker: Worker | None = None) -> tuple[Rendered, ...]:
    """Return the objects of one worker as YAML; what is only known when it is sent stands in ``<...>``.

    Raises:
        SpecError: The image is missing, or one that only this host has.
    """
    name = worker.name if worker else f"{prefix(pool.name, flavour.name)}00000000"
    owner = "<uid of the Job>"
    objects = [
        job(pool, flavour, name, program=EXAMPLE),
        order(pool, flavour, name, owner=owner, text="<pilot.json of the worker>"),
        token(pool, flavour, name, owner=owner, value="<file `token` of the worker>"),
    ]
    if not program_in_image(pool, flavour):
        placeholder = "<base64 of the worker program, {} of 2>"
        objects += [
            part(pool, flavour, EXAMPLE, number, placeholder.format(number + 1))
            for number in range(EXAMPLE.parts)
        ]
    text = yaml.dump_all(objects, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
    return (Rendered(name=f"{flavour.name}.yaml", text=text),)


class _Plain(yaml.SafeDumper):
    """Writes what is there twice twice, as people and other tools expect it."""

    def ignore_aliases(self, data: object) -> bool:
        """Return that nothing is to be referred to."""
        return True


def job(
    pool: PoolDescription, flavour: Flavour, name: str, *, program: Program, grace: float = GRACE
) -> Object:
    """Return the Job of one worker.

    Args:
        pool: The whole description.
        flavour: What the worker is.
        name: What it is called.
        program: What it runs, unless the image has it.
        grace: Seconds that jobs have when the worker is told to end.

    Raises:
        SpecError: The image is missing, or one that only this host has.
    """
    labels = _labels(pool, flavour, name)
    seconds = math.ceil(grace) + _LEAVING
    template = {
        "metadata": {
            "labels": labels,
            # An autoscaler that moves Pods to empty a node would end jobs.
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        },
        "spec": pod(pool, flavour, name, program, seconds),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": _KEPT,
            "template": template,
        },
    }


def order(pool: PoolDescription, flavour: Flavour, name: str, *, owner: str, text: str) -> Object:
    """Return the ConfigMap with the order for the pilot, which goes with the Job whose uid is ``owner``."""
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _owned(pool, flavour, name, owner)}
    return {**made, "immutable": True, "data": {"pilot.json": text}}


def token(pool: PoolDescription, flavour: Flavour, name: str, *, owner: str, value: str) -> Object:
    """Return the Secret with which the worker joins, and which goes with the Job whose uid is ``owner``."""
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": _owned(pool, flavour, name, owner)}
    return {**made, "type": "Opaque", "immutable": True, "stringData": {"token": value}}


def part(pool: PoolDescription, flavour: Flavour, program: Program, number: int, content: str) -> Object:
    """Return one part of the program, in base64, as a ConfigMap for all workers that run it."""
    labels = {**owner_labels(pool, flavour.provider), "dodas.program": program.version}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": part_name(pool, flavour, program, number), "labels": labels},
        "immutable": True,
        "binaryData": {"part": content},
    }


def owner_labels(pool: PoolDescription, provider: str) -> dict[str, str]:
    """Return the labels of all that a provider of the pool makes."""
    return {"dodas.pool": pool.name, "dodas.provider": provider}


def _labels(pool: PoolDescription, flavour: Flavour, name: str) -> dict[str, str]:
    given = mapping(pool.provider(flavour.provider).get("labels"))
    own = {"dodas.flavour": flavour.name, "dodas.worker": name}
    return {
        **{key: str(value) for key, value in given.items()},
        **owner_labels(pool, flavour.provider),
        **own,
    }


def _owned(pool: PoolDescription, flavour: Flavour, name: str, owner: str) -> Object:
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": owner}
    return {"name": name, "labels": _labels(pool, flavour, name), "ownerReferences": [reference]}
