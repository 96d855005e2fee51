"""What the executor hands to a backend, whichever it is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dodas.errors import BackendUnreachable, SpecError
from dodas.step import Input, Mount, Output, Step
from snakemake_executor_plugin_dodas.backends import parse_size
from snakemake_executor_plugin_dodas.step.allotment import Ceiling
from snakemake_executor_plugin_dodas.step.images import image_name
from snakemake_executor_plugin_dodas.step.volumes import mounts, parse_volume
from snakemake_recorder import Recorder, run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def test_resources_become_those_of_the_step(tmp_path: Path) -> None:
    backend = Recorder()
    assert run(
        tmp_path,
        """
rule all:
    input: "given", "default", "none", "part"
rule given:
    output: "given"
    threads: 3
    resources: mem="2GB", disk_mb=500, runtime="2h", gpu=1
    shell: "echo > {output}"
rule default:
    output: "default"
    shell: "echo > {output}"
rule none:
    output: "none"
    threads: 0
    shell: "echo > {output}"
rule part:
    output: "part"
    threads: 64
    resources: mem_mib=1000
    shell: "echo {threads} > {output}"
""",
        backend,
        ceiling=Ceiling(cores=4.0, memory=10**12),
    )
    given = backend.steps["given"].resources
    assert (given.cores, given.memory, given.disk, given.gpus) == (3.0, 2 * 10**9, 500 * 10**6, 1)
    assert given.walltime == timedelta(hours=2)
    default = backend.steps["default"].resources
    assert (default.cores, default.memory, default.disk, default.walltime) == (1.0, None, None, None)
    assert 0 < backend.steps["none"].resources.cores < 0.1
    assert backend.steps["part"].resources.cores == 4.0
    assert (tmp_path / "part").read_text() == "4\n"
    assert backend.steps["part"].resources.memory == pytest.approx(1000 * 2**20, rel=0.01)


def test_jobs_that_are_ready_together_are_submitted_together(tmp_path: Path) -> None:
    backend = Recorder()
    text = (
        'rule all:\n input: expand("{i}", i=range(7))\nrule one:\n output: "{i}"\n shell: "echo > {output}"\n'
    )
    assert run(tmp_path, text, backend)
    assert backend.batches == [["one"] * 7]
    assert backend.closed


def test_a_container_step_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside"
    work.mkdir()
    outside.mkdir()
    (outside / "in").write_text("")
    monkeypatch.setenv("SECRET", "not for steps")
    backend = Recorder()
    text = f"""
rule one:
    input: "{outside}/in"
    output: "one", "{outside}/made/out"
    container: "docker://registry.example:5000/some/tool:1.0"
    shell: "touch {{output}}"
"""
    assert run(work, text, backend, network="none", volume=[f"{outside}:/more"])
    step = backend.steps["one"]
    assert step.image == "registry.example:5000/some/tool:1.0"
    assert step.argv[:2] == ("bash", "-c")
    assert step.cwd == str(work)
    assert not step.network
    env = dict(step.env)
    assert env["HOME"] == str(work)
    assert env["TMPDIR"] == "/tmp"
    assert "SECRET" not in env
    assert "PATH" not in env  # that of the image
    assert Mount(source=str(work), target=str(work), writable=True, whole=False) in step.mounts
    assert Mount(source=f"{outside}/in", target=f"{outside}/in", whole=False) in step.mounts
    made = f"{outside}/made"
    assert Mount(source=made, target=made, writable=True, whole=False) in step.mounts
    assert Input(source=f"{outside}/in", target=f"{outside}/in") in step.inputs
    assert step.outputs == tuple(
        Output(path=path, destination=path) for path in (f"{work}/one", f"{outside}/made/out")
    )
    assert step.mounts[-1] == Mount(source=str(outside), target="/more")
    assert Step.from_json(step.to_json()) == step


def test_a_backend_that_refuses_fails_only_what_it_refuses(tmp_path: Path) -> None:
    def refuse(step: Step) -> Exception | None:
        return {"bad": SpecError("not this one"), "ill": BackendUnreachable("not now")}.get(step.name)

    text = """
rule all:
    input: "good", "bad", "ill"
rule good:
    output: "good"
    shell: "echo > {output}"
rule bad:
    output: "bad"
    shell: "echo > {output}"
rule ill:
    output: "ill"
    shell: "echo > {output}"
"""
    assert not run(tmp_path, text, Recorder(refuse))
    assert (tmp_path / "good").exists()
    assert not list((tmp_path / ".snakemake/incomplete").iterdir())


@pytest.mark.parametrize(
    ("text", "size"),
    [("512", 512), ("8GB", 8 * 10**9), ("8 GiB", 8 * 2**30), ("1.5k", 1500), ("2M", 2 * 10**6), ("3b", 3)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "8 apples", "-1GB", "1e9", "8GBGB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(SpecError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("directive", "image"),
    [
        ("docker://debian:12", "debian:12"),
        ("docker://localhost:5000/a/b@sha256:0123", "localhost:5000/a/b@sha256:0123"),
        ("debian:12", "debian:12"),
        ("tool", "tool"),
    ],
)
def test_images(directive: str, image: str) -> None:
    assert image_name(directive) == image


@pytest.mark.parametrize(
    "directive",
    [
        "tool.sif",
        "/images/tool.simg",
        "file:///x.tar",
        "library://a/b",
        "shub://a/b",
        "oras://a/b",
        "./x",
        "/etc",
    ],
)
def test_images_for_apptainer_only(directive: str) -> None:
    with pytest.raises(SpecError) as caught:
        image_name(directive)
    assert caught.value.hint


def test_volumes(tmp_path: Path) -> None:
    place = str(tmp_path)
    assert parse_volume(place) == Mount(source=place, target=place)
    assert parse_volume(f"{place}:rw") == Mount(source=place, target=place, writable=True)
    assert parse_volume(f"{place}:/in") == Mount(source=place, target="/in")
    assert parse_volume(f"{place}:/in:rw") == Mount(source=place, target="/in", writable=True)
    for wrong in ("", ":", "/no/such/place", f"{place}:relative"):
        with pytest.raises(SpecError):
            parse_volume(wrong)


def test_mounts_are_few_and_in_order(tmp_path: Path) -> None:
    work, data = tmp_path / "work", tmp_path / "data"
    for folder in (work, data / "in", data / "out"):
        folder.mkdir(parents=True)
    (data / "in/file").write_text("")
    (work / "link").symlink_to(data / "in/file")
    found = mounts(
        workdir=str(work),
        inputs=["inside", "link", "absent", f"{data}/in", "../data/in/file"],
        outputs=["x/y", "../data/out/made", str(data / "in/also")],
    )
    assert [(mount.target.removeprefix(str(tmp_path)), mount.writable) for mount in found] == [
        ("/work", True),
        ("/data/in", True),
        ("/data/out", True),
    ]
