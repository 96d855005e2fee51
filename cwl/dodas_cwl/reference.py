"""The reference implementation, and all that dodas takes from it.

No other module imports cwltool, so this list is what a new version of it has to be checked against, together
with what its jobs have replaced: ``JobBase.run`` and ``_setup`` in :mod:`dodas_cwl.jobs`, ``append_volume``
and ``add_file_or_directory_volume`` of jobs for Docker in :mod:`dodas_cwl.containerjobs`.
Only the pure Python build works: classes compiled by mypyc cannot all be subclassed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files

import cwltool.main
import cwltool.process
from cwltool.argparser import arg_parser
from cwltool.builder import INPUT_OBJ_VOCAB
from cwltool.command_line_tool import CommandLineTool, ExpressionTool
from cwltool.context import LoadingContext, RuntimeContext
from cwltool.cwlprov import _valid_orcid as valid_orcid
from cwltool.cwlprov.provenance_constants import CWLPROV, WF4EVER, WFPROV
from cwltool.cwlprov.provenance_profile import ProvenanceProfile
from cwltool.cwlprov.ro import ResearchObject
from cwltool.docker import DockerCommandLineJob
from cwltool.errors import UnsupportedRequirement, WorkflowException
from cwltool.executors import JobExecutor
from cwltool.job import CommandLineJob, ContainerCommandLineJob, JobBase, relink_initialworkdir
from cwltool.main import main
from cwltool.pathmapper import MapperEnt, PathMapper
from cwltool.process import (
    Process,
    compute_checksums,
    fill_in_defaults,
    shortname,
    stage_files,
    uniquename,
    use_custom_schema,
)
from cwltool.secrets import SecretStore
from cwltool.stdfsaccess import StdFsAccess
from cwltool.utils import DEFAULT_TMP_PREFIX, bytes2str_in_dicts, visit_class
from cwltool.workflow import Workflow, WorkflowStep, default_make_tool
from cwltool.workflow_job import WorkflowJob
from prov.model import PROV
from schema_salad.exceptions import ValidationException
from schema_salad.ref_resolver import file_uri, uri_file_path
from schema_salad.validate import validate_ex

from dodas_cwl.schemas import load_schema

__all__ = [
    "CWLPROV",
    "CWL_VERSIONS",
    "DEFAULT_TMP_PREFIX",
    "INPUT_OBJ_VOCAB",
    "PROV",
    "WF4EVER",
    "WFPROV",
    "CommandLineJob",
    "CommandLineTool",
    "ContainerCommandLineJob",
    "DockerCommandLineJob",
    "ExpressionTool",
    "JobBase",
    "JobExecutor",
    "LoadingContext",
    "MapperEnt",
    "PathMapper",
    "Process",
    "ProvenanceProfile",
    "ResearchObject",
    "RuntimeContext",
    "SecretStore",
    "StdFsAccess",
    "UnsupportedRequirement",
    "ValidationException",
    "Workflow",
    "WorkflowException",
    "WorkflowJob",
    "WorkflowStep",
    "arg_parser",
    "bytes2str_in_dicts",
    "compute_checksums",
    "default_make_tool",
    "extensions",
    "file_uri",
    "fill_in_defaults",
    "log",
    "main",
    "relink_initialworkdir",
    "research_objects",
    "shortname",
    "stage_files",
    "uniquename",
    "uri_file_path",
    "use_custom_schema",
    "valid_orcid",
    "validate_ex",
    "visit_class",
]

log = logging.getLogger("cwltool")

cwltool.process.load_schema = load_schema  # type: ignore[attr-defined,assignment]

# Version of the language -> file of cwltool's extensions to it, as in cwltool.main.setup_schema.
CWL_VERSIONS = {
    "v1.0": "extensions.yml",
    "v1.1": "extensions-v1.1.yml",
    "v1.2": "extensions-v1.2.yml",
    "v1.3.0-dev1": "extensions-v1.3.yml",
    "v1.2.0-dev1": "extensions-v1.1.yml",
    "v1.2.0-dev2": "extensions-v1.1.yml",
    "v1.2.0-dev3": "extensions-v1.1.yml",
}


@contextmanager
def research_objects(make: Callable[..., ResearchObject]) -> Iterator[None]:
    """Let :func:`main` make its research object this way; it has no argument for that."""
    before = cwltool.main.ResearchObject  # type: ignore[attr-defined]
    cwltool.main.ResearchObject = make  # type: ignore[attr-defined,assignment]
    try:
        yield
    finally:
        cwltool.main.ResearchObject = before  # type: ignore[attr-defined]


def extensions(version: str) -> tuple[str, str]:
    """Return name and text of the schema with cwltool's own extensions."""
    text = files("cwltool").joinpath(CWL_VERSIONS[version]).read_text("utf-8")
    return "http://commonwl.org/cwltool", text
