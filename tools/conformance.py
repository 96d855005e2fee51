#!/usr/bin/env python3
"""Run the conformance tests of CWL 1.0, 1.1 and 1.2 through ``dodas cwl``, and compare with what is known.

The suites are those of the Common Workflow Language project; they come from the directory that
``CWL_CONFORMANCE`` names, which has their repositories under their own names, or else from GitHub, once.
Images are stand-ins (see conformance_images.py) in a store of their own, unless ``--pull`` is given.

The verdict is cwltest's closing line, never its XML, which has no failure for a test that should have failed
and did not.  Exit status 0: nothing failed but what is known to fail here, with its reason.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import conformance_images
from dodas import paths

_GITHUB = "https://github.com/common-workflow-language"
_RUNNERS = {
    "dodas": ("dodas", "cwl"),
    "cwltool": ("cwltool", "--udocker", "--relax-path-checks"),
}
_NO_INTERNET = "it asks a server on the Internet"
_PIPE = "it expects what wc prints of a pipe, which Docker makes of standard input; here it is the file"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The tests of one version.

    Attributes:
        version: Of CWL.
        repository: Its name.
        commit: Which state of it.
        tests: The file with the tests.
        count: How many there are.
        known: Those that fail here, where there is no Internet and no Docker, and why.
    """

    version: str
    repository: str
    commit: str
    tests: str = "conformance_tests.yaml"
    count: int
    known: Mapping[str, str] = field(default_factory=dict)


SUITES = (
    Suite(
        version="1.0",
        repository="common-workflow-language",
        commit="06c0cba1a178e20af2634b33dee648faff144bf8",
        tests="v1.0/conformance_test_v1.0.yaml",
        count=197,
    ),
    Suite(
        version="1.1",
        repository="cwl-v1.1",
        commit="b1d4a69df86350059bd49aa127c02be0c349f7de",
        count=253,
        known={"networkaccess": _NO_INTERNET, "stdin_shorcut": _PIPE},
    ),
    Suite(
        version="1.2",
        repository="cwl-v1.2",
        commit="551d58d409ef2a0fa2e3ab93b85167dd7d4b1833",
        count=378,
        known={"networkaccess": _NO_INTERNET},
    ),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What cwltest found.

    Attributes:
        failed: Names, or numbers, of the tests that failed.
        unsupported: How many need what is not supported.
        closing: Its last line.
    """

    failed: tuple[str, ...]
    unsupported: int
    closing: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suites; 0: as expected, 1: not."""
    args = _parser().parse_args(argv)
    environ = dict(os.environ)
    if not args.pull:
        environ["DODAS_STORE"] = os.environ["DODAS_STORE"] = str(_home("images"))
        for name in conformance_images.missing():
            print(f"image {name}")
    well = True
    for suite in SUITES:
        if suite.version in (args.version or suite.version):
            well = _tell(suite, _run(suite, args, environ), partly=bool(args.tests)) and well
    return 0 if well else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run the conformance tests of CWL through dodas cwl.")
    parser.add_argument("--version", action="append", choices=[suite.version for suite in SUITES])
    parser.add_argument("--tests", metavar="NAMES|NUMBERS", help="these tests alone")
    parser.add_argument(
        "--runner",
        choices=_RUNNERS,
        default="dodas",
        help="dodas cwl, or cwltool --udocker with the udocker of `dodas env`",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tests at once")
    parser.add_argument("--pull", action="store_true", help="the real images, from their registries")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep what cwltest says here")
    parser.add_argument(
        "options",
        nargs="*",
        metavar="OPTION",
        help="of the runner, after --; for a pool without a shared disk: "
        "--backend htcondor --pool NAME --default-container python:3",
    )
    return parser


def _run(suite: Suite, args: argparse.Namespace, environ: Mapping[str, str]) -> Outcome:
    place = _checkout(suite)
    tests = place / suite.tests
    programs = Path(sys.executable).parent
    runner, *before = _RUNNERS[args.runner]
    command = [str(programs / "cwltest"), "--test", str(tests), "--tool", str(programs / runner)]
    command += ["-j", str(args.jobs), "--timeout", "300", *_chosen(args.tests)]
    command += ["--", *before, *args.options]
    if args.runner == "cwltool":
        command = [
            "bash",
            "-c",
            f'eval "$({programs}/dodas env --shell bash)" && exec "$@"',
            "bash",
            *command,
        ]
    print(f"CWL {suite.version}, {suite.count} tests", flush=True)
    done = subprocess.run(
        command, cwd=tests.parent, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    if args.logs:
        args.logs.mkdir(parents=True, exist_ok=True)
        (args.logs / f"cwl-{suite.version}.log").write_text(done.stdout)
    return read(done.stdout)


def _chosen(tests: str | None) -> list[str]:
    """Return the options of cwltest that choose tests; it does not find the first one by its name."""
    if not tests:
        return []
    return ["-n" if re.fullmatch(r"[\d,-]+", tests) else "-s", tests]


def read(said: str) -> Outcome:
    """Return what cwltest found, from all that it said."""
    names = dict(re.findall(r"^Test \[(\d+)/\d+\] (\S+?):", said, re.MULTILINE))
    failed = re.findall(r"^Test (\d+) (?:failed|timed out):", said, re.MULTILINE)
    closing = next(
        (line for line in reversed(said.splitlines()) if "tests passed" in line.lower()), "it broke off"
    )
    unsupported = re.search(r"(\d+) unsupported", closing)
    return Outcome(
        failed=tuple(sorted({names.get(number, number) for number in failed})),
        unsupported=int(unsupported[1]) if unsupported else 0,
        closing=closing,
    )


def _tell(suite: Suite, outcome: Outcome, *, partly: bool) -> bool:
    """Say how it went; return whether that is as expected."""
    print(f"  {outcome.closing}")
    for name in outcome.failed:
        print(f"  {name} failed: {suite.known.get(name, 'which it should not')}")
    better = () if partly else sorted(set(suite.known) - set(outcome.failed))
    for name in better:
        print(f"  {name} passed, although it could not be expected")
    surprises = set(outcome.failed) - set(suite.known)
    return not surprises and not outcome.unsupported and outcome.closing != "it broke off"


def _checkout(suite: Suite) -> Path:
    given = os.environ.get("CWL_CONFORMANCE")
    place = Path(given, suite.repository).absolute() if given else _home(suite.commit)
    if given and not place.is_dir():
        sys.exit(f"error: CWL_CONFORMANCE is {given}, and there is no {suite.repository} in it")
    if not place.is_dir():
        part = place.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        for command in (
            ["git", "init", "--quiet", str(part)],
            [
                "git",
                "-C",
                str(part),
                "fetch",
                "--quiet",
                "--depth=1",
                f"{_GITHUB}/{suite.repository}",
                suite.commit,
            ],
            ["git", "-C", str(part), "checkout", "--quiet", "FETCH_HEAD"],
        ):
            if subprocess.run(command, check=False).returncode != 0:
                sys.exit(
                    f"error: {_GITHUB}/{suite.repository} cannot be had\n"
                    "  hint: set CWL_CONFORMANCE to a directory that has the repository"
                )
        part.rename(place)
    return place


def _home(name: str) -> Path:
    place = Path(paths.cache_dir(), "conformance")
    place.mkdir(parents=True, exist_ok=True)
    return place / name


if __name__ == "__main__":
    sys.exit(main())
