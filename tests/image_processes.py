"""Other processes that work on an image store, for tests of what happens between them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from needs import need


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **changes}


def start(code: str, *args: object) -> subprocess.Popen[str]:
    """Start Python on ``code``, with pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def run(code: str, *args: object) -> str:
    """Run Python on ``code`` and return what it printed."""
    process = start(code, *args)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


def run_on_small_disk(directory: Path, size: str, code: str, *args: object) -> str:
    """Run Python on ``code`` in a mount namespace where ``directory`` is a file system of ``size``."""
    unshare = need("unshare", "mount")
    inside = [unshare, "--user", "--map-root-user", "--mount"]
    trial = [*inside, "mount", "-t", "tmpfs", "none", str(directory)]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        pytest.skip("no user namespace with mounts here")
    script = f'mount -t tmpfs -o size={size} none "$1" && shift && exec "$@"'
    done = subprocess.run(
        [*inside, "sh", "-c", script, "sh", str(directory), sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def udocker(root: str, *args: str, check: bool = True) -> str:
    """Run the real udocker on a store and return what it printed on both streams."""
    program = need("udocker")
    as_root = ["--allow-root"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [program, *as_root, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(UDOCKER_DIR=root, UDOCKER_TARBALL=""),
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout
    return done.stdout
