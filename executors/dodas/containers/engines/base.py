"""What an engine is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

from dodas.containers.launch import Launch

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeGuard


class Engine(Protocol):
    """A way to run a command in a root file system, without privileges.

    All verbs run in single-threaded processes: the supervisor of the step, which is a child subreaper and a
    session leader, and its freshly forked child, which becomes the command.  Standard library only: this
    code also runs on bare nodes.

    Attributes:
        name: What users call it.
        isolates_network: Whether it can take the network away.
        isolates_root: Whether nothing a step does can change the prepared root.
        own_pids: Whether ending the engine's process ends all that the command started.
        namespaces: Those in which the supervisor's child is born, as flags of clone(2).  In a new user
            namespace it is root, which is the user outside.
    """

    name: str
    isolates_network: bool
    isolates_root: bool
    own_pids: bool
    namespaces: int

    def missing(self) -> str:
        """Return why this engine cannot be tried here (a program that is absent, …), or an empty string.

        Costs no more than a few system calls; whether it *works* is for the self-test.
        """

    def confine(self, launch: Launch) -> None:
        """Do what must happen in the supervisor, outside of the namespaces, before its child enters (mounts).

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

    def leaves_supervisor_alone(self, launch: Launch) -> bool:
        """Return whether a launch that is over has left nothing in its supervisor, which may have another."""


class Spawner(Protocol):
    """An engine that can start its commands without a fork of the supervisor, which would copy its pages."""

    def spawns(self) -> bool:
        """Return whether it can on this host."""

    def get_ready(self, scratch: str) -> None:
        """Do what can be done in a supervisor before it has a launch, and again after each.

        Args:
            scratch: The directory that will be the launch's own, already made.

        Raises:
            OSError: The kernel refused.
        """

    def spawn(self, launch: Launch, streams: tuple[int, int, int], report: int) -> int | None:
        """Start the command as a child of the supervisor and return its process id.

        The child leads a session of its own, with the terminal if it is to have one, and dies when the
        supervisor does.

        Args:
            launch: The launch, after :meth:`Engine.confine`.
            streams: Descriptors that become its standard streams.
            report: Descriptor on which it tells how the command ended (:func:`.start.report_to`).

        Returns:
            Nothing if that cannot be done here, and only :meth:`Engine.enter` can.

        Raises:
            LaunchFault: As from :meth:`Engine.enter`.
            OSError: The kernel refused.
        """


def is_spawner(how: Engine) -> TypeGuard[Spawner]:
    """Return whether an engine is a spawner; ``isinstance`` would have to look at much for that."""
    spawns: Callable[[], bool] | None = getattr(how, "spawns", None)
    return spawns is not None and spawns()
