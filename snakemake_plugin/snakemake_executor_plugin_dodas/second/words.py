"""The command of a second Snakemake, as words."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from snakemake_interface_executor_plugins.utils import encode_target_jobs_cli_args, format_cli_arg

# What a shell takes as it stands: plain characters, text in single quotes, a single quote in double ones.
_WORDS = re.compile(r"""(?:[\w@%+=:,./ -]|'[^']*'|"'")*""", re.ASCII)


def quoted(command: str, job: Any) -> str:
    """Return the command with the wildcards of ``job`` as a shell reads them.

    Snakemake writes them as Python does, which a shell does not understand where there are quotes or
    backslashes in them.
    """
    targets = encode_target_jobs_cli_args(job.get_target_spec())
    written = format_cli_arg("--target-jobs", targets)
    return command.replace(written, shlex.join(["--target-jobs", *targets]), 1)


def words(command: str) -> tuple[str, ...] | None:
    """Return the words of a command that needs no shell to be understood; ``None`` of others.

    Args:
        command: As Snakemake writes it, for a shell.
    """
    if not _WORDS.fullmatch(command):
        return None
    found = tuple(shlex.split(command))
    return found if is_second(found) else None


def is_second(argv: Sequence[str]) -> bool:
    """Return whether the command is a second Snakemake with the Python of this process."""
    return tuple(argv[:3]) == (sys.executable, "-m", "snakemake")
