"""Build images from their recipes: ``python -m workflows.images.build [--load] [NAME…]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from workflows.images.recipes import RECIPES

from dodas.containers.packages import build as packages
from dodas.errors import DodasError

FAULTS = packages.FAULTS
"""What building fails with."""


def build(name: str, *, cache: Path | None = None) -> Path:
    """Return the image archive of the recipe called ``name``, built if it is not in ``cache``."""
    return packages.build(RECIPES[name], cache=cache)


def load(name: str) -> bool:
    """Put the image of a recipe into dodas' store; return whether it was not there yet, just like this."""
    return packages.load(RECIPES[name])


def main(argv: Sequence[str] | None = None) -> int:
    """Build images, print where their archives are, and load them if asked to."""
    parser = argparse.ArgumentParser(prog="python -m workflows.images.build", description=build.__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(RECIPES)} (default: all)"
    )
    parser.add_argument("--load", action="store_true", help="put them into dodas' image store too")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in RECIPES]
    if unknown:
        parser.error(f"no recipe is called {unknown[0]}; there are {', '.join(RECIPES)}")
    try:
        for name in args.names or RECIPES:
            sys.stdout.write(f"{build(name)}\n")
            if args.load:
                load(name)
    except (*FAULTS, DodasError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
