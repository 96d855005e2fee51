"""How a program that stands in front of another one ends, and what it puts off so that it starts at once."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False  # typing's own is that too, and comes with ten milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from dodas.containers.launch import Launch

_INTERRUPTED = 130


def leave_with(work: Callable[[], int], *, failed: int, word: str) -> NoReturn:
    """Do ``work`` and exit with the status that it returns, at once.

    Args:
        work: What is to be done.
        failed: The status if that fails with an error of dodas.
        word: What the line about such an error begins with.
    """
    from dodas.errors import DodasError  # noqa: PLC0415 - not needed if there is nothing to be done here

    try:
        status = work()
    except DodasError as error:
        print(f"{word} {error}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        status = failed
    except KeyboardInterrupt:
        status = _INTERRUPTED
    exit_at_once(status)


def exit_at_once(status: int) -> NoReturn:
    """Exit: nothing is left to be done, and taking all modules down takes time."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def status_of(launch: Launch) -> int:
    """Run a launch on our own streams and return its exit status.

    Raises:
        EngineError: The command was not reached.
    """
    from dodas.errors import EngineError  # noqa: PLC0415
    from dodas.shims import attend  # noqa: PLC0415

    outcome, number = attend.attend(launch)
    if outcome.exit_code is not None:
        return outcome.exit_code
    if number:
        return 128 + number
    raise EngineError(
        outcome.fault or "nothing is known of the command", hint="`dodas doctor` says what works here"
    )


def put_off(name: str) -> None:
    """Put off the import of a module: `inspect` is a fifth of our time, and `dataclasses` hardly asks it."""
    if name not in sys.modules:
        sys.modules[name] = _Later(name)


class _Later(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)
