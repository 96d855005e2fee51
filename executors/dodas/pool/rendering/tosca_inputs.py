"""Inputs of templates: of that of dodas, and of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dodas.errors import SpecError
from dodas.pool.description.model import Flavour, PoolDescription, Setting
from dodas.pool.rendering.tosca_nodes import MIB, Node, setting
from dodas.pool.rendering.tosca_tasks import tasks
from dodas.pool.rendering.tosca_yaml import Literal


def inputs(
    pool: PoolDescription, provider: str, nodes: Sequence[Node], values: Mapping[str, str]
) -> dict[str, Any]:
    """Return the inputs of a template, with values for those that have one."""
    told = {
        "worker_url": "Where a node gets the worker program.",
        "worker_sha256": "Its SHA-256, in hexadecimal.",
        "worker_tasks": "What Ansible does on a node.",
    }
    for node in nodes:
        told[node.pilot_input] = f"pilot.json of {node.worker}, in Base64."
        told[node.token_input] = f"Token with which {node.worker} joins the pool, in Base64; a secret."
    check_inputs(pool, provider)
    known = {"worker_tasks": Literal(tasks()), **given(pool, provider), **values}
    return {
        name: {"type": "string", "description": text} | ({"default": known[name]} if name in known else {})
        for name, text in told.items()
    }


def check_inputs(pool: PoolDescription, provider: str) -> None:
    """Refuse inputs that the template of dodas does not have.

    Raises:
        SpecError: It has no such input.
    """
    secret = [name for name, _ in pairs(pool.provider(provider).get("secret_inputs"))]
    unknown = sorted({*given(pool, provider), *secret} - {"worker_url"})
    if unknown:
        raise SpecError(
            f"the template of dodas has no input {', '.join(unknown)} that could be set",
            hint="set worker_url alone, or give a template of your own in the setting template",
        )


def given(pool: PoolDescription, provider: str) -> dict[str, Setting]:
    """Return the inputs that the description sets; no secret is among them."""
    return dict(pairs(pool.provider(provider).get("inputs")))


def given_for(flavour: Flavour) -> dict[str, Setting]:
    """Return the inputs of the user's own template that a flavour sets."""
    return dict(pairs(setting(flavour, "inputs")))


def offered(flavour: Flavour, worker: str) -> dict[str, Setting]:
    """Return what the user's template may ask for, as far as it is no secret and no file."""
    return {
        "worker_name": worker,
        "worker_cores": flavour.cores,
        "worker_memory": -(-flavour.memory // MIB),
        "worker_gpus": flavour.gpus,
    }


def pairs(value: Setting) -> list[tuple[str, Setting]]:
    """Return the pairs that a setting consists of."""
    if not isinstance(value, tuple):
        return []
    return [(str(one[0]), one[1]) for one in value if isinstance(one, tuple) and len(one) == 2]
