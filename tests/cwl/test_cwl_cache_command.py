"""``dodas cache``, and what it is made of: differences in words, files brought and compared, collections."""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from cwl_cache import Kept, chain, text_input
from cwlcases import Cwl
from dodas.reuse import trees
from dodas.reuse.cache import Cache
from dodas.reuse.checksums import Checksums
from dodas.reuse.collect import collect
from dodas.reuse.document import differences, key_of, placeholder
from dodas.reuse.entries import Layout
from hostile_names import CONTROLS, NAMES


@pytest.fixture
def kept(cwl: Cwl) -> Kept:
    return Kept(cwl)


@pytest.fixture
def checksums(tmp_path: Path) -> Checksums:
    return Checksums(str(tmp_path / "memory" / "checksums.db"))


def test_differences_in_words() -> None:
    before = {
        "command": ["grep", "-c", f"{placeholder('outdir')}/x", "long " * 100],
        "environment": {"A": "1", "GONE": "x"},
        "image": "sha256:" + "1" * 64,
        "inputs": {"reads": {"class": "File", "content": "sha256:" + "2" * 64}, "n": None},
        "streams": {"stdout": "out.txt"},
    }
    now = {
        "command": ["rg", "-c", "/x", "long " * 100],
        "environment": {"A": "2", "NEW": "x"},
        "image": "sha256:" + "3" * 64,
        "inputs": {"reads": {"class": "File", "content": "sha256:" + "4" * 64}, "n": 1},
        "streams": {"stdout": "out.txt"},
    }
    assert differences(before, before) == []
    told = differences(before, now)
    assert told[:5] == [
        "program of the command: was 'grep', is 'rg'",
        "command argument 2: was '<outdir>/x', is '/x'",
        "environment variable A: was '1', is '2'",
        "environment variable GONE: was 'x', is gone",
        "environment variable NEW: is new, 'x'",
    ]
    assert [text.partition(":")[0] for text in told[5:]] == [
        "image digest",
        "input n",
        "input reads, checksum",
    ]
    assert key_of(before) == key_of(dict(reversed(before.items())))
    assert key_of(before) != key_of(now)


def test_any_tree_comes_along(tmp_path: Path, checksums: Checksums) -> None:
    source = tmp_path / "source"
    (source / "sub" / "empty").mkdir(parents=True)
    for name in (*NAMES, *CONTROLS, os.fsdecode(b"\xff")):
        (source / "sub" / name).write_text(name, errors="surrogateescape")
    (source / "inside").symlink_to("sub/plain")
    (source / "dangling").symlink_to("nowhere")
    (tmp_path / "away").write_text("away")
    (source / "outside").symlink_to(tmp_path / "away")
    os.link(tmp_path / "away", source / "linked")
    bringer = trees.Bringer(str(tmp_path / "top"), made=str(source))
    bringer.bring(str(source), "made")
    top = tmp_path / "top" / "made"
    noted = trees.listing(str(top), checksums.of)
    assert noted["inside"] == {"link": "sub/plain"}
    assert noted["dangling"] == {"link": "nowhere"}
    assert noted["outside"]["size"] == 4
    assert len(noted) == len(NAMES) + len(CONTROLS) + 7
    assert trees.damage(str(top), noted, checksums.of) == ""
    # Shared is what only the step had; what somebody else has too is a copy.
    assert (source / "sub" / "plain").samefile(top / "sub" / "plain")
    assert not (source / "linked").samefile(top / "linked")
    shutil.rmtree(source)
    assert trees.damage(str(top), noted, checksums.of) == ""


@pytest.mark.parametrize("what", ["fifo", "socket", "loop"])
def test_what_cannot_be_kept(tmp_path: Path, what: str) -> None:
    source = tmp_path / "s"
    source.mkdir()
    if what == "fifo":
        os.mkfifo(source / "x")
    elif what == "loop":
        (source / "x").symlink_to(source)
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(source / "x"))
    with pytest.raises(trees.Unkeepable):
        trees.Bringer(str(tmp_path / "top")).bring(str(source), "made")


def test_a_checksum_is_made_anew_when_the_file_is_another(tmp_path: Path, checksums: Checksums) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    os.utime(path, (1, 1))
    first = checksums.of(str(path))
    path.write_text("two")
    os.utime(path, (1, 1))  # the same size, and the same time: what has changed is when it was changed
    assert checksums.of(str(path)) != first
    path.write_text("one")
    assert checksums.of(str(path)) == first


