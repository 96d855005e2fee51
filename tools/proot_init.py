"""Build the first process of a step in PRoot from ``proot_init.c``, beside PRoot.

Without it the image's shell does its work, more slowly.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
# No C library, and nothing in it that would call one; one page to map.
FLAGS = (
    "-std=c11", "-Os", "-Wall", "-Wextra", "-Wfatal-errors",
    "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie",
    "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-tree-loop-distribute-patterns",
    "-Wl,-z,noexecstack", "-Wl,-z,noseparate-code", "-Wl,-z,norelro", "-Wl,--build-id=none", "-s",
)  # fmt: skip


class NoInitError(Exception):
    """It could not be built; the text says why."""


def make(target: Path) -> None:
    """Build it and put it at ``target``, whole or not at all, unless it is there.

    Raises:
        NoInitError: There is no compiler, or not for this architecture, or what was built does not run.
    """
    if is_good(target):
        return
    if shutil.which("gcc") is None:
        raise NoInitError("gcc not on PATH")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".proot-init-", dir=target.parent) as scratch:
        part = Path(scratch, "init")
        command = ["gcc", *FLAGS, f'-DSOURCE="{digest()}"', "-o", str(part), str(SOURCE)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise NoInitError(f"the compiler failed:\n{built.stderr.strip()[-1000:]}")
        if not is_good(part):
            raise NoInitError("what was built does not run here")
        part.replace(target)


def is_good(program: Path) -> bool:
    """Tell whether ``program`` was built from this very source and runs a command."""
    try:
        if digest().encode() not in program.read_bytes():
            return False
        # It reports on standard error, and closes a descriptor that is not open.
        command = [str(program), "run", "2", "3", "sh", "-c", "echo works; exit 7"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return (done.returncode, done.stdout, done.stderr) == (7, "works\n", "signal 009\nexit 007\n")


def digest() -> str:
    """Return what names the source and the way to build it, which is written into the program."""
    return hashlib.sha256(SOURCE.read_bytes() + "\n".join(FLAGS).encode()).hexdigest()
