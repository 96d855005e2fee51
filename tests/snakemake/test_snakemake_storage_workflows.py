"""Real workflows whose files are on storage: here and on a pool, while servers come and go."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import smallimage
from servers.apache import Apache
from servers.ports import until
from snakemake_runs import RELEASE, Done, Workflow
from snakemake_storage import literal

OnPool = Callable[[Workflow, str], Workflow]

# With storage as the default for all files but those that are `local`; some are named by their URLs.
SNAKEFILE = r"""
shell.executable("/bin/sh")
TOP = config.get("top", "")

def place(name):
    return storage(f"{TOP}/{name}") if TOP else name

SAMPLES = sorted(glob_wildcards(place("in/{sample}.txt")).sample)

localrules: all, pause

rule all:
    input: "out/sum.txt", "out/parts", place("out/late.bin"), local("local.txt")

rule double:
    input: "in/{sample}.txt"
    output: "out/double/{sample}.txt"
    log: "out/logs/{sample}.log"
    shell: "cat {input:q} {input:q} > {output:q}; echo doubled > {log:q}"

rule pause:
    input: expand("out/double/{sample}.txt", sample=SAMPLES)
    output: local("paused")
    params: talk=config.get("talk", "")
    shell: "if test -n '{params.talk}'; then "
           "echo here > {params.talk}/reached; read go < {params.talk}/go; fi; echo paused > {output}"

rule sum:
    input: local("paused"), doubles=expand("out/double/{sample}.txt", sample=SAMPLES)
    output: "out/sum.txt"
    shell: "cat {input.doubles:q} > {output:q}"

rule parts:
    input: "out/sum.txt", place("in/more")
    output: directory("out/parts")
    shell: "mkdir -p '{output}/sub dir'; "
           "for i in 1 2 3 4 5; do echo $i > \"{output}/sub dir/$i%.txt\"; done; "
           "cp {input[0]:q} {output:q}/sum; cat {input[1]}/* > {output:q}/more"

rule late:
    input: local("paused"), place("in/late.bin")
    output: place("out/late.bin")
    shell: "cat {input[1]:q} > {output:q}"

rule local:
    input: "out/parts", place("out/late.bin")
    output: local("local.txt")
    shell: "cat {input[0]:q}/sum {input[1]:q} > {output}"
"""

SAMPLES = ("a b", "quo'te", "per%41cent", "#hash?", "ünïcödé", "+plus", "semi;colon")
INPUTS = {
    **{f"in/{sample}.txt": f"content of {sample}\n".encode() for sample in SAMPLES},
    **{f"in/more/{number}": b"more\n" * number for number in range(3)},
    "in/late.bin": os.urandom(1 << 20),
}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the results of a run without any storage."""
    from snakemake_runs import make_workflow

    made = make_workflow(tmp_path_factory.mktemp("reference") / "work dir")
    made.write("Snakefile", SNAKEFILE)
    for name, content in INPUTS.items():
        target = made.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    done = made.run(executor="local")
    assert done.code == 0, done.said
    files = made.files()
    results = {
        name.removeprefix("store/"): content for name, content in files.items() if "/.snake" not in name
    }
    return {
        name: content for name, content in results.items() if name.startswith("out/") or name == "local.txt"
    }


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    smallimage.fill(os.environ["UDOCKER_DIR"], tmp_path_factory.mktemp("images"))
    return f"docker://{smallimage.NAME}"


def on_storage(federation: Any, *more: str) -> list[str]:
    """Return the options that put a run on a federation."""
    top = literal(federation.url("vo/project"))
    default = ("--default-storage-provider", "dynafed", "--default-storage-prefix", top)
    return [*default, "--config", f"top={top}", *more]


def fill(federation: Any) -> None:
    """Put the inputs on both sites."""
    for name, content in INPUTS.items():
        federation.place(f"vo/project/{name}", content, at=(0, 1))


