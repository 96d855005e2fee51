"""Never too much at once, nobody starves, and ten thousand steps cost little."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dodas.backends.admission import Admission, Room, micro
from dodas.step import GIB, Resources

shapes = st.builds(
    Room,
    st.integers(1, 4_000_000),
    st.one_of(st.just(0), st.integers(1, 8 * GIB)),
    st.integers(0, 2),
)
TOTAL = Room(4_000_000, 8 * GIB, 2)


@settings(max_examples=200, deadline=None)
@given(st.lists(shapes, max_size=60), st.randoms(use_true_random=False))
def test_all_steps_start_once_and_never_more_than_fits(wanted: list[Room], random) -> None:  # type: ignore[no-untyped-def]
    admission = Admission(TOTAL)
    waiting = {f"s{age}": room for age, room in enumerate(wanted)}
    running: dict[str, Room] = {}
    for age, (key, room) in enumerate(waiting.items()):
        admission.add(key, age, room)
        if random.random() < 0.3:
            running.update((key, waiting[key]) for key in admission.take())
    seen = len(running)
    while running or len(admission):
        for key in admission.take():
            assert key not in running
            running[key] = waiting[key]
            seen += 1
        assert TOTAL.holds(sum(running.values(), Room()))
        assert running, "steps wait although nothing runs"
        ended = random.choice(sorted(running))
        admission.release(ended)
        del running[ended]
    assert seen == len(waiting)
    assert admission.free == TOTAL


def test_a_big_step_is_passed_but_not_forgotten() -> None:
    admission = Admission(Room(4_000_000))
    small, big = Room(1_000_000), Room(4_000_000)
    admission.add("first", 0, small)
    admission.add("big", 1, big)
    for age in range(2, 2000):
        admission.add(f"small{age}", age, small)
    running, started = [], 0
    while "big" not in running:
        running += admission.take()
        started += 1
        assert started < 200, "the big step starves"
        if "big" not in running:
            admission.release(running.pop(0))
    assert running == ["big"]
    admission.release("big")
    assert len(admission.take()) == 4


def test_what_fits_beside_a_reserved_step_still_starts() -> None:
    admission = Admission(Room(4_000_000, 0, 1))
    admission.add("gpu-user", 0, Room(1_000_000, 0, 1))
    assert admission.take() == ["gpu-user"]
    admission.add("gpu-waiter", 1, Room(1_000_000, 0, 1))
    for age in range(2, 1000):
        admission.add(f"plain{age}", age, Room(1_000_000))
    started = 0
    while batch := admission.take():
        assert len(batch) == min(3, 998 - started)
        started += len(batch)
        for key in batch:
            admission.release(key)
    assert started == 998, "three cores stood idle for a step that needs one"


def test_who_is_withdrawn_never_starts() -> None:
    admission = Admission(Room(1_000_000))
    for age in range(5):
        admission.add(f"s{age}", age, Room(1_000_000))
    assert admission.withdraw("s0")
    assert admission.withdraw("s2")
    assert not admission.withdraw("s2")
    assert not admission.withdraw("never")
    order = []
    while started := admission.take():
        order += started
        admission.release(started[0])
    assert order == ["s1", "s3", "s4"]


def test_fractions_of_a_core_add_up() -> None:
    for parts in range(1, 65):
        admission = Admission(Room(micro(1.0)))
        for age in range(parts + 1):
            admission.add(f"s{age}", age, Room.of(Resources(cores=1 / parts)))
        assert len(admission.take()) == parts
    assert Room.of(Resources(cores=1e-9)).cores == 1


def test_first_come_first_served_whatever_the_order_of_arrival() -> None:
    admission = Admission(Room(1_000_000))
    for age in (3, 1, 2, 0):
        admission.add(f"s{age}", age, Room(1_000_000, 0, 0) if age % 2 else Room(900_000))
    order = []
    while started := admission.take():
        order += started
        admission.release(started[0])
    assert order == ["s0", "s1", "s2", "s3"]


def test_twenty_thousand_steps_of_as_many_shapes_are_no_trouble() -> None:
    for shapes in (1, 20_000):
        admission = Admission(Room(8_000_000, 1 << 40, 0))
        for age in range(20_000):
            admission.add(str(age), age, Room(1_000_000, 1 + age % shapes, 0))
        started: list[str] = []
        while taken := admission.take():
            started += taken
            for key in taken:
                admission.release(key)
        assert started == [str(age) for age in range(20_000)]
