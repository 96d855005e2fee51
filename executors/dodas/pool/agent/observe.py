"""Looking at a pool: its queue and its machines, through HTCondor's Python bindings."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dodas.errors import BackendUnreachable, SpecError
from dodas.pool.access import Access, bindings, queue

_JOBS = (
    *("ClusterId", "ProcId", "JobStatus", "JobUniverse", "QDate", "EnteredCurrentStatus"),
    *("RequestCpus", "RequestMemory", "RequestDisk", "RequestGPUs", "Requirements"),
)
# For running a job again elsewhere it has these, which its Requirements of dodas speak of.
_PAST = ("LastRemoteHost", "JobCurrentStartDate", "LastRemoteWallClockTime", "DodasAvoid", "DodasAvoidUntil")
_SLOTS = (
    *("Name", "DodasWorker", "DodasFlavour", "SlotType", "Cpus", "Memory", "Disk", "GPUs", "Machine"),
    *("State", "Activity", "LastHeardFrom", "NumDynamicSlots", "Offline", "DaemonStopTime"),
)
_JOB = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?", re.ASCII)
_GONE = ("DodasWorker", "MyType", "Name", "Machine", "MyAddress")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A worker as the pool sees it.

    Attributes:
        worker: Its name.
        flavour: Its flavour, as it says itself.
        free_cores: What no job has.
        free_memory: Bytes.
        free_disk: Bytes.
        free_gpus: GPUs.
        jobs: How many it runs.
        heard: How long ago it was heard of, seconds.
        leaving: Whether it takes no more jobs.
    """

    worker: str
    flavour: str
    free_cores: int
    free_memory: int
    free_disk: int
    free_gpus: int
    jobs: int
    heard: float
    leaving: bool


class Eyes:
    """What looks at one pool.

    Args:
        access: How the pool is reached; the process has been configured for it.
    """

    def __init__(self, access: Access) -> None:
        self._htcondor = bindings()
        self._access = access
        self._collector = access.collector

    def jobs(self, names: Collection[str] = ()) -> list[Mapping[str, Any]]:
        """Return the ads of the jobs that wait, with these attributes beside what they ask for.

        Raises:
            BackendUnreachable: The queue does not answer.
        """
        try:
            wanted = self._own("JobStatus == 1")
            return list(queue(self._access).query(wanted, projection=[*_JOBS, *_PAST, *sorted(names)]))
        except self._htcondor.HTCondorException as error:
            raise BackendUnreachable(f"the pool's queue does not answer: {error}") from error

    def job(self, name: str, names: Collection[str] = ()) -> Mapping[str, Any]:
        """Return the ad of one job, ``CLUSTER.PROC`` or ``CLUSTER`` for its first.

        Raises:
            SpecError: There is none of that name in the queue.
            BackendUnreachable: The queue does not answer.
        """
        found = _JOB.fullmatch(name)
        if not found:
            raise SpecError(
                f"{name!r} is neither a job nor a worker of the pool",
                hint="name a job like 12.0, or a worker",
            )
        wanted = f"ClusterId == {int(found[1])} && ProcId == {int(found[2] or 0)}"
        projection = [*_JOBS, *_PAST, "HoldReason", *sorted(names)]
        try:
            ads = list(queue(self._access).query(wanted, projection=projection))
        except self._htcondor.HTCondorException as error:
            raise BackendUnreachable(f"the pool's queue does not answer: {error}") from error
        if not ads:
            raise SpecError(f"there is no job {name} in the queue", hint="see condor_q, or condor_history")
        ad: Mapping[str, Any] = ads[0]
        return ad

    def unfinished(self) -> int:
        """Return how many jobs there are that wait, run, or are held.

        Raises:
            BackendUnreachable: The queue does not answer.
        """
        try:
            wanted = self._own("JobStatus =!= 3 && JobStatus =!= 4")
            return len(list(queue(self._access).query(wanted, projection=["ClusterId"])))
        except self._htcondor.HTCondorException as error:
            raise BackendUnreachable(f"the pool's queue does not answer: {error}") from error

    def machines(self) -> list[Machine]:
        """Return the workers that are in the pool.

        Raises:
            BackendUnreachable: The collector does not answer.
        """
        try:
            ads = self._htcondor.Collector(self._collector).query(
                self._htcondor.AdType.Startd,
                constraint=self._access.machines or "DodasWorker =!= undefined",
                projection=list(_SLOTS),
            )
        except self._htcondor.HTCondorException as error:
            raise BackendUnreachable(f"the pool's collector does not answer: {error}") from error
        return list(machines(ads, time.time()))

    def forget(self, workers: Collection[str]) -> None:
        """Have the collector forget workers that are gone, so that no job is sent to them."""
        if not workers:
            return
        collector = self._htcondor.Collector(self._collector)
        wanted = " || ".join(f'DodasWorker == "{worker}"' for worker in sorted(workers))
        try:
            ads = collector.query(self._htcondor.AdType.Startd, constraint=wanted, projection=list(_GONE))
            if ads:
                collector.advertise(list(ads), "INVALIDATE_STARTD_ADS")
        except self._htcondor.HTCondorException as error:
            if self._access.existing:  # which may not let us: then it forgets them by itself
                return
            raise BackendUnreachable(f"the pool's collector does not answer: {error}") from error

    def _own(self, wanted: str) -> str:
        """Return a condition on jobs, for those that are the pool's."""
        return f"({wanted}) && {self._access.jobs}" if self._access.jobs else wanted


def machines(ads: Collection[Mapping[str, Any]], now: float) -> Iterator[Machine]:
    """Yield the workers that the ads of slots speak of."""
    running: dict[str, int] = {}
    for ad in ads:
        if ad.get("SlotType") == "Dynamic" and ad.get("State") == "Claimed":
            running[str(ad["DodasWorker"])] = running.get(str(ad["DodasWorker"]), 0) + 1
    for ad in ads:
        if ad.get("SlotType") != "Dynamic":
            worker = str(ad["DodasWorker"])
            yield Machine(
                worker=worker,
                flavour=str(ad.get("DodasFlavour", "")),
                free_cores=_whole(ad, "Cpus"),
                free_memory=_whole(ad, "Memory") << 20,
                free_disk=_whole(ad, "Disk") << 10,
                free_gpus=_whole(ad, "GPUs"),
                jobs=running.get(worker, 0),
                heard=max(0.0, now - float(ad.get("LastHeardFrom", now))),
                leaving=str(ad.get("State")) == "Drained" or str(ad.get("Activity")) == "Retiring",
            )


def _whole(ad: Mapping[str, Any], name: str) -> int:
    value = ad.get(name, 0)
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0
