"""The containers of a pool as launches of dodas' own engines."""

from __future__ import annotations

import os
import posixpath
from dataclasses import replace

from dodas.containers.launch import Launch
from dodas.node import hosting
from dodas.node.daemons import INSIDE
from dodas.node.hosting import Mounts
from dodas.pool.layout import HEAD, NODE, Layout

_GRACE = 3.0  # seconds for the daemons to say good-bye when the keeper was killed


def launches(
    layout: Layout,
    *,
    engine: str,
    program: str,
    root: str,
    system: Mounts,
    master: str,
    shared_disk: bool,
    node: bool = True,
) -> dict[str, Launch]:
    """Return the containers of a pool, by the part of the pool that they are.

    Args:
        layout: Where the pool is.
        engine: Name of the engine.
        program: The engine's program.
        root: Root file system with HTCondor.
        system: What is mounted besides, for HTCondor's sake.
        master: HTCondor's master daemon in there.
        shared_disk: Whether the node sees the directories of the host.
        node: Whether there is a node.
    """
    host = hosting.directories()
    common = Launch(
        engine=engine,
        program=program,
        root=root,
        scratch="",
        argv=(master, "-f"),
        cwd=INSIDE,
        ids=hosting.ids() if os.geteuid() == 0 else None,
        grace=_GRACE,
    )
    home = os.path.expanduser("~")
    parts = {HEAD: _launch(common, layout, HEAD, (*system, *host), home)}
    if node and shared_disk:
        parts[NODE] = _launch(common, layout, NODE, (*system, *host), home)
    elif node:
        parts[NODE] = _launch(common, layout, NODE, system, INSIDE)
    return parts


def _launch(common: Launch, layout: Layout, part: str, mounts: Mounts, home: str) -> Launch:
    files = tuple((layout.at(name), f"/etc/{name}", False) for name in ("passwd", "group"))
    printed = layout.at(part, "log", "printed")
    return replace(
        common,
        env=(
            ("PATH", hosting.PATH),
            ("HOME", home),
            ("LANG", "C.UTF-8"),
            ("CONDOR_CONFIG", posixpath.join(INSIDE, "condor_config")),
        ),
        mounts=(*mounts, (layout.at(part), INSIDE, True), *files),
        stdout=printed,
        stderr=printed,
    )
