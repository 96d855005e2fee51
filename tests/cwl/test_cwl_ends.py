"""How runs end that do not end well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from cwlcases import Cwl, host_tool


def parallel(**scripts: str) -> dict[str, Any]:
    """Return a workflow with one independent step per script."""
    steps = {}
    for name, script in scripts.items():
        steps[name] = {"run": host_tool("sh", "-c", script), "in": {}, "out": ["out"]}
    outputs = {name: {"type": "File", "outputSource": f"{name}/out"} for name in scripts}
    return {"class": "Workflow", "inputs": {}, "outputs": outputs, "steps": steps}


def test_a_failed_step_is_named_explained_and_kept(cwl: Cwl) -> None:
    answer = cwl(parallel(bad="echo it broke here >&2; echo half > result; exit 7"))
    assert answer.status == 1
    assert "bad" in answer.stderr
    assert "exit status 7" in answer.stderr
    assert "it broke here" in answer.stderr
    assert [path.read_text() for path in cwl.tmp.rglob("result")] == ["half\n"]
    (kept,) = cwl.tmp.rglob("result")
    assert str(kept.parent) in answer.stderr
    (log,) = (path for path in cwl.tmp.rglob("stderr") if path.read_text() == "it broke here\n")
    assert str(log) in answer.stderr
    assert cwl(host_tool("true")).status == 0
    assert kept.exists()


def test_an_output_that_is_not_there_is_the_steps_failure(cwl: Cwl) -> None:
    document = host_tool("true")
    document["outputs"]["missing"] = {"type": "File", "outputBinding": {"glob": "nothing"}}
    answer = cwl(document)
    assert answer.status == 1
    assert "missing" in answer.stderr
    assert "its outputs are not what the tool describes" in answer.stderr


def test_a_missing_command_is_said_so(cwl: Cwl) -> None:
    answer = cwl(host_tool("no-such-command-anywhere"))
    assert answer.status == 1
    assert "no-such-command-anywhere" in answer.stderr


def test_a_signal_is_no_success(cwl: Cwl) -> None:
    answer = cwl(host_tool("sh", "-c", "kill -KILL $$"))
    assert answer.status == 1
    assert "SIGKILL" in answer.stderr


def test_codes_that_the_tool_declares(cwl: Cwl) -> None:
    assert cwl(host_tool("sh", "-c", "echo fine; exit 3", successCodes=[3])).text() == "fine\n"
    assert (
        "temporaryFail"
        in cwl(host_tool("sh", "-c", "exit 4", temporaryFailCodes=[4]), {}, "--verbose").stderr
    )


def test_a_time_limit_ends_the_step_and_all_it_started(cwl: Cwl) -> None:
    script = f"sleep 300 & echo $! > {cwl.place}/pid; sleep 300"
    answer = cwl(host_tool("sh", "-c", script, requirements={"ToolTimeLimit": {"timelimit": 1}}))
    assert answer.status == 1
    assert "time limit" in answer.stderr
    assert not psutil.pid_exists(int((cwl.place / "pid").read_text()))


def test_memory_is_reserved_and_limited_only_on_demand(cwl: Cwl) -> None:
    hungry = "import sys, time; held = bytearray(400 << 20); time.sleep(float(sys.argv[1]))"
    document = host_tool(sys.executable, "-c", hungry, requirements={"ResourceRequirement": {"ramMin": 64}})
    document["inputs"] = {"seconds": {"type": "int", "inputBinding": {}}}
    assert cwl(document, {"seconds": 0}).status == 0
    answer = cwl(document, {"seconds": 300}, "--strict-memory-limit")
    assert answer.status == 1
    assert "its limit is 64" in answer.stderr


def test_the_first_failure_ends_what_is_under_way(cwl: Cwl) -> None:
    # The failing step waits until the other one runs, so the other one is ended and not just never started.
    fifo = cwl.place / "started"
    os.mkfifo(fifo)
    answer = cwl(
        parallel(long=f"echo $$ > {fifo}; exec sleep 300", bad=f"cat {fifo} > {cwl.place}/pid; exit 1"),
        {},
        "--cores",
        "2",
    )
    assert answer.status == 1
    assert not psutil.pid_exists(int((cwl.place / "pid").read_text()))


def test_other_steps_may_go_on(cwl: Cwl) -> None:
    answer = cwl(parallel(bad="exit 1", good=f"echo done > {cwl.place}/good"), {}, "--on-error", "continue")
    assert answer.status == 1
    assert (cwl.place / "good").read_text() == "done\n"


def test_more_cores_than_there_are(cwl: Cwl) -> None:
    document = host_tool("true", requirements={"ResourceRequirement": {"coresMin": 8}})
    answer = cwl(document, {}, "--cores", "1")
    assert answer.status == 1
    assert "asks for 8 cores" in answer.stderr


def test_gpus_that_are_not_there(cwl: Cwl) -> None:
    document = host_tool("true")
    document["$namespaces"] = {"cwltool": "http://commonwl.org/cwltool#"}
    requirement = {"cudaVersionMin": "11.0", "cudaComputeCapability": "3.0", "cudaDeviceCountMin": 2}
    document["requirements"] = {"cwltool:CUDARequirement": requirement}
    answer = cwl(document, {}, "--enable-ext", "--gpus", "0")
    assert answer.status == 1
    assert "asks for 2 GPUs" in answer.stderr


def test_a_dockerfile_is_unsupported(cwl: Cwl) -> None:
    document = host_tool(
        "true", requirements={"DockerRequirement": {"dockerFile": "FROM scratch", "dockerImageId": "x"}}
    )
    answer = cwl.run_containers(document)
    assert answer.status == 33
    assert "dockerFile" in answer.stderr


def test_a_required_container_cannot_be_left_out(cwl: Cwl) -> None:
    document = host_tool("true", requirements={"DockerRequirement": {"dockerPull": "x"}})
    assert cwl(document).status == 33


def test_inputs_that_do_not_fit(cwl: Cwl) -> None:
    document = host_tool("true")
    document["inputs"] = {"count": "int"}
    answer = cwl(document, {"count": "many"})
    assert answer.status == 1
    assert "count" in answer.stderr


def test_an_unknown_option_is_a_wrong_command_line(cwl: Cwl) -> None:
    assert cwl.run("--no-such-option").status == 2
    assert cwl.run().status == 2


def test_secrets_reach_the_tool_and_no_log(cwl: Cwl) -> None:
    document = host_tool(
        "sh",
        "-c",
        'cat secret.txt; echo "$WORD" | tr a-z A-Z',
        requirements={
            "EnvVarRequirement": {"envDef": {"WORD": "$(inputs.password)"}},
            "InitialWorkDirRequirement": {
                "listing": [{"entryname": "secret.txt", "entry": "it is $(inputs.password)"}]
            },
        },
    )
    document["$namespaces"] = {"cwltool": "http://commonwl.org/cwltool#"}
    document["hints"] = {"cwltool:Secrets": {"secrets": ["password"]}}
    document["inputs"] = {"password": "string"}
    answer = cwl(document, {"password": "hunter2"}, "--enable-ext", "--debug", "--leave-tmpdir")
    assert answer.text() == "it is hunter2HUNTER2\n"
    assert "hunter2" not in answer.stderr
    left = [path for path in cwl.tmp.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert left == []


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_all_and_leaves_nothing(cwl: Cwl, number: signal.Signals, status: int) -> None:
    run, pid = _running(cwl)
    run.send_signal(number)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == status, stderr
    assert not psutil.pid_exists(pid)
    assert cwl.left() == []


def test_after_a_kill_nothing_runs_on_and_the_next_run_tidies_up(cwl: Cwl) -> None:
    run, pid = _running(cwl)
    process = psutil.Process(pid)
    run.kill()
    run.communicate(timeout=60)
    process.wait(timeout=60)
    assert cwl(host_tool("echo", "again")).text() == "again\n"
    assert cwl.left() == []


def _running(cwl: Cwl) -> tuple[subprocess.Popen[str], int]:
    """Return a run whose only step is under way, and the step's process."""
    fifo = cwl.place / "started"
    os.mkfifo(fifo)
    run = cwl.start(host_tool("sh", "-c", f"echo $$ > {fifo}; exec sleep 300"))
    return run, int(Path(fifo).read_text())
