"""Steps in containers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

from dodas_cwl import links
from dodas_cwl.desks import LINKS
from dodas_cwl.jobs import StepJob
from dodas_cwl.mounts import Mounts, Staged
from dodas_cwl.reference import (
    DockerCommandLineJob,
    MapperEnt,
    RuntimeContext,
    UnsupportedRequirement,
    WorkflowException,
    log,
)
from dodas_cwl.remote import is_remote


class ContainerJob(StepJob, DockerCommandLineJob):
    """A step in a container; its paths are the same on every machine."""

    def stage(self, rc: RuntimeContext) -> Staged:
        """Make literals and writable copies on the host and return all that the container has to see."""
        mounts = Mounts()
        mounts.own(os.path.realpath(self.outdir), self.builder.outdir, writable=True)
        mounts.own(os.path.realpath(self.tmpdir), self.CONTAINER_TMPDIR, writable=True)
        anywhere = bool(self.builder.get_requirement("DockerRequirement")[1])
        for mapper, free in ((self.pathmapper, True), (self.generatemapper, anywhere)):
            if mapper is not None:
                self.add_volumes(
                    mapper,
                    mounts,  # type: ignore[arg-type]  # passed on to append_volume, looked at nowhere
                    tmpdir_prefix=rc.tmpdir_prefix,
                    secret_store=rc.secret_store,
                    any_path_okay=free,
                )
        return self.restage(mounts.all())

    def restage(self, staged: Staged) -> Staged:
        """Remember what links among the outputs may lead to."""
        self._mounts, self._inputs = staged.mounts, staged.inputs
        return staged

    def _collect(self, code: int, rc: RuntimeContext) -> Mapping[str, Any]:
        # What is in the tool's temporary directory is no output, so a link may not lead there.
        open_to_links = [mount for mount in self._mounts if mount.target != self.CONTAINER_TMPDIR]
        changes = self.desk.once(LINKS, lambda: links.changes(self.outdir, open_to_links, self._inputs))
        for removed in links.settle(self.outdir, changes):
            log.warning("[job %s] dropped a link that leads out of its outputs: %s", self.name, removed)
        return super()._collect(code, rc)

    @staticmethod
    def append_volume(
        runtime: Any,
        source: str,
        target: str,
        writable: bool = False,
        skip_mkdirs: bool = False,
    ) -> None:
        """Add a mount instead of an option of Docker; ``runtime`` is a :class:`Mounts`."""
        if not os.path.exists(source):
            if not writable:
                raise WorkflowException(f"input {source} is not there")
            os.makedirs(source)  # a new directory for the tool, whose name cwltool has only chosen
        runtime.add(source, target, writable=writable)

    def add_file_or_directory_volume(
        self, runtime: Any, volume: MapperEnt, host_outdir_tgt: str | None
    ) -> None:
        """Mount an input; make the directory that a literal stands for, also an empty one."""
        if is_remote(volume.resolved):
            runtime.bring(volume.resolved, volume.target, directory=volume.type == "Directory")
        elif not volume.resolved.startswith("_:"):
            self.append_volume(runtime, volume.resolved, volume.target)
        elif host_outdir_tgt or runtime.on_host(volume.target):
            os.makedirs(host_outdir_tgt or runtime.on_host(volume.target), exist_ok=True)
        else:
            runtime.own(tempfile.mkdtemp(dir=self.stagedir), volume.target, writable=False)

    def add_writable_file_volume(
        self, runtime: Any, volume: MapperEnt, host_outdir_tgt: str | None, tmpdir_prefix: str
    ) -> None:
        """Give the tool a copy of its own."""
        if is_remote(volume.resolved):
            self._bring_copy(runtime, volume, directory=False)
        else:
            super().add_writable_file_volume(runtime, volume, host_outdir_tgt, tmpdir_prefix)

    def add_writable_directory_volume(
        self, runtime: Any, volume: MapperEnt, host_outdir_tgt: str | None, tmpdir_prefix: str
    ) -> None:
        """Give the tool a copy of its own."""
        if is_remote(volume.resolved):
            self._bring_copy(runtime, volume, directory=True)
        else:
            super().add_writable_directory_volume(runtime, volume, host_outdir_tgt, tmpdir_prefix)

    def _bring_copy(self, runtime: Any, volume: MapperEnt, *, directory: bool) -> None:
        self.refuse_in_place(volume)
        runtime.bring(volume.resolved, volume.target, directory=directory, writable=True)

    def command(self, rc: RuntimeContext) -> list[str]:
        """Return the tool's command; an empty one runs that of the image."""
        if self.mpi_procs:
            raise UnsupportedRequirement("MPIRequirement in a container is not supported")
        return [str(word) for word in self.command_line]

    def image(self) -> str:
        """Return the name of the image, which is in the store or can be pulled."""
        requirement, _ = self.get_requirement("DockerRequirement")
        return self.images.name(requirement or {})

    def network(self) -> bool:
        """Return what NetworkAccess says; without it there is none (CWL v1.2)."""
        return self.networkaccess
