"""The ``dodas`` command: the one place where arguments come in and errors become text.

Each sub-command is a module of this package, or of a front end, with ``add(parser)``, which fills in an
``argparse`` parser, and ``run(args)``, which returns the exit status.  A module is imported only when its
command is asked for, so that ``dodas --help`` stays fast.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from dodas import __version__
from dodas.errors import DodasError

# name -> (module, one line of help, the extra that brings it)
COMMANDS = {
    "run": ("dodas.cli.run", "run one command in a container", ""),
    "env": ("dodas.cli.env", "put a udocker in front of PATH that runs images as `dodas run` does", ""),
    "image": ("dodas.cli.image", "pull, load, prepare, list and remove images", ""),
    "data": ("dodas.cli.data", "fetch, store, list and copy files on WebDAV storage and federations", ""),
    "pool": ("dodas.cli.pool", "make HTCondor pools, on this host and on demand; look at them, end them", ""),
    "auth": ("dodas.cli.auth", "log in to INDIGO IAM and other OpenID providers, and get tokens", ""),
    "cwl": ("dodas_cwl.command", "run a CWL workflow, every step in a container", "cwl"),
    "cache": ("dodas.cli.cache", "results of steps that are kept: list, remove, say why one ran again", ""),
    "logs": ("dodas.cli.logs", "show what steps on a pool wrote, and how they ended", ""),
    "doctor": ("dodas.cli.doctor", "say what works here, what does not, and what mends it", ""),
}

_WRONG_USE = 2
_FAILED = {"run": 125}  # status of dodas' own failures where it is not 1

_EPILOG = """\
exit status: that of the command for `dodas run`; else 0 when all went well, 1 when not, 2 for a wrong
command line, 130 after Ctrl-C; `dodas data` tells more.
Snakemake workflows run with: snakemake --executor dodas --jobs N
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    # What `dodas run` ends with is its command's, so its own failures must be told apart.
    failed = _FAILED.get(_chosen(words), 1)
    try:
        status = _run(words)
        sys.stdout.flush()  # a reader that has gone is noticed here, not by Python, which has its own status
    except SystemExit as end:
        if end.code == _WRONG_USE and failed != 1:
            return failed
        raise
    except DodasError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return failed
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`dodas image ls | head`); nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _chosen(words: list[str]) -> str:
    return next((word for word in words if not word.startswith("-")), "")


def _run(words: list[str]) -> int:
    chosen = _chosen(words)
    parser = argparse.ArgumentParser(
        prog="dodas",
        description="Run scientific workflows where there is no Docker, no root and no shared disk.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dodas {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    module: Any = None
    for name, (path, line, extra) in COMMANDS.items():
        if name == chosen:
            module = _load(name, path, extra)
            module.add(
                commands.add_parser(
                    name,
                    help=line,
                    description=module.__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                )
            )
        else:
            commands.add_parser(name, help=line, add_help=False)
    args = parser.parse_args(words)
    status: int = module.run(args)
    return status


def _load(name: str, path: str, extra: str) -> Any:  # a module, with add and run
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if not extra or (error.name or "").startswith("dodas"):
            raise
        raise DodasError(
            f"`dodas {name}` needs {error.name}, which is not installed",
            hint=f"install it with: pip install 'dodas[{extra}]'",
        ) from error
