"""What a pool tells Prometheus, read by a strict reader of the text format."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dodas.pool.agent.demand import Bucket, Observation, Phase, Trouble
from dodas.pool.agent.metrics import render
from pool_world import GIB, Scene, busy, flavour, pool, scenes, worker

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})\{{({LABEL}(?:,{LABEL})*)?\}} ([-+0-9.e]+|NaN|\+Inf)")

Samples = dict[tuple[str, str], float]


def read(text: str) -> Samples:
    """Read the text format: each family has HELP, TYPE and then its samples, none twice."""
    assert text.endswith("\n")
    family, kinds, samples = "", dict[str, str](), Samples()
    for line in text[:-1].split("\n"):  # a carriage return is no end of a line
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in kinds
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == family
            assert kind in {"gauge", "counter"}
            assert (kind == "counter") == name.endswith("_total")
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == family
            assert (match[1], match[2]) not in samples
            samples[match[1], match[2]] = float(match[3])
    return samples


def test_demand_supply_trouble_and_decisions() -> None:
    described = pool(flavour(), flavour("large", provider="cloud", cores=16, memory=64 * GIB))
    seen = Observation(
        buckets=(
            Bucket(cores=2, count=3, waiting=50.0),
            Bucket(cores=8, count=2),
            Bucket(memory=999 * GIB, count=7),
        ),
        workers=(worker("a"), worker("b"), busy("c", free_cores=1), worker("d", state=Phase.LOST)),
        troubles=(Trouble(provider="cloud", failures=4, until=9.0),),
        worker_hours=1.5,
        core_hours=6.25,
    )
    found = read(render(described, seen, {"launch": 12}, 3.5))

    def value(name: str, **labels: str) -> float:
        pairs = ",".join(f'{key}="{text}"' for key, text in {"pool": "p", **labels}.items())
        return found[f"dodas_pool_{name}", pairs]

    assert value("demand_cores", flavour="small") == 6
    assert value("demand_cores", flavour="large") == 16
    assert value("jobs_idle", flavour="") == 7
    assert value("oldest_wait_seconds") == 50
    assert value("workers", flavour="small", phase="idle") == 2
    assert value("workers", flavour="small", phase="lost") == 1
    assert value("workers", flavour="large", phase="busy") == 0
    assert value("free_cores", flavour="small") == 9
    assert value("provider_trouble", provider="cloud") == 4
    assert value("provider_trouble", provider="slurm") == 0
    assert value("decisions_total", act="launch") == 12
    assert value("decisions_total", act="drain") == 0
    assert value("core_hours_total") == 6.25
    assert value("cycle_age_seconds") == 3.5


def test_an_agent_that_never_looked_has_no_age() -> None:
    assert not [name for name, _ in read(render(pool(), Observation(), {}, None)) if "cycle_age" in name]


@settings(max_examples=20, deadline=None, database=None)
@given(scenes(), st.text())
def test_whatever_is_seen_and_however_the_pool_is_called_it_can_be_read(scene: Scene, name: str) -> None:
    described, seen = scene
    read(render(replace(described, name=name), seen, {}, 1.0))
