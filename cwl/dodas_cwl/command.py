"""Run a CWL workflow, every step in a container."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NoReturn

from dodas import __version__
from dodas.backend import Backend
from dodas.cli import progress
from dodas.containers.prepare import Pull
from dodas.errors import SpecError
from dodas_cwl import extension, options, reference
from dodas_cwl.access import access_to
from dodas_cwl.desks import Desks
from dodas_cwl.drawing import drawn
from dodas_cwl.executor import SubmittingExecutor
from dodas_cwl.images import Images
from dodas_cwl.logs import CurrentStderr
from dodas_cwl.places import Place
from dodas_cwl.records.provenance import recorded
from dodas_cwl.reference import DEFAULT_TMP_PREFIX
from dodas_cwl.remote import Remote, is_remote
from dodas_cwl.runs import Run, folder
from dodas_cwl.tools import StablePaths, tool_maker

if TYPE_CHECKING:
    from dodas_cwl.reuse.results import Reuse

# Output, temporary and input directory in the container: fixed, so that the same job is the same step.
_CONTAINER = ("/var/spool/cwl", "/tmp", "/var/lib/cwl")  # noqa: S108 - in the container
# Backends whose steps outlive dodas, so that the same command takes them up again.
_LASTING = ("htcondor",)


def add(parser: argparse.ArgumentParser) -> None:
    """Take all words as they are: most belong to cwltool, whose own parser reads them."""
    # With a prefix that no argument can start with, every word is positional, --help too.
    parser.prefix_chars = "\0"
    parser.add_argument("words", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    """Run the workflow and return the exit status, as cwltool's: 33 for what is not supported."""
    chosen = options.parse(args.words, os.environ)
    chosen.backend = chosen.backend or ("htcondor" if chosen.pool else "local")
    with _ended_by_signals():
        return _run(chosen, (os.environ.get("CWLTOOL_OPTIONS", ""), *args.words))


def _run(args: argparse.Namespace, words: Sequence[str]) -> int:
    run, scratch, outputs = _places(args, words)
    keep_scratch = keep_outputs = False
    try:
        status, kept = _evaluate(args, run, scratch, outputs)
        keep_scratch = bool(kept) or not args.rm_tmpdir
        keep_outputs = keep_scratch or args.move_outputs != "move"
        return status
    finally:
        scratch.tidy(keep=keep_scratch or (keep_outputs and outputs is scratch))
        outputs.tidy(keep=keep_outputs)


def _places(args: argparse.Namespace, words: Sequence[str]) -> tuple[Run | None, Run | Place, Run | Place]:
    """Return the run, if it is one that can be left, and where temporary and output directories are."""
    if args.backend in _LASTING:
        prefix = args.tmp_outdir_prefix or args.tmpdir_prefix
        run = Run(folder(words, None if prefix == DEFAULT_TMP_PREFIX else prefix))
        return run, run, run
    outdirs = args.tmp_outdir_prefix or args.tmpdir_prefix
    places = {prefix: Place(prefix) for prefix in dict.fromkeys((args.tmpdir_prefix, outdirs))}
    return None, places[args.tmpdir_prefix], places[outdirs]


def _evaluate(
    args: argparse.Namespace, run: Run | None, scratch: Run | Place, outputs: Run | Place
) -> tuple[int, list[str]]:
    """Return cwltool's exit status and what was kept of failed steps."""
    args.tmpdir_prefix, args.tmp_outdir_prefix = scratch.prefix, outputs.prefix
    images, remote = Images(), Remote()
    target = args.outdir if is_remote(args.outdir or "/") else ""
    args.outdir = None if target else args.outdir
    logs = os.path.abspath(args.logs or scratch.logs())
    reuse = _reuse(args, remote) if args.cache else None
    executor = SubmittingExecutor(
        lambda: backend(args, run, logs),
        partial(progress.display, quiet=args.silent),
        partial(_check, images=images if args.use_container else None, lasting=run is not None),
        remote,
        target=target,
        reuse=reuse,
    )
    loading = reference.LoadingContext(vars(args))
    loading.construct_tool_object = tool_maker(images, None if run is None else Desks(run, remote))
    running = reference.RuntimeContext(vars(args))
    running.path_mapper = StablePaths
    running.make_fs_access = access_to(remote)
    running.docker_outdir, running.docker_tmpdir, running.docker_stagedir = _CONTAINER
    try:
        with recorded(args, running, scratch.prefix), drawn(args.draw) as stdout:
            status = reference.main(
                args=args,
                stdout=stdout,
                executor=executor,
                loadingContext=loading,
                runtimeContext=running,
                logger_handler=CurrentStderr(debug=args.debug),
                versionfunc=lambda: f"dodas {__version__}, with cwltool {version('cwltool')}",
                custom_schema_callback=partial(extension.register, enable_ext=args.enable_ext),
            )
    except reference.ValidationException as error:
        # cwltool lets this one through when it cannot find the document.
        raise SpecError(
            f"the workflow cannot be read: {error}", hint="give the path or the URL of a CWL document"
        ) from error
    finally:
        remote.close()
        if reuse is not None:
            reuse.close()
    return status, executor.kept


def _reuse(args: argparse.Namespace, remote: Remote) -> Reuse:
    from dodas_cwl.reuse.results import opened  # noqa: PLC0415 - only where it is wanted

    return opened(args.cache, remote, _pull(args), silent=args.silent)


def _check(item: Mapping[str, Any], *, images: Images | None, lasting: bool) -> None:
    """See that a requirement can be met.

    Raises:
        UnsupportedRequirement: It cannot.
    """
    if item.get("class") == "DockerRequirement" and images is not None:
        images.check(item)
    if item.get("class") == "InplaceUpdateRequirement" and item.get("inplaceUpdate") and lasting:
        raise reference.UnsupportedRequirement(
            "InplaceUpdateRequirement needs files where they are, and steps that are never started again;"
            " both is certain with --backend local only"
        )


def backend(args: argparse.Namespace, run: Run | None, logs: str) -> AbstractContextManager[Backend]:
    """Return the backend that ``--backend`` names, open as long as the context lasts.

    Args:
        args: The options.
        run: The run, if it can be left and found again.
        logs: Directory for the logs of steps.

    Raises:
        SpecError: There is none of that name.
    """
    if run is not None:
        from dodas_cwl.pools import pool  # noqa: PLC0415 - only the backend that is used

        return pool(args, run, logs, _pull(args))
    if args.backend != "local":
        known = ", ".join(("local", *_LASTING))
        raise SpecError(f"no backend is called {args.backend!r}", hint=f"choose one of: {known}")
    return closing(_local(args, logs))


def _local(args: argparse.Namespace, logs: str) -> Backend:
    from dodas.backends.local import LocalBackend  # noqa: PLC0415 - only the backend that is used

    return LocalBackend(
        cores=args.cores,
        memory=args.memory,
        gpus=args.gpus,
        engine=args.engine,
        logs=logs,
        pull=_pull(args),
    )


def _pull(args: argparse.Namespace) -> Pull:
    return "always" if args.force_docker_pull else "missing" if args.pull_image else "never"


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
