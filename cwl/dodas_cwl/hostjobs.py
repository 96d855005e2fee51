"""Steps on the host."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dodas.step import Input
from dodas_cwl import links
from dodas_cwl.desks import LINKS
from dodas_cwl.jobs import StepJob
from dodas_cwl.mounts import Staged, item
from dodas_cwl.reference import (
    CommandLineJob,
    MapperEnt,
    PathMapper,
    RuntimeContext,
    WorkflowException,
    relink_initialworkdir,
    stage_files,
)
from dodas_cwl.remote import is_remote


class HostJob(StepJob, CommandLineJob):
    """A step without a container; inputs are symbolic links, as the paths are those of the host."""

    def stage(self, rc: RuntimeContext) -> Staged:
        """Make the links and copies; there is nothing to mount."""
        store = rc.secret_store
        inputs = list(self._fetched(self.pathmapper, ignore_writable=True))
        stage_files(self.pathmapper, ignore_writable=True, symlink=True, secret_store=store)
        if self.generatemapper is not None:
            mapper, inplace = self.generatemapper, self.inplace_update
            inputs += self._fetched(mapper, ignore_writable=inplace)
            with _without_copies(mapper):
                stage_files(mapper, ignore_writable=inplace, symlink=True, secret_store=store)
                relink_initialworkdir(mapper, self.outdir, self.builder.outdir, inplace_update=inplace)
            self._unlink(inputs)
        return self.restage(Staged(inputs=tuple(inputs)))

    def restage(self, staged: Staged) -> Staged:
        """Remember what is fetched."""
        self._inputs = staged.inputs
        return staged

    def _collect(self, code: int, rc: RuntimeContext) -> Mapping[str, Any]:
        fetched = [one for one in self._inputs if not one.writable]
        links.settle(self.outdir, self.desk.once(LINKS, lambda: links.to_inputs(self.outdir, fetched)))
        return super()._collect(code, rc)

    def _fetched(self, mapper: PathMapper, *, ignore_writable: bool) -> Iterator[Input]:
        """Yield what the backend has to put where the tool will look for it."""
        for _, place in mapper.items():  # what comes with its directory is not to be staged
            writable = _is_copy(place)
            if not is_remote(place.resolved) or not place.staged or (writable and ignore_writable):
                continue
            if writable:
                self.refuse_in_place(place)
            directory = "Directory" in str(place.type)
            yield item(place.resolved, place.target, directory=directory, writable=writable)

    def _unlink(self, inputs: Iterable[Input]) -> None:
        """Remove what cwltool put where the backend will put what it fetches."""
        for one in inputs:
            if os.path.islink(one.target):
                os.unlink(one.target)

    def command(self, rc: RuntimeContext) -> list[str]:
        """Return the tool's command, behind the launcher if it is an MPI program."""
        words = [str(word) for word in self.command_line]
        if not words:
            raise WorkflowException(
                "the command line is empty; it needs a baseCommand, arguments or a bound input"
            )
        if self.mpi_procs:
            mpi = rc.mpi_config
            mpi.pass_through_env_vars(self.environment)
            mpi.set_env_vars(self.environment)
            words = [mpi.runner, mpi.nproc_flag, str(self.mpi_procs), *mpi.extra_flags, *words]
        return words

    def image(self) -> None:
        """Return that there is none."""

    def network(self) -> bool:
        """Return that it may: nothing can be taken away from a process of the host."""
        return True


def _is_copy(place: MapperEnt) -> bool:
    return str(place.type).startswith("Writable")


@contextmanager
def _without_copies(mapper: PathMapper) -> Iterator[None]:
    """Keep cwltool from copying what is at URLs."""
    hidden = [(key, one) for key, one in mapper.items() if is_remote(one.resolved) and _is_copy(one)]
    for key, one in hidden:
        mapper.update(key, one.resolved, one.target, one.type, False)
    yield
    for key, one in hidden:
        mapper.update(key, *one)
