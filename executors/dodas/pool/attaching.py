"""Puts a pool before a central manager that exists already; nothing is started here."""

from __future__ import annotations

import os
from dataclasses import replace

from dodas.containers.progress import OnProgress, Say
from dodas.containers.removal import remove_tree
from dodas.errors import SpecError
from dodas.pool import access, finding, image, pilots
from dodas.pool.definition import Definition
from dodas.pool.description.model import Manager, PoolDescription
from dodas.pool.furnish import alone, make_private
from dodas.pool.layout import Layout


def attach(pool: PoolDescription, *, progress: OnProgress, say: Say) -> bool:
    """Write down how the pool's central manager is reached; return whether that was needed.

    Args:
        pool: What its file says.
        progress: Told how far the image for its workers is.
        say: Told in words what goes on.

    Raises:
        SpecError: What the file says will not do, or the pool is one already that has another manager.
        BackendError: The central manager does not answer, or does not let in the user or workers.
        ImageError: The image that workers on this host need cannot be had.
    """
    layout = Layout(pool.name)
    with alone(layout, on_wait=lambda: say(f"waiting for another `dodas pool` that works on {pool.name}")):
        known = Definition.read(layout)
        _refuse_another(known, pool)
        manager = replace(pool.manager, condor_config=_config(layout, known, pool.manager))
        there = known.existing if known else None
        if there and layout.alive and there.asked == finding.asked(manager):
            return False
        try:
            make_private(layout.root)
            found = finding.find(layout, manager, there)
            if pilots.need_own_image(pool):
                image.make(progress=progress, say=say)
            found.write(layout)
        except BaseException:
            if known is None:
                remove_tree(layout.root)
            raise
    return True


def _refuse_another(known: Definition | None, pool: PoolDescription) -> None:
    if known is None or (known.existing and known.collector == pool.manager.collector):
        return
    what = f"the central manager {known.collector}" if known.existing else "central daemons of its own"
    raise SpecError(
        f"there is a pool {pool.name} already, with {what}, not with {pool.manager.collector}",
        hint=f"take it down (dodas pool down {pool.name}), or give this one another name",
    )


def _config(layout: Layout, known: Definition | None, manager: Manager) -> str:
    """Return the user's own configuration; empty if there is none."""
    if manager.condor_config:
        if not os.path.isfile(manager.condor_config):
            raise SpecError(
                f"manager.condor_config: there is no file {manager.condor_config}",
                hint="name the configuration with which you reach the pool, or leave it out",
            )
        return manager.condor_config
    named = access.of_user()
    if not os.path.isfile(named):
        return ""
    if os.path.realpath(named) == os.path.realpath(layout.client_config):
        return known.existing.config if known and known.existing else ""  # which that one includes
    return os.path.abspath(named)
