"""Where the files of public workflows come from."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from dodas import paths
from public_workflow_list import Workflow


class SourceError(Exception):
    """They cannot be had; the text says why."""


def checkout(workflow: Workflow, target: Path) -> None:
    """Put the files of a workflow, all as old as its commit, into a new directory.

    Raises:
        SourceError: They cannot be had.
    """
    target.mkdir(parents=True)
    archive = git(workflow, "archive", workflow.commit)
    subprocess.run(["tar", "-x"], cwd=target, input=archive, check=True)


def git(workflow: Workflow, *words: str) -> bytes:
    """Return what git says in the workflow's repository.

    Raises:
        SourceError: There is none, or not that commit.
    """
    done = subprocess.run(["git", "-C", _repository(workflow), *words], capture_output=True, check=False)
    if done.returncode != 0:
        raise SourceError(f"git {shlex.join(words)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _repository(workflow: Workflow) -> Path:
    name = workflow.repository.partition("/")[2]
    if given := os.environ.get("PUBLIC_WORKFLOWS"):
        place = Path(given, name).absolute()
        if not place.is_dir():
            raise SourceError(f"PUBLIC_WORKFLOWS is {given}, and there is no {name} in it")
        return place
    place = home(workflow.commit)
    if not place.is_dir():
        part = place.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        url = f"https://github.com/{workflow.repository}"
        for command in (
            ["git", "init", "--quiet", "--bare", str(part)],
            ["git", "-C", str(part), "fetch", "--quiet", "--depth=1", url, workflow.commit],
        ):
            if subprocess.run(command, check=False).returncode != 0:
                raise SourceError(
                    f"{url} cannot be had; PUBLIC_WORKFLOWS may name a directory that has {name}"
                )
        part.rename(place)
    return place


def home(name: str) -> Path:
    """Return a path in a directory for all that is kept from one run to the next."""
    place = Path(paths.cache_dir(), "public-workflows")
    place.mkdir(parents=True, exist_ok=True)
    return place / name
