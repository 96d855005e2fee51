"""One command about to run: what the fork server is told, and what an engine gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Launch:
    """Everything needed to start one command, as plain data.

    Attributes:
        engine: Name of the engine, a key of :data:`dodas.containers.engines.ENGINES`.
        program: The engine's program, where it has one and it is not the first found.
        root: Directory of the prepared root file system; ``None`` with the ``host`` engine.
        scratch: Directory of this launch alone, existing and empty; the engine keeps what it needs there.
        argv: The command.
        env: The whole environment of the command.
        cwd: Working directory in the container.
        mounts: ``(source, target, writable)`` in order.
        network: Whether the command may reach the network.
        as_root: Whether the command believes to be root.
        ids: User and group id that it believes to have instead of the user's own.  For what refuses to run
            as root, and makes containers itself, for which the kernel wants a ``/proc`` that hides nothing.
        writable_root: Whether changes go to ``root`` itself instead of being dropped; for image builds only.
        gpus: Device files of GPUs to show.
        cpus: Processors to stay on; empty for any.
        tty: Whether standard input is a terminal that becomes the controlling one.
        stdin: Host path to read; ``None`` for the descriptor handed over, or nothing.
        stdout: Host path to write; ``None`` for the descriptor handed over, or nothing.
        stderr: Host path to write, which may be that of ``stdout``; ``None`` as above.
        walltime: Seconds after which the launch is stopped; ``None`` for no limit.
        grace: Seconds between the polite and the final signal when the launch is stopped.
        note: A file, and a word: if the command does well, a line with the word and the outcome, as JSON, is
            added to the file before anybody is told, and also if there is nobody left to be told.
    """

    engine: str
    argv: tuple[str, ...]
    scratch: str
    program: str = ""
    root: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    mounts: tuple[tuple[str, str, bool], ...] = ()
    network: bool = True
    as_root: bool = False
    ids: tuple[int, int] | None = None
    writable_root: bool = False
    gpus: tuple[str, ...] = ()
    cpus: tuple[int, ...] = ()
    tty: bool = False
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    walltime: float | None = None
    grace: float = 5.0
    note: tuple[str, str] | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dict(self.__dict__)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Launch:
        """Return what :meth:`plain` gave, after a trip through JSON."""
        return cls(
            **{
                **plain,
                "argv": tuple(plain["argv"]),
                "env": tuple((name, value) for name, value in plain["env"]),
                "mounts": tuple((source, target, bool(w)) for source, target, w in plain["mounts"]),
                "ids": tuple(plain["ids"]) if plain["ids"] else None,
                "gpus": tuple(plain["gpus"]),
                "cpus": tuple(plain["cpus"]),
                "note": tuple(plain["note"]) if plain["note"] else None,
            }
        )


@dataclass(frozen=True)
class Outcome:
    """How a launch ended.

    Attributes:
        exit_code: Of the command, 128 + n for one that died by signal n; ``None`` if it was never reached.
        signal: The signal that ended the command; ``None`` otherwise.
        fault: Why the command was never reached, or why nothing is known of it; empty otherwise.
        lost: Whether nothing is known of it: it may have run, in part or to its end.
        timed_out: Whether ``walltime`` was over.
        stopped: Whether it was asked to stop.
        wall: Seconds from the start of the launch to its end.
        cpu: Processor seconds of the whole process tree, user and system.
        peak_memory: Largest resident size of a single process of the tree, bytes.
        read: Bytes read from storage and from other files, by ``read(2)`` and its like.
        written: Bytes written likewise.
    """

    exit_code: int | None = None
    signal: int | None = None
    fault: str = ""
    lost: bool = False
    timed_out: bool = False
    stopped: bool = False
    wall: float = 0.0
    cpu: float = 0.0
    peak_memory: int = 0
    read: int = 0
    written: int = 0


class LaunchFault(Exception):
    """The engine could not get as far as the command; the message says why."""
