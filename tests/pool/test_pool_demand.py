"""The queue grouped into kinds of jobs, and which flavours can take them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dodas.pool.agent import matching
from dodas.pool.agent.demand import Bucket, buckets
from dodas.pool.agent.job_ads import expression, references
from dodas.pool.description.model import PoolDescription, Site
from hostile_names import CONTROLS, NAMES, QUESTIONS
from pool_world import GIB, flavour, pool

NOW = 1_000_000.0


def ad(**changes: object) -> dict[str, object]:
    plain: dict[str, object] = {
        "JobStatus": 1,
        "ClusterId": 12,
        "ProcId": 3,
        "RequestCpus": 2,
        "RequestMemory": 2048,
        "RequestDisk": 1024,
        "QDate": NOW - 60,
        "Requirements": "true",
    }
    return {**plain, **changes}


def test_jobs_that_ask_for_the_same_are_one_bucket_in_bytes() -> None:
    jobs = [ad(ProcId=number, QDate=NOW - number) for number in range(5)]
    (bucket,) = buckets(jobs, NOW)
    assert bucket == Bucket(
        cores=2,
        memory=2 * GIB,
        disk=1 << 20,
        requirements="true",
        count=5,
        waiting=4.0,
        jobs=("12.0", "12.1", "12.2"),
    )


def test_only_what_a_worker_could_run_counts() -> None:
    states = [ad(JobStatus=status) for status in (2, 3, 4, 5, 6, 7)]
    universes = [ad(JobUniverse=universe) for universe in (7, 9, 12)]
    assert buckets([*states, *universes], NOW) == ()
    assert len(buckets([ad(JobUniverse=5), ad(JobUniverse=11)], NOW)) == 1


def test_a_job_that_was_sent_back_waits_since_then() -> None:
    (bucket,) = buckets([ad(QDate=NOW - 9000, EnteredCurrentStatus=NOW - 5)], NOW)
    assert bucket.waiting == 5.0


def test_those_that_ask_for_most_come_first() -> None:
    jobs = [ad(), ad(RequestCpus=8), ad(RequestGPUs=1), ad(RequestMemory=9999)]
    found = [(one.gpus, one.cores, one.memory) for one in buckets(jobs, NOW)]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    ("value", "cores"), [(1.5, 2), ("3", 3), (None, 1), ("many", 1), (-4, 1), (float("nan"), 1), (True, 1)]
)
def test_requests_that_are_no_plain_numbers(value: object, cores: int) -> None:
    (bucket,) = buckets([ad(RequestCpus=value)], NOW)
    assert bucket.cores == cores


def test_expressions_are_evaluated_in_their_ad() -> None:
    classad2 = pytest.importorskip("classad2")
    job = classad2.ClassAd(ad(MemoryUsage=3000, Owner="o"))
    job["RequestMemory"] = classad2.ExprTree("ifthenelse(MemoryUsage =!= undefined, MemoryUsage, 1)")
    job["Requirements"] = classad2.ExprTree('TARGET.Arch == "X86_64"')
    (bucket,) = buckets([job], NOW, ["Owner"])
    assert bucket.memory == 3000 << 20
    assert "X86_64" in bucket.requirements
    assert bucket.attributes == (("Owner", '"o"'),)


_VALUES = (
    *(None, True, False, 0, 1, 2, 2.0, 2.5, 1.0000000001, -3, "2", "two", "", ";", '";"', "a;b", 1 << 40),
    *("=1", "=1 + 1", "=Owner", "=DiskUsage", "=undefined", "=error", "={1, 2}", "=[a = 1; b = 2]"),
)
_NAMED = (
    "RequestCpus",
    "RequestMemory",
    "RequestDisk",
    "RequestGPUs",
    "JobPrio",
    "Owner",
    "Site",
    "DiskUsage",
)
_CONDITIONS = ("=true", '=MY.Site == "x" || JobPrio > 0', '=TARGET.Cpus > 1 && "a;b" != Owner', "text")
_STATES = ({"JobStatus": 1}, {"JobStatus": 2}, {"JobUniverse": 7}, {"JobUniverse": "=7"}, {"JobStatus": "=1"})


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_ads_in_one_queue_mean_what_each_means_alone(data: st.DataObject) -> None:
    classad2 = pytest.importorskip("classad2")
    attributes = st.dictionaries(st.sampled_from(_NAMED), st.sampled_from(_VALUES), max_size=5)
    jobs = [
        {
            **ad(),
            **data.draw(attributes),
            "Requirements": data.draw(st.sampled_from(_CONDITIONS)),
            **data.draw(st.sampled_from(_STATES)),
        }
        for _ in range(data.draw(st.integers(2, 6)))
    ]
    queue = [own(classad2, job) for job in jobs]
    alone = Counter(
        (one.kind, one.waiting) for job in queue for one in buckets([job], NOW, ["JobPrio", "Owner"])
    )
    together = Counter[object]()
    for one in buckets(queue, NOW, ["JobPrio", "Owner"]):
        together[one.kind, one.waiting] += one.count
    assert together == alone


def own(classad2: ModuleType, job: Mapping[str, object]) -> Mapping[str, object]:
    """Return an ad of HTCondor's; what begins with ``=`` is an expression."""
    made: dict[str, object] = {
        name: classad2.ExprTree(value[1:]) if isinstance(value, str) and value.startswith("=") else value
        for name, value in job.items()
    }
    found: Mapping[str, object] = classad2.ClassAd(made)
    return found


@pytest.mark.parametrize("name", ["é", "is", "parent", "a b"])
def test_attributes_with_names_that_classads_do_not_have(name: str) -> None:
    classad2 = pytest.importorskip("classad2")
    jobs = [own(classad2, ad(Requirements="=true")) for _ in range(2)]
    (bucket,) = buckets(jobs, NOW, [name])
    assert (bucket.count, bucket.attributes) == (2, ())


