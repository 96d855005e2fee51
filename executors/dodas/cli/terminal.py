"""The user's terminal, passed through to a command that has a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import termios
import tty
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType, TracebackType

_CHUNK = 1 << 16
_UNREAD = 1 << 16  # bytes typed ahead for a command that does not read


def is_interactive() -> bool:
    """Return whether a user is there: input and output are our terminal, and we are in its foreground."""
    try:
        return os.isatty(0) and os.isatty(1) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


class Terminal:
    """A new terminal for a command, joined to the user's, which is raw inside the context.

    Every key goes to the command's terminal, Ctrl-C too, and means there what the command wants it to
    mean.  The size follows the user's.

    Attributes:
        command_side: Descriptor for the command's standard streams; see :meth:`handed_over`.
    """

    def __init__(self, user_in: int = 0, user_out: int = 1) -> None:
        self._user_in, self._user_out = user_in, user_out
        self._typing = True  # the user's side is open
        self._joined = True  # the command's side is open
        self._typed = b""
        self._settings = termios.tcgetattr(user_in)
        self._ours, self.command_side = os.openpty()
        termios.tcsetattr(self.command_side, termios.TCSANOW, self._settings)
        os.set_blocking(self._ours, False)

    def __enter__(self) -> Terminal:
        self._copy_size()
        self._handler = signal.signal(signal.SIGWINCH, self._copy_size)
        tty.setraw(self._user_in)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(self._user_in, termios.TCSADRAIN, self._settings)
        signal.signal(signal.SIGWINCH, self._handler)
        self.handed_over()
        os.close(self._ours)

    def is_ours(self, descriptor: int) -> bool:
        """Return whether a descriptor is the user's terminal too."""
        return os.isatty(descriptor) and os.fstat(descriptor).st_rdev == os.fstat(self._user_in).st_rdev

    def handed_over(self) -> None:
        """Close the command's side here, so that its end is noticed.  May be repeated."""
        if self.command_side >= 0:
            os.close(self.command_side)
            self.command_side = -1

    def wanted(self) -> dict[int, int]:
        """Return the descriptors to poll, and for what."""
        wanted = {self._ours: select.POLLIN | (select.POLLOUT if self._typed else 0)} if self._joined else {}
        if self._typing and len(self._typed) < _UNREAD:
            wanted[self._user_in] = select.POLLIN
        return wanted

    def relay(self, ready: Mapping[int, int]) -> None:
        """Pass on what there is."""
        if ready.get(self._user_in):
            self._read_keys()
        if self._typed:
            with suppress(OSError):
                self._typed = self._typed[os.write(self._ours, self._typed) :]
        if ready.get(self._ours):
            self.show()

    def _read_keys(self) -> None:
        keys = b""
        with suppress(OSError):  # the terminal was closed
            keys = os.read(self._user_in, _CHUNK)
        self._typed += keys
        self._typing = bool(keys)

    def show(self) -> bool:
        """Show what the command wrote; return whether there was anything."""
        try:
            text = os.read(self._ours, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the other side any more
            self._joined = False
            return False
        while text:
            text = text[os.write(self._user_out, text) :]
        return True

    def _copy_size(self, *_: int | FrameType | None) -> None:
        with suppress(OSError):
            fcntl.ioctl(
                self._ours, termios.TIOCSWINSZ, fcntl.ioctl(self._user_in, termios.TIOCGWINSZ, b"\0" * 8)
            )
