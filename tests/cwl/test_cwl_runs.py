"""What lets a run be left and found again: names of work, what is remembered, whose turn it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dodas.errors import SpecError, StoreError
from dodas_cwl import links
from dodas_cwl.keys import Keys
from dodas_cwl.memory import Memory
from dodas_cwl.runs import Run, folder

SECRET = b"secret of a run"


def order(path: Path, **fields: Any) -> dict[str, Any]:
    return {"in": {"class": "File", "location": path.as_uri(), **fields}}


def test_the_same_work_has_the_same_name(tmp_path: Path) -> None:
    source = tmp_path / "grün 100%.txt"
    source.write_text("one")
    name = Keys(SECRET).key("tool", order(source))
    assert Keys(SECRET).key("tool", order(source)) == name
    assert Keys(b"of another").key("tool", order(source)) != name
    assert Keys(SECRET).key("other", order(source)) != name
    assert Keys(SECRET).key("tool", order(source, basename="x")) != name
    source.write_text("four")
    assert Keys(SECRET).key("tool", order(source)) != name


def test_work_that_comes_twice_has_two_names(tmp_path: Path) -> None:
    first, second = Keys(SECRET), Keys(SECRET)
    names = [first.key("tool", {"n": n}) for n in (1, 1, 2, 1)]
    assert len(set(names)) == 4
    assert [second.key("tool", {"n": n}) for n in (1, 1, 2, 1)] == names


def test_a_directory_is_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("x")
    given = {"class": "Directory", "location": tmp_path.as_uri()}
    name = Keys(SECRET).key(given)
    assert Keys(SECRET).key(given) == name
    (tmp_path / "sub" / "empty").touch()
    assert Keys(SECRET).key(given) != name


def test_names_that_cwltool_makes_up_do_not_count() -> None:
    def tool(mark: str) -> Any:
        return {"id": f"_:{mark}", "in": [{"class": "File", "location": f"_:{mark}", "contents": "x"}]}

    one, other = "27ec32cb-989e-4af1-bc8e-48278845a13b", "484a4a11-b5c7-4994-be52-955bc9207b20"
    assert Keys(SECRET).key(tool(one)) == Keys(SECRET).key(tool(other))
    assert Keys(SECRET).key({"word": one}) != Keys(SECRET).key({"word": other})


def test_what_was_noted_is_known_later(tmp_path: Path) -> None:
    path = str(tmp_path / "steps")
    memory = Memory(path)
    memory.note("a", "outputs", {"name": os.fsdecode(b"\xff")})
    memory.note("a", "staged", [1])
    assert memory.recall("a", "outputs") is None  # only of earlier lives
    memory.close()
    with open(path, "ab") as file:
        file.write(b'["b", "outputs", {"cut')
    again = Memory(path)
    again.note("c", "outputs", 3)
    again.close()
    last = Memory(path)
    assert last.recall("a", "outputs") == {"name": os.fsdecode(b"\xff")}
    assert last.recall("b", "outputs") is None
    assert last.recall("c", "outputs") == 3
    assert last.count("outputs") == 2
    last.close()


def test_a_run_is_found_by_its_command_and_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DODAS_STATE", str(tmp_path))
    here = folder(["a", "b"], None)
    assert here.startswith(f"{tmp_path}/")
    assert folder(["a", "b"], None) == here
    assert folder(["a b"], None) != here
    monkeypatch.chdir(tmp_path)
    assert folder(["a", "b"], None) != here
    assert folder(["a", "b"], "scratch/run-").startswith(f"{tmp_path}/scratch/run-dodas-cwl-")


def test_a_run_that_was_left_goes_on_as_it_was(tmp_path: Path) -> None:
    path = str(tmp_path / "run")
    run = Run(path)
    with pytest.raises(SpecError, match="running already"):
        Run(path)
    run.memory.note("a", "outputs", 1)
    run.leave()
    again = Run(path)
    assert (again.taken_up, again.work, again.secret) == (True, run.work, run.secret)
    assert again.memory.recall("a", "outputs") == 1
    again.tidy(keep=False)  # nobody asked for its jobs
    third = Run(path)
    third.opened = True
    assert third.taken_up
    third.tidy(keep=False)
    assert not os.path.exists(path)


def test_what_failed_stays_until_the_run_begins_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "run")
    run = Run(path)
    kept = Path(run.work) / "kept"
    kept.touch()
    run.tidy(keep=True)
    assert kept.exists()
    again = Run(path)
    assert not again.taken_up
    assert not kept.exists()
    assert again.secret != run.secret
    again.tidy(keep=False)
    assert not os.path.exists(path)


def test_only_the_owner_sees_a_run(tmp_path: Path) -> None:
    run = Run(str(tmp_path / "run"))
    assert os.stat(run.path).st_mode & 0o077 == 0
    assert os.stat(os.path.join(run.path, "run.json")).st_mode & 0o077 == 0
    run.tidy(keep=False)


def test_a_run_needs_a_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="no state"):
        Run(str(tmp_path / "file" / "run"))


def test_links_may_be_settled_twice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "away").symlink_to("/etc/passwd")
    (tmp_path / "other").symlink_to("/data/input")
    changes = {"away": None, "other": "/home/me/input", "gone": None}
    assert links.settle(str(tmp_path), changes) == ["away -> /etc/passwd"]
    assert links.settle(str(tmp_path), json.loads(json.dumps(changes))) == []
    assert os.readlink(tmp_path / "other") == "/home/me/input"
    assert not os.path.lexists(tmp_path / "away")
