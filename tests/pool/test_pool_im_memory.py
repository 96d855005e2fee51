"""What is remembered of machines may be lost or damaged, and is never trusted to be more than it is."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dodas.pool.providers import im_memory
from dodas.pool.providers.im_memory import Known, Memory

FULL = Memory(
    infrastructure="1-2-3",
    nodes=("small-0", "small-1"),
    machines={"0": Known(worker="poet-small-00000000", node="small-0", ready=True, reason="é")},
)


def test_what_is_kept_is_found_again_and_private(tmp_path: Path) -> None:
    path = tmp_path / "machines.json"
    im_memory.save(str(path), FULL)
    assert im_memory.load(str(path)) == FULL
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[" * 100_000, '{"infrastructure": 1}'])
def test_a_damaged_file_is_no_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "machines.json"
    path.write_text(text)
    assert im_memory.load(str(path)) == Memory()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(st.none() | st.text() | st.integers(), lambda one: st.dictionaries(st.text(), one)))
def test_any_json_is_read_or_not_there(tmp_path: Path, value: object) -> None:
    path = tmp_path / "machines.json"
    path.write_text(json.dumps({"infrastructure": "x", "nodes": ["a"], "machines": value}))
    assert isinstance(im_memory.load(str(path)), Memory)