def results(federation: Any, made: Workflow) -> dict[str, bytes]:
    """Return what the run has made: on either site, and in its own directory."""
    found: dict[str, bytes] = {"local.txt": (made.path / "local.txt").read_bytes()}
    for endpoint in federation.endpoints:
        top = endpoint.root / "vo/project"
        for path in top.glob("out/**/*"):
            if path.is_file():
                content = path.read_bytes()
                assert found.setdefault(str(path.relative_to(top)), content) == content
    return found


@contextmanager
def halfway(made: Workflow, then: Callable[[], object]) -> Iterator[list[str]]:
    """Have ``then`` called when a run is half done; yields the configuration that makes the run tell."""
    talk = made.path.parent / "talk"
    talk.mkdir()
    for name in ("reached", "go"):
        os.mkfifo(talk / name)

    def answer() -> None:
        (talk / "reached").read_text()  # returns when the run has written
        then()
        (talk / "go").write_text("go\n")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield [f"talk={talk}"]
    thread.join(30)
    assert not thread.is_alive(), "the run never came half way"


def run_over_an_outage(made: Workflow, federation: Any, executor: str = "dodas") -> Done:
    """Run the workflow while the first site, which takes what is written, stops half way.

    The federation does not notice but for what is written from then on: readers are still sent there.
    """
    made.write("Snakefile", SNAKEFILE)
    fill(federation)

    def lose() -> None:
        federation.sites[0].stop()
        federation.behaviour.writes_to = (1, 2)

    with halfway(made, lose) as talk:
        done = made.run(*on_storage(federation, *talk), executor=executor)
        assert done.code == 0, done.said
    federation.sites[0].start()
    federation.check()
    federation.expire()
    return done


@pytest.mark.parametrize("executor", ["local", "dodas"])
def test_a_site_stops_while_a_workflow_runs(
    executor: str, dynafed: Any, workflow: Workflow, wanted: dict[str, bytes]
) -> None:
    run_over_an_outage(workflow, dynafed, executor)
    assert results(dynafed, workflow) == wanted
    assert not list((workflow.path / ".snakemake/storage").rglob("*.txt"))  # local copies are gone
    again = workflow.run(*on_storage(dynafed), "--rerun-triggers", "mtime", executor=executor)
    assert "Nothing to be done" in again.said, again.said


@pytest.mark.slow
def test_a_site_stops_while_a_workflow_runs_on_a_pool_without_a_shared_disk(
    dynafed: Any, workflow: Workflow, wanted: dict[str, bytes], on_pool: OnPool, image: str
) -> None:
    made = on_pool(workflow, "far").with_options("--dodas-image", image)
    run_over_an_outage(made, dynafed)
    assert results(dynafed, made) == wanted


SIMPLE = """
shell.executable("/bin/sh")

rule all:
    input: "sum.txt"

rule one:
    output: "made/{name}.txt"
    log: "logs/{name}.log"
    benchmark: "bench/{name}.tsv"
    shell: "echo {wildcards.name} > {output:q}; echo logged > {log:q}"

rule block:
    input: "made/a b.txt"
    output: "block.txt"
    run:
        with open(output[0], "w") as file:
            file.write(open(input[0]).read())

rule script:
    input: "made/c%20d.txt"
    output: "script.txt"
    script: "scripts/copy.py"

rule sum:
    input: "block.txt", "script.txt"
    output: "sum.txt"
    shell: "cat {input:q} > {output}"
"""
COPY = "open(snakemake.output[0], 'w').write(open(snakemake.input[0]).read())"


def default_storage(server: Any) -> list[str]:
    return [
        "--default-storage-provider",
        "dynafed",
        "--default-storage-prefix",
        literal(server.url("vo/run")),
    ]


