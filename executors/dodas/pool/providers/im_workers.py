"""What a node of a template gets of a worker: its order, its token, and where its program is."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping

from dodas.errors import SpecError
from dodas.pool.description.model import PoolDescription
from dodas.pool.providers.base import Refused, Worker
from dodas.pool.rendering import tosca_inputs
from dodas.pool.rendering.tosca import Node


def nodes(workers: Iterable[Worker], taken: Collection[str]) -> list[tuple[Node, Worker]]:
    """Give each worker a node of its flavour that no machine uses.

    Nodes are numbered, and used again: a template keeps each for ever, and would grow with every worker that
    there has been.
    """
    used, found = set(taken), []
    for worker in workers:
        number = 0
        while (name := f"{worker.flavour.name}-{number}") in used:
            number += 1
        used.add(name)
        found.append((Node(name=name, worker=worker.name, flavour=worker.flavour), worker))
    return found


def unused(
    pool: PoolDescription, names: Iterable[str], removed: Mapping[str, str] | None = None
) -> list[Node]:
    """Return nodes that a template has had and nobody wants; without them they would come back.

    Args:
        pool: The description.
        names: Of the nodes.
        removed: Machines of these nodes that are to go, by node.
    """
    gone = removed or {}
    return [
        Node(name=name, flavour=pool.flavours[0], removed=(gone[name],) if name in gone else ())
        for name in sorted(names)
    ]


def values(pool: PoolDescription, provider: str, chosen: Iterable[tuple[Node, Worker]]) -> dict[str, str]:
    """Return the values of the inputs of these nodes, secrets among them.

    Raises:
        Refused: Nobody says where nodes get the worker program, an input is set that there is not, or a file
            of a worker is missing.
    """
    found: dict[str, str] = {}
    try:
        tosca_inputs.check_inputs(pool, provider)
    except SpecError as error:
        raise Refused(str(error), hint=error.hint) from None
    for node, worker in chosen:
        found[node.pilot_input], found[node.token_input] = order(worker)
        found.setdefault("worker_sha256", digest(worker))
        if not tosca_inputs.given(pool, provider).get("worker_url"):
            raise Refused(
                "nobody says where machines get the worker program, which is too large for a template",
                hint=f"put {worker.program} where machines can fetch it with https, and give its address: "
                "inputs: {worker_url: https://…}",
            )
    return found


def order(worker: Worker) -> tuple[str, str]:
    """Return ``pilot.json`` and the token of a worker, each in Base64."""
    return (
        _encoded(os.path.join(worker.directory, "pilot.json")),
        _encoded(os.path.join(worker.directory, "token")),
    )


def digest(worker: Worker) -> str:
    """Return the SHA-256 of the worker program."""
    return hashlib.sha256(_content(worker.program)).hexdigest()


def _encoded(path: str) -> str:
    return base64.b64encode(_content(path)).decode("ascii")


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Refused(
            f"{path} cannot be read: {error.strerror}", hint="let the pool's agent make the worker again"
        ) from None
