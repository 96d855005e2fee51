"""Tools that hand out jobs of dodas, and names that are the same in every run."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Generator
from functools import partial
from itertools import count
from typing import Any

from dodas_cwl.containerjobs import ContainerJob
from dodas_cwl.desks import OUTPUTS, Desks
from dodas_cwl.hostjobs import HostJob
from dodas_cwl.images import Images
from dodas_cwl.jobs import StepJob
from dodas_cwl.records.recorded import recorded
from dodas_cwl.records.recording import recalled
from dodas_cwl.reference import (
    CommandLineTool,
    ContainerCommandLineJob,
    LoadingContext,
    MapperEnt,
    PathMapper,
    Process,
    RuntimeContext,
    default_make_tool,
    shortname,
    uniquename,
)
from dodas_cwl.remote import is_remote
from dodas_cwl.translate import SUCCESS


class Tool(CommandLineTool):
    """A CommandLineTool whose jobs become steps."""

    def __init__(
        self, document: Any, context: LoadingContext, *, images: Images, desks: Desks | None = None
    ) -> None:
        super().__init__(document, context)
        self._images = images
        self._desks = desks

    def job(
        self,
        job_order: Any,
        output_callbacks: Any,
        runtimeContext: RuntimeContext,  # noqa: N803 - cwltool's
    ) -> Generator[Any, None, None]:
        """Yield the job, at its desk if the run is one that remembers; or what is known of its end."""
        label = runtimeContext.name or shortname(self.tool["id"])
        context, desk = runtimeContext, None
        if self._desks is not None:
            content = (self.tool, self.requirements, self.hints)
            desk = self._desks.desk(content, job_order, label, runtimeContext)
            outputs = desk.recall(OUTPUTS)
            if outputs is not None:
                name = uniquename(label)  # so that the names of the others are what they were
                recalled(desk, name, self, job_order, outputs=outputs, rc=runtimeContext)
                yield Recalled(desk.outdir, outputs, partial(output_callbacks, outputs, SUCCESS))
                return
            context = runtimeContext.copy()
            context.outdir, context.tmpdir, context.stagedir = desk.outdir, desk.tmpdir, desk.stagedir
        for job in super().job(job_order, output_callbacks, context):
            if isinstance(job, StepJob):
                job.label, job.prov_obj = label, runtimeContext.prov_obj
                job.desk = desk or job.desk
            yield job

    def make_job_runner(self, runtimeContext: RuntimeContext) -> Any:  # noqa: N803 - cwltool's
        """Return what makes the job: cwltool decides whether it runs in a container."""
        chosen = super().make_job_runner(runtimeContext)
        kind = ContainerJob if issubclass(chosen, ContainerCommandLineJob) else HostJob
        ports = tuple(shortname(port["id"]) for port in self.tool["outputs"])
        return partial(kind, ports=ports, images=self._images)


class Recalled:
    """A job that was over before; running it says so.

    Attributes:
        outdir: What it made, of which the final outputs may be moved away.
        outputs: Its output object.
    """

    def __init__(self, outdir: str, outputs: Any, give: Callable[[], None]) -> None:
        self.outdir = outdir
        self.outputs = outputs
        self._give = give

    def run(self, _rc: RuntimeContext) -> None:
        """Tell the workflow."""
        self._give()


def tool_maker(images: Images, desks: Desks | None) -> Any:
    """Return a function for ``LoadingContext.construct_tool_object``.

    Args:
        images: Finds images.
        desks: Of a run that can be left and found again; ``None`` for any other.
    """

    def make(document: Any, context: LoadingContext) -> Process:
        if document.get("class") == "CommandLineTool":
            return Tool(document, context, images=images, desks=desks)
        return recorded(document, context) or default_make_tool(document, context)

    return make


class StablePaths(PathMapper):
    """Places for inputs that depend on nothing but the job: ``stg1``, ``stg2``, … instead of random names.

    The same job gives the same step, in every run and on every machine.
    """

    def setup(self, referenced_files: Any, basedir: str) -> None:
        """Choose a place for each file; secondary files go beside theirs."""
        stagedir = self.stagedir
        numbers = count(1)
        for item in referenced_files:
            if self.separateDirs:
                stagedir = f"{self.stagedir}/stg{next(numbers)}"
            writable = bool(item.get("writable"))
            self.visit(item, stagedir, basedir, copy=writable, staged=True)

    def visit(self, obj: Any, stagedir: str, basedir: str, copy: bool = False, staged: bool = False) -> None:
        """Choose a place for one file or directory; what is at a URL is left there."""
        location = obj["location"]
        if not is_remote(location):
            super().visit(obj, stagedir, basedir, copy=copy, staged=staged)
        elif location not in self._pathmap:
            target = posixpath.join(obj.get("dirname") or stagedir, obj["basename"])
            kind = f"Writable{obj['class']}" if copy else obj["class"]
            self._pathmap[location] = MapperEnt(location, target, kind, staged)
            # What is in a directory comes with it; other files of a file lie beside it.
            self.visitlisting(obj.get("listing", []), target, basedir, copy=copy, staged=False)
            self.visitlisting(obj.get("secondaryFiles", []), stagedir, basedir, copy=copy, staged=staged)

    def mapper(self, src: str) -> MapperEnt:
        """Return the place of a location, which may have a ``#`` in it."""
        return self._pathmap[src] if src in self._pathmap else super().mapper(src)
