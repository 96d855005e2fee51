"""The parts of the backend that need no pool: ads, bundles, the event log, the journal, places."""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.backends.htcondor import ads, journal, places
from dodas.backends.htcondor.bundles import Bundles, Size
from dodas.backends.htcondor.eventlog import EventLog, JobEvent, Kind
from dodas.backends.htcondor.jobs import Label, Tries
from dodas.backends.htcondor.journal import Journal
from dodas.backends.htcondor.policy import Policy
from dodas.backends.htcondor.scheduler import Slot
from dodas.backends.htcondor.sharing import is_shared
from dodas.backends.htcondor.state import State
from dodas.errors import BackendError, SpecError
from dodas.node import surplus
from dodas.step import GIB, MIB, Mount, Output, OutputFile, Resources, Result, Step

LOG = """\
000 (001.000.000) 2026-11-25 01:45:09 Job submitted from host: <127.0.0.1:44491?alias=x>
    [ JobBatchName = "dodas run" ]
    dodas job 17
...
006 (001.000.000) 2026-11-25 01:45:10 Image size of job updated: 35
\t6  -  MemoryUsage of job (MB)
...
001 (001.000.000) 2026-11-25 01:45:10 Job executing on host: <127.0.0.1:37089?addrs=127.0.0.1-37089>
\tSlotName: slot1_1@node7.example.org
\tCpus = 1
...
004 (001.000.000) 2026-11-25 01:45:11 Job was evicted.
\t(0) Job terminated and was requeued
\t(1) Normal termination (return value 75)
...
012 (001.000.000) 2026-11-25 01:45:12 Job was held.
\tTransfer input files failure at access point; see the log
\tCode 13 Subcode 2
...
013 (001.000.000) 2026-11-25 01:45:13 Job was released.
\tvia condor_release (by user ann)
...
005 (001.000.000) 11/25 01:45:14 Job terminated.
\t(1) Normal termination (return value 3)
...
005 (001.001.000) 2026-11-25T01:45:14 Job terminated.
\t(0) Abnormal termination (signal 9)
\t(0) No core file
...
009 (001.002.000) 2026-11-25 01:45:15 Job was aborted.
\tvia condor_rm (by user ann)
...
"""


def test_the_event_log_says_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(LOG)
    submit, execute, evicted, held, released, ended, killed, removed = EventLog(str(path)).news()
    assert (submit.kind, submit.id, submit.number) == (Kind.SUBMIT, (1, 0), 17)
    assert execute.node == "node7.example.org"
    assert evicted.requeued
    assert held.hold_code == (13, 2)
    assert held.reason == "Transfer input files failure at access point; see the log"
    assert released.reason == "via condor_release (by user ann)"
    assert (ended.kind, ended.exit_code) == (Kind.TERMINATED, 3)
    assert (killed.id, killed.exit_code) == ((1, 1), None)
    assert "signal 9" in killed.lines[0]
    assert removed.reason == "via condor_rm (by user ann)"


