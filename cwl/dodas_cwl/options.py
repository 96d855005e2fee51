"""The command line of ``dodas cwl``: cwltool's own, without what dodas does by itself, and a few more."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from dodas.cli.sizes import parse_size
from dodas.errors import SpecError
from dodas_cwl.records import provenance
from dodas_cwl.reference import arg_parser

_DESCRIPTION = """\
Run a CWL workflow, every step in a container, without Docker and without root.

The options are those of cwltool.  The output object goes to standard output, all else to standard error.
Inputs come from a file of YAML or JSON, or from options of the workflow itself:
`dodas cwl WORKFLOW --help` lists them.
"""

_EPILOG = """\
CWLTOOL_OPTIONS holds further options, separated by spaces.  The memory that a tool asks for is reserved, not
limited, unless --strict-memory-limit is given.  A tool without NetworkAccess gets no network where the engine
can take it away.  Temporary files and logs of failed steps are kept, their paths are shown.

exit status: 0 all went well, 1 not, 2 wrong command line, 33 the workflow needs what is not supported here,
130 after Ctrl-C, 143 after SIGTERM.
"""

# What dodas does by itself or what has no meaning for it.  Accepted, so that a command line made for cwltool
# still works, but not shown.
_HIDDEN = frozenset(
    (
        "parallel",
        "parallel_max",
        "user_space_docker_cmd",
        "no_read_only",
        "no_match_user",
        "rm_container",
        "cidfile_dir",
        "cidfile_prefix",
        "custom_net",
        "strict_cpu_limit",
        "record_container_id",
        "relax_path_checks",
        "generate_help_preview",
    )
)

# option's destination -> why it is refused, and what to do instead
_REFUSED = {
    "singularity": ("steps run in dodas' own containers", "leave --singularity out"),
    "podman": ("steps run in dodas' own containers", "leave --podman out"),
    "image_base_path": ("steps run in dodas' own containers", "leave --singularity-sandbox-path out"),
    "beta_dependency_resolvers_configuration": ("software comes from containers", "name an image instead"),
    "beta_dependencies_directory": ("software comes from containers", "name an image instead"),
    "beta_use_biocontainers": ("software comes from containers", "use --default-container"),
    "beta_conda_dependencies": ("software comes from containers", "name an image instead"),
}


def parse(words: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """Return the options, those of ``CWLTOOL_OPTIONS`` first.

    Raises:
        SpecError: An option asks for something that dodas does not do.
    """
    parser = _parser()
    args = parser.parse_args([*environ.get("CWLTOOL_OPTIONS", "").split(), *words])
    for name, (problem, hint) in _REFUSED.items():
        if getattr(args, name) != parser.get_default(name):
            raise SpecError(problem, hint=hint)
    _take_cache(args, parser)
    provenance.check(args)
    if args.workflow is None and not os.path.isfile("CWLFile") and not _needs_no_document(args):
        parser.error("no workflow was named, and there is no file called CWLFile here")
    args.cores = args.cores or args.parallel_max or None
    args.print_dot = args.print_dot or bool(args.draw)
    # Any name of a file is safe here; nothing passes through a shell.
    args.relax_path_checks = True
    args.user_space_docker_cmd = None
    args.silent = args.quiet or args.no_warnings
    # cwltool tells each step's story at level INFO, which the progress display tells better.
    args.quiet = args.quiet or not (args.verbose or args.debug or args.no_warnings)
    args.enable_color = args.enable_color and sys.stderr.isatty()
    return args


def _parser() -> argparse.ArgumentParser:
    parser = arg_parser()
    parser.prog = "dodas cwl"
    parser.usage = "%(prog)s [OPTION]... WORKFLOW [INPUTS_FILE | --INPUT VALUE...]"
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for action in parser._actions:
        if action.dest in _HIDDEN or action.dest in _REFUSED:
            action.help = argparse.SUPPRESS
        if action.dest == "cachedir":
            action.help = "the same as --cache"
    group = parser.add_argument_group("where and how steps run")
    group.add_argument(
        "--backend",
        metavar="NAME",
        help="where steps run: local, or htcondor for an HTCondor pool (default: htcondor with --pool)",
    )
    group.add_argument(
        "--engine", default="", metavar="NAME", help="container engine (default: DODAS_ENGINE, else the best)"
    )
    group.add_argument(
        "--cores", type=_positive, metavar="N", help="processors of this machine to use (default: all)"
    )
    group.add_argument(
        "--memory", type=parse_size, metavar="SIZE", help="its memory to use, such as 8G (default: all)"
    )
    group.add_argument("--gpus", type=int, metavar="N", help="its GPUs to use (default: all)")
    group.add_argument(
        "--logs", metavar="DIR", help="keep the logs of all steps here, not only of failed ones"
    )
    group.add_argument(
        "--cache",
        metavar="DIR",
        help="keep the result of each step in this directory, and take from there what is the same as before;"
        " `default` is that of `dodas cache`",
    )
    group.add_argument(
        "--draw",
        default="",
        metavar="FILE",
        help="draw the workflow (.svg, .png, .pdf), and run nothing; needs Graphviz",
    )
    group.add_argument(
        "--rocrate",
        metavar="DIR",
        help="describe the run, with its data, as a Workflow Run RO-Crate in this directory",
    )
    _add_pool(parser)
    return parser


def _take_cache(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Make --cachedir another name of --cache: cwltool's own cache is never used.

    Raises:
        SpecError: The results of steps would have to be in two places.
    """
    if args.cachedir and args.cache:
        raise SpecError("--cachedir is another name of --cache", hint="give one of them")
    args.cache = args.cache or args.cachedir
    args.cachedir = parser.get_default("cachedir")
    if args.cache and args.move_outputs == "leave":
        raise SpecError(
            "with --cache the outputs of steps are where results are kept, and cannot be left to you there",
            hint="leave --leave-outputs out",
        )


def _add_pool(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("with --backend htcondor")
    group.add_argument(
        "--pool",
        metavar="NAME|FILE",
        help="a pool of `dodas pool`, or the file (.yaml) that describes one, which comes, and goes by "
        "itself when it has nothing to do (default: the pool that CONDOR_CONFIG means)",
    )
    group.add_argument(
        "--shared-disk",
        choices=("auto", "yes", "no"),
        default="auto",
        help="whether nodes see the files of this machine (default: auto, as FILESYSTEM_DOMAIN says)",
    )
    group.add_argument(
        "--bundle",
        type=_bundle,
        default="auto",
        metavar="auto|N|off",
        help="how many short steps share a job (default: auto)",
    )
    group.add_argument(
        "--on-hold",
        choices=("retry", "fail", "wait"),
        default="retry",
        help="what is done about jobs that HTCondor holds (default: retry)",
    )
    group.add_argument(
        "--condor",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a command for the submit file of all steps, or +Attribute=value for their ads; may be repeated",
    )


def _bundle(text: str) -> int | str | None:
    if text in ("auto", "off"):
        return "auto" if text == "auto" else None
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _needs_no_document(args: argparse.Namespace) -> bool:
    return bool(args.version or args.print_supported_versions)
