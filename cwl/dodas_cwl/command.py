"""Run a CWL workflow, every step in a container."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, NoReturn

from dodas import __version__
from dodas.backend import Backend
from dodas.cli import progress
from dodas.containers.prepare import Pull
from dodas.errors import SpecError
from dodas_cwl import options, reference
from dodas_cwl.executor import SubmittingExecutor
from dodas_cwl.images import Images
from dodas_cwl.logs import CurrentStderr
from dodas_cwl.places import Place
from dodas_cwl.tools import StablePaths, tool_maker

# Output, temporary and input directory in the container: fixed, so that the same job is the same step.
_CONTAINER = ("/var/spool/cwl", "/tmp", "/var/lib/cwl")  # noqa: S108 - in the container


def add(parser: argparse.ArgumentParser) -> None:
    """Take all words as they are: most belong to cwltool, whose own parser reads them."""
    # With a prefix that no argument can start with, every word is positional, --help too.
    parser.prefix_chars = "\0"
    parser.add_argument("words", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    """Run the workflow and return the exit status, as cwltool's: 33 for what is not supported."""
    chosen = options.parse(args.words, os.environ)
    with _ended_by_signals():
        return _run(chosen)


def _run(args: argparse.Namespace) -> int:
    outdirs = args.tmp_outdir_prefix or args.tmpdir_prefix
    places = {prefix: Place(prefix) for prefix in dict.fromkeys((args.tmpdir_prefix, outdirs))}
    scratch, outputs = places[args.tmpdir_prefix], places[outdirs]
    keep_scratch = keep_outputs = False
    try:
        status, kept = _evaluate(args, scratch.prefix, outputs.prefix, args.logs or scratch.logs())
        keep_scratch = bool(kept) or not args.rm_tmpdir
        keep_outputs = keep_scratch or args.move_outputs != "move"
        return status
    finally:
        scratch.tidy(keep=keep_scratch or (keep_outputs and outputs is scratch))
        outputs.tidy(keep=keep_outputs)


def _evaluate(args: argparse.Namespace, scratch: str, outputs: str, logs: str) -> tuple[int, list[str]]:
    """Return cwltool's exit status and what was kept of failed steps."""
    args.tmpdir_prefix, args.tmp_outdir_prefix = scratch, outputs
    images = Images()
    executor = SubmittingExecutor(
        lambda: closing(backend(args, logs)),
        partial(progress.display, quiet=args.silent),
        images.check,
    )
    loading = reference.LoadingContext(vars(args))
    loading.construct_tool_object = tool_maker(images)
    running = reference.RuntimeContext(vars(args))
    running.path_mapper = StablePaths
    running.docker_outdir, running.docker_tmpdir, running.docker_stagedir = _CONTAINER
    try:
        status = reference.main(
            args=args,
            executor=executor,
            loadingContext=loading,
            runtimeContext=running,
            logger_handler=CurrentStderr(),
            versionfunc=lambda: f"dodas {__version__}, with cwltool {version('cwltool')}",
        )
    except reference.ValidationException as error:
        # cwltool lets this one through when it cannot find the document.
        raise SpecError(
            f"the workflow cannot be read: {error}", hint="give the path or the URL of a CWL document"
        ) from error
    return status, executor.kept


def backend(args: argparse.Namespace, logs: str) -> Backend:
    """Return the backend that ``--backend`` names.

    Raises:
        SpecError: There is none of that name.
    """
    known: dict[str, Callable[[argparse.Namespace, str], Backend]] = {"local": _local}
    if args.backend not in known:
        raise SpecError(f"no backend is called {args.backend!r}", hint=f"choose one of: {', '.join(known)}")
    return known[args.backend](args, logs)


def _local(args: argparse.Namespace, logs: str) -> Backend:
    from dodas.backends.local import LocalBackend  # noqa: PLC0415 - only the backend that is used

    pull: Pull = "always" if args.force_docker_pull else "missing" if args.pull_image else "never"
    return LocalBackend(
        cores=args.cores,
        memory=args.memory,
        gpus=args.gpus,
        engine=args.engine,
        logs=os.path.abspath(logs),
        pull=pull,
    )


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turn a request to end into an exception, so that all is put away on the way out."""
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: Any) -> NoReturn:
    raise SystemExit(128 + number)
