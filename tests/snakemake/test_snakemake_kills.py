"""Snakemake is killed, again and again, and each next run goes on where the last one was.

``DODAS_KILLS_JOBS`` and ``DODAS_KILLS`` make it longer, ``DODAS_KILLS_SEED`` repeats the moments of a run.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dodas.backends.capacity import cores
from snakemake_runs import Workflow

JOBS = int(os.environ.get("DODAS_KILLS_JOBS", "60"))
KILLS = int(os.environ.get("DODAS_KILLS", "3"))
SEED = int(os.environ.get("DODAS_KILLS_SEED", str(time.time_ns() % 10**6)))

# Each job writes its name into the journal when its work is done, and holds a pipe open as long as it lives.
SNAKEFILE = f"""
shell.prefix("exec 9> alive; ")
N = {JOBS}

rule all:
    input: "all.txt"

rule one:
    output: "one/{{i}} x.txt"
    log: "logs/{{i}}.log"
    shell: "echo begun > {{log}}; seq {{wildcards.i}} > {{output:q}}; echo {{output}} >> journal"

rule folder:
    input: expand("one/{{i}} x.txt", i=range(0, N, 10))
    output: directory("folder")
    shell: "mkdir -p {{output}}; cp {{input:q}} {{output}}; echo {{output}} >> journal"

rule half:
    input: lambda wildcards: [f"one/{{i}} x.txt" for i in range(N) if i % 2 == int(wildcards.h)]
    output: temp("half{{h}}.txt")
    shell: "cat {{input:q}} > {{output}}; echo {{output}} >> journal"

rule all_of_them:
    input: "half0.txt", "half1.txt", "folder"
    output: protected("all.txt")
    shell: "cat half0.txt half1.txt folder/* > {{output}}; echo {{output}} >> journal"
"""


HALVES = ("half0.txt", "half1.txt")


@dataclass(frozen=True)
class State:
    """Jobs after a kill, each by its output: those in the journal, and those that Snakemake wants to run."""

    journal: tuple[str, ...]
    left: set[str]


class Life:
    """A workflow that is run and killed, and what was seen of it."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow.with_options("--max-jobs-per-timespan", "1000/1s")
        os.mkfifo(workflow.path / "alive")
        # Held open for reading from now on, so that no job has to wait for that.
        self._alive = os.open(workflow.path / "alive", os.O_RDONLY | os.O_NONBLOCK)
        self.killed = 0

    def journal(self) -> list[str]:
        path = self.workflow.path / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def kill_after(self, finished: int, pause: float) -> int:
        """Run, and kill Snakemake some time after so many jobs; return how many it said to have finished."""
        process = self.workflow.start("--rerun-incomplete")
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen += line.startswith("Finished jobid:")
            if seen >= finished and line.startswith(("Finished jobid:", "rule ")):
                break
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        self.killed += process.wait() == -signal.SIGKILL
        seen += sum(line.startswith("Finished jobid:") for line in process.stdout)
        process.stdout.close()
        os.set_blocking(self._alive, True)
        assert os.read(self._alive, 1) == b""  # the last job is gone
        os.set_blocking(self._alive, False)
        return seen

    def state(self) -> State:
        """Return what was done and what is left now that it is killed; this unlocks the directory."""
        unlocking = self.workflow.start("--unlock")
        planned = self.workflow.run("--rerun-incomplete", "--dry-run").said
        unlocking.communicate()
        assert unlocking.returncode == 0
        left = set(re.findall(r"^    output: (.*)$", planned, re.MULTILINE))
        return State(tuple(self.journal()), left)

    def close(self) -> None:
        os.close(self._alive)


@pytest.fixture
def life(workflow: Workflow) -> Iterator[Life]:
    workflow.write("Snakefile", SNAKEFILE)
    lived = Life(workflow)
    yield lived
    lived.close()


def undisturbed() -> dict[str, bytes]:
    """Return the files that a run makes that nobody disturbs."""

    def made(i: int) -> bytes:
        return "".join(f"{n}\n" for n in range(1, i + 1)).encode()

    some = [made(i) for i in sorted(range(0, JOBS, 10), key=lambda i: f"{i} x.txt")]
    halves = [made(i) for half in (0, 1) for i in range(half, JOBS, 2)]
    return {
        **{f"one/{i} x.txt": made(i) for i in range(JOBS)},
        **{f"folder/{i} x.txt": made(i) for i in range(0, JOBS, 10)},
        **{f"logs/{i}.log": b"begun\n" for i in range(JOBS)},
        "all.txt": b"".join([*halves, *some]),
    }