@given(st.lists(st.integers(0, len(LOG)), max_size=20))
def test_the_event_log_is_read_as_it_grows(cuts: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        log = EventLog(path)
        assert list(log.news()) == []
        seen: list[JobEvent] = []
        edges = [0, *sorted(cuts), len(LOG)]
        for begin, end in itertools.pairwise(edges):
            with open(path, "a") as file:
                file.write(LOG[begin:end])
            seen += log.news()
        assert seen == list(EventLog(path).news())
        assert len(seen) == 8


def step(step_id: str = "s", **fields: object) -> Step:
    return replace(Step(id=step_id, name="n", argv=("true",)), **fields)  # type: ignore[arg-type]


def test_resources_become_requests() -> None:
    asked = Resources(
        cores=2.5, memory=100 * MIB + 1, disk=GIB, scratch=GIB, gpus=1, walltime=timedelta(seconds=90)
    )
    item = ads.item(7, [step(resources=asked)], Tries(), {})
    assert item == {
        "request_cpus": "3",
        "request_memory": "101",
        "request_disk": str(2 << 20),
        "request_gpus": "1",
        "allowed_execute_duration": "1380",
        "+MaxRuntime": "690",
        "+DodasStep": '"s"',
        "+DodasName": '"n"',
        "+DodasSteps": "1",
        "+DodasRequeues": "0",
        "dodasjob": "7",
    }


def test_a_bundle_asks_for_the_most_of_its_steps_and_the_time_of_all() -> None:
    one, two = (
        step(f"s{n}", resources=Resources(cores=n, memory=n * MIB, walltime=timedelta(seconds=n)))
        for n in (1, 2)
    )
    item = ads.item(1, [one, two], Tries(), {})
    assert (item["request_cpus"], item["request_memory"], item["+MaxRuntime"]) == ("2", "2", "603")
    unlimited = replace(two, resources=Resources())
    assert "+MaxRuntime" not in ads.item(1, [one, unlimited], Tries(), {})


@given(st.text())
def test_no_name_means_anything_to_htcondor(name: str) -> None:
    item = ads.item(1, [step(name or "x", name=name)], Tries(), {})
    for value in (item["+DodasStep"], item["+DodasName"]):
        assert value[0] == value[-1] == '"'
        assert value.isascii()
        assert value.isprintable()
        assert not set(value[1:-1]) & set("$\"'\\;`#")


def test_hints_are_commands_of_submit_files() -> None:
    hinted = step(hints=(("htcondor.rank", "Mips"), ("htcondor.+Project", '"p"'), ("slurm.qos", "x")))
    assert ads.hints_of(hinted, {"rank": "KFlops", "accounting_group": "g"}) == {
        "rank": "Mips",
        "+Project": '"p"',
        "accounting_group": "g",
    }


@pytest.mark.parametrize(
    "hint",
    [
        "executable",
        "Log",
        "transfer_input_files",
        "+DodasRun",
        "queue",
        "a b",
        "+",
        "rank\n",
        "request_memory",
    ],
)
def test_hints_that_are_not_the_users(hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        ads.hints_of(step(hints=((f"htcondor.{hint}", "x"),)), {})
    assert caught.value.hint


def test_a_value_of_two_lines_is_refused() -> None:
    with pytest.raises(SpecError):
        ads.hints_of(step(hints=(("htcondor.rank", "1\nexecutable = /bin/sh"),)), {})


def site(shared: bool) -> ads.Site:
    return ads.Site(
        run="r", name="my $run", folder="/a$b", log="/a$b/l", worker="/w", shared=shared, policy=Policy()
    )


def test_requirements_are_ours_and_the_users() -> None:
    item = ads.item(1, [step()], Tries(), {"requirements": "HasX || HasY"})
    common, variables = ads.description(site(True), item)
    assert common["requirements"].endswith(f"$({variables['requirements']})")
    assert item["requirements"] == "&& (HasX || HasY)"
    assert common["initialdir"] == "/a$(DOLLAR)b/$(dodasjob)"


@pytest.mark.parametrize(
    ("shared", "image", "count", "lost", "expected"),
    [
        (True, None, 1, 0, 2),
        (True, "i", 1, 0, 2),
        (False, "i", 1, 0, 1),  # the next try, with the image sent along, is ours
        (False, "i", 1, 2, 0),
        (False, None, 1, 1, 1),
        (True, None, 2, 0, 0),
    ],
)
def test_how_often_htcondor_tries_by_itself(
    shared: bool, image: str | None, count: int, lost: int, expected: int
) -> None:
    steps = [step(f"s{number}", image=image) for number in range(count)]
    assert ads.requeues(site(shared), steps, Tries(lost=lost)) == expected


def test_bundles_of_a_fixed_size() -> None:
    bundles = Bundles(3, 4)
    for number in range(7):
        bundles.add(step(f"s{number}"))
    assert [len(steps) for _, steps in bundles.ready()] == [3, 3, 1]
    assert list(bundles.ready()) == []


@pytest.mark.parametrize(("size", "count"), [(1, 20), ("auto", 4)])
def test_few_or_unbundled_steps_go_alone(size: Size, count: int) -> None:
    bundles = Bundles(size, 4)
    for number in range(count):
        bundles.add(step(f"s{number}"))
    assert [len(steps) for _, steps in bundles.ready()] == [1] * count


def test_steps_that_nobody_knows_share_jobs_evenly_for_a_while() -> None:
    bundles = Bundles("auto", 4)
    for number in range(98):
        bundles.add(step(f"s{number}"))
    sent = list(bundles.ready())
    assert [len(steps) for _, steps in sent] == [25, 25, 25, 23]
    key = sent[0][0]
    assert bundles.patience(key) == 10
    bundles.learn(key, 0.95)
    assert bundles.patience(key) == 60
    assert [len(some) for some in bundles.split(key, range(200))] == [30] * 6 + [20]
    bundles.learn(key, 100.0)
    assert [len(some) for some in bundles.split(key, range(5))] == [1] * 5
    assert Bundles(5, 4).patience(key) is None


@pytest.mark.parametrize(("each", "sizes"), [(3.0, [9, 9, 2]), (float("inf"), [1] * 20)])
def test_what_is_given_back_tells_how_long_steps_are(each: float, sizes: list[int]) -> None:
    bundles = Bundles("auto", 2)
    for number in range(40):
        bundles.add(step(f"s{number}"))
    [(key, _), _] = bundles.ready()
    bundles.guess(key, each + 0.1)
    assert [len(some) for some in bundles.split(key, range(20))] == sizes
    bundles.learn(key, 1.0)  # a measured time is worth more
    bundles.guess(key, 1000.0)
    assert [len(some) for some in bundles.split(key, range(20))] == [10, 10]


@given(st.frozensets(st.integers(0, 2000)), st.floats(0, 1e6) | st.just(math.inf))
def test_what_is_given_back_is_told_in_a_line(positions: frozenset[int], each: float) -> None:
    text = surplus.ranges(positions)
    assert surplus.positions(text) == positions
    note = surplus.note(surplus.Surplus(positions=positions, each=each))
    told = surplus.read(note)
    assert told is not None
    assert told.positions == positions
    assert told.each == pytest.approx(each, abs=1e-3)


@pytest.mark.parametrize("text", ["1-", "-3", "0-99999999999", "1,,2", "x", "٣", "3 - 4", "1-2-3"])
def test_what_is_no_list_of_steps_names_none(text: str) -> None:
    assert surplus.positions(text) == frozenset()
    assert surplus.read(f"dodas gives back {text} (1.000 s each) and more") is None


def test_a_short_time_limit_says_enough() -> None:
    bundles = Bundles("auto", 2)
    for number in range(40):
        bundles.add(step(f"s{number}", resources=Resources(walltime=timedelta(seconds=3))))
    assert [len(steps) for _, steps in bundles.ready()] == [10] * 4


def test_steps_of_other_kinds_do_not_share_a_job() -> None:
    bundles = Bundles(10, 4)
    for number in range(3):
        bundles.add(step(f"a{number}", name=f"align_{number}"))
        bundles.add(step(f"b{number}", name=f"sort_{number}"))
        bundles.add(step(f"c{number}", name=f"sort_{number}", hints=(("htcondor.rank", "1"),)))
    assert sorted("".join(sorted({one.id[0] for one in steps})) for _, steps in bundles.ready()) == [
        "a",
        "b",
        "c",
    ]


def test_a_withdrawn_step_is_not_sent() -> None:
    bundles = Bundles(1, 4)
    bundles.add(step("a"))
    bundles.add(step("b"))
    assert bundles.withdraw("a")
    assert not bundles.withdraw("a")
    assert [one.id for _, steps in bundles.ready() for one in steps] == ["b"]


def test_the_journal_survives_a_cut(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    labels = tuple(Label(id=f"s{n}", identity=f"i{n}", name="\udcff\n") for n in range(3))
    first = Journal(path)
    first.write(
        [journal.planned(1, labels, Tries(), ()), journal.planned(2, labels[:1], Tries(lost=1), [(1, 0)])]
    )
    first.write([journal.sent([(1, (7, 0))]), journal.gone(1, [2])])
    first.close()
    with open(path, "ab") as file:
        file.write(b'{"gone":[1,')
    second = Journal(path)
    past = second.past()
    assert (past[1].id, past[1].gone, past[1].steps) == ((7, 0), {0, 2}, labels)
    assert (past[2].id, past[2].tries.lost) == (None, 1)
    second.write([journal.gone(2, [0])])
    assert second.past()[2].gone == {0}
    second.close()


def test_a_run_is_worked_on_by_one(tmp_path: Path) -> None:
    first = State(str(tmp_path / "run"))
    with pytest.raises(BackendError, match="another dodas"):
        State(str(tmp_path / "run"))
    first.decide(True)
    first.close()
    second = State(str(tmp_path / "run"))
    assert (second.run, second.shared) == (first.run, True)
    second.remove()
    second.close()
    assert not (tmp_path / "run").exists()


def test_places_follow_the_step_that_asks() -> None:
    def make(home: str) -> Step:
        return step(
            mounts=(
                Mount(source=f"{home}/out", target="/out", writable=True),
                Mount(source=f"{home}/view", target="/view", writable=True, whole=False),
                Mount(source="/data", target="/data"),
            ),
            outputs=(Output(path="/view/x", destination=f"{home}/x"),),
            stdout=f"{home}/said",
        )

    table = places.moves(make("/one"), make("/two"))
    assert table == {"/one/out": "/two/out", "/one/x": "/two/x", "/one/said": "/two/said"}
    result = Result(step="s", outputs=(OutputFile(path="/one/out/a/b", size=1),), stdout="/one/said")
    moved = places.relocated(result, "t", table)
    assert (moved.step, moved.outputs[0].path, moved.stdout) == ("t", "/two/out/a/b", "/two/said")
    assert places.moves(make("/one"), make("/one")) == {}


def test_a_disk_is_shared_when_all_say_so() -> None:
    def slot(files: str) -> Slot:
        return Slot(machine="m", cores=1, files=files)

    assert is_shared("here", [slot("here"), slot("HERE")])
    assert not is_shared("here", [slot("here"), slot("there")])
    assert not is_shared("here", [])
