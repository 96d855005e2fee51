"""Steps on an HTCondor pool, as the options of the command line say."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from dodas.backend import Backend
from dodas.backends.htcondor import HtcondorBackend
from dodas.containers.prepare import Pull
from dodas.errors import BackendError, SpecError
from dodas.step import Step
from dodas_cwl.desks import OUTPUTS
from dodas_cwl.runs import Run

_SHARED = {"auto": None, "yes": True, "no": False}


@contextmanager
def pool(args: argparse.Namespace, run: Run, logs: str, pull: Pull) -> Iterator[Backend]:
    """Give steps to a pool for as long as the context lasts.

    When it is left, no job is in the queue; unless the pool cannot be reached, then they go on, and ``run``
    is left for the same command to take up.
    """
    if run.taken_up and not args.silent:
        over = run.memory.count(OUTPUTS)
        print(f"going on with the run that was left; steps that are over: {over}", file=sys.stderr)
    try:
        backend = _backend(args, run, logs, pull)
        run.opened = True
        try:
            yield backend
        except BackendError:
            backend.close(keep=True)
            raise
        finally:
            backend.close()
            if not backend.over:
                run.leave()
    except BackendError as error:
        if os.path.isdir(run.pool):
            run.leave()
            again = f"give the same command again, and it goes on; to give it up, remove {run.path}"
            error.hint = f"{error.hint}; {again}" if error.hint else again
        raise


def _backend(args: argparse.Namespace, run: Run, logs: str, pull: Pull) -> _Backend:
    return _Backend(
        pool=args.pool,
        run=run.pool,
        logs=os.path.abspath(logs),
        engine=args.engine,
        pull=pull,
        shared=_SHARED[args.shared_disk],
        bundle=args.bundle,
        on_hold=args.on_hold,
        defaults=settings(args.condor),
    )


class _Backend(HtcondorBackend):
    """The pool, as far as steps of CWL can use it."""

    def submit(self, steps: Sequence[Step]) -> None:
        """Take steps.  What runs outside of containers sees its files where they are, or not at all."""
        lost = next((step for step in steps if step.image is None and not self.shared), None)
        if lost is not None:
            raise SpecError(
                f"step {lost.name!r} has no container, and the nodes of the pool do not see its files",
                hint="give it a DockerRequirement or all such steps a --default-container;"
                " say --shared-disk yes if the nodes do see this disk",
            )
        super().submit(steps)


def settings(words: Sequence[str]) -> Mapping[str, str]:
    """Return the commands for submit files that ``--condor KEY=VALUE`` gave.

    Raises:
        SpecError: One is none.
    """
    given = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise SpecError(
                f"--condor got {word!r}", hint="give KEY=VALUE, such as --condor accounting_group=cms"
            )
        given[name.strip()] = value.strip()
    return given
