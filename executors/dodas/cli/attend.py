"""Being there while a command runs: its signals, its terminal, its memory limit."""

from __future__ import annotations

import select
import signal
from contextlib import nullcontext

from dodas.backends.memory import MemoryWatch
from dodas.cli.terminal import Terminal
from dodas.containers.engines import engine
from dodas.containers.launch import Launch, Outcome
from dodas.worker.foreground import Foreground, Forwarding

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)
_ALL = "all"


def attend(launch: Launch, memory: int | None) -> tuple[Outcome, int]:
    """Run ``launch`` on our standard streams; return how it ended and the largest memory it had.

    Args:
        launch: What to run.  With ``tty`` it gets a terminal of its own, joined to ours.
        memory: Bytes above which all of it is killed; ``None`` for no limit.
    """
    watch = MemoryWatch()
    with Terminal() if launch.tty else nullcontext() as terminal:
        stdio = (terminal.command_side,) * 2 if terminal else (0, 1)
        # Standard error goes to the terminal only if it did so before.
        error = terminal.command_side if terminal and terminal.is_ours(2) else 2
        with Forwarding(_FORWARDED) as forwarding:
            command = Foreground(launch, (*stdio, error))
            forwarding.to(command)
            if terminal:
                terminal.handed_over()
            watch.add(_ALL, command.pid, depth=2 if engine(launch.engine).own_pids else 1, limit=memory)
            _until_ended(command, terminal, watch)
            outcome = command.wait()
        if terminal:
            while terminal.show():
                pass
    return outcome, watch.remove(_ALL).resident


def _until_ended(command: Foreground, terminal: Terminal | None, watch: MemoryWatch) -> None:
    """Relay and watch until the command is over."""
    ready: dict[int, int] = {}
    while command.fileno() not in ready:
        poll = select.poll()
        poll.register(command.fileno(), select.POLLIN)
        for descriptor, events in (terminal.wanted() if terminal else {}).items():
            poll.register(descriptor, events)
        wait = watch.wait()
        ready = dict(poll.poll(None if wait is None else max(1, int(wait * 1000))))
        if terminal:
            terminal.relay(ready)
        if watch.look():
            command.signal(signal.SIGUSR2)
