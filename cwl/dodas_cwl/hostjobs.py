"""Steps on the host."""

from __future__ import annotations

from dodas.step import Mount
from dodas_cwl.jobs import StepJob
from dodas_cwl.reference import (
    CommandLineJob,
    RuntimeContext,
    WorkflowException,
    relink_initialworkdir,
    stage_files,
)


class HostJob(StepJob, CommandLineJob):
    """A step without a container; inputs are symbolic links, as the paths are those of the host."""

    def stage(self, rc: RuntimeContext) -> tuple[Mount, ...]:
        """Make the links and copies; there is nothing to mount."""
        store = rc.secret_store
        stage_files(self.pathmapper, ignore_writable=True, symlink=True, secret_store=store)
        if self.generatemapper is not None:
            mapper, inplace = self.generatemapper, self.inplace_update
            stage_files(mapper, ignore_writable=inplace, symlink=True, secret_store=store)
            relink_initialworkdir(mapper, self.outdir, self.builder.outdir, inplace_update=inplace)
        return ()

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
