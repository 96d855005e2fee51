"""Answers to what people ask about a pool, and what it tells Prometheus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dodas.pool.agent.demand import Act, Bucket, Decision, Observation, Phase, Trouble
from dodas.pool.agent.explaining import why_stopped, why_waiting
from dodas.pool.agent.registry import Registry
from dodas.pool.agent.rows import Recorded
from dodas.pool.agent.supply import Row
from dodas.pool.agent.wording import duration, size
from pool_world import GIB, busy, flavour, pool, worker

JOB = Bucket(cores=2, memory=2 * GIB, jobs=("12.3",))


def test_a_job_that_will_run_says_where() -> None:
    queue = Bucket(cores=2, memory=2 * GIB, count=5, waiting=700.0, jobs=("12.0",))
    seen = Observation(
        buckets=(queue,), workers=(worker(), busy("b"), worker("n", state=Phase.BOOTING, heard=None))
    )
    answer = why_waiting(pool(flavour(maximum=20)), seen, JOB)
    assert answer.lines == (
        "12.3 asks for 2 cores and 2 GiB; 5 jobs ask for the same, and the oldest has waited for 12 min",
        "4 of them have room on workers that there are or that come (1 idle, 1 busy, 1 booting)",
        "1 worker of flavour small is started for them",
    )
    assert answer.facts["placed"] == 4
    assert answer.facts["launched"] == {"small": 1}
    assert json.loads(json.dumps(answer.facts)) == answer.facts


def test_a_job_with_room_waits_for_the_negotiator_alone() -> None:
    answer = why_waiting(pool(), Observation(workers=(worker(),)), JOB)
    assert "next negotiates" in answer.lines[-1]


@pytest.mark.parametrize(
    ("job", "seen", "reason"),
    [
        (
            Bucket(memory=64 * GIB, jobs=("12.3",)),
            Observation(),
            "all have to wait: job 12.3 asks for 64 GiB of memory and the largest flavour has 8 GiB",
        ),
        (
            JOB,
            Observation(troubles=(Trouble(provider="slurm", until=9.0, reason="it does not answer"),)),
            "all have to wait: slurm is left alone for a while: it does not answer",
        ),
        (
            JOB,
            Observation(workers=tuple(busy(f"b{number}") for number in range(10))),
            "all have to wait: flavour small has its maximum of 10 workers",
        ),
    ],
)
def test_a_job_that_cannot_run_says_why(job: Bucket, seen: Observation, reason: str) -> None:
    answer = why_waiting(pool(), seen, job)
    assert answer.lines[-1] == reason
    assert answer.facts["unplaced"] == 1


def test_what_was_decided_lately_is_told_in_its_order() -> None:
    decisions = [
        Recorded(
            decision=Decision(kind=Act.LAUNCH, flavour="small", count=3, reason="jobs wait"),
            first=20,
            last=20,
        ),
        Recorded(
            decision=Decision(kind=Act.WAIT, flavour="small", reason="full"), first=10, last=19, times=4
        ),
        Recorded(decision=Decision(kind=Act.LAUNCH, flavour="other", reason="no matter"), first=5, last=5),
    ]
    lines = why_waiting(pool(), Observation(), JOB, decisions).lines
    assert "wait small: full (again until " in lines[-2]
    assert lines[-1].endswith("launch small x 3: jobs wait")


def test_a_worker_that_was_stopped_says_why(tmp_path: Path) -> None:
    name = "p-small-00000001"
    with Registry(str(tmp_path / "agent.sqlite")) as registry:
        registry.ask([name], flavour="small", provider="slurm", now=1000.0)
        drain = Decision(kind=Act.DRAIN, worker=name, flavour="small", reason="it has had no job for 10 min")
        registry.apply([drain], 2000.0)
        registry.apply([Decision(kind=Act.FORGET, worker=name, reason="slurm says that it ended")], 2100.0)
        answer = why_stopped(name, registry.worker(name), registry.decisions(worker=name))
    assert "from slurm, never joined the pool, ended at " in answer.lines[0]
    assert answer.lines[1].endswith(f"drain {name}: it has had no job for 10 min")
    assert answer.lines[2].endswith(f"forget {name}: slurm says that it ended")
    assert json.loads(json.dumps(answer.facts)) == answer.facts


def test_a_worker_that_left_by_itself_or_never_was() -> None:
    row = Row(
        name="w",
        flavour="small",
        provider="slurm",
        phase=Phase.OVER,
        asked=1.0,
        since=1.0,
        heard=2.0,
        node="n1",
        ended=9.0,
        reason="idle",
    )
    answer = why_stopped("w", row)
    assert "ran on n1, was in the pool" in answer.lines[0]
    assert answer.lines[-1] == "nothing was decided about it: it left by itself (idle)"
    assert why_stopped("w", None).lines == ("w is not known: it never was, or ended too long ago",)


def test_numbers_are_said_as_people_do() -> None:
    assert [size(amount) for amount in (0, 1023, 1 << 20, 3 << 29, 1 << 40)] == [
        *("0 B", "1023 B", "1 MiB", "1.5 GiB", "1 TiB")
    ]
    assert [duration(seconds) for seconds in (45, 120, 7200, 200000)] == ["45 s", "2 min", "2 h", "2 days"]
