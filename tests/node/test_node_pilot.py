"""The pilot: what it refuses before any job can come, and how it says so."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.errors import SpecError
from dodas.node.pilot.order import NAME, TOKEN, Check, PilotOrder

_MAIN = "import sys; from dodas.node.main import main; sys.exit(main(sys.argv[1:]))"
_OK = PilotOrder(worker="w", pool="p", image="nowhere/nothing:1")


def run(folder: Path, order: PilotOrder, *, token: bool = True) -> tuple[int, str, str]:
    """Run a pilot; return its exit status, phase and reason."""
    (folder / NAME).write_text(order.to_json())
    if token:
        (folder / TOKEN).write_text("not a real one")
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, "pilot", str(folder / NAME)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    status = json.loads((folder / "status.json").read_text())
    assert f"dodas worker: {status['phase']}: {status['reason']}" in done.stdout
    return done.returncode, status["phase"], status["reason"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"checks": (Check(name="cvmfs", command="echo not there; exit 3", seconds=5),)}, "not there"),
        ({"checks": (Check(name="hangs", command="sleep 60", seconds=0.2),)}, "took longer"),
        ({"disk": 1 << 60}, "is full"),
        ({"engine": "none-such"}, "none-such"),
        ({"image": ""}, "no condor_master"),
    ],
)
def test_a_node_that_is_not_fit_never_takes_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], reason: str
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    status, phase, why = run(tmp_path, replace(_OK, **change))  # type: ignore[arg-type]
    assert (status, phase) == (75, "unfit")
    assert reason in why


def test_without_its_token_it_says_so(tmp_path: Path) -> None:
    status, phase, why = run(tmp_path, _OK, token=False)
    assert (status, phase) == (75, "unfit")
    assert "token" in why


def test_the_environment_of_checks(tmp_path: Path) -> None:
    check = Check(name="site", command='test "$A" = "b c"; echo "<$A>"; false', seconds=5)
    _, _, why = run(tmp_path, replace(_OK, checks=(check,), environment=(("A", "b c"),)))
    assert "<b c>" in why


@given(
    st.builds(
        PilotOrder,
        worker=st.text(),
        pool=st.text(),
        config=st.lists(st.tuples(st.text(), st.text())).map(tuple),
        files=st.lists(st.tuples(st.text(), st.text())).map(tuple),
        mounts=st.lists(st.tuples(st.text(), st.text(), st.booleans())).map(tuple),
        end=st.none() | st.floats(0, 1e12),
        checks=st.lists(st.builds(Check, name=st.text(), command=st.text(), seconds=st.floats(0, 1e6))).map(
            tuple
        ),
    )
)
def test_an_order_survives_its_way(order: PilotOrder) -> None:
    assert PilotOrder.from_json(order.to_json()) == order


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        PilotOrder.from_json(text)
