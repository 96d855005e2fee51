#!/usr/bin/env python3
"""Run Snakemake workflows that others wrote, unchanged, through ``--executor dodas``.

They are at fixed commits, and come from the directory that ``PUBLIC_WORKFLOWS`` names, which has their
repositories under their own names, or else from GitHub.  Their tools come from Debian packages, in an image
for each.  What is made must be what Snakemake's own local executor makes with the same tools, byte for byte,
but for files that differ from run to run: those must not be empty.

Exit status 0: all are as they should be.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dodas.containers.packages import build
from dodas.errors import DodasError
from public_workflow_list import WORKFLOWS, Workflow
from public_workflow_sources import SourceError, checkout, git, home


class UnlikeError(Exception):
    """Something is not as it should be; the text says what."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the workflows; 0: as expected, 1: not."""
    parser = argparse.ArgumentParser(description="Run workflows of others through --executor dodas.")
    names = [workflow.name for workflow in WORKFLOWS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="run them below this directory, and leave it"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="jobs at once")
    parser.add_argument(
        "--option", action="append", default=[], metavar="OPTION", help="one more for Snakemake with dodas"
    )
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(names):
        parser.error(f"there is no {min(unknown)}; there are {', '.join(names)}")
    os.environ["DODAS_STORE"] = str(home("images"))
    well = True
    for workflow in WORKFLOWS:
        if workflow.name in (args.names or names):
            with _place(args.keep, workflow.name) as place:
                well = _tell(workflow, place, args) and well
    return 0 if well else 1


def _tell(workflow: Workflow, place: Path, args: argparse.Namespace) -> bool:
    """Say how one goes; return whether that is as expected."""
    print(f"{workflow.name}: {workflow.repository} at {workflow.commit[:12]}", flush=True)
    try:
        build.load(workflow.recipe)
        compared = compare(workflow, place, jobs=args.jobs, more=args.option)
    except (*build.FAULTS, DodasError, SourceError, UnlikeError) as error:
        print(f"  FAILED: {error}", flush=True)
        return False
    print(f"  {compared}", flush=True)
    return True


def compare(workflow: Workflow, place: Path, *, jobs: int, more: Sequence[str]) -> str:
    """Run a workflow in both ways and return what is to be said.

    Raises:
        UnlikeError: A run failed, or what they made is not alike.
    """
    image = f"docker://{workflow.recipe.name}"
    ours = ("--executor", "dodas", "--jobs", str(jobs), "--dodas-image", image, *more)
    took, made = _run(workflow, place / "dodas", ours, os.environ)
    tools = _wrappers(workflow, place / "tools")
    environ = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    _, expected = _run(workflow, place / "local", ("--cores", str(jobs)), environ)
    if made.keys() != expected.keys():
        raise UnlikeError(
            f"files made by one executor only: {', '.join(sorted(made.keys() ^ expected.keys()))}"
        )
    free = {name for name in made if _matches(name, workflow.varies)}
    empty = sorted(name for name in made if not made[name] and expected[name])
    unlike = sorted(name for name in made.keys() - free if made[name] != expected[name])
    other = sorted(name for name in made if not _as_published(workflow, place, name, made[name]))
    for names, what in (
        (empty, "empty"),
        (unlike, "not what the local executor makes"),
        (other, "not what its authors published"),
    ):
        if names:
            raise UnlikeError(f"{what}: {', '.join(names)}")
    published = sum(_matches(name, workflow.published) for name in made)
    words = f"{len(made)} files in {took:.0f} s, {len(made) - len(free)} as from the local executor"
    return words + (f", {published} as their authors published" if published else "")


def _run(
    workflow: Workflow, top: Path, options: Sequence[str], environ: Mapping[str, str]
) -> tuple[float, dict[str, bytes]]:
    """Run a fresh copy; return the seconds that it took and what was made, by name."""
    checkout(workflow, top)
    began = time.time()
    command = [sys.executable, "-m", "snakemake", *options, "--forceall", "--nocolor", *workflow.options]
    done = subprocess.run(
        command, cwd=top / workflow.folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        tail = "\n    ".join(done.stdout.splitlines()[-40:])
        raise UnlikeError(f"{shlex.join(command)} exited with {done.returncode}\n    {tail}")
    # What comes out of git is as old as its commit.
    made = (path for path in _files(top / workflow.folder) if path.stat().st_mtime >= int(began))
    return time.time() - began, {
        str(path.relative_to(top / workflow.folder)): path.read_bytes() for path in made
    }


def _files(top: Path) -> Iterator[Path]:
    for path in sorted(top.rglob("*")):
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(top).parts)
        if path.is_file() and not hidden:  # in a container, programs keep their settings and caches here
            yield path


def _wrappers(workflow: Workflow, folder: Path) -> Path:
    """Make programs that start those of the image, for an executor that knows of no images."""
    folder.mkdir()
    dodas = shlex.join([sys.executable, "-m", "dodas"])
    for program in workflow.programs:
        path = folder / program
        start = f'{dodas} run --volume "$PWD" --workdir "$PWD" --env OMP_NUM_THREADS {workflow.recipe.name}'
        path.write_text(f'#!/bin/sh\nexec {start} -- {program} "$@"\n')
        path.chmod(0o755)
    return folder


def _matches(name: str, patterns: Sequence[str] | Mapping[str, str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _as_published(workflow: Workflow, place: Path, name: str, content: bytes) -> bool:
    if not _matches(name, workflow.published):
        return True
    path = Path(workflow.folder, name)
    return git(workflow, "show", f"{workflow.commit}:{path}") == content


@contextmanager
def _place(kept: Path | None, name: str) -> Iterator[Path]:
    """Yield an empty directory, which is gone afterwards unless it is to be kept."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix=f"public-{name}-") as place:
            yield Path(place)
        return
    place_kept = kept.absolute() / name
    shutil.rmtree(place_kept, ignore_errors=True)
    place_kept.mkdir(parents=True)
    yield place_kept


if __name__ == "__main__":
    sys.exit(main())