@pytest.mark.parametrize("executor", ["local", "dodas"])
def test_storage_as_the_default_for_all_files(executor: str, apache: Any, workflow: Workflow) -> None:
    workflow.write("Snakefile", SIMPLE)
    workflow.write("scripts/copy.py", COPY)
    options = default_storage(apache)
    done = workflow.run(*options, executor=executor)
    assert done.code == 0, done.said
    top = apache.root / "vo/run"
    assert (top / "sum.txt").read_text() == "a b\nc%20d\n"
    names = ("made/a b.txt", "logs/c%20d.log", "bench/a b.tsv")
    assert [name for name in names if not (top / name).is_file()] == []
    assert "Nothing to be done" in workflow.run(*options, executor=executor).said
    # What is removed there is made again, and nothing else is.
    (top / "script.txt").unlink()
    (top / "sum.txt").unlink()
    again = workflow.run(*options, executor=executor)
    assert again.code == 0, again.said
    assert "rule script:" in again.said
    assert "rule block:" not in again.said
    assert workflow.run(*options, "--delete-all-output", executor=executor).code == 0
    if RELEASE >= (9, 23):
        assert [path for path in top.rglob("*.txt")] == []


def test_a_federation_that_is_slow_to_notice(dynafed: Any, workflow: Workflow) -> None:
    """It denies for minutes what was stored after somebody had asked for it."""
    dynafed.catalogue.ttl = dynafed.catalogue.negative_ttl = 600.0
    workflow.write("Snakefile", SIMPLE)
    workflow.write("scripts/copy.py", COPY)
    done = workflow.run(*default_storage(dynafed))
    assert done.code == 0, done.said
    assert dynafed.copies("vo/run/sum.txt")[0] == b"a b\nc%20d\n"


NOT_SHARED = ("--shared-fs-usage", "persistence", "software-deployment", "sources", "source-cache")


def test_a_second_snakemake_brings_and_stores_files_itself(apache: Any, workflow: Workflow) -> None:
    workflow.write("Snakefile", SIMPLE)
    workflow.write("scripts/copy.py", COPY)
    options = (*default_storage(apache), *NOT_SHARED)
    done = workflow.run(*options)
    assert done.code == 0, done.said
    top = apache.root / "vo/run"
    assert (top / "sum.txt").read_text() == "a b\nc%20d\n"
    names = ("made/a b.txt", "logs/c%20d.log", "bench/a b.tsv")
    assert [name for name in names if not (top / name).is_file()] == []
    assert "from storage: " not in done.said  # nothing is retrieved by the main process
    assert "Nothing to be done" in workflow.run(*options).said


AREA = r"""
shell.executable("/bin/sh")

rule all:
    input: "sum.txt", "touched", local("here.txt")

rule one:
    output: temp("made/{name}.txt")
    log: "logs/{name}.log"
    group: "pair"
    shell: "printf %s {wildcards.name:q} > {output:q}; echo logged > {log:q}"

rule two:
    input: "made/{name}.txt", "plain.txt"
    output: directory("parts/{name}")
    group: "pair"
    shell: "mkdir -p {output:q}/sub; cat {input:q} > '{output}/sub/it is'; cp {input[0]:q} {output:q}/100%"

rule sum:
    input: expand("parts/{name}", name=["a b", "c%20d", "ü"])
    output: "sum.txt"
    benchmark: "bench.tsv"
    shell: "for i in {input:q}; do cat \"$i/sub/it is\" \"$i/100%\"; done > {output}"

rule touched:
    input: "sum.txt"
    output: touch("touched")
    shell: "test -s {input}"

rule here:
    input: "sum.txt"
    output: local("here.txt")
    shell: "cat {input} > {output}"
"""


