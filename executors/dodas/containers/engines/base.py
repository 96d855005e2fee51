"""What an engine is."""

from __future__ import annotations

from typing import NoReturn, Protocol

from dodas.containers.launch import Launch


class Engine(Protocol):
    """A way to run a command in a root file system, without privileges.

    Both verbs run in freshly forked, single-threaded processes made by the supervisor of the step, which
    has already opened the standard streams, become a child subreaper and a session leader.  Standard
    library only: this code also runs on bare nodes.

    Attributes:
        name: What users call it.
        isolates_network: Whether it can take the network away.
        isolates_root: Whether nothing a step does can change the prepared root.
        own_pids: Whether ending the engine's process ends all that the command started.
    """

    name: str
    isolates_network: bool
    isolates_root: bool
    own_pids: bool

    def missing(self) -> str:
        """Return why this engine cannot be tried here (a program that is absent, …), or an empty string.

        Costs no more than a few system calls; whether it *works* is for the self-test.
        """

    def confine(self, launch: Launch) -> None:
        """Do what must happen in the supervisor before it forks (new namespaces).

        Raises:
            LaunchFault: The kernel or the launch does not allow it.
        """

    def enter(self, launch: Launch) -> NoReturn:
        """Become the command, in a child of the supervisor; or exit with its status.

        May exit with 128 + n for signal n.  A missing command is exit status 127, one that cannot be
        executed 126.

        Raises:
            LaunchFault: The container could not be set up; reported as a fault of the container, not as
                an exit status.
        """

    def exit_code(self, launch: Launch, code: int) -> int:
        """Return the exit status of the command, given that of the engine's process (128 + n: signal n)."""

    def clean(self, launch: Launch) -> None:
        """Undo what lives longer than the processes (FUSE mounts), in the supervisor, after the end."""
