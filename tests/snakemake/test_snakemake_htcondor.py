"""Workflows on a pool of HTCondor: the same files, whatever happens meanwhile, and nothing run twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import python_image
import smallimage
from htcondor_runs import wait_for
from snakemake_runs import Workflow, make_workflow

OnPool = Callable[[Workflow, str], Workflow]
KINDS = ["shared", "far"]

SIXTY = r"""
shell.executable("/bin/sh")
OUTSIDE = config["outside"]
HOSTILE = ["a b", "quo'te", 'dou"ble', "-dash", "semi;colon", "per%cent", "dollar$HOME", "ünïcödé",
           "back\\slash", "star*", "tab\there", "#hash", "=x", "com,ma", "co:lon", "s[1]"]

envvars: "DECLARED"

container: "docker://{image}"

rule all:
    input:
        "sum.txt", "found.txt", "script.txt", "shadow.txt", "sourced.txt", "touched", "updated.txt",
        "grouped.txt", "host.txt", "protected.txt", "bench.txt", "bash.txt", "long.txt",
        "environment.txt", "notes.txt", OUTSIDE + "/made here/out.txt"

rule named:
    output: "named/{{name}}/raw.txt"
    log: "logs/{{name}}.log"
    params: value=lambda wildcards: wildcards.name
    shell: "printf %s {{params.value:q}} > {{output:q}}; echo logged > {{log:q}}"

rule twice:
    input: "named/{{name}}/raw.txt"
    output: temp("twice/{{name}}.txt")
    shell: "cat {{input:q}} {{input:q}} /marker > {{output:q}}"

rule sum:
    input: expand("twice/{{name}}.txt", name=HOSTILE)
    output: "sum.txt"
    shell: "cat {{input:q}} > {{output}}"

checkpoint split:
    input: "sum.txt"
    output: directory("parts")
    shell: "mkdir -p {{output}}/more/empty; cp {{input}} '{{output}}/more/a file'; "
           "ln -s 'more/a file' {{output}}/link; "
           "printf '#!/bin/sh\necho program\n' > {{output}}/program; chmod +x {{output}}/program; "
           "for i in 1 2 3 4 5 6 7 8; do echo $i > {{output}}/$i.txt; done"

rule part:
    input: "parts/{{i}}.txt", "parts"
    output: temp("done/{{i}}.txt")
    shell: "{{input[1]}}/program > {{output}}; cat {{input[0]}} {{input[1]}}/link >> {{output}}"

def done(wildcards):
    found = glob_wildcards(os.path.join(checkpoints.split.get().output[0], "{{i,[0-9]+}}.txt")).i
    return expand("done/{{i}}.txt", i=sorted(found))

rule found:
    input: done
    output: "found.txt"
    shell: "cat {{input}} > {{output}}"

rule script:
    input: "named/a b/raw.txt"
    output: "script.txt"
    log: "logs/script.log"
    params: words=["a b", "c'd"], table={{"x": {{1, 2}}}}
    threads: 2
    script: "scripts/in.py"

rule note:
    input: "named/{{name}}/raw.txt"
    output: "notes/{{name}}.txt"
    params: name="{{name}}"
    script: "scripts/note.py"

rule notes:
    input: expand("notes/{{name}}.txt", name=HOSTILE[:4])
    output: "notes.txt"
    shell: "cat {{input:q}} > {{output}}"

rule bash:
    input: "named/a b/raw.txt"
    output: "bash.txt"
    container: None
    script: "scripts/in.sh"

rule sourced:
    output: "sourced.txt"
    params: tool=workflow.source_path("scripts/tool.sh")
    shell: "sh {{params.tool:q}} > {{output}}"

rule shadow:
    input: "sum.txt"
    output: "shadow.txt"
    shadow: "minimal"
    shell: "cp {{input}} rubbish; cat rubbish > {{output}}"

rule touched:
    output: touch("touched")
    shell: "test -e /marker"

rule updated:
    input: "sum.txt"
    output: update("updated.txt")
    shell: "cat {{input}} >> {{output}}"

rule first:
    output: temp("first.txt")
    group: "pair"
    shell: "echo first > {{output}}"

rule grouped:
    input: "first.txt"
    output: "grouped.txt"
    group: "pair"
    shell: "cat {{input}} /marker > {{output}}"

