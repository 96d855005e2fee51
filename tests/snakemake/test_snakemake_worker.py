"""Jobs that need a second Snakemake, here: forked from one that is loaded, as right as a new one."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import Any

import psutil
import pytest

from snakemake_runs import Workflow

# What a Python process can see of how it was started.
LOOK = r"""
import contextlib, gc, os, signal, sys

def held():
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            name = os.readlink(f"/proc/self/fd/{number}")
            if "/.snakemake/incomplete/" not in name:  # another thread may be writing it
                yield name.partition(":[")[0] if ":[" in name else name

def look():
    with open(f"/proc/{os.getppid()}/cmdline") as file:
        loaded = "snakemake_executor_plugin_dodas.second.warm" in file.read().split("\0")
    return {
        "loaded": loaded,
        "words": [sys.argv, sys.orig_argv, sys.path, os.getcwd(), sys.modules["__main__"].__file__],
        "environ": dict(os.environ),
        "signals": {int(n): str(signal.getsignal(n)).split(" at ")[0] for n in signal.valid_signals()},
        "masked": [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
        "process": [os.getsid(0) == os.getpgid(0) == os.getpid(), os.umask(0o22), os.nice(0)],
        "held": sorted(held()),
        "stdin": sys.stdin.read(),
        "python": [gc.isenabled(), sys.stdout.line_buffering, sys.stderr.line_buffering],
    }
"""

SNAKEFILE = """
import json, os, sys
sys.path.insert(0, "code")

rule all:
    input: "0.json"

rule look:
    output: "{i}.json"
    run:
        import look
        print("to standard output")
        print("to standard error", file=sys.stderr)
        with open(output[0], "w") as file:
            json.dump(look.look(), file)
"""

# Stops the one that is to be loaded before it is.
BREAKS = """
import os, sys
if "snakemake_executor_plugin_dodas.second.warm" in sys.orig_argv:
    os._exit(3)
"""


def looked(workflow: Workflow) -> Any:
    """Return what the job saw, without names that are random."""
    text = workflow.read("0.json")
    return json.loads(re.sub(r"snakemake-runtime-cache/\w+|\d{4}-\d\d-\d\dT[\d.]+/look[\d.]+", "", text))


@pytest.fixture
def look(workflow: Workflow) -> Workflow:
    workflow.write("code/look.py", LOOK)
    workflow.write("Snakefile", SNAKEFILE)
    return workflow


def test_a_fork_is_as_a_new_one(look: Workflow) -> None:
    place = look.write("breaks/sitecustomize.py", BREAKS).parent
    look.env["PYTHONPATH"] = f"{place}{os.pathsep}{look.env['PYTHONPATH']}"
    look.env["PYTHONHASHSEED"] = "0"  # Snakemake writes sets into the command
    done = look.run()
    assert done.code == 0, done.said
    plain = looked(look)
    assert not plain.pop("loaded")
    (place / "sitecustomize.py").write_text("")
    assert look.run("--forceall").code == 0
    forked = looked(look)
    assert forked.pop("loaded")
    assert plain == forked


def test_wildcards_may_be_anything(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        r"""
NAMES = ["back\\slash", "a $' \"z"]

rule all:
    input: expand("{name}.txt", name=NAMES)

rule one:
    output: "{name}.txt"
    run:
        with open(output[0], "w") as file:
            file.write(wildcards.name)
""",
    )
    done = workflow.run()
    assert done.code == 0, done.said
    for name in ("back\\slash", "a $' \"z"):
        assert workflow.read(f"{name}.txt") == name


def test_what_a_job_prints_is_in_its_logs(look: Workflow) -> None:
    assert look.run("0.json").code == 0
    logs = {path.suffix: path.read_text() for path in look.logs()}
    assert "to standard output" in logs[".out"]
    assert "to standard error" in logs[".err"]


def test_a_failure_is_told(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule one:
    output: "one"
    run:
        raise ValueError("so it goes")
""",
    )
    done = workflow.run()
    assert done.code == 1
    assert "so it goes" in done.said


def test_memory_is_limited(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule large:
    output: "large"
    resources: mem_mb=300
    run:
        import time
        held = b"x" * 600_000_000
        time.sleep(300)
""",
    )
    done = workflow.run()
    assert done.code == 1
    assert "of memory and its limit is 286 MiB" in done.said


def test_what_a_job_uses_is_its_own(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule one:
    output: "one"
    run:
        import time
        while time.process_time() < 3:
            pass
        open(output[0], "w").close()
""",
    )
    done = workflow.run()
    line = next(line for line in done.said.splitlines() if line.startswith("dodas: "))
    assert 2.5 < float(line.partition("s wall, ")[2].split()[0]) < 6


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_an_interrupted_run(workflow: Workflow, how: signal.Signals) -> None:
    workflow.write(
        "Snakefile",
        """
rule one:
    output: "one"
    run:
        shell("echo $$ > pid; exec sleep 300")
""",
    )
    os.mkfifo(workflow.path / "pid")
    run = workflow.start()
    job = psutil.Process(int(workflow.read("pid")))
    server = next(
        one for one in job.parents() if "snakemake_executor_plugin_dodas.second.warm" in one.cmdline()
    )
    run.send_signal(how)
    run.communicate(timeout=60)
    gone, alive = psutil.wait_procs([job, server], timeout=30)
    assert not alive
    assert len(gone) == 2


def test_the_loaded_one_may_be_killed(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
import os, signal, psutil

WARM = "snakemake_executor_plugin_dodas.second.warm"

rule all:
    input: "last"

rule first:
    output: "first"
    retries: 1
    run:
        if not os.path.exists("tried"):
            open("tried", "w").close()
            above = [one for one in psutil.Process().parents() if WARM in one.cmdline()]
            above[-1].send_signal(signal.SIGKILL)
            signal.pause()
        open(output[0], "w").close()

rule last:
    input: "first"
    output: "last"
    run:
        open(output[0], "w").close()
""",
    )
    done = workflow.run()
    assert done.code == 0, done.said
    assert "died" in done.said
