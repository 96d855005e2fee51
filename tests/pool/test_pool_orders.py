"""What workers are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dodas.pool import image
from dodas.pool.definition import Definition
from dodas.pool.description.model import Flavour
from dodas.pool.pilots import Orders
from pool_clouds import cloud_pool

_OWN = image.RECIPE.name
_GIVEN = "registry.example.org/htcondor:25"


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("local", "", _OWN),
        ("local", _GIVEN, _GIVEN),
        ("slurm", "", _OWN),
        # The image of this host cannot be had there, and so it must be that of the machine.
        ("htcondor", "", ""),
        ("htcondor", _GIVEN, _GIVEN),
        ("im", "", ""),
        ("im", _GIVEN, _GIVEN),
        ("orchestrator", "", ""),
        # The worker is in that image from the beginning.
        ("kubernetes", _GIVEN, ""),
        ("marathon", _GIVEN, ""),
    ],
)
def test_where_the_htcondor_of_a_worker_comes_from(
    kind: str, given: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DODAS_STATE", str(tmp_path))
    pool = cloud_pool("p", kind, [], [Flavour(name="small", provider="cloud", image=given)])
    definition = Definition(cpus=0, memory=0, image="", shared_disk=False, port=9618, user="anna")
    orders = Orders(pool, definition, program="worker")
    assert orders.order(orders.new(pool.flavours[0])).image == told
