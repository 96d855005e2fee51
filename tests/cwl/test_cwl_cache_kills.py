"""``dodas cwl --cache`` killed, crowded, damaged and without room."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cwl_cache import Kept, chain, placeless, text_input
from cwlcases import COMMAND, Cwl
from needs import need

THREE = {"first": "tr a-z A-Z", "second": "sort -r", "third": "wc -l"}
WIDTH, AT_ONCE = 10, 2


@pytest.fixture
def kept(cwl: Cwl) -> Kept:
    return Kept(cwl)


def wide(kept: Kept) -> dict[str, Any]:
    """Return a workflow of three steps for each of ten numbers, and one that joins all."""

    def number(name: str, script: str) -> dict[str, Any]:
        words = {"n": {"type": "int", "inputBinding": {"position": 1}}}
        text = {"text": {"type": "File?", "inputBinding": {"position": 2}}}
        # It says that it ran only when it is as good as over.
        run = kept.step("", f"{script}; sleep 0.05; echo {name}-$1 >> '{kept.log}'", inputs={**words, **text})
        return {"run": run, "scatter": ["n"], "in": {"n": "numbers"}, "out": ["out"]}

    steps = {
        "make": number("make", 'seq "$1"'),
        "turn": number("turn", 'sort -r "$2"'),
        "count": number("count", 'wc -c < "$2"'),
    }
    for name, before in (("turn", "make"), ("count", "turn")):
        steps[name] |= {"scatter": ["n", "text"], "scatterMethod": "dotproduct"}
        steps[name]["in"]["text"] = f"{before}/out"
    join = kept.step("join", 'cat "$@"', inputs={"all": {"type": "File[]", "inputBinding": {}}})
    steps["join"] = {"run": join, "in": {"all": "count/out"}, "out": ["out"]}
    return {
        "class": "Workflow",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"numbers": {"type": "int[]", "default": list(range(WIDTH))}},
        "outputs": {"out": {"type": "File", "outputSource": "join/out"}},
        "steps": steps,
    }


def said(text: str, what: str) -> list[str]:
    return re.findall(rf"^\S+ {what} +(\S+)", text, re.MULTILINE)


def test_killed_at_any_moment_it_goes_on_where_it_was(kept: Kept) -> None:
    document, chance = wide(kept), random.Random(7)
    kept.cwl.options += ("--cores", str(AT_ONCE))
    done: list[str] = []
    for _ in range(4):
        process = kept.cwl.start(document)
        assert process.stderr is not None
        lines: list[str] = []
        # Until some steps are over, and then a moment that depends on nothing.
        wanted = chance.randint(1, 8)
        for line in process.stderr:
            lines.append(line)
            if len(said("".join(lines), "done")) == wanted:
                break
        time.sleep(chance.random() * 0.2)
        process.kill()
        text = "".join(lines) + process.communicate()[1]
        assert set(said(text, "started")).isdisjoint(done)
        done += said(text, "done")
        assert len(said(text, "done")) >= wanted
    answer = kept.cwl(document)
    expected = "".join(f"{sum(len(str(n)) + 1 for n in range(1, top + 1))}\n" for top in range(WIDTH))
    assert answer.text() == expected
    assert set(said(answer.stderr, "started")).isdisjoint(done)
    assert len(set(kept.ran())) == 3 * WIDTH + 1
    assert kept.cwl(document).text() == expected
    assert kept.ran() == []
    kept.command("gc")
    assert list((kept.path / "live").iterdir()) == []
    assert len(kept.json("ls")) == 3 * WIDTH + 1


def test_two_runs_at_once(kept: Kept) -> None:
    document = wide(kept)
    words = kept.cwl.words(document, {}, "--no-container")
    places = [kept.cwl.place / name for name in ("one", "two")]
    runs = [
        subprocess.Popen(
            [*COMMAND, "--outdir", str(place), *words[2:]],
            cwd=kept.cwl.place,
            env=kept.cwl.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]
    answers = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], answers
    made = [Path(place / "out.txt").read_text() for place in places]
    assert made[0] == made[1] == kept.cwl(document).text()
    assert set(Counter(kept.ran()).values()) <= {1, 2}
    assert len(kept.json("ls")) == 3 * WIDTH + 1


def damaged(entry: Path, how: str) -> None:
    made = entry / "out" / "made" / "out.txt"
    if how == "content":
        made.write_text(made.read_text().swapcase())
    elif how == "missing":
        made.unlink()
    elif how == "more":
        (made.parent / "more").touch()
    elif how == "mode":
        made.chmod(0o777)
    else:
        (entry / "entry.json").write_text("{")


@pytest.mark.parametrize("how", ["content", "missing", "more", "mode", "record"])
def test_a_damaged_result_is_noticed_and_made_again(kept: Kept, how: str) -> None:
    document, inputs = chain(kept, THREE), text_input(kept)
    kept.cwl(document, inputs)
    kept.ran()
    damaged(kept.entries()["second"], how)
    answer = kept.cwl(document, inputs)
    assert (answer.text(), kept.ran()) == ("2\n", ["second"])
    assert "second" in answer.stderr
    assert "damaged" in answer.stderr
    assert "damaged" in kept.command("why", "second").stdout
    assert kept.cwl(document, inputs).text() == "2\n"
    assert kept.ran() == []


def test_a_full_disk_is_no_reason_to_fail(kept: Kept) -> None:
    """The directory is a small file system, in a namespace of its own."""
    kept.path.mkdir()
    scripts = {
        "first": "head -c 3000000 /dev/zero",
        "second": "head -c 3000000 /dev/zero; cat",
        "third": "wc -c",
    }
    words = kept.cwl.words(chain(kept, scripts), text_input(kept), "--no-container")
    inside = [need("unshare", "mount"), "--user", "--map-root-user", "--mount"]
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(kept.path)]
    if subprocess.run([*inside, *mount], capture_output=True, check=False).returncode:
        pytest.skip("no user namespace with mounts here")
    both = f'{" ".join(mount[:-1])} "$1" && shift && "$@" && "$@"'
    done = subprocess.run(
        [*inside, "sh", "-c", both, "sh", str(kept.path), *COMMAND, *words],
        cwd=kept.cwl.place,
        env=kept.cwl.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (kept.cwl.outdir / "out.txt").read_text() == "6000000\n"
    assert "cannot be kept" in done.stderr
    assert kept.ran() == ["first", "second", "second", "third"]
    assert "reused 2 of 3" in done.stderr


def test_a_place_that_is_none(kept: Kept) -> None:
    kept.path.write_text("a file")
    answer = kept.cwl(kept.step("step", "true"))
    assert (answer.status, kept.ran()) == (1, [])
    assert "--cache" in answer.stderr


def test_a_broken_memory_of_checksums_is_made_anew(kept: Kept) -> None:
    document, inputs = chain(kept, THREE), text_input(kept)
    kept.cwl(document, inputs)
    memory = kept.cwl.place / "own" / "checksums.db"
    memory.write_bytes(b"no database" * 1000)
    assert kept.cwl(document, inputs).text() == "2\n"
    assert kept.ran() == sorted(THREE)
    assert memory.read_bytes().startswith(b"SQLite")
    memory.unlink()
    memory.mkdir()
    assert kept.cwl(document, inputs).text() == "2\n"
    assert kept.ran() == []


def test_what_a_living_run_uses_stays(kept: Kept) -> None:
    """A run that waits in its last step has used what the collection would like to have."""
    gate = kept.cwl.place / "gate"
    os.mkfifo(gate)
    document, inputs = chain(kept, {"first": "cat", "second": f"cat; cat '{gate}'"}), text_input(kept)
    kept.cwl(chain(kept, {"first": "cat"}), inputs)
    words = kept.cwl.words(document, inputs, "--no-container")
    run = subprocess.Popen(
        [*COMMAND, *words], cwd=kept.cwl.place, env=kept.cwl.environ, stderr=subprocess.PIPE
    )
    while run.poll() is None and "second" not in kept.log.read_text():
        time.sleep(0.01)
    report = kept.json("gc", "--size", "1")
    if run.poll() is None:
        with gate.open("w"):  # the second step goes on
            pass
    _, said = run.communicate()
    assert run.returncode == 0, said
    assert (report["in_use"], report["removed"]) == (1, [])
    report = kept.json("gc", "--size", "1")
    assert (len(report["removed"]), report["kept"]) == (2, 0)


def test_results_are_the_same_with_another_user_of_them(kept: Kept) -> None:
    document, inputs = chain(kept, THREE), text_input(kept)
    seen = []
    for name in ("one", "two"):
        kept.cwl.outdir = kept.cwl.place / name
        seen.append(placeless(kept.cwl(document, inputs, "--copy-outputs").output, kept.cwl.outdir))
    assert seen[0] == seen[1]