def test_what_is_remembered_is_not_read_again(tmp_path: Path, checksums: Checksums) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    checksums.learn(str(path), "sha256:remembered")
    assert checksums.of(str(path)) == "sha256:remembered"
    checksums.close()
    assert checksums.of(str(path)) != "sha256:remembered"
    again = Checksums(str(tmp_path / "memory" / "checksums.db"))
    assert again.of(str(path)) == "sha256:remembered"
    again.close()


def add(cache: Cache, name: str, size: int = 10) -> Any:
    def fill(top: str) -> Any:
        Path(top, "file").write_bytes(b"x" * size)
        return {"of": name}

    return cache.add(key_of(name), name, name, fill, {})


def test_what_goes(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache"), Checksums(str(tmp_path / "own" / "db")))
    layout = Layout(str(tmp_path / "cache"))
    for number, name in enumerate(("oldest", "older", "young")):
        entry = add(cache, name, 1000)
        os.utime(entry.path, (1000 * (number + 1),) * 2)
    cache.close()
    Path(layout.place("ab" * 32)).mkdir(parents=True)
    left = Path(layout.live) / "killed"
    (left / "new-1" / "out").mkdir(parents=True)
    (left / "lock").touch()
    trial = collect(layout, keep=1500, dry_run=True)
    assert [step for step, _, _ in trial.removed] == ["oldest", "older"]
    assert (trial.kept, trial.size, trial.leftovers) == (1, 1000, 2)
    assert len(list(layout.known())) == 4
    report = collect(layout, older_than=time.time() - 1500)
    assert [step for step, _, _ in report.removed] == ["oldest"]
    assert (report.leftovers, report.kept) == (2, 2)
    assert os.listdir(layout.live) == []
    assert [step for step, _, _ in collect(layout, keep=1500).removed] == ["older"]
    assert collect(layout).removed == []


def test_the_first_of_two_wins(tmp_path: Path) -> None:
    one, other = (Cache(str(tmp_path / "cache"), Checksums(str(tmp_path / name))) for name in ("a", "b"))
    assert one.find(key_of("step")) is None
    first, second = add(one, "step", 10), add(other, "step", 20)
    assert (first.size, second.size) == (10, 10)
    one.close()
    found = other.find(key_of("step"))
    assert found is not None
    assert (found.outputs, found.step) == ({"of": "step"}, "step")
    other.close()
    assert os.listdir(other.layout.live) == []


def test_ls_and_gc(kept: Kept) -> None:
    kept.cwl(chain(kept, {"first": "cat", "second": "sort"}), text_input(kept))
    listed = kept.json("ls")
    assert sorted(entry["step"] for entry in listed) == ["first", "second"]
    assert {entry["size"] for entry in listed} == {8}
    shown = kept.command("ls").stdout.splitlines()
    assert [line.split()[-1] for line in shown] == [entry["step"] for entry in listed]
    assert kept.json("gc", "--older-than", "1d")["removed"] == []
    assert len(kept.json("gc", "--size", "1", "--dry-run")["removed"]) == 2
    done = kept.command("gc", "--size", "1")
    assert "0 results stay" in done.stdout
    assert kept.json("ls") == []
    assert kept.command("gc", "--size", "much").returncode == 1


def test_why(kept: Kept) -> None:
    inputs = text_input(kept)
    assert kept.command("why", "second").returncode == 1
    kept.cwl(chain(kept, {"first": "cat", "second": "sort"}), inputs)
    assert "nothing was kept" in kept.command("why", "second").stdout
    kept.cwl(chain(kept, {"first": "cat", "second": "sort -r"}), inputs)
    assert ": reused at " in kept.command("why", "first").stdout
    (told,) = kept.differs("second")
    assert told.startswith("command argument 2: was ")
    kept.cwl(chain(kept, {"first": "cat", "second": "sort -r"}), text_input(kept, "other\n"))
    (told,) = kept.differs("first")
    assert told.startswith("input text, checksum: was sha256:")
    unknown = kept.command("why", "third")
    assert unknown.returncode == 1
    assert "first, second" in unknown.stderr


def test_a_directory_that_is_not_there(kept: Kept) -> None:
    assert kept.json("ls") == []
    assert kept.json("gc")["kept"] == 0
    assert not kept.path.exists()
