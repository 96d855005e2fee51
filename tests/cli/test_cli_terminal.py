"""On a terminal, the command of `dodas run` has a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator

import pytest

import smallimage

_PATIENCE = 30.0


class Session:
    """A user at a terminal, typing to `dodas run`."""

    def __init__(self, environment: dict[str, str], *words: str, pipe: str = "") -> None:
        self.text = b""
        command = [sys.executable, "-m", "dodas", "run", smallimage.NAME, *words]
        # A shell of the user's, which is there when the command has ended.
        script = f'"$@" {pipe}; echo "status=$?"; stty -a; read end'
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve("/bin/sh", ["sh", "-c", script, "sh", *command], environment)
        self.resize(24, 80)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def wait_for(self, pattern: str) -> re.Match[bytes]:
        """Wait until the screen shows ``pattern``, and forget what was before."""
        end = time.monotonic() + _PATIENCE
        while (match := re.search(pattern.encode(), self.text)) is None:
            ready = select.select([self.terminal], [], [], max(0, end - time.monotonic()))[0]
            assert ready, self.text
            self.text += os.read(self.terminal, 4096)
        self.text = self.text[match.end() :]
        return match

    def close(self) -> None:
        os.close(self.terminal)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@pytest.fixture
def environment(small_environment: dict[str, str]) -> dict[str, str]:
    """The user's environment."""
    return {**small_environment, "TERM": "vt100"}


@pytest.fixture
def session(environment: dict[str, str]) -> Iterator[Session]:
    """A shell in the small image, with a prompt that cannot be mistaken."""
    made = Session(environment, "env", "PS1=ready>", "sh", "-i")
    made.wait_for("ready>")
    yield made
    made.close()


def test_it_is_a_terminal_of_the_right_kind_and_size(session: Session) -> None:
    session.type("test -t 0 && test -t 1 && test -t 2 && echo all-$((1 + 2)); echo $TERM; stty size\n")
    session.wait_for("all-3\r\n.*vt100\r\n24 80")
    session.resize(50, 132)
    session.type("stty size\n")
    session.wait_for("50 132")
    session.type("exit 5\n")
    session.wait_for("status=5")


def test_keys_are_for_the_command(session: Session) -> None:
    session.type("sh -c 'echo up; sleep 1000; true'\n")
    session.wait_for("\r\nup\r\n")
    session.type("\x03")
    session.wait_for("ready>")
    session.type("echo $?\n")
    session.wait_for("130")
    session.type("sh -c 'echo go; cat > /tmp/a; wc -c < /tmp/a'\n")
    session.wait_for("\r\ngo\r\n")
    session.type("four\n\x04")
    session.wait_for("\r\n5\r\n")
    session.type("echo gone > /dev/tty\n")
    session.wait_for("\r\ngone")
    session.wait_for("ready>")  # what is typed before may be dropped with the change of modes
    session.type("\x04")
    session.wait_for("status=0")


def test_the_users_terminal_is_as_before(session: Session) -> None:
    session.type("stty -echo -icanon; kill -9 $$\n")
    session.wait_for("status=137")
    settings = session.wait_for("speed[^\0]*echoke").group().decode()
    for word in ("icanon", "echo", "isig", "icrnl", "opost"):
        assert re.search(rf"(?<!-)\b{word}\b", settings), settings


def test_no_terminal_when_the_output_is_no_terminal(environment: dict[str, str]) -> None:
    script = "test -t 0 && test -t 2 && test ! -t 1 && printf 'a\\nb'; echo end >&2"
    session = Session(environment, "sh", "-c", script, pipe="| od -c")
    session.wait_for(r"0000000\s+a\s+\\n\s+b\r\n")
    session.wait_for("status=0")
    session.close()
