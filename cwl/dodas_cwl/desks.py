"""Gives each step its desk: the same one whenever the run comes to the same step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from dodas import __version__
from dodas.containers.removal import remove_tree
from dodas_cwl.keys import Keys
from dodas_cwl.memory import Desk
from dodas_cwl.reference import RuntimeContext, uri_file_path
from dodas_cwl.remote import Remote
from dodas_cwl.runs import Run

STAGED, LINKS, OUTPUTS = "staged", "links", "outputs"


class Desks:
    """The desks of one run.

    Args:
        run: The run.
        remote: Knows what is at URLs.
    """

    def __init__(self, run: Run, remote: Remote) -> None:
        self._run = run
        self._keys = Keys(run.secret, remote.state)

    def desk(self, tool: Any, order: Any, label: str, rc: RuntimeContext) -> Desk:
        """Return the desk for running a tool.

        Args:
            tool: The document, with all that applies to it.
            order: Input object of this job.
            label: What people call it.
            rc: What else is given to it: secrets, variables.
        """
        # A secret has another placeholder in each run.
        revealed = order if rc.secret_store is None else rc.secret_store.retrieve(order)
        content = (__version__, tool, revealed, _kept(rc))
        desk = self._at(self._keys.key(*content), label)
        outputs = desk.recall(OUTPUTS)
        if outputs is not None and not all(os.path.exists(path) for path in _files(outputs)):
            # Killed while it brought the results to their place: what is gone has to be made again.
            desk = self._at(self._keys.key("again", *content), label)
        if self._run.taken_up and desk.recall(STAGED) is None:
            # Killed while it staged.
            for leftover in (desk.outdir, desk.tmpdir, desk.stagedir):
                remove_tree(leftover)
        return desk

    def _at(self, key: str, label: str) -> Desk:
        outdir, tmpdir, stagedir = (os.path.join(self._run.work, kind, key) for kind in ("out", "tmp", "in"))
        memory = self._run.memory
        return Desk(key=key, label=label, outdir=outdir, tmpdir=tmpdir, stagedir=stagedir, memory=memory)


def _kept(rc: RuntimeContext) -> dict[str, str]:
    """Return the variables of ours that tools get."""
    if rc.preserve_entire_environment:
        return dict(os.environ)
    return {name: os.environ[name] for name in rc.preserve_environment or () if name in os.environ}


def _files(outputs: Any) -> Iterator[str]:
    """Yield the paths of all files and directories in an output object."""
    if isinstance(outputs, Mapping):
        location = outputs.get("location", "") if outputs.get("class") in ("File", "Directory") else ""
        if location.startswith("file:"):
            yield uri_file_path(location)
        for value in outputs.values():
            yield from _files(value)
    elif isinstance(outputs, list):
        for value in outputs:
            yield from _files(value)
