"""Whose jobs workers are for, where a queue has jobs of several users: ClassAd conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dodas.node.classads import literal
from dodas.pool.description.model import PoolDescription

EVERYBODY = "*"


def condition(users: Iterable[str], scope: str = "") -> str:
    """Return what jobs of these users meet; jobs that are workers themselves do not.

    Args:
        users: As the queue calls them, with their domain or without; ``*`` for everybody.
        scope: What stands before the names of attributes, such as ``TARGET.``.
    """
    no_worker = f"{scope}DodasWorkerName =?= undefined"
    named = list(_named(users, scope))
    return f"{no_worker} && ({' || '.join(named)})" if named else no_worker


def _named(users: Iterable[str], scope: str) -> Iterator[str]:
    for user in users:
        if user != EVERYBODY:
            yield f"{scope}{'User' if '@' in user else 'Owner'} =?= {literal(user)}"


def limited(pool: PoolDescription, users: Iterable[str]) -> PoolDescription:
    """Return a description whose workers take jobs of these users alone."""
    own = condition(users, "TARGET.")
    flavours = (replace(one, start=f"{own} && ({one.start})" if one.start else own) for one in pool.flavours)
    return replace(pool, flavours=tuple(flavours))