def test_attributes_that_expressions_refer_to_make_kinds_and_those_of_each_job_do_not() -> None:
    text = 'MY.Site == TARGET.DodasSite && time() - LastMatchTime > 5 && Other =!= "Site.x" && f(QDate)'
    assert references(text, "MY") == {"Site", "Other"}
    assert references(text, "TARGET") == {"DodasSite", "Other"}
    jobs = [ad(Requirements=text, Site=name, LastMatchTime=number) for number, name in enumerate("aab")]
    assert [one.count for one in buckets(jobs, NOW)] == [1, 2]


@pytest.mark.parametrize("name", (*NAMES, *QUESTIONS, *CONTROLS))
def test_hostile_names_stay_texts(name: str) -> None:
    classad2 = pytest.importorskip("classad2")
    assert classad2.ExprTree(expression(name)).eval() == name


def test_a_hundred_thousand_jobs_are_grouped_at_once() -> None:
    kinds = [(1 + kind % 16, 512 * (1 + kind // 16)) for kind in range(500)]
    jobs = [
        ad(ProcId=number, RequestCpus=kinds[number % 500][0], RequestMemory=kinds[number % 500][1])
        for number in range(100_000)
    ]
    began = time.process_time()
    found = buckets(jobs, NOW)
    assert time.process_time() - began < 3.0  # a third of a second on a machine that does nothing else
    assert (len(found), sum(one.count for one in found)) == (500, 100_000)


# --- matching


def described(start: str = "", **attributes: str) -> PoolDescription:
    base = pool(flavour(start=start, site="here"), flavour("large", cores=16, memory=16 * GIB))
    return PoolDescription(
        name="p", flavours=base.flavours, sites=(Site(name="here", attributes=tuple(attributes.items())),)
    )


def takers(description: PoolDescription, **changes: object) -> set[str]:
    jobs = buckets([ad(**changes)], NOW, matching.attributes(description))
    (bucket,) = matching.matched(description, jobs)
    assert bucket.flavours is not None
    return set(bucket.flavours)


def test_requirements_and_start_rule_out_what_they_surely_refuse() -> None:
    pytest.importorskip("classad2")
    plain = described(HasCvmfs="true", Rank="1 + 1")
    assert takers(plain) == {"small", "large"}
    assert takers(plain, RequestCpus=8) == {"large"}
    assert takers(plain, Requirements="TARGET.Cpus > 4") == {"large"}
    assert takers(plain, Requirements='TARGET.DodasFlavour == "small" && TARGET.OpSys == "LINUX"') == {
        "small"
    }
    assert takers(plain, Requirements='TARGET.Arch == "aarch64"') == set()
    assert takers(plain, Requirements="TARGET.HasCvmfs && TARGET.Rank == 2") == {"small", "large"}
    assert takers(plain, Requirements="MY.Wants == 3", Wants=4) == set()
    owned = described(start='TARGET.Owner == "me"')
    assert takers(owned, Owner="me") == {"small", "large"}
    assert takers(owned, Owner="you") == {"large"}


def test_what_nobody_knows_yet_is_no_obstacle() -> None:
    for text in ("TARGET.Unknown == 7", 'versionGE(split(TARGET.CondorVersion)[1], "25.1")', "((", "1/0", ""):
        assert takers(described(), Requirements=text) == {"small", "large"}
    assert takers(described(start="nonsense(((")) == {"small", "large"}
    assert takers(described(Broken="((")) == {"small", "large"}


def test_without_htcondor_numbers_alone_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "find_spec", lambda name: None)
    matching._verdict.cache_clear()
    assert takers(described(start="false"), Requirements="false", RequestMemory=9000) == {"large"}
    assert takers(described(start="false"), Requirements="false") == {"small", "large"}
    matching._verdict.cache_clear()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"memory": 64 * GIB}, "job 12.3 asks for 64 GiB of memory and the largest flavour has 16 GiB"),
        ({"cores": 17}, "job 12.3 asks for 17 cores and the largest flavour has 16"),
        ({"gpus": 1}, "job 12.3 asks for 1 GPU and the largest flavour has 0"),
    ],
)
def test_what_is_missing_is_said(changes: Mapping[str, int], sentence: str) -> None:
    bucket = Bucket(jobs=("12.3",), **changes)  # type: ignore[arg-type]
    assert matching.missing(described(), bucket) == sentence


def test_what_is_missing_beyond_numbers_is_said() -> None:
    pytest.importorskip("classad2")
    both = pool(flavour(cores=16), flavour("b", memory=16 * GIB))
    together = Bucket(cores=8, memory=16 * GIB, jobs=("1.0",))
    assert matching.missing(both, together) == (
        "job 1.0 asks for 8 cores and 16 GiB together, and no flavour has all of that"
    )
    refused = Bucket(requirements='TARGET.Arch == "ppc"', jobs=("1.0",))
    assert matching.missing(pool(), refused) == (
        "job 1.0 is not taken by any flavour that is large enough: its Requirements refuse small"
    )
    assert "START of small refuses it" in matching.missing(
        pool(flavour(start="false")), Bucket(jobs=("1.0",))
    )
    empty = PoolDescription(name="p")
    assert matching.missing(empty, Bucket()) == "a job waits, and the pool has no flavours of workers"


@settings(max_examples=100, deadline=None, database=None)
@given(st.text())
def test_any_text_may_stand_in_requirements(text: str) -> None:
    references(text, "MY")
    assert matching.matched(pool(), [Bucket(requirements=text)])[0].flavours is not None
