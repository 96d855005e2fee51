"""Which engine runs steps on this node: the best that has proved itself, or the one asked for if it has."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import sys
import tempfile
import time
from contextlib import suppress
from typing import Any

from dodas import __version__
from dodas.containers.engines import ENGINES, engine, proot
from dodas.errors import EngineError
from dodas.paths import cache_dir, scratch_dir, store_dir
from dodas.worker.selftest import Verdict, prove

AUTO = "auto"
# What works may stop working with the next update; what does not may be mended any minute.
_LIFE_OF_SUCCESS, _LIFE_OF_FAILURE = 7 * 86400.0, 120.0
_ORDER = ("namespace", "fuse", "proot", "proot-noseccomp")

_log = logging.getLogger("dodas")
_programs: dict[str, str] = {}


def choose(name: str = "") -> str:
    """Return the name of the engine to use.

    Args:
        name: An engine's name, or ``auto`` for the best that works.  Empty takes ``DODAS_ENGINE``, else
            ``auto``.

    Raises:
        EngineError: There is no such engine, it failed its self-test, or none works.
    """
    wanted = name or os.environ.get("DODAS_ENGINE") or AUTO
    if wanted != AUTO and wanted not in ENGINES:
        raise EngineError(
            f"there is no engine called {wanted!r}", hint=f"choose one of: {', '.join(ENGINES)}"
        )
    problems = []
    for candidate in _ORDER if wanted == AUTO else (wanted,):
        found = verdict(candidate)
        if found.works:
            if found.remark and not engine(candidate).isolates_root:
                _log.warning("engine %s: %s", candidate, found.remark)
            return candidate
        problems.append(f"{candidate}: {found.problem}")
    what = "no container engine works here" if wanted == AUTO else "the engine cannot be used here"
    raise EngineError(f"{what} ({'; '.join(problems)})", hint="`dodas doctor` says what would mend it")


def verdict(name: str, *, fresh: bool = False) -> Verdict:
    """Return whether the engine ``name`` works here, from the node's cache unless ``fresh``."""
    if name == "host":
        return Verdict(engine=name, remark="no container at all")
    programs = proot.candidates() if name in ("proot", "proot-noseccomp", "fuse") else []
    found = _verdict(name, "", fresh) if not programs else Verdict(engine=name)
    for program in programs:
        found = _verdict(name, program, fresh)
        if found.works:
            break
    if found.works:
        _programs[name] = found.program
    return found


def program_of(name: str) -> str:
    """Return the program with which the engine ``name`` proved itself here; empty if it has none."""
    return _programs.get(name, "")


def _verdict(name: str, program: str, fresh: bool) -> Verdict:
    path = os.path.join(cache_dir(), "engines", f"{_key(name, program)}.json")
    known = None if fresh else _remembered(path)
    if known is None:
        known = prove(name, program)
        _remember(path, known)
    return known


def _key(name: str, program: str) -> str:
    """Return a name that changes with everything on which the verdict depends."""
    stamp: tuple[Any, ...] = ()
    if program:
        status = os.stat(program)
        stamp = (program, status.st_size, status.st_mtime_ns)
    facts = (
        name,
        stamp,
        __version__,
        sys.version,
        os.uname(),
        os.geteuid(),
        store_dir(),
        scratch_dir(),
        _boot(),
    )
    return f"{name}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def _boot() -> str:
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
    return platform.node()


def _remembered(path: str) -> Verdict | None:
    try:
        age = time.time() - os.stat(path).st_mtime
        with open(path, encoding="utf-8") as file:
            known = Verdict(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None
    return known if 0 <= age < (_LIFE_OF_SUCCESS if known.works else _LIFE_OF_FAILURE) else None


def _remember(path: str, known: Verdict) -> None:
    """Keep a verdict; a cache that cannot be written costs a self-test at every start, nothing more."""
    values = {name: getattr(known, name) for name in ("engine", "program", "problem", "remark")}
    with suppress(OSError):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file)
        os.replace(temporary, path)
