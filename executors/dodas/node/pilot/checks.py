"""Looking whether a node can do the work, before it offers itself and while it does."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from dodas.errors import DodasError, EngineError
from dodas.node.pilot.order import Check, PilotOrder

ENOUGH = 64 << 20
"""Bytes without which nothing works any more."""

_SAID = 300


class NodeUnfit(DodasError):
    """This node cannot do the work; another one may."""


def engine(order: PilotOrder) -> str:
    """Return the container engine that works here.

    Raises:
        NodeUnfit: There is none.
    """
    from dodas.worker.choose import choose  # noqa: PLC0415 - its self-test is slow to import

    try:
        return choose(order.engine)
    except EngineError as error:
        raise NodeUnfit(f"no container can be run on this node: {error}") from error


def disk(place: str, wanted: int) -> None:
    """See whether there is room.

    Raises:
        NodeUnfit: There is not, or it cannot be written to.
    """
    try:
        status = os.statvfs(place)
        free = status.f_bavail * status.f_frsize
        probe = os.path.join(place, "probe")
        with open(probe, "wb") as file:
            file.write(b"\0" * 4096)
        os.unlink(probe)
    except OSError as error:
        raise NodeUnfit(f"the disk of this node cannot be used: {place}: {error.strerror}") from error
    if free < max(wanted, ENOUGH):
        raise NodeUnfit(f"the disk of this node is full: {free >> 20} MiB are free in {place}")


def run(check: Check, environment: Mapping[str, str]) -> None:
    """Run a command that must succeed.

    Raises:
        NodeUnfit: It does not, or takes too long.
    """
    process = subprocess.Popen(
        ["/bin/sh", "-c", check.command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=check.seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise NodeUnfit(f"the check {check.name} took longer than {check.seconds:g} s") from None
    finally:
        if process.stdout is not None:
            process.stdout.close()
    if process.returncode:
        words = said.decode(errors="replace").strip()[-_SAID:]
        raise NodeUnfit(f"the check {check.name} failed with status {process.returncode}: {words}")
