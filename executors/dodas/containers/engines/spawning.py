"""Starting a step's first program from the supervisor, without a fork of Python."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Mapping

from dodas.containers.launch import LaunchFault


def spawn(
    words: tuple[str, ...],
    environment: Mapping[str, str],
    streams: tuple[int, int, int],
    *,
    blocked: Collection[int] = (),
) -> int:
    """Start a program as a child and return its process id.

    The C library borrows this process's memory for the child until that is the program (vfork(2)), where a
    fork would copy every page that either touches.

    Args:
        words: Path of the program, and its arguments.
        environment: All its variables.
        streams: Descriptors that become its standard streams.
        blocked: The signals that it has blocked, and no others.

    Raises:
        LaunchFault: There is a null byte in a word, or a variable's name cannot be one.
        OSError: The kernel refused.
    """
    # All are moved out of the way first: one may itself be 0, 1 or 2.
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3) for descriptor in streams]
    actions = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(moved)]
    try:
        return os.posix_spawn(words[0], words, environment, file_actions=actions, setsigmask=blocked)
    except ValueError as error:
        raise LaunchFault(f"the command or its environment is impossible: {error}") from error
    finally:
        for descriptor in moved:
            os.close(descriptor)
