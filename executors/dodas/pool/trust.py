"""Who is who in a pool, and may do what there (HTCondor manual, "Security").

Nobody is trusted for where he comes from: every authorization names whom it is for, the user and, for a
node, its token.
"""

from __future__ import annotations

from dodas.pool.definition import Definition

NODE_POWERS = ("ADVERTISE_MASTER", "ADVERTISE_STARTD")
"""What a node may do at the head."""


def domain(name: str) -> str:
    """Return the domain of users, trust and files of the pool called ``name``; none that exists elsewhere."""
    return f"{name.lower()}.pool.dodas.internal"


def user_identity(name: str, definition: Definition) -> str:
    """Return whom the user is authenticated as."""
    return f"{definition.user}@{domain(name)}"


def node_identity(name: str) -> str:
    """Return whom a node is authenticated as."""
    return f"dodas-node@{domain(name)}"


def allowed(name: str, definition: Definition) -> dict[str, object]:
    """Return whom the daemons of the pool obey."""
    user, node_ = user_identity(name, definition), node_identity(name)
    reporting = f"{user}, {node_}"
    powers = {
        "READ": user,
        "WRITE": user,
        "ADMINISTRATOR": user,
        "OWNER": user,
        "DAEMON": user,
        "NEGOTIATOR": user,
        "ADVERTISE_MASTER": user,
        "ADVERTISE_STARTD": user,
        "ADVERTISE_SCHEDD": user,
    }
    return {
        **{f"ALLOW_{power}": whom for power, whom in powers.items()},
        # Who may advertise may read too: a node what the collector has, but no queue.
        "COLLECTOR.ALLOW_ADVERTISE_MASTER": reporting,
        "COLLECTOR.ALLOW_ADVERTISE_STARTD": reporting,
    }
