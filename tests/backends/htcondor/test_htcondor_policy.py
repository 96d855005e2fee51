"""What is done about each way in which a job does not end well."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dodas.backends.htcondor.holds import Hold
from dodas.backends.htcondor.jobs import Ending, Tries
from dodas.backends.htcondor.policy import Again, Fail, Policy, Release, Wait, ended, held, lost
from dodas.step import MIB, Failure, Resources, Result, Usage

POLICY = Policy(retries=2, growths=2, growth=2.0, pause=10)
ASKED = Resources(memory=100 * MIB, walltime=timedelta(seconds=60))


def result(failure: Failure | None, *, wall: float = 1.0, peak: int = 0) -> Result:
    return Result(step="s", failure=failure, reason="why", usage=Usage(wall=wall, peak_memory=peak))


@pytest.mark.parametrize(
    "failure", [None, *(one for one in Failure if one not in (Failure.LOST, Failure.LIMIT))]
)
def test_what_the_worker_says_stands(failure: Failure | None) -> None:
    assert ended(POLICY, result(failure), ASKED, Tries(), "n1") is None


def test_a_step_that_was_lost_goes_elsewhere_until_it_was_tried_enough() -> None:
    first = ended(POLICY, result(Failure.LOST), ASKED, Tries(), "n1")
    assert first == Again(tries=Tries(lost=1, avoid=("n1",)), why="why")
    second = ended(POLICY, result(Failure.LOST), ASKED, first.tries, "n2")
    assert second == Again(tries=Tries(lost=2, avoid=("n1", "n2")), why="why")
    assert ended(POLICY, result(Failure.LOST), ASKED, second.tries, "n3") is None


def test_a_step_that_needs_more_memory_gets_it_and_the_node_is_not_to_blame() -> None:
    over = result(Failure.LIMIT, peak=120 * MIB)
    again = ended(POLICY, over, ASKED, Tries(lost=1, avoid=("n1",)), "n2")
    assert again == Again(tries=Tries(lost=1, grown=1, avoid=("n1",)), why="why", memory=2.0)
    assert ended(POLICY, over, ASKED, Tries(grown=2), "n2") is None


def test_a_step_that_needs_more_time_does_not_get_it() -> None:
    assert ended(POLICY, result(Failure.LIMIT, wall=60.5, peak=50 * MIB), ASKED, Tries(), "n1") is None
    assert ended(POLICY, result(Failure.LIMIT), Resources(), Tries(), "n1") is None


@pytest.mark.parametrize(
    ("ending", "problem", "words"),
    [
        (Ending(exit_code=75), "the disk is full", "the disk is full"),
        (Ending(exit_code=75), "", "status 75"),
        (Ending(exit_code=2), "", "order"),
        (Ending(exit_code=0), "", "status 0"),
        (Ending(reason="(0) Abnormal termination (signal 9)"), "", "signal 9"),
        (Ending(), "", "vanished"),
    ],
)
def test_a_job_without_results_is_run_again_and_then_has_failed(
    ending: Ending, problem: str, words: str
) -> None:
    again = lost(POLICY, ending, Tries(), "n1", problem)
    assert isinstance(again, Again)
    assert again.tries == Tries(lost=1, avoid=("n1",))
    assert words in again.why
    fail = lost(POLICY, ending, Tries(lost=2), "n1", problem)
    assert isinstance(fail, Fail)
    assert fail.failure is (Failure.CONTAINER if ending.exit_code == 75 else Failure.LOST)
    assert words in fail.reason
    assert "n1" in fail.reason
    assert "3 times" in fail.reason


def test_a_job_that_somebody_removed_stays_removed() -> None:
    fail = lost(POLICY, Ending(removed=True, reason="via condor_rm (by user ann)"), Tries(), "n1")
    assert isinstance(fail, Fail)
    assert fail.failure is Failure.CANCELLED
    assert "ann" in fail.reason


def test_a_held_job_is_released_ever_later_and_then_has_failed() -> None:
    hold = Hold(code=13, subcode=2, said="Transfer input files failure")
    assert held(POLICY, hold, 1, Tries()) == Release(after=10)
    assert held(POLICY, hold, 2, Tries()) == Release(after=20)
    fail = held(POLICY, hold, 3, Tries())
    assert isinstance(fail, Fail)
    assert fail.failure is Failure.LOST
    assert "could not be brought to the node" in fail.reason
    assert "Transfer input files failure" in fail.reason


@pytest.mark.parametrize("code", [1, 3, 6, 12, 13, 16, 26])
def test_held_jobs_do_as_the_user_wants(code: int) -> None:
    hold = Hold(code=code, said="said")
    assert isinstance(held(Policy(on_hold="fail"), hold, 1, Tries()), Fail)
    assert held(Policy(on_hold="wait"), hold, 9, Tries()) == Wait()


@pytest.mark.parametrize(
    ("hold", "memory", "time"),
    [
        (Hold(code=34, subcode=102, said="memory usage exceeded request_memory"), True, False),
        (Hold(code=34, subcode=0, said="Error from slot1: Job has gone over memory limit"), True, False),
        (Hold(code=34, subcode=104, said="disk usage exceeded request_disk; memory"), False, False),
        (Hold(code=46), False, True),
        (Hold(code=47), False, True),
        (Hold(code=1, said="memory"), False, False),
    ],
)
@pytest.mark.parametrize("on_hold", ["retry", "fail", "wait"])
def test_limits_that_the_pool_enforces(hold: Hold, memory: bool, time: bool, on_hold: str) -> None:
    policy = Policy(on_hold=on_hold)  # type: ignore[arg-type]  # one of its values
    decided = held(policy, hold, 1, Tries())
    assert isinstance(decided, Again) is memory
    if time:
        assert isinstance(decided, Fail)
        assert decided.failure is Failure.LIMIT
    if memory:
        spent = held(policy, hold, 1, Tries(grown=2))
        assert isinstance(spent, Fail)
        assert spent.failure is Failure.LIMIT
