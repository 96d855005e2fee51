"""Programs that tests use; a missing one skips the test, or fails it where everything must be there."""

from __future__ import annotations

import os
import shutil

import pytest


def need(*programs: str) -> str:
    """Return the path of the first of ``programs``; all must be on PATH.

    ``DODAS_TEST_STRICT=1``, which ``make test`` sets, makes an absent program a failure; except one of
    ``DODAS_TEST_ABSENT``, which `make setup` found that it cannot bring without an administrator.
    """
    places = {program: shutil.which(program) for program in programs}
    missing = [program for program, place in places.items() if place is None]
    if missing:
        problem = f"{', '.join(missing)} not on PATH; `make setup` brings what the tests need"
        excused = set(missing) <= set(os.environ.get("DODAS_TEST_ABSENT", "").split())
        if os.environ.get("DODAS_TEST_STRICT") == "1" and not excused:
            pytest.fail(problem)
        pytest.skip(problem)
    return places[programs[0]] or ""
