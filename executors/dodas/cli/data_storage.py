"""The storage as the options of a command want it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dodas.errors import SpecError

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

_MOST = 256  # transfers at once


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Storage]:
    """Yield what speaks to storage: the environment's settings, but for what the options say."""
    from dodas.staging.settings import Settings
    from dodas.staging.storage import Storage

    settings = Settings.from_environment()
    jobs = getattr(args, "jobs", 1)
    if not 1 <= jobs <= _MOST:
        raise SpecError(f"--jobs is {jobs}", hint=f"set it to 1 … {_MOST}")
    if not os.environ.get("DODAS_STORAGE_PER_HOST"):
        # One more, by which what is to come is listed meanwhile.
        settings = replace(settings, per_host=max(jobs + 1, settings.per_host))
    if prefer := getattr(args, "prefer", []):
        settings = replace(settings, prefer=(*prefer, *settings.prefer))
    with Storage(settings) as storage:
        yield storage
