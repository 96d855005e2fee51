"""Makes a pool, or brings a dead one up again with its queue."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, replace

from dodas.containers.progress import OnProgress, Say, ignore, silent
from dodas.containers.removal import remove_tree
from dodas.errors import BackendError, SpecError
from dodas.node import hosting
from dodas.pool import configuration, installation, look, queue_file
from dodas.pool.definition import Definition
from dodas.pool.furnish import alone, forget_addresses, furnish, make_private, remove_if_empty
from dodas.pool.keeping import bury, start_keeper
from dodas.pool.layout import NODE, Layout, pools_dir
from dodas.pool.readiness import CollectorLog, await_node, await_ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user asks for; ``None`` is what the pool has already, or else the default.

    Attributes:
        cpus: Processors for jobs.
        memory: MiB for jobs.
        image: Image with HTCondor; default the host's own HTCondor, else an image of dodas'.
        shared_disk: Whether the node sees the directories of the host; default yes.
        host: Address at which the daemons listen that take and match jobs; default the loopback address.
        port: TCP port of theirs; default any that is free.
    """

    cpus: int | None = None
    memory: int | None = None
    image: str | None = None
    shared_disk: bool | None = None
    host: str | None = None
    port: int | None = None


def bring_up(
    name: str,
    wishes: Wishes,
    *,
    room: tuple[int, int],
    progress: OnProgress = ignore,
    say: Say = silent,
) -> bool:
    """Bring the pool up; return whether that was needed.

    Args:
        name: The pool; a dead one keeps its queue.
        wishes: What it is to be.
        room: Processors and MiB of a new pool, when the user says nothing.
        progress: Told how far the image is.
        say: Told in words what goes on.

    Raises:
        SpecError: The name will not do, or a living pool is not what is wished.
        BackendError: The daemons did not come up.
        ImageError: The image with HTCondor cannot be had.
        EngineError: No container engine works here.
        StoreError: A directory cannot be written.
    """
    layout = Layout(name)
    try:
        return _bring_up(layout, wishes, room, progress, say)
    finally:
        remove_if_empty(pools_dir())


def _bring_up(layout: Layout, wishes: Wishes, room: tuple[int, int], progress: OnProgress, say: Say) -> bool:
    name = layout.name
    with alone(layout, on_wait=lambda: say(f"waiting for another `dodas pool` that works on {name}")):
        known = Definition.read(layout)
        state = look.state(layout)
        if known is not None and state != "dead":
            _refuse_change(name, known, wishes)
        if state == "damaged":
            _revive_node(layout)
        elif state == "dead":
            _start(layout, _defined(known, wishes, room), progress, say)
        return state != "up"


def _refuse_change(name: str, known: Definition, wishes: Wishes) -> None:
    for wish in ("cpus", "memory", "image", "shared_disk", "host", "port"):
        wanted, there = getattr(wishes, wish), getattr(known, wish)
        if wanted is not None and wanted != there:
            raise SpecError(
                f"the pool {name} is up with {wish.replace('_', ' ')} {there or 'of the host'}, not {wanted}",
                hint=f"take it down first (dodas pool down {name}), or choose another --name",
            )


def _defined(known: Definition | None, wishes: Wishes, room: tuple[int, int]) -> Definition:
    old = known or Definition(
        cpus=room[0], memory=room[1], image="", shared_disk=True, port=0, user=hosting.user_name()
    )
    host = wishes.host or old.host
    return replace(
        old,
        cpus=old.cpus if wishes.cpus is None else wishes.cpus,
        memory=wishes.memory or old.memory,
        image=old.image if wishes.image is None else wishes.image,
        shared_disk=old.shared_disk if wishes.shared_disk is None else wishes.shared_disk,
        host=host,
        port=_free_port(host, wishes.port or old.port, must=bool(wishes.port)),
    )


def _free_port(host: str, wanted: int, *, must: bool) -> int:
    """Return ``wanted`` if it can be listened on, else a port that can, unless it ``must`` be that one."""
    for port in (wanted,) if must else (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    what = f"port {wanted}" if must else "no TCP port"
    raise BackendError(f"{what} cannot be listened on at {host}", hint="see what listens there: ss -ltn")


def _start(layout: Layout, definition: Definition, progress: OnProgress, say: Say) -> None:
    bury(layout)
    make_private(layout.root)
    try:
        found = installation.find(layout, definition.image, progress=progress, say=say)
        furnish(layout, replace(definition, source=found.source), found)
    except BaseException:
        if not os.path.exists(layout.at("pool.json")):  # there never was such a pool
            remove_tree(layout.root)
        raise
    if definition.has_node:
        queue_file.give_up(layout.queue, configuration.node_slots(layout.name))
    log = CollectorLog(layout, slot=definition.has_node)
    keeper = start_keeper(layout, *filter(None, (found.lock,)))
    try:
        await_ready(layout, log, keeper)
    except BaseException:
        keeper.terminate()
        keeper.wait()
        bury(layout)
        raise


def _revive_node(layout: Layout) -> None:
    """Have the keeper start what ended."""
    forget_addresses(layout, NODE)
    keeper = int(look.read_keeper(layout)["pid"])
    os.kill(keeper, signal.SIGHUP)
    await_node(layout, keeper)
