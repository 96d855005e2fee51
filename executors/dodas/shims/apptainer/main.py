"""The ``apptainer`` of ``dodas env``: images of registries are run here, all else by a real one."""

from __future__ import annotations

import os
import sys

from dodas.shims import outcome, real
from dodas.shims.apptainer.options import Unknown
from dodas.shims.apptainer.words import QUIET, command_of, parse_pull, parse_start

TYPE_CHECKING = False  # typing's own is that too, and comes with ten milliseconds
if TYPE_CHECKING:
    from typing import NoReturn

    from dodas.containers.progress import OnProgress

FAILED = 255  # as apptainer's
# Local parts of versions (PEP 440) do not count in a comparison; Snakemake wants 1.0 or newer.
_VERSION = "apptainer version 1.4.0+dodas"
_INFORMATION = "INFO:   "
_STARTS = frozenset(("exec", "run", "shell"))
_NAMES = ("apptainer", "singularity")


def main(words: list[str]) -> NoReturn:
    """Do what ``apptainer`` followed by ``words`` does, and exit as it would."""
    if words in (["--version"], ["version"]):
        print(_VERSION if words == ["--version"] else _VERSION.rpartition(" ")[2])
        outcome.exit_at_once(0)
    environ = dict(os.environ)
    outcome.leave_with(lambda: _status(words, environ), failed=FAILED, word="FATAL:  ")


def _status(words: list[str], environ: dict[str, str]) -> int:
    """Do it here; becomes a real apptainer, and does not return, if it has to be done by that one."""
    try:
        general, verb, rest = command_of(words)
        if verb in _STARTS:
            return _start(general, verb, rest, environ)
        if verb == "pull":
            return _pull(general, rest)
        what = Unknown(f"command {verb}" if verb else "a command line without a command")
    except Unknown as unknown:
        what = unknown
    return _other(what, words, environ)


def _start(general: frozenset[str], verb: str, rest: list[str], environ: dict[str, str]) -> int:
    run = parse_start(general, rest, environ)
    outcome.put_off("inspect")
    # An engine that starts apptainer, as one of udocker's modes does, is not to find this one.
    os.environ["PATH"] = os.pathsep.join(
        folder for folder in real.folders(environ) if not real.is_ours(os.path.join(folder, _NAMES[0]))
    )
    from contextlib import ExitStack  # noqa: PLC0415

    from dodas.shims.apptainer.images import held_root  # noqa: PLC0415
    from dodas.shims.apptainer.launch import launch_of  # noqa: PLC0415
    from dodas.shims.prepared import engine_for  # noqa: PLC0415

    with ExitStack() as held:
        engine = engine_for(environ)
        root = held_root(run.image, _progress(general), held)
        return outcome.status_of(launch_of(verb, run, root, engine, environ, held))


def _pull(general: frozenset[str], rest: list[str]) -> int:
    run, places = parse_pull(general, rest)
    from dodas.shims.apptainer.pull import pull  # noqa: PLC0415

    path = pull(run, places, _progress(general))
    if not QUIET & general:
        print(f"{_INFORMATION} {path} stands for the image, which is in dodas' store", file=sys.stderr)
    return 0


def _other(what: Unknown, words: list[str], environ: dict[str, str]) -> int:
    """Let a real apptainer do it; where there is none, say what ours cannot."""
    found = real.behind(_NAMES, real.folders(environ))
    if found:
        real.execute([found, *words], environ)
    from dodas.errors import SpecError  # noqa: PLC0415

    raise SpecError(str(what), hint=what.hint)


def _progress(general: frozenset[str]) -> OnProgress:
    from dodas.containers.progress import ignore  # noqa: PLC0415
    from dodas.shims.prepared import Telling  # noqa: PLC0415

    return ignore if QUIET & general else Telling(_INFORMATION)
