"""What a provider remembers between calls of a service's machines, in one small file that may be lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from dodas import whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A machine.

    Attributes:
        worker: Name of the worker on it.
        node: Node of the template.
        address: As far as known.
        ready: Whether it has ever been configured, and so its worker was started.
        reason: Why it failed.
    """

    worker: str
    node: str
    address: str = ""
    ready: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """All that is remembered.

    Attributes:
        infrastructure: What the service calls the pool's machines; empty if there are none.
        nodes: Nodes that its template has had.
        machines: By what the service calls them.
        leaving: What is being removed, and may need help.
    """

    infrastructure: str = ""
    nodes: tuple[str, ...] = ()
    machines: Mapping[str, Known] = field(default_factory=dict)
    leaving: tuple[str, ...] = ()


def load(path: str) -> Memory:
    """Return what the file at ``path`` says; nothing if it is not there, or damaged."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        machines = {str(key): Known(**value) for key, value in found["machines"].items()}
        return Memory(
            infrastructure=str(found["infrastructure"]),
            nodes=tuple(found["nodes"]),
            machines=machines,
            leaving=tuple(found["leaving"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Memory()


def save(path: str, memory: Memory) -> None:
    """Write ``memory``, whole or not at all."""
    whole.write(path, json.dumps(asdict(memory)))
