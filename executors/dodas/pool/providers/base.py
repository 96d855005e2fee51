"""What a provider of workers is, and what it may fail with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dodas.errors import BackendError
from dodas.pool.description.model import Flavour, PoolDescription, Site


class State(Enum):
    """How a worker is, as its provider sees it."""

    PENDING = "pending"  # asked for, and waiting for resources
    RUNNING = "running"  # its node is there; whether it has joined the pool only the collector knows
    ENDED = "ended"  # over, of itself or because it was told to
    FAILED = "failed"  # over, and something went wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A worker as its provider sees it.

    Attributes:
        worker: Its name, which :class:`Worker` has.
        state: How it is.
        handle: What the provider calls it, for people.
        node: Where it runs, as far as that is known.
        reason: Why it waits or failed, in the provider's words, one line.
    """

    worker: str
    state: State
    handle: str = ""
    node: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker that is wanted.

    Attributes:
        name: What :func:`prefix` says and eight hexadecimal digits: lower-case letters, digits and ``-``, at
            most 63 characters.  It is the machine's ``DodasWorker`` in the pool.
        flavour: What it is to be.
        site: Where it is, as far as the description says.
        directory: Directory of this host, of this worker alone (0700): ``pilot.json``, the order for the
            pilot, and ``token``, which lets it join; the pilot leaves its logs there where it sees it.
        program: The worker file of this host (:func:`dodas.node.build.worker_file`): ``program pilot
            pilot.json``, in any directory that holds both files of ``directory``, is the pilot.  It runs in
            the foreground, ends with status 0 when it is over, leaves on SIGTERM once its jobs have ended or
            the grace is over, and at once on a second SIGTERM.
    """

    name: str
    flavour: Flavour
    site: Site | None
    directory: str
    program: str


def prefix(pool: str, flavour: str) -> str:
    """Return how the names of workers of a flavour begin, such that they can be host names everywhere."""
    return f"{pool.lower().replace('_', '-')}-{flavour}-"


class Provider(Protocol):
    """A resource that workers can be had from.

    Every call is bounded in time (a minute at most), may be repeated, and acts on workers of one pool alone,
    which are found again by their names even by a process that did not ask for them.
    """

    def launch(self, workers: Sequence[Worker]) -> None:
        """Ask for workers; one that was asked for before, and is not over, is not asked for twice.

        Raises:
            ProviderError: See the classes; some of the workers may have been asked for all the same.
        """

    def list(self) -> Sequence[Seen]:
        """Return the workers that are not over, and those that ended lately as far as that is known.

        Raises:
            ProviderError: The provider cannot say.
        """

    def terminate(self, workers: Sequence[str]) -> None:
        """Tell workers, by name, to end: politely first where the provider can; unknown ones are fine.

        Raises:
            ProviderError: Some may still be there.
        """

    def logs(self, worker: str) -> str:
        """Return what the provider has of a worker's output: text, the end of it if it is long.

        Raises:
            ProviderError: It has none, or cannot say.
        """


class ProviderError(BackendError):
    """A provider did not do what it was asked for.

    Attributes:
        retry_after: Seconds after which it may be asked again, as it said itself; ``None`` if it did not.
    """

    def __init__(self, problem: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.retry_after = retry_after


class ProviderUnavailable(ProviderError):
    """It did not answer, or is busy, and may answer later."""

    retryable = True


class QuotaExceeded(ProviderError):
    """It gives no more for now; what is there stays."""

    retryable = True


class NotAuthorised(ProviderError):
    """It wants other credentials, or these have expired."""


class Refused(ProviderError):
    """It does not understand, or does not allow, what it was asked for: somebody must change that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a provider's module is made from: ``make(setup) -> Provider``.

    Attributes:
        pool: The whole description.
        provider: Name of the provider in it.
        state: Directory of this host in which the provider may keep what it must remember; made already.
    """

    pool: PoolDescription
    provider: str
    state: str
