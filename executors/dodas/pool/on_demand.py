"""A pool that a file describes: its central daemons on this host, its workers where providers have them."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from dodas.containers.progress import OnProgress, Say, ignore, silent
from dodas.errors import SpecError
from dodas.pool.agent import process
from dodas.pool.bring_up import Wishes, bring_up
from dodas.pool.definition import LOOPBACK, Definition, write_text
from dodas.pool.description.model import PoolDescription
from dodas.pool.description.reading import parse, read
from dodas.pool.layout import Layout, existing, known
from dodas.pool.offers import write_offers
from dodas.pool.providers.base import prefix

_FROM = "pool.from"


def bring_up_described(path: str, *, progress: OnProgress = ignore, say: Say = silent) -> tuple[str, bool]:
    """Bring up the pool that a file describes, and what makes it follow its queue.

    A pool that is up takes over what has changed in the file.

    Args:
        path: The file.
        progress: Told how far an image is.
        say: Told in words what goes on.

    Returns:
        The pool's name, and whether its daemons had to be started.

    Raises:
        SpecError: The file will not do, or a living pool cannot become what it says.
        DodasError: As from :func:`.bring_up.bring_up`.
    """
    pool = read(path)
    _refuse_local(pool)
    host = address(pool.manager.host)
    wishes = Wishes(cpus=0, host=host, port=pool.manager.port or None)
    started = bring_up(pool.name, wishes, room=(0, 0), progress=progress, say=say)
    layout = Layout(pool.name)
    with open(path, encoding="utf-8") as file:
        write_text(layout.description, file.read())
    write_text(layout.at(_FROM), os.path.dirname(os.path.abspath(path)))
    write_offers(pool)
    if not process.start(pool.name):
        process.wake(pool.name)
    return pool.name, started


def described(name: str) -> PoolDescription:
    """Return what the file said from which a pool was brought up.

    Raises:
        SpecError: There is no such pool, or it was not made from a file.
    """
    layout = known(name)
    path = layout.description
    try:
        with open(path, encoding="utf-8") as file, open(layout.at(_FROM), encoding="utf-8") as origin:
            return parse(file.read(), path, directory=origin.read())
    except FileNotFoundError:
        raise SpecError(
            f"the pool {name} was not made from a file, and has all its workers on this host",
            hint="describe a pool in a file: dodas pool up pool.yaml",
        ) from None


def address(host: str) -> str:
    """Return the address of this host under which workers reach it.

    Raises:
        SpecError: The name has none.
    """
    if not host:
        return LOOPBACK
    with suppress(OSError):
        return socket.gethostbyname(host)
    raise SpecError(
        f"manager.host is {host}, a name that has no address",
        hint="give a name or an address of this host that workers can reach",
    )


def _refuse_local(pool: PoolDescription) -> None:
    definition = Definition.read(Layout(pool.name))
    if definition is not None and definition.has_node:
        raise SpecError(
            f"there is a pool {pool.name} already, which is this host's alone",
            hint=f"take it down (dodas pool down {pool.name}), or give this one another name",
        )
    others = (one.name for one in existing() if one.name != pool.name)
    alike = next((name for name in others if prefix(name, "") == prefix(pool.name, "")), None)
    if alike is not None:
        raise SpecError(
            f"workers of the pools {pool.name} and {alike} would have the same names",
            hint="give this one another name",
        )
    if pool.manager.collector:
        raise SpecError(
            "manager.collector names a pool that exists, which is not supported by `dodas pool up` yet",
            hint="leave it out, and let jobs of that pool flock to this one",
        )
