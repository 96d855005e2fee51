"""A pool that a file describes: its central daemons on this host, its workers where providers have them.

Or else its central daemons are those of a pool that exists already, and only what follows its queue is here.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from dodas import whole
from dodas.containers.progress import OnProgress, Say, ignore, silent
from dodas.errors import BackendError, SpecError
from dodas.pool import trust, visits, whose
from dodas.pool.agent import process
from dodas.pool.attaching import attach
from dodas.pool.bring_up import Wishes, bring_up
from dodas.pool.definition import LOOPBACK, Definition
from dodas.pool.description.model import PoolDescription
from dodas.pool.description.reading import parse, text_of
from dodas.pool.furnish import alone
from dodas.pool.layout import Layout, existing, known
from dodas.pool.offers import write_offers
from dodas.pool.providers.base import prefix

_FROM = "pool.from"
_parsed: dict[str, tuple[object, PoolDescription]] = {}  # by pool: of which files, and what they say


def bring_up_described(
    path: str, *, visit: bool = False, progress: OnProgress = ignore, say: Say = silent
) -> tuple[str, bool]:
    """Bring up the pool that a file describes, and what makes it follow its queue.

    A pool that is up takes over what has changed in the file.

    Args:
        path: The file.
        visit: Whether it is for a workflow of this process: one that had to be started goes when it is left.
        progress: Told how far an image is.
        say: Told in words what goes on.

    Returns:
        The pool's name, and whether what runs for it had to be started.

    Raises:
        SpecError: The file will not do, or a living pool cannot become what it says.
        DodasError: As from :func:`.bring_up.bring_up`.
    """
    text, directory, pool = _read(path)
    _refuse_local(pool)
    layout = Layout(pool.name)
    with visits.meanwhile(layout):
        started = _bring_up_central(pool, progress, say)
        with alone(layout, on_wait=lambda: None):
            whole.write(layout.description, text)
            whole.write(layout.at(_FROM), directory)
            there = Definition.of(layout).existing
            write_offers(pool, there.files if there else trust.domain(pool.name))
            visits.note(layout, started=started, visit=visit)
            if there and started:  # it may know another queue
                process.leave(pool.name)
            if not process.start(pool.name):
                process.wake(pool.name)
            if there and not layout.alive:
                raise BackendError(
                    f"what follows the queue of {there.schedd} ended at once",
                    hint=f"see {layout.at('agent.log')}",
                )
        if visit:
            visits.stay(pool.name)
    return pool.name, started


def described(name: str) -> PoolDescription:
    """Return what the file said from which a pool was brought up.

    Raises:
        SpecError: There is no such pool, or it was not made from a file.
    """
    layout = known(name)
    path = layout.description
    try:
        marks = tuple(map(_mark, (path, layout.at(_FROM), layout.at("pool.json"))))
        if name in _parsed and _parsed[name][0] == (layout.root, marks):
            return _parsed[name][1]
        with open(path, encoding="utf-8") as file, open(layout.at(_FROM), encoding="utf-8") as origin:
            pool = parse(file.read(), path, directory=origin.read())
        there = Definition.of(layout).existing
        pool = whose.limited(pool, there.users) if there else pool
        _parsed[name] = (layout.root, marks), pool
        return pool
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


def _mark(path: str) -> tuple[int, int, int]:
    """Return what tells whether a file was replaced."""
    status = os.stat(path)
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(path: str) -> tuple[str, str, PoolDescription]:
    """Return the text of a file that describes a pool, where relative paths in it begin, and what it says."""
    text, whole = text_of(path), os.path.abspath(path)
    directory = os.path.dirname(whole)
    for layout in existing():
        if layout.description == whole:  # it is a copy of another file
            with open(layout.at(_FROM), encoding="utf-8") as origin:
                directory = origin.read()
    return text, directory, parse(text, path, directory=directory)


def _bring_up_central(pool: PoolDescription, progress: OnProgress, say: Say) -> bool:
    """Have central daemons, the pool's own or those that it says; return whether that was needed."""
    if pool.manager.collector:
        return attach(pool, progress=progress, say=say)
    host = address(pool.manager.host)
    wishes = Wishes(cpus=0, host=host, port=pool.manager.port or None)
    return bring_up(pool.name, wishes, room=(0, 0), progress=progress, say=say)


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
    if definition is not None and definition.existing and not pool.manager.collector:
        raise SpecError(
            f"there is a pool {pool.name} already, with the central manager {definition.collector}",
            hint=f"take it down (dodas pool down {pool.name}), or give this one another name",
        )
