"""Run one command in a container, on this terminal: `dodas run IMAGE -- COMMAND ARGUMENT…`.

Standard input, output and error are yours, byte for byte.  On a terminal the command gets a terminal.
Nothing of this machine is seen in the container but what --volume or --mount give, and what the command
changes elsewhere in it is dropped at its end.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dodas.errors import EngineError, SpecError

if TYPE_CHECKING:
    from dodas.backends.gpus import Gpu
    from dodas.containers.launch import Launch, Outcome
    from dodas.containers.prepared import PreparedRoot
    from dodas.step import Step

_EPILOG = """\
exit status: that of the command, 128 + n if signal n ended it; 127 if it was not found in the image, 126 if
it cannot be executed; 124 if its time was over, 137 if it was stopped for its memory; 125 if dodas failed.

examples:
  dodas run debian:12 -- cat /etc/os-release
  dodas run --volume $PWD:/data --workdir /data biocontainers/samtools -- samtools sort in.bam -o out.bam
  dodas run --input davs://host/in.bam:/in.bam --output /out/out.bam:davs://host/results/ \\
      biocontainers/samtools -- samtools sort /in.bam -o /out/out.bam
"""
FAILED = 125  # as docker's
_TIME_OVER, _MEMORY_OVER = 124, 137


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = _EPILOG
    parser.usage = "dodas run [OPTION…] IMAGE [--] [COMMAND ARGUMENT…]"
    add = parser.add_argument
    add(
        "--env",
        "-e",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="set a variable, or pass on yours",
    )
    add(
        "--env-file", action="append", default=[], metavar="FILE", help="set variables, one NAME=VALUE a line"
    )
    add(
        "--volume",
        "-v",
        action="append",
        default=[],
        metavar="HOST:PATH[:ro]",
        help="show a file or directory",
    )
    add("--mount", action="append", default=[], metavar="source=HOST,target=PATH[,readonly]",
        help="the same, for paths with colons; as docker's")  # fmt: skip
    add("--input", action="append", default=[], metavar="URL:PATH",
        help="fetch a file, or a directory whose URL ends with a slash, and show it, read-only")  # fmt: skip
    add("--output", action="append", default=[], metavar="PATH:URL",
        help="publish what the command made there, if it ends well; what is there is replaced")  # fmt: skip
    add("--workdir", "-w", metavar="PATH", help="working directory (default: the image's)")
    add("--entrypoint", metavar="PROGRAM", help="run this instead of the image's entry point")
    add("--root", "--user-root", action="store_true", help="let the command believe that it is root")
    add("--network", choices=("host", "none"), default="host", help="none: take the network away")
    add("--cores", type=float, metavar="N", help="stay on that many processors")
    add("--memory", "-m", metavar="SIZE", help="stop it when it uses more: 512M, 2GiB")
    add("--time", metavar="TIME", help="stop it after that time: 90s, 5m, 01:30:00")
    add("--gpus", metavar="N|all", default="0", help="show that many GPUs")
    add(
        "--engine", default="", metavar="NAME", help="how to run it (default: auto, the best that works here)"
    )
    add("--pull", choices=("missing", "never", "always"), default="missing", help="when to ask the registry")
    add("image", metavar="IMAGE", help="name, digest or id")
    add("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="default: the image's own")


def run(args: argparse.Namespace) -> int:
    """Prepare the image if need be, run the command, and return its exit status."""
    from dodas.cli.attend import attend
    from dodas.cli.run_step import step_of
    from dodas.cli.terminal import is_interactive

    step = step_of(args, os.environ)
    with _prepared(args) as (root, engine), _stored(step, root) as (shown, publish):
        launch = _launch(args, shown, root, engine, tty=is_interactive())
        _warn_of_network(step, engine)
        outcome, peak = attend(launch, step.resources.memory)
        status = _status(step, outcome, peak)
        if status == 0:
            publish()
    return status


@contextmanager
def _stored(step: Step, root: PreparedRoot) -> Iterator[tuple[Step, Callable[[], None]]]:
    """Fetch what is at URLs; yield the step with it, and what publishes its outputs."""
    from dodas.worker import remote

    if not remote.is_involved(step):
        yield step, _nothing
        return
    from dodas.cli.progress_bar import progress_bars
    from dodas.cli.run_storage import Exchange

    with ExitStack() as held:
        with progress_bars(quiet=not sys.stderr.isatty()) as progress:
            exchange = Exchange(step, progress)
            shown = held.enter_context(exchange.shown(root.path))
        yield shown, exchange.publish


def _nothing() -> None:
    """Do nothing."""


@contextmanager
def _prepared(args: argparse.Namespace) -> Iterator[tuple[PreparedRoot, str]]:
    from dodas.backends.bringing import Bringing
    from dodas.backends.preparation import EngineChoice
    from dodas.cli.progress_bar import progress_bars
    from dodas.containers.prepare import using
    from dodas.containers.store import Store

    engine = EngineChoice(args.engine)()
    with ExitStack() as held:
        with progress_bars(quiet=not sys.stderr.isatty()) as progress:
            use = using(Store(), args.image, pull=args.pull, progress=progress, bring=Bringing())
            root = held.enter_context(use)
        yield root, engine


def _launch(args: argparse.Namespace, step: Step, root: PreparedRoot, engine: str, *, tty: bool) -> Launch:
    from dodas.backends import gpus
    from dodas.worker.choose import program_of
    from dodas.worker.plan import plan

    shown = _gpus(args.gpus)
    known = {name for name, _ in (*root.config.env, *step.env)}
    env = [("HOME", home(root.path, 0 if step.as_root else os.geteuid())), ("HOSTNAME", os.uname().nodename)]
    if tty:
        env.append(("TERM", os.environ.get("TERM", "xterm")))
    launch = plan(
        step,
        root,
        engine=engine,
        program=program_of(engine),
        env=tuple((name, value) for name, value in env if name not in known),
        mounts=gpus.libraries(shown),
        devices=tuple(dict.fromkeys(device for gpu in shown for device in gpu.devices)),
        tty=tty,
    )
    return replace(launch, cpus=_processors(args.cores))


def _gpus(wanted: str) -> tuple[Gpu, ...]:
    from dodas.backends import gpus

    found = gpus.found()
    if wanted != "all" and not wanted.isdecimal():
        raise SpecError(f"{wanted!r} is no number of GPUs", hint="write --gpus 1, or --gpus all")
    count = len(found) if wanted == "all" else int(wanted)
    if count > len(found) or (wanted == "all" and not found):
        raise SpecError(
            f"{wanted} GPUs are asked for and {len(found)} can be used here",
            hint="look at CUDA_VISIBLE_DEVICES and at `ls /dev/nvidia* /dev/dri`",
        )
    return found[:count]


def _processors(cores: float | None) -> tuple[int, ...]:
    """Return that many processors of ours, any, so that several commands do not crowd on the first."""
    ours = sorted(os.sched_getaffinity(0))
    if cores is None or cores >= len(ours):
        return ()
    return tuple(sorted(random.sample(ours, math.ceil(cores))))


def home(root: str, uid: int) -> str:
    """Return the home directory of a user of the image, as its own account file says."""
    with suppress(OSError), open(os.path.join(root, "etc", "passwd"), "rb") as file:
        for line in file:
            fields = line.rstrip(b"\n").split(b":")
            if len(fields) > 5 and fields[2] == b"%d" % uid:
                return os.fsdecode(fields[5]) or "/"
    return "/root" if uid == 0 else "/tmp"  # noqa: S108 - in the container, and its own


def _warn_of_network(step: Step, engine: str) -> None:
    from dodas.containers.engines import engine as engine_of

    if not step.network and not engine_of(engine).isolates_network:
        print(f"warning: the engine {engine} cannot take the network away", file=sys.stderr)


def _status(step: Step, outcome: Outcome, peak: int) -> int:
    from dodas.backends import results
    from dodas.backends.memory import Peaks
    from dodas.step import Failure

    over = step.resources.memory is not None and peak > step.resources.memory
    # Who stops a command in the foreground is the user.
    known = results.Circumstances(memory=Peaks(resident=peak), over_memory=over, cancelled=outcome.stopped)
    result = results.result(step, outcome, known)
    if result.failure in (Failure.CONTAINER, Failure.LOST):
        raise EngineError(result.reason, hint="`dodas doctor` says what works here")
    if result.failure is Failure.LIMIT:
        print(f"error: {result.reason}", file=sys.stderr)
        return _MEMORY_OVER if over else _TIME_OVER
    return outcome.exit_code if outcome.exit_code is not None else FAILED
