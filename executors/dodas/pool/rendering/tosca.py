"""A pool's workers as a TOSCA template that needs nothing but itself (TOSCA Simple Profile in YAML 1.0).

Its types are in it, under the names that the Infrastructure Manager and the INDIGO PaaS Orchestrator know, so
that no server has to fetch them.  Each worker is a node of its own, and keeps its name wherever it is shown.
Secrets, and what only the worker itself has, are inputs without a value: a provider fills them in when it
sends the template.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from dodas.pool.description.model import Flavour, PoolDescription
from dodas.pool.providers.base import Worker
from dodas.pool.rendering import Rendered, tosca_own
from dodas.pool.rendering.tosca_inputs import given, given_for, inputs, offered
from dodas.pool.rendering.tosca_nodes import Node, node_template
from dodas.pool.rendering.tosca_types import capability_types, node_types
from dodas.pool.rendering.tosca_yaml import dump

__all__ = ["Node", "infrastructure", "render", "template"]


def render(pool: PoolDescription, flavour: Flavour, worker: Worker | None = None) -> tuple[Rendered, ...]:
    """Return the template for one worker of a flavour; the user's own, if there is one.

    Raises:
        SpecError: The user's template is none, or lacks an input that is set.
    """
    name = worker.name if worker else f"{pool.name}-{flavour.name}-00000000"
    file = f"{flavour.name}.tosca.yaml"
    if path := pool.provider(flavour.provider).get("template"):
        return (Rendered(name=file, text=_of_user(pool, flavour, name, str(path))),)
    node = Node(name=f"{flavour.name}-0", worker=name, flavour=flavour)
    return (Rendered(name=file, text=template(pool, flavour.provider, [node])),)


def _of_user(pool: PoolDescription, flavour: Flavour, worker: str, path: str) -> str:
    return tosca_own.filled(
        tosca_own.content(path),
        os.path.basename(path),
        infrastructure=f"{infrastructure(pool, flavour.provider)}/{worker}",
        told={**given(pool, flavour.provider), **given_for(flavour)},
        own=offered(flavour, worker),
    )


def template(
    pool: PoolDescription, provider: str, nodes: Sequence[Node], values: Mapping[str, str] | None = None
) -> str:
    """Return a template.

    Args:
        pool: The description.
        provider: Name of the provider in it.
        nodes: What is in it.
        values: Values of inputs, which become their defaults: secrets, if it is sent at once.
    """
    wanted = [node for node in nodes if node.worker]
    document = {
        "tosca_definitions_version": "tosca_simple_yaml_1_0",
        "description": f"Workers of the pool {pool.name}",
        "metadata": {"infra_name": infrastructure(pool, provider)},
        "capability_types": capability_types(),
        "node_types": node_types(),
        "topology_template": {
            "inputs": inputs(pool, provider, wanted, values or {}),
            "node_templates": {node.name: node_template(node) for node in nodes},
            "outputs": {
                node.name: {"value": {"get_attribute": [node.name, "private_address"]}} for node in wanted
            },
        },
    }
    return dump(document)


def infrastructure(pool: PoolDescription, provider: str) -> str:
    """Return the name by which the infrastructure of a pool is found again."""
    return f"dodas-{pool.name}-{provider}"
