"""How many workers there should be: what is promised, for whatever is seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dodas.pool.agent.decide import decide, plan
from dodas.pool.agent.demand import Act, Bucket, Deaths, Decision, Known, Observation, Phase, Trouble
from dodas.pool.agent.healing import heal
from dodas.pool.agent.packing import Ask, Stock
from dodas.pool.description.model import Budget, PoolDescription
from dodas.pool.providers.base import State
from pool_world import GIB, Job, Scene, World, applied, busy, flavour, pool, scenes, worker

quick = settings(max_examples=60, deadline=None, database=None, derandomize=True)


def acts(decisions: tuple[Decision, ...]) -> list[Decision]:
    return [one for one in decisions if one.kind is not Act.WAIT]


def launched(decisions: tuple[Decision, ...]) -> int:
    return sum(one.count for one in decisions if one.kind is Act.LAUNCH)


def cores(description: PoolDescription, workers: tuple[Known, ...]) -> int:
    sizes = {one.name: one.cores for one in description.flavours}
    return sum(sizes.get(one.flavour, max(1, one.free_cores)) for one in workers)


# --- whatever is seen


@quick
@given(scenes())
def test_no_launch_goes_above_a_maximum_or_a_budget(scene: Scene) -> None:
    description, seen = scene
    decisions = decide(description, seen)
    after = applied(seen, decisions).workers
    counts = Counter(one.flavour for one in after)
    started = {one.flavour for one in decisions if one.kind is Act.LAUNCH}
    assert all(counts[name] <= description.flavour(name).maximum for name in started)
    if started:
        budget = description.budget
        assert budget.workers is None or len(after) <= budget.workers
        assert budget.cores is None or cores(description, after) <= budget.cores
        assert budget.worker_hours is None or seen.worker_hours < budget.worker_hours
        assert budget.core_hours is None or seen.core_hours < budget.core_hours
    assert launched(decisions) <= description.elasticity.step


@quick
@given(scenes())
def test_busy_and_young_workers_stay_unless_a_limit_or_an_illness_takes_them(scene: Scene) -> None:
    description, seen = scene
    ill = {one.worker for one in heal(description, seen)}
    decisions = decide(description, replace(seen, worker_hours=0.0, core_hours=0.0))
    taken = {one.worker for one in acts(decisions) if one.worker} - ill
    counts = Counter(one.flavour for one in seen.workers)
    budget = description.budget
    assume(budget.workers is None or len(seen.workers) <= budget.workers)
    assume(budget.cores is None or cores(description, seen.workers) <= budget.cores)
    assume(budget.worker_hours is None or budget.worker_hours > 0)
    assume(budget.core_hours is None or budget.core_hours > 0)
    for one in seen.workers:
        if one.worker in taken and counts[one.flavour] <= description.flavour(one.flavour).maximum:
            assert one.state in {Phase.IDLE, Phase.PENDING}
            assert one.age > description.elasticity.young


@quick
@given(scenes())
def test_what_was_done_is_not_decided_again(scene: Scene) -> None:
    description, seen = scene
    description = replace(description, elasticity=replace(description.elasticity, step=1000))
    after = applied(seen, decide(description, seen))
    assert acts(decide(description, after)) == []


@quick
@given(scenes())
def test_the_same_is_seen_the_same_is_decided_and_every_reason_is_a_sentence(scene: Scene) -> None:
    description, seen = scene
    decisions = decide(description, seen)
    assert decisions == decide(description, seen)
    for one in decisions:
        assert one.reason
        assert "\n" not in one.reason
        assert bool(one.worker) == (one.kind not in {Act.LAUNCH, Act.WAIT})
        assert one.count > 0


@quick
@given(scenes())
def test_every_job_is_placed_launched_for_or_told_why_it_waits(scene: Scene) -> None:
    description, seen = scene
    for one in plan(description, seen).outcomes:
        assert one.placed >= 0
        assert one.waiting >= 0
        assert one.placed + one.waiting <= one.bucket.count
        assert bool(one.reason) == bool(one.waiting)
        assert one.launched or one.placed + one.waiting == one.bucket.count


@quick
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 10), st.sampled_from([1, 2, 3, 4]))
def test_more_jobs_never_mean_fewer_workers_and_more_workers_never_more_launches(
    few: int, more: int, idle: int, size: int
) -> None:
    description = pool(flavour(maximum=100))

    def count(jobs: int, there: int) -> int:
        waiting = (Bucket(cores=size, count=jobs, jobs=("1.0",)),) if jobs else ()
        workers = tuple(worker(f"w{number}") for number in range(there))
        return launched(decide(description, Observation(buckets=waiting, workers=workers)))

    assert count(few + more, idle) >= count(few, idle)
    assert count(few, idle + 1) <= count(few, idle)


@quick
@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8), st.integers(1, 30)), max_size=8),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 4)), max_size=8),
)
def test_packing_never_gives_out_more_than_there_is(
    asks: list[tuple[int, int, int]], rooms: list[tuple[int, int, int]]
) -> None:
    stock = Stock()
    for free, memory, count in rooms:
        stock.add_partial("f", (free, memory * GIB, 0, 1 << 62), count)
    used = memory_used = 0
    for size, memory, count in asks:
        ask = Ask(cores=size, memory=memory * GIB, gpus=0, disk=0)
        placed = count - stock.place(ask, count, ["f"])
        used, memory_used = used + placed * size, memory_used + placed * memory
    assert used <= sum(free * count for free, _, count in rooms)
    assert memory_used <= sum(memory * count for _, memory, count in rooms)


# --- growing


def test_cores_are_counted_and_not_jobs_and_what_boots_is_there_already() -> None:
    waiting = (Bucket(cores=2, count=10, jobs=("7.0",)),)
    (launch,) = decide(pool(), Observation(buckets=waiting))
    assert (launch.kind, launch.flavour, launch.count) == (Act.LAUNCH, "small", 5)
    assert "7.0 (2 cores)" in launch.reason
    coming = tuple(
        worker(f"w{phase.value}", state=phase, age=5.0, heard=None, provider_state=None)
        for phase in (Phase.ASKED, Phase.PENDING, Phase.BOOTING)
    )
    free = busy("wb", free_cores=2, free_memory=GIB)
    (launch,) = decide(pool(), Observation(buckets=waiting, workers=(*coming, free)))
    assert launch.count == 2  # six on what comes, one beside the others, three are left


def test_draining_workers_take_no_jobs_but_count_against_the_maximum() -> None:
    waiting = (Bucket(cores=4, count=10, jobs=("7.0",)),)
    leaving = tuple(busy(f"w{number}", state=Phase.DRAINING) for number in range(8))
    launch, wait = decide(pool(), Observation(buckets=waiting, workers=leaving))
    assert launch.count == 2
    assert wait.reason == "flavour small has its maximum of 10 workers"


def test_the_flavour_that_wastes_least_is_started() -> None:
    description = pool(flavour("huge", cores=32, memory=128 * GIB), flavour("gpu", gpus=2), flavour("small"))
    assert decide(description, Observation(buckets=(Bucket(cores=3, jobs=("1.0",)),)))[0].flavour == "small"
    (gpu,) = decide(description, Observation(buckets=(Bucket(gpus=1, jobs=("1.0",)),)))
    assert gpu.flavour == "gpu"
    (big,) = decide(description, Observation(buckets=(Bucket(memory=100 * GIB, jobs=("1.0",)),)))
    assert big.flavour == "huge"


def test_when_a_flavour_is_full_the_next_one_helps_but_not_one_with_gpus() -> None:
    description = pool(flavour(maximum=1), flavour("gpu", gpus=2), flavour("other", cores=8, maximum=1))
    decisions = decide(description, Observation(buckets=(Bucket(cores=4, count=20, jobs=("1.0",)),)))
    assert [(one.flavour, one.count) for one in decisions] == [("small", 1), ("other", 1), ("", 17)]
    assert "maximum of 1 worker" in decisions[-1].reason


def test_a_provider_in_trouble_is_passed_over_and_tried_with_one_worker_later() -> None:
    description = pool(flavour(), flavour("cloudy", provider="cloud", cores=8))
    waiting = (Bucket(count=32, jobs=("1.0",)),)
    trouble = Trouble(provider="slurm", failures=3, until=30.0, reason="sbatch: queue is closed")
    lost = worker(state=Phase.ASKED, age=10.0, heard=None, provider_state=None)  # nobody knows about it
    seen = Observation(buckets=waiting, troubles=(trouble,), workers=(lost,))
    (launch,) = decide(description, seen)
    assert (launch.flavour, launch.count) == ("cloudy", 4)
    alone = replace(description, flavours=description.flavours[:1])
    (wait,) = decide(alone, seen)
    assert wait.reason == "slurm is left alone for a while: sbatch: queue is closed"
    later = Observation(buckets=waiting, troubles=(replace(trouble, until=0.0),))
    launch, wait = decide(alone, later)
    assert (launch.flavour, launch.count) == ("small", 1)
    assert "tried" in wait.reason


def test_a_flavour_whose_workers_die_pauses_longer_each_time_with_their_reason() -> None:
    waiting = (Bucket(count=32, jobs=("1.0",)),)

    def seen(count: int, ago: float) -> Observation:
        dead = Deaths(flavour="small", count=count, ago=ago, reason="no such image")
        return Observation(buckets=waiting, flavour_deaths=(dead,))

    assert launched(decide(pool(), seen(1, 0.0))) == 8  # once is nothing
    assert launched(decide(pool(), seen(2, 14.0))) == 0
    assert launched(decide(pool(), seen(2, 16.0))) == 1
    assert launched(decide(pool(), seen(5, 100.0))) == 0
    assert launched(decide(pool(), seen(5, 121.0))) == 1
    assert launched(decide(pool(), seen(500, 901.0))) == 1
    assert "no such image" in decide(pool(), seen(3, 0.0))[0].reason


def test_workers_that_took_no_job_stop_launches_for_jobs_that_waited_beside_them() -> None:
    idle = Deaths(flavour="small", count=3, ago=10.0, joined=True)
    waited = Observation(buckets=(Bucket(waiting=500.0, jobs=("1.0",)),), flavour_deaths=(idle,))
    (wait,) = decide(pool(), waited)
    assert wait.kind is Act.WAIT
    assert "took none of these jobs" in wait.reason
    beside = replace(waited, workers=(worker(),))  # which is no room for them either
    assert decide(pool(), beside) == (wait,)
    fresh = Observation(buckets=(Bucket(waiting=5.0, jobs=("2.0",)),), flavour_deaths=(idle,))
    assert launched(decide(pool(), fresh)) == 1


def test_budgets_of_hours_stop_launches_and_empty_the_pool_when_they_are_spent() -> None:
    waiting = (Bucket(count=32, jobs=("1.0",)),)
    description = pool(budget=Budget(worker_hours=10.0))
    nearly = Observation(buckets=waiting, worker_hours=9.9)  # 360 s, one worker stays idle for 300 s
    assert launched(decide(description, nearly)) == 1
    workers = (worker("i", age=5.0), busy("b"), worker("a", state=Phase.PENDING, heard=None))
    spent = Observation(buckets=waiting, worker_hours=10.0, workers=workers)
    decisions = decide(description, spent)
    assert {(one.worker, one.kind) for one in acts(decisions)} == {
        ("i", Act.DRAIN),
        ("b", Act.DRAIN),
        ("a", Act.TERMINATE),
    }
    assert all(one.reason == "the budget of 10 worker-hours is used up" for one in decisions)


def test_the_step_limits_one_look() -> None:
    launch, wait = decide(pool(step=3), Observation(buckets=(Bucket(count=32, jobs=("1.0",)),)))
    assert launch.count == 3
    assert wait.reason == "3 workers at most are started in one look"


def test_a_minimum_is_kept_without_any_job() -> None:
    description = pool(flavour(minimum=2))
    (launch,) = decide(description, Observation())
    assert (launch.count, launch.reason) == (2, "flavour small has a minimum of 2 workers")
    there = tuple(worker(f"w{number}", since=9000.0, age=9000.0) for number in range(3))
    (drain,) = decide(description, Observation(workers=there))
    assert drain.kind is Act.DRAIN


# --- shrinking


def test_idle_workers_that_nothing_needs_are_drained_the_idlest_first() -> None:
    workers = (
        worker("leaves", since=329.0),  # by itself, in a moment
        worker("long", since=900.0),
        worker("longest", since=950.0),
        worker("young", since=100.0, age=100.0),
        busy("busy"),
    )
    waiting = (Bucket(cores=4, jobs=("1.0",)), Bucket(cores=3, jobs=("2.0",)))
    assert [one.worker for one in decide(pool(), Observation(workers=workers))] == ["longest", "long"]
    needed = decide(pool(), Observation(workers=workers, buckets=waiting))
    assert [one.worker for one in needed] == ["longest", "long"]  # two others are idle
    more = (*waiting, Bucket(cores=2, jobs=("3.0",)))
    assert [one.worker for one in decide(pool(), Observation(workers=workers, buckets=more))] == ["longest"]


def test_a_lowered_maximum_takes_what_costs_least_first() -> None:
    workers = (
        busy("b2", jobs=2),
        busy("b1", jobs=1),
        worker("i", since=1.0, age=1.0),
        worker("p", state=Phase.PENDING, heard=None, provider_state=State.PENDING),
        worker("d", state=Phase.DRAINING),
    )
    seen = Observation(workers=workers)

    def taken(maximum: int) -> list[tuple[Act, str]]:
        return [(one.kind, one.worker) for one in decide(pool(flavour(maximum=maximum)), seen)]

    assert taken(3) == [(Act.TERMINATE, "p")]
    assert taken(2) == [(Act.TERMINATE, "p"), (Act.DRAIN, "i")]
    assert taken(1) == [(Act.TERMINATE, "p"), (Act.DRAIN, "i"), (Act.DRAIN, "b1")]
    assert len(taken(0)) == 4


def test_what_waits_at_its_provider_in_vain_is_called_back() -> None:
    pending = worker(state=Phase.PENDING, since=400.0, heard=None, provider_state=State.PENDING)
    (back,) = decide(pool(), Observation(workers=(pending,)))
    assert back.kind is Act.TERMINATE
    assert not back.fault
    assert decide(pool(), Observation(workers=(pending,), buckets=(Bucket(jobs=("1.0",)),))) == ()


# --- healing


def test_each_illness_has_its_cure() -> None:
    described = pool(boot=600.0)

    def cure(one: Known, *troubles: Trouble) -> list[Act]:
        return [each.kind for each in heal(described, Observation(workers=(one,), troubles=troubles))]

    coming = worker(state=Phase.BOOTING, heard=None)
    assert cure(worker()) == []
    assert cure(busy(provider_state=State.FAILED)) == [Act.FORGET]
    assert cure(replace(coming, since=599.0)) == []
    assert cure(replace(coming, since=600.0)) == [Act.TERMINATE]
    assert cure(busy(heard=59.0)) == []
    assert cure(busy(heard=60.0)) == [Act.TERMINATE]
    assert cure(busy(failures=3)) == [Act.BLACKLIST, Act.DRAIN]
    assert cure(worker(state=Phase.LOST, since=59.0)) == []
    assert cure(worker(state=Phase.LOST, since=60.0)) == [Act.TERMINATE]
    assert cure(worker(state=Phase.DRAINING, since=61.0)) == [Act.TERMINATE]
    assert cure(busy(state=Phase.DRAINING, since=9000.0)) == []
    asked = worker(state=Phase.ASKED, heard=None, provider_state=None, age=61.0)
    assert cure(asked) == [Act.FORGET]
    assert cure(replace(asked, age=60.0)) == []
    assert cure(asked, Trouble(provider="slurm", until=5.0)) == []  # it cannot say
    assert cure(asked, Trouble(provider="slurm", until=0.0)) == [Act.FORGET]
    assert cure(worker(provider_state=None, heard=5.0)) == []  # it is there, whatever its provider says
    assert cure(worker(provider_state=None, heard=70.0)) == [Act.FORGET]
    assert cure(worker(flavour="gone")) == [Act.DRAIN]
    assert cure(busy(flavour="gone")) == []


def test_what_is_replaced_is_replaced_in_the_same_look_and_says_why() -> None:
    waiting = (Bucket(cores=4, jobs=("1.0",)),)
    dead = worker(provider_state=State.FAILED, reason="NODE_FAIL")
    forget, launch = decide(pool(), Observation(workers=(dead,), buckets=waiting))
    assert forget.reason == "slurm says that it failed: NODE_FAIL"
    assert not forget.fault  # it had been in the pool
    assert launch.kind is Act.LAUNCH
    unborn = worker(state=Phase.BOOTING, heard=None, provider_state=State.FAILED)
    assert decide(pool(), Observation(workers=(unborn,)))[0].fault


def test_when_all_fall_silent_together_it_is_not_their_fault() -> None:
    workers = tuple(busy(f"w{number}", heard=70.0) for number in range(4))
    assert decide(pool(), Observation(workers=workers)) == ()
    long = tuple(replace(one, heard=301.0) for one in workers)
    assert [one.kind for one in decide(pool(), Observation(workers=long))] == [Act.TERMINATE] * 4
    given_up = busy("w5", state=Phase.LOST, heard=400.0)
    assert decide(pool(), Observation(workers=(*workers[:2], given_up))) == ()
    one_speaks = (*workers[:3], busy("w4", heard=1.0))
    assert len(decide(pool(), Observation(workers=one_speaks))) == 3


# --- as time passes


@settings(max_examples=25, deadline=None, database=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(10, 900), st.integers(0, 3000)), min_size=1, max_size=60
    ),
    st.sampled_from([5.0, 60.0, 200.0]),
)
def test_from_zero_to_zero_and_every_job_runs(jobs: list[tuple[int, int, int]], boot: float) -> None:
    description = pool(flavour(maximum=8), flavour("large", cores=16, memory=32 * GIB, maximum=2), step=20)
    queue = [Job(f"1.{number}", *one) for number, one in enumerate(jobs)]
    world = World(description, queue, boot)
    for _ in range(3000):
        world.step()
        if not world.todo and not world.nodes:
            break
    assert sorted(world.done) == sorted(job.name for job in queue)
    assert world.nodes == {}
    assert world.most <= 10
    assert world.launched <= len(queue)


def test_a_steady_queue_has_a_steady_pool() -> None:
    jobs = [Job(f"1.{number}", 1, 600.0, 15.0 * number) for number in range(800)]  # 40 at once
    world = World(pool(flavour(maximum=50)), jobs, boot=90.0)
    sizes = []
    for _ in range(1000):
        world.step()
        if 2000 < world.now < 9000:
            sizes.append(len(world.nodes))
    assert min(sizes) >= 10
    assert max(sizes) - min(sizes) <= 2
    assert world.launched <= 30
    assert world.drained == 0
