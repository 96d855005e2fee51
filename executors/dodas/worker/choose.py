"""Which engine runs steps on this node: the best that has proved itself, or the one asked for if it has."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from typing import Any

from dodas import __version__, whole
from dodas.containers.engines import ENGINES, engine, proot, traced
from dodas.errors import EngineError
from dodas.paths import cache_dir, scratch_dir, store_dir
from dodas.worker.verdict import Verdict

AUTO = "auto"
# What works may stop working with the next update; what does not may be mended any minute.
_LIFE_OF_SUCCESS, _LIFE_OF_FAILURE = 7 * 86400.0, 120.0
_ORDER = ("namespace", "fuse", "proot", "proot-noseccomp")

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
                _warn(candidate, found.remark)
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


def _warn(name: str, remark: str) -> None:
    import logging  # noqa: PLC0415 - takes milliseconds, and the best engines give no reason

    logging.getLogger("dodas").warning("engine %s: %s", name, remark)


def _verdict(name: str, program: str, fresh: bool) -> Verdict:
    path = os.path.join(cache_dir(), "engines", f"{_key(name, program)}.json")
    known = None if fresh else _remembered(path)
    if known is None:
        from dodas.worker.selftest import prove  # noqa: PLC0415 - seldom needed

        known = prove(name, program)
        _remember(path, known)
    return known


def _key(name: str, program: str) -> str:
    """Return a name that changes with everything on which the verdict depends."""
    facts = (
        name,
        *(_stamp(path) for path in (traced.files(program) if program else ())),
        __version__,
        sys.version,
        os.uname(),
        os.geteuid(),
        store_dir(),
        _disk(scratch_dir()),
        _boot(),
    )
    return f"{name}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def _disk(path: str) -> int:
    """Return which disk ``path`` is on: every job of a batch system has a directory of its own there."""
    with suppress(OSError):
        return os.stat(path).st_dev
    return 0


def _stamp(path: str) -> tuple[Any, ...]:
    """Return what changes when the file at ``path`` does, or appears."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return (path,)
    return path, status.st_size, status.st_mtime_ns


def _boot() -> str:
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
    return os.uname().nodename


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
        whole.write(path, json.dumps(values), mode=0o666)