rule host:
    input: "sum.txt", OUTSIDE + "/in.txt"
    output: "host.txt", directory("host dir")
    container: None
    params: place=workflow.basedir
    shell: "test ! -e /marker; wc -c < {{input[0]}} > {{output[0]}}; mkdir '{{output[1]}}'; "
           "test \"$(pwd)\" = {{params.place:q}}; cat {{params.place:q}}/sum.txt > '{{output[1]}}/copy'"

rule protected:
    output: protected("protected.txt")
    shell: "echo x > {{output}}"

rule bench:
    output: "bench.txt"
    benchmark: repeat("bench.tsv", 2)
    shell: "cat /marker > {{output}}"

rule long:
    output: "long.txt"
    params: words=" ".join(map(str, range(30000)))
    shell: "echo {{params.words}} > {{output}}"

rule environment:
    output: "environment.txt"
    threads: 2
    shell: "echo $DECLARED $TMPDIR {{resources.tmpdir}} $OMP_NUM_THREADS > {{output}}; touch $TMPDIR/x"

rule outside:
    input: OUTSIDE + "/in.txt", "link.txt"
    output: OUTSIDE + "/made here/out.txt"
    shell: "cat {{input:q}} > {{output:q}}; ls -a {{OUTSIDE:q}} >> {{output:q}}"
"""

SCRIPTS = {
    "in.py": """
from pathlib import Path
import helper
from snakemake.shell import shell
Path(snakemake.log[0]).write_text("logged")
words = f"{snakemake.params.words} {sorted(snakemake.params.table['x'])} {helper.WORD} {snakemake.threads}"
text = Path("/marker").read_text() + words + Path(snakemake.input[0]).read_text()
Path(snakemake.output[0]).write_text(text)
shell("echo from a shell >> {snakemake.output}")
""",
    "note.py": "open(snakemake.output[0], 'w').write(snakemake.params.name)",
    "helper.py": "WORD = 'helped'",
    "tool.sh": "echo a tool",
    "in.sh": 'cat "${snakemake_input[0]}" > "${snakemake_output[0]}"; echo bash >> "${snakemake_output[0]}"',
}


def prepare(base: Path) -> tuple[Workflow, Path]:
    """Return the workflow with its sources, and the directory outside of it that it uses."""
    made, outside = make_workflow(base / "work dir"), base / "out side"
    made.write("Snakefile", SIXTY.format(image=python_image.NAME))
    for name, text in SCRIPTS.items():
        made.write(f"scripts/{name}", text)
    made.write("updated.txt", "before\n")
    outside.mkdir()
    (outside / "in.txt").write_text("input\n")
    (outside / "deep").mkdir()
    (outside / "deep/target.txt").write_text("through a link\n")
    (made.path / "link.txt").symlink_to(outside / "deep/target.txt")
    made.env.update(DECLARED="a 'declared' value", LC_ALL="C.UTF-8")
    return made, outside


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have the images in the store."""
    folder = tmp_path_factory.mktemp("images")
    smallimage.fill(os.environ["UDOCKER_DIR"], folder)
    python_image.fill(os.environ["UDOCKER_DIR"], folder)


def contents(made: Workflow, outside: Path) -> dict[str, object]:
    """Return all that is there: content of files, targets of links, permissions; and empty directories."""
    found: dict[str, object] = {}
    for top in (made.path, outside):
        for path in sorted(top.rglob("*")):
            name = str(path.relative_to(top.parent))
            if ".snakemake" in name or path.name == "__pycache__" or path.parent.name == "__pycache__":
                continue
            if path.is_symlink():
                found[name] = os.readlink(path).replace(str(top.parent), "")
            elif path.is_dir():
                found[name] = "directory"
            else:
                found[name] = path.read_bytes(), path.stat().st_mode & 0o777
    del found["work dir/bench.tsv"]
    return found


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, images: None) -> dict[str, object]:
    made, outside = prepare(tmp_path_factory.mktemp("here"))
    done = made.run("--config", f"outside={outside}")
    assert done.code == 0, done.said
    return contents(made, outside)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_those_of_a_run_on_this_machine(
    kind: str, here: dict[str, object], tmp_path: Path, on_pool: OnPool
) -> None:
    made, outside = prepare(tmp_path)
    made = on_pool(made, kind)
    done = made.run("--config", f"outside={outside}")
    assert done.code == 0, done.said
    found = contents(made, outside)
    assert set(found) == set(here)
    different = [name for name in here if found[name] != here[name]]
    assert not different, {name: (here[name], found[name]) for name in different}
    assert int(done.said.split("dodas: ")[1].split()[0]) >= 60  # steps
    assert not list((made.path / ".snakemake/scripts").glob("*"))
    assert not list((made.path / ".snakemake").glob("shell_tmp.*"))
    assert not (made.path / ".snakemake/dodas/htcondor").exists()
    # The path of a source in Snakemake's cache differs from run to run, and is a parameter.
    again = made.run("--rerun-triggers", "mtime", "--config", f"outside={outside}")
    assert "Nothing to be done" in again.said


