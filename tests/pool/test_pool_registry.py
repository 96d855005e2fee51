"""What the agent remembers, across kills, damage and other people's eyes."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dodas.errors import StoreError
from dodas.pool.agent.deaths import deaths
from dodas.pool.agent.demand import Act, Decision, Known, Phase, Trouble
from dodas.pool.agent.observe import Machine
from dodas.pool.agent.registry import Registry
from dodas.pool.agent.supply import Row, flavour_of, known
from dodas.pool.providers.base import Seen, State
from pool_world import GIB, flavour, pool, worker

NAME = "p-small-0000000a"


@pytest.fixture
def path(tmp_path: Path) -> str:
    folder = tmp_path / "état ?mode=ro#% of 'my' pool"
    folder.mkdir()
    return str(folder / "agent.sqlite")


def ask(registry: Registry, *names: str, now: float = 100.0) -> None:
    registry.ask(names or (NAME,), flavour="small", provider="slurm", now=now)


def test_the_file_is_private_and_what_was_written_is_there_for_the_next_life(path: str) -> None:
    with Registry(path) as registry:
        ask(registry)
        registry.trouble(Trouble(provider="slurm", failures=2, until=30.0, reason="no"), 100.0)
        for file in Path(path).parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with Registry(path) as registry:
        assert registry.set_aside == ""
        (row,) = registry.workers()
        assert row == Row(
            name=NAME, flavour="small", provider="slurm", phase=Phase.ASKED, asked=100.0, since=100.0
        )
        assert registry.troubles(110.0) == (Trouble(provider="slurm", failures=2, until=20.0, reason="no"),)
        registry.healthy("slurm")
        assert registry.troubles(110.0) == ()


def test_decisions_make_phases_and_come_to_an_end(path: str) -> None:
    with Registry(path) as registry:
        ask(registry)
        for act, phase in ((Act.DRAIN, Phase.DRAINING), (Act.TERMINATE, Phase.LOST)):
            registry.apply([Decision(kind=act, worker=NAME, flavour="small", reason=act.value)], 200.0)
            row = registry.worker(NAME)
            assert row is not None
            assert (row.phase, row.since, row.reason, row.ended) == (phase, 200.0, act.value, None)
        registry.apply([Decision(kind=Act.FORGET, worker=NAME, reason="gone", fault=True)], 300.0)
        assert registry.workers() == ()
        (row,) = registry.ended()
        assert (row.phase, row.ended, row.fault) == (Phase.OVER, 300.0, True)
        assert registry.counts() == {"drain": 1, "terminate": 1, "forget": 1}
        assert [one.decision.kind for one in registry.decisions(worker=NAME)][-1] is Act.DRAIN
        assert registry.worker("other") is None


def test_waiting_for_the_same_reason_is_one_line(path: str) -> None:
    wait = Decision(kind=Act.WAIT, reason="full", count=3, jobs=("1.0",))
    with Registry(path) as registry:
        for now in (10.0, 20.0, 30.0):
            registry.apply([replace(wait, count=int(now))], now)
        registry.apply([wait], 2000.0)
        late, early = registry.decisions()
        assert (early.first, early.last, early.times, early.decision.count) == (10.0, 30.0, 3, 30)
        assert (late.first, late.decision.jobs) == (2000.0, ("1.0",))


def test_a_look_is_written_down_with_the_hours_it_cost(path: str) -> None:
    described = pool()
    with Registry(path) as registry:
        ask(registry, NAME)
        seen = Seen(worker=NAME, state=State.RUNNING, handle="job 7", node="n1", reason="started")
        registry.see(described, [worker(NAME, state=Phase.BOOTING, heard=None)], 3600.0, [seen])
        registry.see(described, [worker(NAME, jobs=1, state=Phase.BUSY)], 7200.0, [seen])
        registry.see(described, [worker(NAME, jobs=0, heard=50.0)], 9000.0)
        (row,) = registry.workers()
        assert (row.phase, row.since, row.heard, row.worked) == (Phase.IDLE, 9000.0, 8950.0, True)
        assert (row.handle, row.node) == ("job 7", "n1")
        assert registry.spent() == pytest.approx((1.5, 6.0))
        assert registry.last_look() == 9000.0


def test_it_does_not_grow_without_end(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dodas.pool.agent.registry._DECISIONS", 20)
    monkeypatch.setattr("dodas.pool.agent.registry._OVER", 10)
    with Registry(path) as registry:
        for number in range(50):
            ask(registry, f"w{number}")
            registry.apply([Decision(kind=Act.FORGET, worker=f"w{number}", reason="x")], float(number))
        ask(registry, "alive")
        assert len(registry.decisions(limit=1000)) == 20
        assert [row.name for row in registry.ended(1000)][::10] == ["w49", "w39"]
        assert [row.name for row in registry.workers()] == ["alive"]
        assert registry.counts()["forget"] == 50


WRITER = """
import sys
from dodas.pool.agent.demand import Act, Decision
from dodas.pool.agent.registry import Registry
with Registry(sys.argv[1]) as registry:
    for number in range(10**6):
        names = [f"w{number}-{part}" for part in range(3)]
        with registry.transaction():
            for name in names:
                registry.ask([name], flavour="small", provider="slurm", now=float(number))
            registry.apply([Decision(kind=Act.LAUNCH, flavour="small", count=3, reason=str(number))], number)
        print(number, flush=True)
