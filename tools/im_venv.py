#!/usr/bin/env python3
"""Bring an Infrastructure Manager for the tests: an environment of its own, in the user's cache.

It is a program under the GNU General Public License that the tests start and speak to over HTTP.  Nothing of
it is part of dodas, and dodas imports nothing of it.

Usage: im_venv.py        (makes it unless it is there, and prints where its Python is; standard library only)
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "executors"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_venv
from dodas import paths

REQUIREMENTS = ("IM==2.0.0", "ansible==12.3.0", "RADL==1.3.4", "tosca-parser==2.15.0")
RECIPE = "1"  # raise it when what this module makes changes its form
MINUTES = 15

# What the Infrastructure Manager fetches from its repository of artifacts if it does not have it: it runs
# tasks that a template brings.  Written anew, to the same names of variables.
ARTIFACT = """\
---
- hosts: localhost
  connection: local
  tasks:
    - name: Put the tasks of the template into a file
      delegate_to: localhost
      copy:
        dest: /tmp/{{ ansible_name }}_tasks.yaml
        content: '{{ ansible_tasks }}'
        mode: '644'
    - name: Run them
      include_tasks:
        file: /tmp/{{ ansible_name }}_tasks.yaml
"""


class NoManagerError(Exception):
    """There can be none here; the text says why."""


def main() -> int:
    """Print where its Python is."""
    try:
        print(bring())
    except NoManagerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def place() -> Path:
    """Return the directory of the environment; another one when what goes into it is another."""
    inputs = [RECIPE, sys.version, *REQUIREMENTS, ARTIFACT]
    key = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]
    return Path(paths.cache_dir(), "im", key)


def bring() -> Path:
    """Return the Python of an environment with the Infrastructure Manager, made unless it is there.

    Raises:
        NoManagerError: It cannot be made.
    """
    target = place()
    done = target / "complete"
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent / f".{target.name}.lock"):
        if not done.exists():
            print(f"installing an Infrastructure Manager into {target}; about a minute", file=sys.stderr)
            _make(target)
            done.touch()
    return target / "bin" / "python"


def _make(target: Path) -> None:
    python = target / "bin" / "python"
    try:
        make_venv.create(target)
    except make_venv.NoVenvError as error:
        raise NoManagerError(str(error)) from error
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MINUTES * 60)
    except subprocess.TimeoutExpired:
        raise NoManagerError(f"its packages did not come within {MINUTES} minutes") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise NoManagerError(f"its packages cannot be installed: {last}")
    [package] = target.glob("lib/python*/site-packages/IM/tosca")
    artifacts = package / "tosca-types" / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    (artifacts / "ansible_tasks.yml").write_text(ARTIFACT)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