class Queue:
    """What the pool of a workflow says about its jobs."""

    def __init__(self, workflow: Workflow) -> None:
        from dodas.pool.access import configure

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DODAS_STATE", workflow.env["DODAS_STATE"])
            configure(workflow.options[-1])
        import htcondor2

        self._schedd = htcondor2.Schedd()
        self._run = workflow.path / ".snakemake/dodas/htcondor/run.json"

    def run(self) -> str:
        """Return the condition for the jobs of the run that is under way, or was left."""
        if not self._run.exists():
            return "false"
        return f'DodasRun == "{json.loads(self._run.read_text())["run"]}"'

    def await_running(self) -> str:
        """Wait until a job runs; return the condition for the jobs of its run."""
        wait_for(lambda: [job for job in self.jobs(self.run()) if job["JobStatus"] == 2] or None, "a job")
        return self.run()

    def jobs(self, run: str) -> list[Any]:
        return list(self._schedd.query(run))

    def hold(self, run: str) -> None:
        import htcondor2

        self._schedd.act(htcondor2.JobAction.Hold, run)

    def release(self, run: str) -> None:
        """Release what is held, which a job that is still being taken off its slot is not yet."""
        import htcondor2

        def released() -> bool:
            self._schedd.act(htcondor2.JobAction.Release, run)
            return all(job["JobStatus"] != 5 for job in self.jobs(run))

        wait_for(lambda: released() or None, "the release of a job")

    def over(self, run: str) -> list[Any]:
        return list(self._schedd.history(run, ["NumJobStarts", "JobStatus"]))

    def submitted(self, run: str) -> set[tuple[int, int]]:
        """Return the ids of all jobs; one that leaves the queue between the two questions counts once."""
        now = self._schedd.query(run, ["ClusterId", "ProcId"])
        past = self._schedd.history(run, ["ClusterId", "ProcId"])
        return {(job["ClusterId"], job["ProcId"]) for job in (*now, *past)}


