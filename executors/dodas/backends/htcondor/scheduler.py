"""The one place that talks to HTCondor's daemons.  Used by one thread at a time."""

from __future__ import annotations

import logging
import socket
import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dodas.backends.htcondor.jobs import JobId
from dodas.errors import BackendError, BackendUnreachable
from dodas.pool.access import Access, bindings, configure
from dodas.pool.visits import stay

_log = logging.getLogger(__name__)
_PATIENCE = 5  # seconds that a daemon may take to answer
_RESTART = 20.0  # seconds within which a schedd that crashed has been started again, and answers
_CLOSED = "SECMAN:2011"  # the schedd went away in the middle of the talk; the words are those of a refusal
_REFUSED = ("authenticat", "authoriz", "denied", "permission", "SECMAN:2010", "token")
_LOOK = ("DodasJob", "ClusterId", "ProcId", "JobStatus", "HoldReason", "HoldReasonCode", "HoldReasonSubCode")
# Every slot that runs jobs says where its files are; what does not is no slot, whoever advertised it.
_NODES = "DynamicSlot =!= true && FileSystemDomain =!= undefined"


class _Refused(BackendUnreachable):
    """A daemon is there, and does not want to talk to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What a machine of the pool offers: the processors of one slot, and which files it sees."""

    machine: str
    cores: int
    files: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A job in the queue.

    Attributes:
        id: HTCondor's.
        number: Ours.
        held: Whether it is held.
        reason: Why.
        code: HTCondor's number for that.
        subcode: The number's own number.
    """

    id: JobId
    number: int
    held: bool = False
    reason: str = ""
    code: int = 0
    subcode: int = 0


class Scheduler:
    """A schedd and the collector of its pool.

    Args:
        pool: Name of a pool of ``dodas pool``; ``None`` is what the configuration says.

    Raises:
        SpecError: There is no such pool.
        DodasError: HTCondor's bindings are not installed.
    """

    def __init__(self, pool: str | None) -> None:
        self.access: Access = configure(pool)
        if self.access.pool:
            stay(self.access.pool)
        self._condor = bindings()
        self._schedd: Any = None
        self._faults = (self._condor.HTCondorException, RuntimeError, OSError, ValueError)
        for name in ("QUERY_TIMEOUT", "Q_QUERY_TIMEOUT"):
            self._condor.param[name] = str(_PATIENCE)

    @property
    def files(self) -> str:
        """FILESYSTEM_DOMAIN here."""
        return self.access.filesystem_domain

    def slots(self) -> list[Slot]:
        """Return what the pool has now, or may have where workers come and go.

        Raises:
            BackendUnreachable: The collector does not answer, or not to us.
        """
        names = ["Name", "TotalSlotCpus", "Cpus", "FileSystemDomain"]
        began = time.monotonic()
        try:
            ads = self._condor.Collector().query(
                self._condor.AdType.Startd, constraint=_NODES, projection=names
            )
        except self._faults as error:
            # The bindings do not say why; one that is there and ends the talk at once does not want it.
            at_once = time.monotonic() - began < _PATIENCE / 2
            refused = at_once and _listens(self.access.collector)
            where = f"the collector {self.access.collector or 'of the pool'}"
            raise _problem(where, _line(error), refused=refused) from error
        offers = [
            Slot(machine=str(number), cores=one.cores, files=one.files)
            for number, one in enumerate(self.access.offers)
        ]
        if offers and not self.access.existing:
            return offers
        return offers + [
            Slot(
                machine=str(ad.get("Name", "")).partition("@")[2],
                cores=int(ad.get("TotalSlotCpus", ad.get("Cpus", 1))),
                files=str(ad.get("FileSystemDomain", "")),
            )
            for ad in ads
        ]

    def submit(self, description: Mapping[str, str], items: Sequence[Mapping[str, str]]) -> JobId:
        """Put jobs in the queue, all or none; return the first one's id, the others' follow.

        A daemon that hangs would not let this return: ask it something first.

        Raises:
            BackendError: HTCondor did not take them, or did and could not say so.
        """
        with self._speaking("the job queue"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = self._located().submit(self._condor.Submit(dict(description)), itemdata=iter(items))
            return done.cluster(), done.first_proc()

    def wait(self) -> None:
        """Return when the schedd answers: one that crashed is started again by its master.

        Raises:
            BackendUnreachable: It does not answer in time, or not to us.
        """
        end = time.monotonic() + _RESTART
        while True:
            try:
                self.find("false")
                return
            except _Refused:
                raise
            except BackendUnreachable as error:
                left = end - time.monotonic()
                if left <= 0:
                    raise
                _log.warning("%s; trying for %.0f seconds", error, left)
                time.sleep(min(left, 2))

    def find(self, constraint: str) -> list[Found]:
        """Return the jobs that meet a condition.

        Raises:
            BackendUnreachable: The schedd does not answer.
        """
        with self._speaking("the job queue"):
            return [_found(ad) for ad in self._located().query(constraint, list(_LOOK))]

    def remove(self, jobs: Collection[JobId] | str) -> None:
        """Take jobs out of the queue, by their ids or by a condition.

        Raises:
            BackendUnreachable: The schedd does not answer.
        """
        self._act(self._condor.JobAction.Remove, jobs, "removed by dodas")

    def release(self, jobs: Collection[JobId]) -> None:
        """Let held jobs run again.

        Raises:
            BackendUnreachable: The schedd does not answer.
        """
        self._act(self._condor.JobAction.Release, jobs, "dodas tries again")

    def _act(self, action: Any, jobs: Collection[JobId] | str, reason: str) -> None:
        named = jobs if isinstance(jobs, str) else [f"{cluster}.{process}" for cluster, process in jobs]
        if named:
            with self._speaking("the job queue"):
                # A pair, because the bindings drop a reason that is alone; the number means nothing here.
                self._located().act(action, named, reason=(reason, 0))

    def _located(self) -> Any:
        if self._schedd is None:
            self._schedd = self._condor.Schedd(self._location())
        return self._schedd

    def _location(self) -> Any:
        if not self.access.schedd:
            return None
        return self._condor.Collector().locate(self._condor.DaemonType.Schedd, self.access.schedd)

    @contextmanager
    def _speaking(self, to: str) -> Iterator[None]:
        try:
            yield
        except self._faults as error:
            self._schedd = None  # after a restart it is at another address
            said = _line(error)
            raise _problem(to, said, refused=_is_refusal(said)) from error


def _is_refusal(said: str) -> bool:
    # Who was let in and may not do what he asks for is told nothing at all.
    unsaid = said.endswith("errmsg=")
    return unsaid or (_CLOSED not in said and any(word.lower() in said.lower() for word in _REFUSED))


def _listens(address: str) -> bool:
    """Return whether somebody accepts connections there."""
    host, _, port = address.strip("<>").partition("?")[0].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _problem(to: str, said: str, *, refused: bool) -> BackendError:
    if refused:
        return _Refused(
            f"{to} refuses to talk to us: {said}",
            hint="see that you have a token of this pool (SEC_TOKEN_DIRECTORY) that has not expired",
        )
    return BackendUnreachable(
        f"{to} does not answer: {said}",
        hint="see that the pool is up (dodas pool list, condor_status), and that CONDOR_CONFIG names it",
    )


def _found(ad: Any) -> Found:
    return Found(
        id=(int(ad["ClusterId"]), int(ad["ProcId"])),
        number=int(ad.get("DodasJob", -1)),
        held=int(ad.get("JobStatus", 0)) == 5,
        reason=str(ad.get("HoldReason", "")),
        code=int(ad.get("HoldReasonCode", 0)),
        subcode=int(ad.get("HoldReasonSubCode", 0)),
    )
