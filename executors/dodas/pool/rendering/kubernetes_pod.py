"""The Pod of a worker on Kubernetes: one that the profile "restricted" of Pod Security admits."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dodas.errors import SpecError

if TYPE_CHECKING:
    from dodas.pool.description.model import Flavour, PoolDescription

Object = dict[str, Any]
"""A Kubernetes object, as JSON has it."""

_END = 300  # seconds beyond lifetime and grace after which the kubelet ends a worker that did not
_USER = 1000
_OWN_SPACE = 256 << 20  # bytes of scratch for the program, its unpacked form and its logs
_SCRATCH, _ORDER, _PROGRAM = "/dodas/scratch", "/dodas/order", "/dodas/program"

# `exec`: the program is what gets the kubelet's SIGTERM.
_START = """\
set -eu
umask 077
mkdir -p worker
cd worker
cp {order}/pilot.json {order}/token .
{fetch}exec {program} pilot pilot.json
"""
_FETCH = f"cat {_PROGRAM}/* > dodas-worker\nchmod 700 dodas-worker\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The worker program as the cluster gets it.

    Attributes:
        version: The first digits of its SHA-256.
        parts: Into how many ConfigMaps it is cut.
    """

    version: str
    parts: int


def program_in_image(pool: PoolDescription, flavour: Flavour) -> str:
    """Return where the image has the program; empty if it is brought."""
    name = "worker_in_image"
    return str(_own(flavour, name) or pool.provider(flavour.provider).get(name) or "")


def part_name(pool: PoolDescription, flavour: Flavour, program: Program, number: int) -> str:
    """Return the name of the ConfigMap with a part of the program."""
    name = f"{pool.name}-{flavour.provider}-program-{program.version}-{number}"
    return name.lower().replace("_", "-")


def pod(pool: PoolDescription, flavour: Flavour, name: str, program: Program, grace: int) -> Object:
    """Return what a Pod is to be.

    Args:
        pool: The whole description.
        flavour: What the worker is.
        name: What it is called, as are its ConfigMap and its Secret.
        program: What it runs, unless the image has it.
        grace: Seconds between SIGTERM and SIGKILL.

    Raises:
        SpecError: The image is missing, or one that only this host has.
    """
    provider = pool.provider(flavour.provider)
    in_image = program_in_image(pool, flavour)
    sources: list[Object] = [
        {"configMap": {"name": name, "items": [{"key": "pilot.json", "path": "pilot.json"}]}},
        {"secret": {"name": name, "items": [{"key": "token", "path": "token"}]}},
    ]
    scratch: Object = {"sizeLimit": _quantity(flavour.disk + _OWN_SPACE)} if flavour.disk else {}
    volumes: list[Object] = [
        {"name": "scratch", "emptyDir": scratch},
        # 0440 and fsGroup: the worker can read them and nobody else.
        {"name": "order", "projected": {"defaultMode": 0o440, "sources": sources}},
    ]
    if not in_image:
        volumes.append({"name": "program", "projected": {"sources": _parts(pool, flavour, program)}})
    spec: Object = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": math.ceil(flavour.lifetime) + grace + _END,
        "terminationGracePeriodSeconds": grace,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # The first process of the Pod is then one that reaps what jobs leave behind, which a pilot does not.
        "shareProcessNamespace": True,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(flavour, in_image)],
        "volumes": volumes,
    }
    selector = {**mapping(provider.get("node_selector")), **mapping(_own(flavour, "node_selector"))}
    tolerations = [*_sequence(provider.get("tolerations")), *_sequence(_own(flavour, "tolerations"))]
    further = {
        "serviceAccountName": provider.get("service_account"),
        "imagePullSecrets": [{"name": one} for one in _sequence(provider.get("image_pull_secrets"))],
        "nodeSelector": selector,
        "tolerations": [mapping(one) for one in tolerations],
    }
    return {**spec, **{key: value for key, value in further.items() if value}}


def _container(flavour: Flavour, in_image: str) -> Object:
    start = _START.format(
        order=_ORDER,
        fetch="" if in_image else _FETCH,
        program=shlex.quote(in_image) if in_image else "./dodas-worker",
    )
    mounts = [
        {"name": "scratch", "mountPath": _SCRATCH},
        {"name": "order", "mountPath": _ORDER, "readOnly": True},
    ]
    if not in_image:
        mounts.append({"name": "program", "mountPath": _PROGRAM, "readOnly": True})
    size = _resources(flavour)
    return {
        "name": "worker",
        "image": _image(flavour),
        "command": ["/bin/sh", "-c", start],
        "workingDir": _SCRATCH,
        "env": [{"name": "HOME", "value": _SCRATCH}, {"name": "TMPDIR", "value": _SCRATCH}],
        # The same twice: such a Pod is the last that a node without memory ends.
        "resources": {"requests": size, "limits": dict(size)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _resources(flavour: Flavour) -> dict[str, str]:
    size = {"cpu": str(flavour.cores), "memory": _quantity(flavour.memory)}
    if flavour.disk:
        size["ephemeral-storage"] = _quantity(flavour.disk + _OWN_SPACE)
    if flavour.gpus:
        size["nvidia.com/gpu"] = str(flavour.gpus)
    return size


def _quantity(size: int) -> str:
    return f"{size >> 20}Mi" if size % (1 << 20) == 0 else str(size)


def _image(flavour: Flavour) -> str:
    if not flavour.image or flavour.image.startswith("localhost/"):
        what = f"the image {flavour.image}, which only this host has" if flavour.image else "no image"
        raise SpecError(
            f"flavour {flavour.name} has {what}, and the nodes of a cluster fetch theirs from a registry",
            hint=f"push an image with HTCondor to a registry and set flavours.{flavour.name}.image to it",
        )
    return flavour.image


def _parts(pool: PoolDescription, flavour: Flavour, program: Program) -> list[Object]:
    # The names sort as the parts follow each other.
    return [
        {
            "configMap": {
                "name": part_name(pool, flavour, program, number),
                "items": [{"key": "part", "path": f"{number:03d}"}],
            }
        }
        for number in range(program.parts)
    ]


def _own(flavour: Flavour, name: str) -> object:
    return dict(flavour.settings).get(name)


def mapping(value: object) -> dict[str, Any]:
    """Return a map that the description keeps as pairs."""
    return {str(key): one for key, one in value} if isinstance(value, Sequence) else {}


def _sequence(value: object) -> list[Any]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | Mapping) else []
