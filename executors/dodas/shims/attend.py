"""Being there while a command runs: its signals, its terminal."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

from dodas.containers.launch import Launch, Outcome
from dodas.worker.foreground import Foreground, Forwarding

_FORWARDED = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2),
    signal.SIGWINCH,
)


def attend(launch: Launch) -> tuple[Outcome, int]:
    """Run ``launch`` on our standard streams.

    Returns:
        How it ended, and the last signal that was passed on to it, 0 for none.
    """
    if os.isatty(0) and os.isatty(1):
        return _on_a_terminal(launch), 0
    forwarding = Forwarding(
        number
        for number in _FORWARDED
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN  # nohup(1)
    )
    forwarding.begin()
    command = Foreground(launch)
    forwarding.to(command)
    return command.wait(), forwarding.last


def _on_a_terminal(launch: Launch) -> Outcome:
    from dodas.cli.attend import attend as attend_terminal  # noqa: PLC0415 - somebody sits there
    from dodas.cli.terminal import is_interactive  # noqa: PLC0415

    return attend_terminal(replace(launch, tty=is_interactive()), None)[0]
