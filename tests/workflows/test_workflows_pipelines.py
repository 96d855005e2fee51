"""Both pipelines from both front ends, in containers: the same bytes, and right."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from workflows.images import build
from workflows.physics.generate import generate as generate_physics
from workflows.sequencing.generate import generate as generate_sequencing

from condor_pool import Pools
from debian_packages import with_packages
from workflows import demo

ROOT = Path(__file__).parents[2]
SMALLER = {
    "sequencing": lambda directory: generate_sequencing(directory, seed=7, scale=0.25),
    "physics": lambda directory: generate_physics(directory, seed=7, files=4, events=4000),
}
PUBLISHED = {
    "sequencing": {
        *(f"{sample}.bam{kind}" for sample in ("alpha", "beta", "gamma") for kind in ("", ".bai")),
        *("variants.vcf.gz", "variants.vcf.gz.tbi", "report.html", "report.png", "summary.json"),
    },
    "physics": {"fit.json", "mass.png", "histogram.json", "cuts.json"},
}


@pytest.fixture(scope="module", params=["sequencing", "physics"])
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, list[demo.Run]]:
    """A pipeline that both front ends ran, under a path with a space and a quote in it."""
    pytest.importorskip("cwltool")
    pytest.importorskip("snakemake")
    pipeline = next(pipeline for pipeline in demo.PIPELINES if pipeline.name == request.param)
    pipeline = dataclasses.replace(pipeline, generate=SMALLER[pipeline.name])
    with_packages(lambda: build.build(pipeline.name))
    directory = tmp_path_factory.mktemp("it's here")
    return pipeline.name, directory, demo.demonstrate(pipeline, directory, jobs=4, public=False)


@pytest.mark.slow
def test_both_front_ends_give_the_same_bytes(finished: tuple[str, Path, list[demo.Run]]) -> None:
    name, _, runs = finished
    assert [made.front_end for made in runs] == ["CWL", "Snakemake"]
    assert demo.different(runs) == []
    assert runs[0].files.keys() == PUBLISHED[name]


@pytest.mark.slow
def test_the_answer_is_right(finished: tuple[str, Path, list[demo.Run]]) -> None:
    name, directory, _ = finished
    published = directory / "cwl"
    if name == "sequencing":
        summary = json.loads((published / "summary.json").read_text())
        assert summary["recall"] > 0.9
        assert summary["precision"] > 0.99
        assert summary["samples"].keys() == {"alpha", "beta", "gamma"}
        assert all(0.97 < sample["mapped"] < 1 for sample in summary["samples"].values())
    else:
        fit = json.loads((published / "fit.json").read_text())
        assert fit["chi2"] < 2 * fit["degrees_of_freedom"]
        assert all(abs(compared["pull"]) < 4 for compared in fit["truth"].values())
        assert fit["mass"]["error"] < 0.1
    assert (published / next(iter(sorted(published.glob("*.png"))))).read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_no_path_is_in_what_is_published(finished: tuple[str, Path, list[demo.Run]]) -> None:
    _, directory, _ = finished
    for path in (directory / "cwl").iterdir():
        content = path.read_bytes()
        assert str(directory).encode() not in content
        assert b"/var/lib/cwl" not in content


@pytest.mark.slow
def test_a_pool_gives_the_same_bytes(
    finished: tuple[str, Path, list[demo.Run]],
    condor_pool: Callable[[str], tuple[Pools, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, directory, local = finished
    # Each pipeline on one kind of pool is enough; that every step runs on both is tested elsewhere.
    pools, pool = condor_pool("far" if name == "sequencing" else "shared")
    monkeypatch.setenv("DODAS_STATE", str(pools.state))
    pipeline = next(pipeline for pipeline in demo.PIPELINES if pipeline.name == name)
    for front_end, command in demo.commands(pipeline, jobs=20, public=False, pool=pool).items():
        place = tmp_path / front_end
        shutil.copytree(directory / "data", place / "data")
        assert demo.run(front_end, command, place).files == local[0].files


def test_differences_are_told() -> None:
    runs = [
        demo.Run(front_end="CWL", seconds=1.0, files={"same": "1", "other": "2", "only here": "3"}),
        demo.Run(front_end="Snakemake", seconds=1.0, files={"same": "1", "other": "4"}),
    ]
    assert demo.different(runs) == ["only here", "other"]
    table = demo.summary({}, Path("/out"))
    assert "same bytes" in table


def tools(process: Any) -> Iterator[Any]:
    """Yield the command line tools of a workflow, at any depth."""
    if process.tool["class"] == "CommandLineTool":
        yield process
    for step in getattr(process, "steps", ()):
        yield from tools(step.embedded_tool)


@pytest.mark.parametrize("name", ["sequencing", "physics"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_public_images_replace_every_image_for_both_front_ends(name: str) -> None:
    load_tool = pytest.importorskip("cwltool.load_tool")
    from cwltool.context import LoadingContext
    from cwltool.workflow import default_make_tool
    from ruamel.yaml import YAML

    home = ROOT / "workflows" / name
    file = (home / "public-images.yml").as_uri()

    def images(overrides: list[Any]) -> set[str]:
        context = LoadingContext({"construct_tool_object": default_make_tool, "overrides_list": overrides})
        loaded = tools(load_tool.load_tool((home / "main.cwl").as_uri(), context))
        return {tool.get_requirement("DockerRequirement")[0]["dockerPull"] for tool in loaded}

    for_snakemake = YAML(typ="safe").load((home / "public-images.yml").read_text())["images"]
    assert images([]) == {f"localhost/dodas/{name}:1"}
    public = images(load_tool.load_overrides(file, file))
    assert public == {image.removeprefix("docker://") for image in for_snakemake.values()}
    assert all(image.startswith("quay.io/") for image in public)