@contextmanager
def running(workflow: Workflow, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Have a Snakemake at work, which is killed if it does not end."""
    process = workflow.start(*arguments)
    assert process.stdout is not None
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


LONG = """
shell.executable("/bin/sh")
container: "docker://{image}"
rule all:
    input: "sum.txt"
rule one:
    output: "made/{{i}}.txt", directory("made/{{i}}")
    log: "logs/{{i}}.log"
    params: seconds=lambda wildcards: 3 * int(wildcards.i)
    shell: "mkdir {{output[1]}}; sleep {{params.seconds}}; cat /proc/sys/kernel/random/uuid > {{output[0]}}; "
           "cp {{output[0]}} '{{output[1]}}/a copy'; echo log > {{log}}"
rule script:
    input: "made/0.txt"
    output: "script.txt"
    params: words=["a", "b"], table={{"x": 1}}
    script: "script.py"
rule sum:
    input: expand("made/{{i}}.txt", i=range(5)), "script.txt"
    output: "sum.txt"
    shell: "cat {{input}} > {{output}}"
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_command_takes_up_what_a_killed_one_left(
    kind: str, workflow: Workflow, on_pool: OnPool, images: None
) -> None:
    workflow.write("Snakefile", LONG.format(image=python_image.NAME))
    workflow.write(
        "script.py", "import time; time.sleep(4); open(snakemake.output[0], 'w').write('script\\n')"
    )
    workflow = on_pool(workflow, kind)
    queue = Queue(workflow)
    made = workflow.path / "made"
    with running(workflow, "--dodas-bundle", "off") as process:
        metadata = workflow.path / ".snakemake/metadata"
        wait_for(lambda: len(list(metadata.glob("*"))) >= 2 or None, "a job that Snakemake took note of")
        run = queue.run()
        wait_for(lambda: len(queue.submitted(run)) == 6 or None, "the job of the script")
        process.kill()
    first = (made / "0.txt").read_text()
    # Some finish while nobody looks; the last goes on.
    wait_for(lambda: len(queue.jobs(run)) <= 2 or None, "jobs that end by themselves")
    assert queue.jobs(run), "the test was too slow to see one under way"
    assert workflow.run().code == 1  # locked, as Snakemake leaves it
    assert workflow.run("--unlock").code == 0
    done = workflow.run("--rerun-incomplete", "--dodas-bundle", "off")
    assert done.code == 0, done.said
    assert (made / "0.txt").read_text() == first
    assert {path.name for path in made.iterdir()} == {f"{i}{end}" for i in range(5) for end in (".txt", "")}
    assert all((made / f"{i}/a copy").read_bytes() == (made / f"{i}.txt").read_bytes() for i in range(5))
    assert len(set(workflow.read("sum.txt").splitlines())) == 6
    assert [job["NumJobStarts"] for job in queue.over(run)] == [1] * 7
    assert not queue.jobs(run)
    assert not list((workflow.path / ".snakemake/scripts").glob("*"))
    assert "Nothing to be done" in workflow.run().said
    assert workflow.run("--forceall", "made/0.txt").code == 0  # asked for again, it is done again
    assert (made / "0.txt").read_text() != first


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_changed_meanwhile_is_run_anew(
    kind: str, workflow: Workflow, on_pool: OnPool, images: None
) -> None:
    text = f"""
shell.executable("/bin/sh")
rule one:
    output: "x"
    container: "docker://{smallimage.NAME}"
    shell: "echo up >&2; sleep 1000; echo old > {{output}}"
"""
    workflow.write("Snakefile", text)
    workflow = on_pool(workflow, kind)
    queue = Queue(workflow)
    with running(workflow) as process:
        run = queue.await_running()
        process.kill()
    assert workflow.run("--unlock").code == 0
    workflow.write("Snakefile", text.replace("sleep 1000; echo old", "echo new"))
    done = workflow.run("--rerun-incomplete")
    assert done.code == 0, done.said
    assert workflow.read("x") == "new\n"
    assert not queue.jobs(run)


@pytest.mark.parametrize("kind", KINDS)
def test_resources_are_in_the_ads_and_ctrl_c_leaves_no_job(
    kind: str, workflow: Workflow, on_pool: OnPool, images: None
) -> None:
    workflow.write(
        "Snakefile",
        f"""
shell.executable("/bin/sh")
rule one:
    output: "x"
    container: "docker://{smallimage.NAME}"
    threads: 2
    resources:
        mem_mb=300, disk_mb=100, runtime=7,
        htcondor_rank="Memory", htcondor_priority=3, htcondor_concurrency_limits="licence",
        htcondor_requirements='OpSys == "LINUX"', htcondor_attributes='Project="a;b"; +Urgent=true'
    shell: "sleep 1000; touch {{output}}"
""",
    )
    workflow = on_pool(workflow, kind)
    queue = Queue(workflow)
    with running(workflow, "--dodas-condor", "+Run=17", "accounting_group=group_test") as process:
        run = queue.await_running()
        [job] = queue.jobs(run)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate()
    assert job["RequestCpus"] == 2
    assert job["RequestMemory"] >= 286  # MiB
    assert job["RequestDisk"] >= 97656  # KiB
    assert (str(job["Rank"]), job["JobPrio"], job["ConcurrencyLimits"]) == ("Memory", 3, "licence")
    assert 'OpSys == "LINUX"' in str(job["Requirements"])
    assert (job["Project"], job["Urgent"], job["Run"]) == ("a;b", True, 17)
    assert job["AcctGroup"] == "group_test"
    assert process.returncode != 0
    assert "Traceback" not in said
    assert not queue.jobs(run)
    assert not (workflow.path / "x").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_retries_with_an_attempt_and_a_failure_that_is_shown(
    kind: str, workflow: Workflow, on_pool: OnPool, images: None
) -> None:
    workflow.write(
        "Snakefile",
        f"""
shell.executable("/bin/sh")
container: "docker://{smallimage.NAME}"
rule all:
    input: "tries.txt", "bad.txt", "good.txt"
rule tries:
    output: "tries.txt"
    retries: 2
    resources: mem_mb=lambda wildcards, attempt: 100 * attempt
    shell: "test {{resources.mem_mb}} = 200 && echo {{resources.mem_mb}} > {{output}}"
rule bad:
    output: "bad.txt"
    log: "bad.log"
    shell: "echo partial > {{output}}; echo logged > {{log}}; echo the reason is here >&2; exit 3"
rule good:
    output: "good.txt"
    shell: "echo x > {{output}}"
""",
    )
    workflow = on_pool(workflow, kind)
    done = workflow.run("--keep-going")
    assert done.code == 1
    assert workflow.read("tries.txt") == "200\n"
    assert workflow.read("good.txt") == "x\n"
    assert not (workflow.path / "bad.txt").exists()
    told = done.said.split("Error in rule bad")[1]
    assert "exit status 3" in told
    assert "the reason is here" in told
    assert ", on " in told.split("Last lines")[0]
    [log] = [log for log in workflow.logs() if log.name.startswith("bad")]
    assert log.read_text() == "the reason is here\n"
    assert str(log) in told
    assert workflow.read("bad.log") == "logged\n"


def test_held_jobs_say_why_and_follow_the_policy(workflow: Workflow, on_pool: OnPool, images: None) -> None:
    workflow.write(
        "Snakefile",
        f"""
shell.executable("/bin/sh")
rule one:
    output: "x"
    container: "docker://{smallimage.NAME}"
    shell: "test -e go || sleep 1000; touch {{output}}"
""",
    )
    workflow = on_pool(workflow, "shared")
    queue = Queue(workflow)
    with running(workflow, "--dodas-on-hold", "wait") as process:
        run = queue.await_running()
        queue.hold(run)
        assert process.stdout is not None
        said = next(line for line in process.stdout if "held in the queue" in line)
        workflow.write("go", "")
        queue.release(run)
        process.communicate()
    assert said.startswith("Job 0 (one): held in the queue: somebody held it")
    assert process.returncode == 0
    for name in ("go", "x"):
        (workflow.path / name).unlink()
    with running(workflow, "--dodas-on-hold", "fail") as process:
        queue.hold(queue.await_running())
        rest, _ = process.communicate()
    assert process.returncode == 1
    assert "held in the queue: somebody held it" in rest.split("Error in rule one")[1]


def test_what_needs_a_shared_disk_fails_alone_and_says_so(
    workflow: Workflow, on_pool: OnPool, images: None
) -> None:
    workflow.write(
        "Snakefile",
        """
localrules: here
rule all:
    input: "good.txt", "run.txt", "python.txt", "piped.txt", "above.txt"
rule good:
    input: "here.txt"
    output: "good.txt"
    shell: "cat {input} > {output}"
rule here:
    output: "here.txt"
    run: shell("echo here > {output}")
rule blocked:
    output: "run.txt"
    run: shell("echo x > {output}")
rule python:
    output: "python.txt"
    script: "script.py"
rule source:
    output: pipe("pipe")
    shell: "echo x > {output}"
rule piped:
    input: "pipe"
    output: "piped.txt"
    shell: "cat {input} > {output}"
rule above:
    output: "../above.txt"
    shell: "echo x > {output}"
rule more:
    input: "../above.txt"
    output: "above.txt"
    shell: "cat {input} > {output}"
""",
    )
    workflow.write("script.py", "")
    workflow = on_pool(workflow, "far")
    done = workflow.run("--keep-going")
    assert done.code == 1
    assert workflow.read("good.txt") == "here\n"
    assert "'blocked' needs a second Snakemake" in done.said
    assert "it has a run block" in done.said
    assert "localrules" in done.said
    assert "'python' has a script for the Python of this machine" in done.said
    assert "--dodas-image" in done.said
    assert "tied by pipes" in done.said
    assert "'above' names ../above.txt" in done.said
    assert "Traceback" not in done.said


def test_an_image_for_all_jobs(workflow: Workflow, on_pool: OnPool, images: None) -> None:
    workflow.write(
        "Snakefile",
        """
shell.executable("/bin/sh")
rule one:
    output: "x"
    shell: "cat /marker > {output}"
""",
    )
    done = on_pool(workflow, "far").run("--dodas-image", f"docker://{smallimage.NAME}")
    assert done.code == 0, done.said
    assert workflow.read("x") == "image\n"


def test_a_pool_that_is_not_there_is_a_plain_error(workflow: Workflow, on_pool: OnPool) -> None:
    workflow.write("Snakefile", 'rule one:\n output: "x"\n shell: "touch {output}"\n')
    made = on_pool(workflow, "far")
    done = made.run("--dodas-pool", "no-such-pool")
    assert done.code == 1
    assert "no-such-pool" in done.said
    assert "Traceback" not in done.said