"""


def test_a_writer_that_is_killed_leaves_all_or_nothing_of_a_look(path: str) -> None:
    looks = 0
    for life in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(20 + 7 * life)]
            process.send_signal(signal.SIGKILL)
            told += [int(line) for line in process.stdout.read().split()]
        with Registry(path) as registry:
            assert registry.set_aside == ""
            rows = registry.workers()
            last = max(int(row.asked) for row in rows)
            assert last >= max(told)  # what was said to be written is
            assert len(rows) == 3 * len({row.asked for row in rows})
            looks = max(looks, last)
            assert {int(one.decision.reason) for one in registry.decisions(limit=10000)} >= set(told[-5:])
            assert registry.counts()["launch"] >= looks


def test_others_look_while_the_agent_writes_and_cannot_write(path: str) -> None:
    with pytest.raises(StoreError) as none:
        Registry(path, readonly=True)
    assert none.value.hint
    with Registry(path) as registry, registry.transaction():
        ask(registry)
        with Registry(path, readonly=True) as other:
            assert other.workers() == ()
    with Registry(path, readonly=True) as other:
        assert len(other.workers()) == 1
        with pytest.raises(StoreError, match="readonly"):
            ask(other, "w2")


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_file_is_set_aside(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    with Registry(path) as registry:
        assert Path(registry.set_aside).read_bytes() == content
        ask(registry)
    with Registry(path) as registry:
        assert len(registry.workers()) == 1


def test_a_file_with_damage_in_its_middle_is_set_aside(path: str) -> None:
    with Registry(path) as registry:
        ask(registry, *(f"w{number}" for number in range(2000)))
    with open(path, "r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 16384)
    with Registry(path) as registry:
        assert registry.set_aside.endswith(".damaged-1")
        assert registry.workers() == ()


def test_a_newer_file_and_a_bad_place_are_refused_with_advice(path: str, tmp_path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer") as newer:
        Registry(path)
    assert "that version" in newer.value.hint
    with pytest.raises(StoreError) as nowhere:
        Registry(str(tmp_path / "missing" / "agent.sqlite"))
    assert "writable" in nowhere.value.hint


# --- who dies young


def test_what_a_worker_came_to_nothing_by_is_not_forgotten_when_it_ends(path: str) -> None:
    with Registry(path) as registry:
        for now in (100.0, 200.0):
            name = f"p-small-{int(now):08x}"
            ask(registry, name, now=now)
            late = Decision(kind=Act.TERMINATE, worker=name, reason="it did not join", fault=True)
            registry.apply([late], now + 50)
            ending = worker(name, state=Phase.LOST, heard=None, reason="COMPLETING")
            registry.see(pool(), [ending], now + 55)
            registry.apply([Decision(kind=Act.FORGET, worker=name, reason="it ended")], now + 60)
        (found,) = registry.deaths(300.0)
        assert (found.count, found.reason, found.ago) == (2, "it did not join", 40.0)


def row(name: str, asked: float, **changes: object) -> Row:
    plain = Row(
        name=name,
        flavour="small",
        provider="slurm",
        phase=Phase.OVER,
        asked=asked,
        since=asked,
        ended=asked + 9,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_looks_whose_workers_come_to_nothing_are_counted_up_to_the_last_good_one() -> None:
    bad = [
        row(f"w{asked}{part}", asked, fault=True, reason="image") for asked in (90.0, 80.0) for part in "ab"
    ]
    called_back, good = row("c", 70.0), row("g", 60.0, heard=61.0, worked=True)
    older = row("o", 50.0, fault=True)
    (found,) = deaths([*bad, called_back, good, older], [], 100.0)
    assert (found.count, found.ago, found.reason, found.joined) == (2, 1.0, "image", False)
    alive = row("n", 95.0, heard=96.0, ended=None, phase=Phase.IDLE)
    assert deaths([*bad, good], [alive], 100.0) == ()
    assert deaths([replace(good, ended=99.5), *bad], [], 100.0) == ()
    given_up = row("l", 99.0, ended=None, since=99.0, phase=Phase.LOST, fault=True)
    assert deaths(bad, [given_up], 100.0)[0].count == 3


def test_workers_that_came_and_had_no_job_are_counted_apart() -> None:
    idle = [row(f"w{asked}", asked, heard=asked + 1) for asked in (90.0, 80.0)]
    (found,) = deaths([*idle, row("g", 70.0, heard=71.0, worked=True)], [], 200.0)
    assert (found.count, found.ago, found.joined) == (2, 101.0, True)


# --- all sides together


def machine(name: str = NAME, **changes: object) -> Machine:
    plain = Machine(
        worker=name,
        flavour="small",
        free_cores=4,
        free_memory=8 * GIB,
        free_disk=GIB,
        free_gpus=0,
        jobs=0,
        heard=4.0,
        leaving=False,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def look(
    rows: list[Row], listing: list[Seen] | None, machines: list[Machine], now: float = 200.0
) -> tuple[Known, ...]:
    return known(pool(), rows, listings={"slurm": listing}, machines=machines, now=now)


@pytest.mark.parametrize(
    ("phase", "state", "inside", "expected"),
    [
        (Phase.ASKED, None, None, Phase.ASKED),
        (Phase.ASKED, State.PENDING, None, Phase.PENDING),
        (Phase.PENDING, State.RUNNING, None, Phase.BOOTING),
        (Phase.BOOTING, State.PENDING, None, Phase.PENDING),
        (Phase.BOOTING, State.RUNNING, machine(), Phase.IDLE),
        (Phase.IDLE, State.RUNNING, machine(jobs=2), Phase.BUSY),
        (Phase.BUSY, State.RUNNING, machine(jobs=2, leaving=True), Phase.DRAINING),
        (Phase.BUSY, State.RUNNING, None, Phase.BUSY),
        (Phase.BUSY, None, None, Phase.BUSY),
        (Phase.LOST, State.RUNNING, machine(), Phase.LOST),
        (Phase.DRAINING, State.RUNNING, machine(), Phase.DRAINING),
    ],
)
def test_how_a_worker_is(phase: Phase, state: State | None, inside: Machine | None, expected: Phase) -> None:
    mine = row(NAME, 100.0, phase=phase, ended=None, heard=150.0)
    listing = [Seen(worker=NAME, state=state)] if state else []
    (found,) = look([mine], listing, [inside] if inside else [])
    assert (found.state, found.provider_state, found.age) == (expected, state, 100.0)
    assert found.since == (100.0 if phase is expected else 0.0)
    assert found.heard == (4.0 if inside else 50.0)


def test_workers_nobody_remembers_are_taken_in_by_their_names() -> None:
    listing = [
        Seen(worker=NAME, state=State.RUNNING),
        Seen(worker="p-small-0000000b", state=State.ENDED),
        Seen(worker="q-small-0000000c", state=State.RUNNING),
        Seen(worker="p-small-x-0000000d", state=State.RUNNING),
        Seen(worker="p-small-../../../x", state=State.RUNNING),
    ]
    ghosts = [machine("p-small-0000000e", heard=300.0), machine("p-small-0000000b")]
    found = look([], listing, [machine(), *ghosts, machine("p-small-0000000f")])
    assert [(one.worker, one.state) for one in found] == [
        (NAME, Phase.IDLE),
        ("p-small-0000000f", Phase.IDLE),
    ]
    dashed = pool(flavour(), flavour("small-x"))
    chosen = flavour_of(dashed, "p-small-x-0000000d")
    assert chosen is not None
    assert chosen.name == "small-x"
    assert flavour_of(replace(pool(), name="My_Pool"), "my-pool-small-0000000d") is not None


def test_a_lost_registry_is_made_anew_from_what_there_is(path: str) -> None:
    with Registry(path) as registry:
        registry.see(pool(), look([], [Seen(worker=NAME, state=State.RUNNING)], [machine()]), 200.0)
        (mine,) = registry.workers()
        assert (mine.phase, mine.provider, mine.asked) == (Phase.IDLE, "slurm", 200.0)
        registry.mark(NAME, Phase.OVER, 300.0)
        again = look([*registry.workers()], [Seen(worker=NAME, state=State.RUNNING)], [], 400.0)
        registry.see(pool(), again, 400.0)
        assert [one.phase for one in registry.workers()] == [Phase.BOOTING]