def check_area(made: Workflow, federation: Any) -> None:
    """Run a workflow whose files are exchanged through storage, and see that they were.

    The federation denies for seconds what was published after somebody had asked for it.
    """
    federation.catalogue.negative_ttl = 10.0
    made.write("Snakefile", AREA)
    federation.place("vo/area/plain.txt", b"+")
    top = literal(federation.url("vo/area"))
    where = ("--default-storage-provider", "dynafed", "--default-storage-prefix", top)
    options = (*where, *NOT_SHARED)
    done = made.run(*options)
    assert done.code == 0, done.said
    total = "a b+a bc%20d+c%20dü+ü"
    assert made.read("here.txt") == total
    assert federation.copies("vo/area/sum.txt")[0] == total.encode()
    assert federation.copies("vo/area/touched")[0] == b""
    assert federation.copies("vo/area/parts/c%20d/100%")[0] == b"c%20d"
    assert federation.copies("vo/area/logs/ü.log")[0] == b"logged\n"
    assert b"max_rss" in (federation.copies("vo/area/bench.tsv")[0] or b"")
    if RELEASE >= (9, 23):
        assert federation.copies("vo/area/made/a b.txt")[0] is None  # temporary
    # Only for the job that makes a local file, which is a local job.
    assert done.said.count("Retrieving from storage: ") == 1, done.said
    assert "Storing in storage: " not in done.said
    assert [path for path in (made.path / ".snakemake/storage").rglob("*") if path.is_file()] == []
    assert "Nothing to be done" in made.run(*options).said


@pytest.mark.slow
def test_nodes_without_a_shared_disk_exchange_files_through_storage(
    dynafed: Any, workflow: Workflow, on_pool: OnPool, image: str
) -> None:
    check_area(on_pool(workflow, "far").with_options("--dodas-image", image), dynafed)


LEFT = """
shell.executable("/bin/sh")
rule all:
    input: "sum.txt"
rule one:
    output: "made/{i}.txt"
    params: seconds=lambda wildcards: 4 * int(wildcards.i)
    shell: "sleep {params.seconds}; cat /proc/sys/kernel/random/uuid > {output}"
rule sum:
    input: expand("made/{i}.txt", i=range(3))
    output: "sum.txt"
    shell: "cat {input} > {output}"
"""


@pytest.mark.slow
def test_what_nodes_publish_after_a_kill_is_taken_up(
    apache: Any, workflow: Workflow, on_pool: OnPool, image: str
) -> None:
    workflow.write("Snakefile", LEFT)
    made = on_pool(workflow, "far").with_options("--dodas-image", image, "--dodas-bundle", "off")
    options = (*default_storage(apache), *NOT_SHARED)
    folder = apache.root / "vo/run/made"
    process = made.start(*options)
    assert process.stdout is not None
    try:
        until((folder / "0.txt").exists, what="the first file")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    until((folder / "1.txt").exists, what="what a node publishes while nobody looks")
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert made.run(*options, "--unlock").code == 0
    done = made.run(*options, "--rerun-incomplete")
    assert done.code == 0, done.said
    after = {path.name: path.read_text() for path in folder.iterdir()}
    assert {name: after[name] for name in before} == before
    assert (apache.root / "vo/run/sum.txt").read_text() == "".join(after[f"{i}.txt"] for i in range(3))


@pytest.mark.slow
def test_rules_that_nodes_cannot_run_alone_are_named(
    apache: Any, workflow: Workflow, on_pool: OnPool, image: str
) -> None:
    workflow.write("Snakefile", SIMPLE)
    workflow.write("scripts/copy.py", COPY)
    made = on_pool(workflow, "far").with_options("--dodas-image", image)
    done = made.run(*default_storage(apache), *NOT_SHARED, "--", "block.txt")
    assert done.code == 1
    assert "rule 'block' needs a second Snakemake where it runs" in done.said, done.said
    assert "localrules" in done.said


@pytest.mark.slow
def test_tokens_reach_nodes_that_need_them(
    guarded: Apache, pki: Any, workflow: Workflow, on_pool: OnPool, image: str
) -> None:
    workflow.write("Snakefile", SIMPLE)
    made = on_pool(workflow, "far").with_options("--dodas-image", image)
    made.env.update(SSL_CERT_FILE=str(pki.ca), BEARER_TOKEN="open-sesame")
    done = made.run(*default_storage(guarded), *NOT_SHARED, "--", "made/a b.txt")
    assert done.code == 0, done.said
    assert (guarded.root / "vo/run/made/a b.txt").read_text() == "a b\n"
    assert "open-sesame" not in done.said
    left = [path for path in workflow.path.rglob("*") if path.is_file()]
    assert [path for path in left if b"open-sesame" in path.read_bytes()] == []


