"""Tools that hand out jobs of dodas, and names that are the same in every run."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any

from dodas_cwl.containerjobs import ContainerJob
from dodas_cwl.hostjobs import HostJob
from dodas_cwl.images import Images
from dodas_cwl.reference import (
    CommandLineTool,
    ContainerCommandLineJob,
    LoadingContext,
    PathMapper,
    Process,
    RuntimeContext,
    default_make_tool,
    shortname,
)


class Tool(CommandLineTool):
    """A CommandLineTool whose jobs become steps."""

    def __init__(self, document: Any, context: LoadingContext, *, images: Images) -> None:
        super().__init__(document, context)
        self._images = images

    def make_job_runner(self, runtimeContext: RuntimeContext) -> Any:  # noqa: N803 - cwltool's
        """Return what makes the job: cwltool decides whether it runs in a container."""
        chosen = super().make_job_runner(runtimeContext)
        kind = ContainerJob if issubclass(chosen, ContainerCommandLineJob) else HostJob
        ports = tuple(shortname(port["id"]) for port in self.tool["outputs"])
        return partial(kind, ports=ports, images=self._images)


def tool_maker(images: Images) -> Any:
    """Return a function for ``LoadingContext.construct_tool_object``."""

    def make(document: Any, context: LoadingContext) -> Process:
        if document.get("class") == "CommandLineTool":
            return Tool(document, context, images=images)
        return default_make_tool(document, context)

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
