"""Look at the results of steps that `dodas cwl --cache` keeps, and remove them."""

from __future__ import annotations

import argparse

from dodas.cli.subcommands import Add, adder, carry_out

_EPILOG = """\
examples:
  dodas cwl --cache results WORKFLOW JOB.yml
  dodas cache --cache results ls
  dodas cache --cache results why align     why it ran, and was not reused
  dodas cache gc --older-than 30d --size 10G

Without --cache it is the directory that `dodas cwl --cache default` means: steps/ in DODAS_CACHE, else in
~/.cache/dodas.
"""
_WHY = """\
STEP is the name of a step of a workflow, or of one of the many that a scatter makes of it.  What is said is
about the last run that came to it.

examples:
  dodas cache why align
  dodas cache why align_12 --json
"""
_GC = """\
What always goes: what killed runs have left.  The options make results go; one that a run has used that is
still going on never goes.

examples:
  dodas cache gc --dry-run --older-than 30d
  dodas cache gc --size 10G
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their options."""
    parser.epilog = _EPILOG
    parser.add_argument("--cache", default="", metavar="DIR", help="the directory (default: your own)")
    command = adder(parser)
    _json(_here(command("ls", "list the results, the last used first", "cache_look:ls")))
    why = _here(command("why", "say why a step was reused, or why not", "cache_look:why", _WHY))
    why.add_argument("step", metavar="STEP", help="name of the step")
    _json(why)
    _add_gc(command)


run = carry_out


def _add_gc(command: Add) -> None:
    gc = _here(command("gc", "remove results", "cache_look:gc", _GC))
    gc.add_argument("--older-than", metavar="TIME", help="those not used for so long: 12h, 30d")
    gc.add_argument("--size", metavar="SIZE", help="those longest unused, until the rest takes no more: 10G")
    gc.add_argument("--dry-run", "-n", action="store_true", help="only say what would go")
    _json(gc)


def _here(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    # Also behind the command, where one looks for options.
    parser.add_argument("--cache", default=argparse.SUPPRESS, metavar="DIR", help="the directory")
    return parser


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
