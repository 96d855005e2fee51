"""A machine in a template, and what it is told of the worker that it gets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dodas.pool.description.model import Flavour, Setting
from dodas.pool.rendering.tosca_tasks import ARTIFACT
from dodas.pool.rendering.tosca_types import NODE

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a template.

    Attributes:
        name: In the template.
        worker: Name of the worker on it; empty for a node that is not wanted (any more).
        flavour: What it is.
        removed: What the services call the machines of it that are to go.
    """

    name: str
    worker: str = ""
    flavour: Flavour
    removed: tuple[str, ...] = ()

    @property
    def pilot_input(self) -> str:
        """Name of the input with ``pilot.json``."""
        return f"pilot_{self.name}"

    @property
    def token_input(self) -> str:
        """Name of the input with the token."""
        return f"token_{self.name}"


def node_template(node: Node) -> dict[str, Any]:
    """Return a node as the template has it."""
    if not node.worker:
        return {"type": NODE, "capabilities": {"scalable": {"properties": _scale(0, node.removed)}}}
    capabilities: dict[str, Any] = {
        "scalable": {"properties": _scale(1, ())},
        "host": {"properties": _host(node.flavour)},
        "os": {"properties": _system(node.flavour)},
        # Ansible comes from outside: a machine that nobody can reach is never configured.
        "endpoint": {"properties": {"network_name": setting(node.flavour, "network") or "PUBLIC"}},
    }
    return {
        "type": NODE,
        "properties": {"instance_name": node.worker},
        "capabilities": capabilities,
        "interfaces": {"Standard": {"configure": _configure(node)}},
    }


def _scale(count: int, removed: Collection[str]) -> dict[str, Any]:
    return {"count": count} | ({"removal_list": list(removed)} if removed else {})


def _host(flavour: Flavour) -> dict[str, Any]:
    """Return what the machine must have at least."""
    host: dict[str, Any] = {"num_cpus": flavour.cores, "mem_size": f"{-(-flavour.memory // MIB)} MiB"}
    if flavour.disk:
        host["disk_size"] = f"{-(-flavour.disk // MIB)} MiB"
    if flavour.gpus:
        host["num_gpus"] = flavour.gpus
    if kind := setting(flavour, "instance_type"):
        host["instance_type"] = kind
    return host


def _system(flavour: Flavour) -> dict[str, Any]:
    image = setting(flavour, "image_id")
    return {"type": "linux"} | ({"image": image} if image else {})


def _configure(node: Node) -> dict[str, Any]:
    return {
        "implementation": ARTIFACT,
        "inputs": {
            "ansible_name": node.name,
            "ansible_tasks": {"get_input": "worker_tasks"},
            "dodas_worker": node.worker,
            "dodas_url": {"get_input": "worker_url"},
            "dodas_sha256": {"get_input": "worker_sha256"},
            "dodas_pilot": {"get_input": node.pilot_input},
            "dodas_token": {"get_input": node.token_input},
        },
    }


def setting(flavour: Flavour, name: str) -> Setting:
    """Return what a flavour tells its provider."""
    return next((value for key, value in flavour.settings if key == name), None)