def test_an_older_output_is_renewed_by_touch(apache: Any, workflow: Workflow) -> None:
    workflow.write("Snakefile", SIMPLE)
    workflow.write("scripts/copy.py", COPY)
    options = default_storage(apache)
    assert workflow.run(*options).code == 0
    os.utime(apache.root / "vo/run/sum.txt", (1e9, 1e9))
    assert "Nothing to be done" not in workflow.run(*options, "--dry-run").said
    touched = workflow.run(*options, "--touch", executor="local")
    assert touched.code == 0, touched.said
    assert (apache.root / "vo/run/sum.txt").read_text() == "a b\nc%20d\n"
    assert "Nothing to be done" in workflow.run(*options).said


def test_a_file_may_be_left_to_the_job(apache: Any, workflow: Workflow) -> None:
    top = literal(apache.url())
    (apache.root / "a b").touch()
    workflow.write(
        "Snakefile",
        f'rule one:\n input: storage("{top}a b", retrieve=False)\n output: "x"\n'
        ' shell: "echo {input:q} > {output}"\n',
    )
    done = workflow.run()
    assert done.code == 0, done.said
    assert workflow.read("x") == f"{top}a b\n"


def test_an_input_that_is_not_there_is_said(apache: Any, workflow: Workflow) -> None:
    query = literal(apache.url("no%20where/x"))
    workflow.write(
        "Snakefile", f'rule one:\n input: storage("{query}")\n output: "x"\n shell: "cat {{input}}"\n'
    )
    done = workflow.run()
    assert done.code == 1
    assert "Missing input files" in done.said
    assert query in done.said


@pytest.fixture
def guarded(tmp_path: Path, pki: Any) -> Iterator[Apache]:
    """An Apache that speaks https with those who have the token ``open-sesame``."""
    with Apache(tmp_path / "guarded", pki=pki, tokens=("open-sesame",)) as server:
        yield server


def test_the_token_is_used_and_never_shown(guarded: Apache, pki: Any, workflow: Workflow) -> None:
    workflow.write("Snakefile", SIMPLE)
    workflow.write("scripts/copy.py", COPY)
    workflow.env["X509_CERT_DIR"] = str(pki.directory)
    refused = workflow.run(*default_storage(guarded))
    assert refused.code == 1
    assert "hint: " in refused.said, refused.said
    workflow.env["BEARER_TOKEN"] = "open-sesame"
    done = workflow.run(
        *default_storage(guarded), "--verbose", "--printshellcmds", "--keep-storage-local-copies"
    )
    assert done.code == 0, done.said
    assert (guarded.root / "vo/run/sum.txt").read_text() == "a b\nc%20d\n"
    assert "open-sesame" not in done.said
    for path in workflow.path.rglob("*"):
        assert not path.is_file() or b"open-sesame" not in path.read_bytes(), path


def test_settings_come_from_options_and_from_the_snakefile(apache: Any, workflow: Workflow) -> None:
    top = literal(apache.url("vo"))
    workflow.write(
        "Snakefile",
        "storage near:\n    provider='dynafed', prefer=['localhost'], per_host=2\n"
        f'rule all:\n input: storage.near("{top}/x"), storage("{top}/y")\n'
        f'rule x:\n output: storage.near("{top}/x")\n shell: "echo x > {{output:q}}"\n'
        f'rule y:\n output: storage("{top}/y")\n shell: "echo y > {{output:q}}"\n',
    )
    options = ("--storage-dynafed-token-hosts", "*.example.org,other.org", "--storage-dynafed-per-host", "3")
    done = workflow.run(*options)
    assert done.code == 0, done.said
    assert (apache.root / "vo/x").read_text() == "x\n"
    wrong = workflow.run("--storage-dynafed-token-hosts", "no/host")
    assert wrong.code == 1
    assert "storage dynafed: token_hosts has 'no/host'" in wrong.said, wrong.said
