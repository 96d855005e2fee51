"""Runs a program in a container like those of :mod:`servers.slurm`: ``LAUNCH PROGRAM WORD...``."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace

from dodas.containers.launch import Launch
from dodas.worker.foreground import run


def main() -> int:
    """Run it on the standard streams of this process; return its exit status."""
    with open(sys.argv[1], encoding="utf-8") as file:
        launch = Launch.from_plain(json.load(file))
    launch = replace(launch, argv=tuple(sys.argv[2:]), cwd=os.getcwd(), grace=2.0)
    outcome = run(launch)
    if outcome.fault:
        print(outcome.fault, file=sys.stderr)
        return 125
    return outcome.exit_code or 0


if __name__ == "__main__":
    sys.exit(main())
