"""The reference implementation, and all that dodas takes from it.

No other module imports cwltool, so this list is what a new version of it has to be checked against, together
with what its jobs have replaced: ``JobBase.run`` and ``_setup`` in :mod:`dodas_cwl.jobs`, ``append_volume``
and ``add_file_or_directory_volume`` of jobs for Docker in :mod:`dodas_cwl.containerjobs`.
Only the pure Python build works: classes compiled by mypyc cannot all be subclassed.
"""

from __future__ import annotations

import logging

from cwltool.argparser import arg_parser
from cwltool.command_line_tool import CommandLineTool
from cwltool.context import LoadingContext, RuntimeContext
from cwltool.docker import DockerCommandLineJob
from cwltool.errors import UnsupportedRequirement, WorkflowException
from cwltool.executors import JobExecutor
from cwltool.job import CommandLineJob, ContainerCommandLineJob, JobBase, relink_initialworkdir
from cwltool.main import main
from cwltool.pathmapper import MapperEnt, PathMapper
from cwltool.process import Process, shortname, stage_files
from cwltool.utils import bytes2str_in_dicts
from cwltool.workflow import default_make_tool
from cwltool.workflow_job import WorkflowJob
from schema_salad.exceptions import ValidationException

__all__ = [
    "CommandLineJob",
    "CommandLineTool",
    "ContainerCommandLineJob",
    "DockerCommandLineJob",
    "JobBase",
    "JobExecutor",
    "LoadingContext",
    "MapperEnt",
    "PathMapper",
    "Process",
    "RuntimeContext",
    "UnsupportedRequirement",
    "ValidationException",
    "WorkflowException",
    "WorkflowJob",
    "arg_parser",
    "bytes2str_in_dicts",
    "default_make_tool",
    "log",
    "main",
    "relink_initialworkdir",
    "shortname",
    "stage_files",
]

log = logging.getLogger("cwltool")
