#!/usr/bin/env python3
"""Run Snakemake's own tests with the executor dodas, and compare with what its local executor passes.

They are those of the Snakemake that is installed, from its source distribution, which comes from the package
index, once.  Tests that Snakemake runs through a stand-in for a cluster are compared with just that.

Exit status 0: the executor passes what the local one passes, but for what is known, with its reason.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from snakemake_suite_home import Home, prepare
from snakemake_suite_known import KNOWN

_FILE = "tests/tests.py"
_NONE_CHOSEN = 5  # an exit status of pytest
_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a test ended.

    Attributes:
        end: ``passed``, ``failed`` or ``skipped``.
        why: It did not pass.
    """

    end: str
    why: str = ""


Outcomes = Mapping[str, Outcome]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What an executor loses of that which the local one passes.

    Attributes:
        lost: Tests, and why they failed.
        known: Those that could be expected.
        better: Those that could, and passed.
    """

    lost: Mapping[str, str]
    known: Sequence[str]
    better: Sequence[str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tests; 0: as expected, 1: not."""
    args = _parser().parse_args(argv)
    home = prepare()
    print(f"Snakemake {home.version}", flush=True)
    local = dict(_earlier(args.against) if args.against else _run(home, "local", args))
    other = dict(_run(home, args.executor, args))
    if args.against and args.tests:
        local = {test: outcome for test, outcome in local.items() if test in other}
    for test in difference(local, other).lost:
        # Where more goes on at once than there are cores, some are late; and some fail by chance, with any.
        for _ in range(_TRIES):
            other |= _run(home, args.executor, args, test)
            if other[test].end == "passed":
                break
            local |= _run(home, "local", args, test)
            if local[test].end != "passed":
                break
    found = difference(local, other)
    if args.json:
        args.json.write_text(_as_json(home, args.executor, local, other, found))
    return 0 if _tell(args.executor, found) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run Snakemake's own tests with the executor dodas.")
    parser.add_argument("--tests", metavar="EXPR", help="these tests alone, as pytest -k understands it")
    parser.add_argument("--executor", default="dodas", help="the one that is compared with the local one")
    parser.add_argument("--against", type=Path, metavar="FILE", help="a --json of before, for the local one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tests at once")
    parser.add_argument("--timeout", type=int, default=180, metavar="SECONDS", help="for each test")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep what pytest says here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write how each test ended")
    return parser


def _run(home: Home, executor: str, args: argparse.Namespace, test: str = "") -> Outcomes:
    """Return how the tests end with ``executor``: those that were asked for, or one of them, by itself."""
    with tempfile.TemporaryDirectory(prefix="suite-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        home.copy(scratch)
        outcomes = scratch / "outcomes"
        outcomes.touch()
        command = [str(home.programs / "python"), "-m", "pytest", "-p", "snakemake_suite_swap"]
        command += ["--swap-executor", executor, "--outcomes", str(outcomes), "-p", "no:cacheprovider"]
        command += ["--timeout", str(args.timeout), "--tb", "short"]
        command += [f"{_FILE}::{test}"] if test else ["-n", str(args.jobs), "--dist", "worksteal", _FILE]
        command += ["-k", args.tests] if args.tests and not test else []
        status, said = _said(command, scratch, home.environ(scratch))
        if args.logs:
            args.logs.mkdir(parents=True, exist_ok=True)
            (args.logs / f"{executor}{f'-{test}' if test else ''}.log".replace("/", "_")).write_text(said)
        found = read(outcomes.read_text())
    closing = (said.splitlines() or [""])[-1].strip("= ")
    print(f"{executor}{f', {test} once more' if test else ''}: {closing}", flush=True)
    if status not in (0, 1, _NONE_CHOSEN):
        sys.exit(f"error: pytest broke off\n{said[-2000:]}")
    return found


def _said(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a command; whatever its tests leave running in its session ends with it."""
    process = subprocess.Popen(
        command, cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = process.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, said


def read(notes: str) -> dict[str, Outcome]:
    """Return how tests ended, from what snakemake_suite_swap.py noted: as badly as their worst phases."""
    found: dict[str, Outcome] = {}
    for note in map(json.loads, notes.splitlines()):
        before = found.get(note["test"])
        if before is None or before.end == "passed":
            found[note["test"]] = Outcome(end=note["outcome"], why=note["why"])
    return found


def difference(local: Outcomes, other: Outcomes, known: Mapping[str, str] = KNOWN) -> Difference:
    """Compare the outcomes of tests with the local executor and with another one."""
    passed = [test for test, outcome in local.items() if outcome.end == "passed"]
    missing = Outcome(end="failed", why="it did not end")
    lost = {test: other.get(test, missing) for test in passed}
    lost = {test: outcome for test, outcome in lost.items() if outcome.end != "passed"}
    return Difference(
        lost={test: outcome.why for test, outcome in lost.items() if test not in known},
        known=[test for test in lost if test in known],
        better=[test for test in passed if test in known and test not in lost],
    )


def _earlier(path: Path) -> Outcomes:
    tests = json.loads(path.read_text())["local"]
    return {test: Outcome(**outcome) for test, outcome in tests.items()}


def _as_json(home: Home, executor: str, local: Outcomes, other: Outcomes, found: Difference) -> str:
    def plain(outcomes: Outcomes) -> dict[str, dict[str, str]]:
        return {test: {"end": one.end, "why": one.why} for test, one in sorted(outcomes.items())}

    result = {
        "snakemake": home.version,
        "executor": executor,
        "lost": dict(found.lost),
        "known": {test: KNOWN[test] for test in found.known},
        "local": plain(local),
        executor: plain(other),
    }
    return json.dumps(result, indent=1) + "\n"


def _tell(executor: str, found: Difference) -> bool:
    """Say how it went; return whether that is as expected."""
    for test in found.known:
        print(f"  {test} failed: {KNOWN[test]}")
    for test in found.better:
        print(f"  {test} passed, although it could not be expected")
    for test, why in found.lost.items():
        print(f"  {test} failed, which it should not: {why}")
    print(f"{executor} loses {len(found.lost)} that it should not, and {len(found.known)} that are known")
    return not found.lost


if __name__ == "__main__":
    sys.exit(main())
