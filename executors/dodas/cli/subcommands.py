"""Commands below a command, as in ``dodas image pull``; what does them is imported when they are given."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable

Add = Callable[..., argparse.ArgumentParser]


def adder(parser: argparse.ArgumentParser) -> Add:
    """Return what adds a command to ``parser``.

    It takes the command's name, a line that says what it does, the place of the function that does it
    (``module:function``, below :mod:`dodas.cli`), and an epilog; it returns the command's own parser.
    """
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, line: str, place: str, epilog: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=line,
            description=f"{line[0].upper()}{line[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(place=place)
        return added

    return command


def carry_out(args: argparse.Namespace) -> int:
    """Run the command that was given and return its exit status."""
    module, _, function = args.place.partition(":")
    status: int = getattr(importlib.import_module(f"dodas.cli.{module}"), function)(args)
    return status
