"""Being there while a command runs: its signals, its terminal."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from types import FrameType

from dodas.containers.launch import Launch, Outcome
from dodas.worker.foreground import Foreground

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
    signals = _Signals()
    command = Foreground(launch)
    signals.forward_to(command)
    return command.wait(), signals.last


def _on_a_terminal(launch: Launch) -> Outcome:
    from dodas.cli.attend import attend as attend_terminal  # noqa: PLC0415 - somebody sits there
    from dodas.cli.terminal import is_interactive  # noqa: PLC0415

    return attend_terminal(replace(launch, tty=is_interactive()), None)[0]


class _Signals:
    """Forwards our signals; those that come before there is a command are kept for it.

    Attributes:
        last: The last of them.
    """

    def __init__(self) -> None:
        self.last = 0
        self._early: list[int] = []
        self._command: Foreground | None = None
        for number in _FORWARDED:
            if signal.getsignal(number) != signal.SIG_IGN or number != signal.SIGHUP:  # nohup(1)
                signal.signal(number, self._forward)

    def forward_to(self, command: Foreground) -> None:
        """Give ``command`` the signals."""
        self._command = command
        while self._early:
            command.signal(self._early.pop(0))

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGWINCH:
            self.last = number
        if self._command is None:
            self._early.append(number)
        else:
            self._command.signal(number)
