"""The file in which HTCondor keeps its queue, read without HTCondor: a dead pool has jobs too.

Each line is an operation on an ad (``classad_log.h`` in HTCondor's sources)::

    101 KEY MYTYPE TARGETTYPE   a new ad         105   a transaction begins
    102 KEY                     the ad is gone   106   and ends: what it holds counts
    103 KEY NAME VALUE          an attribute is set
    104 KEY NAME                and deleted

The key of a job is ``CLUSTER.PROC``; that of its cluster, whose attributes it inherits, ``0CLUSTER.-1``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

_NEW, _DESTROY, _SET, _BEGIN, _END = "101", "102", "103", "105", "106"
_IDLE, _RUNNING, _TRANSFERRING, _SUSPENDED = 1, 2, 6, 7
_WATCHED = ("JobStatus", "RemoteHost")


@dataclass(slots=True)
class Job:
    """What is looked at of a job.

    Attributes:
        status: JobStatus.
        host: RemoteHost, the slot where it runs; empty when it does not.
    """

    status: int = _IDLE
    host: str = ""


def jobs(path: str) -> dict[str, Job]:
    """Return the jobs in the queue that is kept in ``path``, by their keys; none if there is no file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return replay(file)
    except FileNotFoundError:
        return {}


def give_up(path: str, hosts: str) -> None:
    """Note in the queue that nobody will hear again of jobs in slots with a name that ends in ``hosts``.

    HTCondor would else try, for as long as the leases of the jobs last, to find them again.  To be used when
    no HTCondor has the file open, and nothing runs any more in those slots.
    """
    running = (_RUNNING, _TRANSFERRING, _SUSPENDED)
    lost = [key for key, job in jobs(path).items() if job.status in running and job.host.endswith(hosts)]
    if not lost:
        return
    with open(path, "rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) == b"\n":  # else its last writer was killed in the middle, and HTCondor must mend it
            file.write("".join(f"{_SET} {key} LastJobLeaseRenewal 1\n" for key in lost).encode())


def replay(lines: Iterable[str]) -> dict[str, Job]:
    """Return the jobs that are left after all operations."""
    found: dict[str, Job] = {}
    clusters: dict[str, Job] = {}
    for words in _committed(lines):
        key = words[1] if len(words) > 1 else ""
        cluster, _, process = key.partition(".")
        number = cluster.lstrip("0")
        if process == "-1":
            _change(clusters.setdefault(number, Job()), words)
        elif not number or not process.isdigit():
            continue  # the header of the queue, and ads of users
        elif words[0] == _NEW:
            found[key] = Job(status=clusters.get(number, Job()).status)
        elif words[0] == _DESTROY:
            found.pop(key, None)
        elif key in found:
            _change(found[key], words)
    return found


def _change(job: Job, words: list[str]) -> None:
    if len(words) < 3 or words[2] not in _WATCHED:
        return
    if words[2] == "RemoteHost":
        job.host = words[3].strip('"') if words[0] == _SET else ""
    elif words[0] == _SET:
        with suppress(ValueError):
            job.status = int(words[3])


def _committed(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the operations that count: those of a transaction when it ends, others at once."""
    waiting: list[list[str]] | None = None
    for line in lines:
        words = line.rstrip("\n").split(" ", 3)
        if words[0] == _BEGIN:
            waiting = []
        elif words[0] == _END:
            yield from waiting or ()
            waiting = None
        elif waiting is not None:
            waiting.append(words)
        else:
            yield words