@pytest.mark.timeout(300 if KILLS <= 3 else 7200)
def test_killed_runs_are_finished_and_nothing_is_done_twice(life: Life) -> None:
    chance = random.Random(SEED)
    print(f"DODAS_KILLS_SEED={SEED}")
    states: list[State] = []
    for n in range(KILLS):
        share = max(1, (JOBS - len(set(life.journal()))) // (KILLS - n + 1))
        finished = life.kill_after(chance.randrange(2 * share), chance.uniform(0, 0.3) if KILLS > 3 else 0.0)
        states.append(life.state())
        # What it has told to be finished is known to be.
        assert len(states[-1].left) <= JOBS + 5 - finished
    done = life.workflow.run("--rerun-incomplete")
    assert done.code == 0, done.said
    journal = life.journal()
    again = len(journal) - len(set(journal))
    unrecorded = sum(len(state.left & set(state.journal)) for state in states)
    print(f"killed {life.killed} times; {JOBS + 4} jobs; {unrecorded} had finished and were not recorded;")
    print(f"{again} were run again")
    for state in states:
        # The rest is what is done, no more and no less.
        assert set(journal[len(state.journal) :]) <= state.left
    assert set(journal) == {*(f"one/{i} x.txt" for i in range(JOBS)), "folder", *HALVES, "all.txt"}
    # A command that had written its name may have been killed before it had ended.
    assert again <= life.killed * cores()
    check_consistent(life.workflow)
    files = life.workflow.files()
    for name in ("journal", "Snakefile", "folder/.snakemake_timestamp"):
        del files[name]
    assert files == undisturbed()


def test_a_job_that_finished_before_a_kill_is_taken_over_although_it_was_not_recorded(
    workflow: Workflow,
) -> None:
    # While Snakemake computes parameters, it records nothing.
    workflow.write(
        "Snakefile",
        """
def stuck(wildcards):
    if os.path.exists("entered") and os.path.exists("gate.txt"):
        open("entered", "w").close()
        open("never").read()
    return "x"

rule all:
    input: "slow.txt", "third.txt"

rule slow:
    output: "slow.txt"
    benchmark: "slow.tsv"
    shell: "echo up > up; cat down > {output}; echo slow >> journal"

rule gate:
    output: "gate.txt"
    shell: "cat up > {output}; echo gate >> journal"

rule third:
    input: "gate.txt"
    output: "third.txt"
    params: stuck
    shell: "echo {params} > {output}; echo third >> journal"
""",
    )
    pipes = [workflow.path / name for name in ("up", "down", "entered", "never")]
    for pipe in pipes:
        os.mkfifo(pipe)
    process = workflow.start("--dodas-cores", "2")
    workflow.read("entered")
    workflow.write("down", "made once\n")
    notes = workflow.path / ".snakemake/dodas/finished"
    while len(notes.read_text().splitlines()) < 2:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    for pipe in pipes:
        pipe.unlink()
    assert workflow.run("--unlock").code == 0
    done = workflow.run("--rerun-incomplete")
    assert done.code == 0, done.said
    assert "dodas: 1 step, 0 failed" in done.said
    assert workflow.read("journal") == "gate\nslow\nthird\n"
    assert workflow.read("slow.txt") == "made once\n"
    assert len(workflow.read("slow.tsv").splitlines()) == 2
    assert not notes.exists()
    check_consistent(workflow)


def check_consistent(workflow: Workflow) -> None:
    """See that Snakemake holds everything for done, and that nothing of the killed runs lies about."""
    assert "Nothing to be done" in workflow.run("--dry-run").said
    summary = [line.split("\t") for line in workflow.run("--summary").said.splitlines() if "\t" in line]
    assert {row[-1] for row in summary[1:]} == {"no update"}
    assert {row[-2] for row in summary[1:]} <= {"ok", "removed temp file"}
    records = workflow.path / ".snakemake"
    for name in ("incomplete", "locks", "scripts", "shadow"):
        assert not [path for path in (records / name).glob("**/*") if path.is_file()]
    assert not list(records.glob("shell_tmp*"))
