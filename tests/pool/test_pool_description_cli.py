"""``dodas pool validate`` and ``dodas pool render``, as somebody at a terminal meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dodas.cli import main
from dodas.pool.description.reading import read
from dodas.pool.description.schema import schema
from installations import PROJECT

EXAMPLES = sorted((PROJECT / "workflows/pools").glob("*.yaml"))
SLURM = """\
dodas: 1
name: genomes
manager: {host: login.example.org}
providers:
  campus: {kind: slurm, partition: short, directory: /shared/dodas}
flavours:
  here: {provider: local}
  small: {provider: campus, cores: 4, memory: 8GiB, gpus: 1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pool.yaml"
    path.write_text(SLURM)
    return path


def test_a_good_file_is_summarised(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pool", "validate", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "pool genomes: at most 20 workers with 50 cores",
        "  flavour  provider        each worker              workers  idle  lifetime  site",
        "  here     local           1 core, 2.0 GiB          0 to 10  5m    1d        -",
        "  small    campus (slurm)  4 cores, 8.0 GiB, 1 GPU  0 to 10  5m    1d        -",
    ]
    assert err == ""


def test_a_bad_file_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SLURM.replace("cores: 4", "cores: four").replace("partition", "partitoin"))
    assert main(["pool", "validate", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"error: {file}:5: providers.campus.partitoin: is unknown here; did you mean partition?",
        f"{file}:8: flavours.small.cores: must be a whole number of at least 1, not 'four'",
        "  hint: change the file; `dodas pool validate FILE` checks it again",
    ]
    assert main(["pool", "validate", str(file), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["valid"] is False
    assert [(one["line"], one["field"]) for one in answer["problems"]] == [
        (5, "providers.campus.partitoin"),
        (8, "flavours.small.cores"),
    ]


def test_likely_mistakes_are_noted_beside_the_result(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SLURM.replace("manager: {host: login.example.org}\n", ""))
    assert main(["pool", "validate", str(file)]) == 0
    assert capsys.readouterr().err.startswith("note: manager.host is not set")
    assert main(["pool", "validate", str(file), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["valid"] is True
    assert len(answer["remarks"]) == 1
    assert answer["flavours"][1] | {"kind": "slurm", "memory": 8 << 30, "cores": 4} == answer["flavours"][1]


def test_files_that_are_not_there_are_noted(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(
        SLURM.replace(
            "providers:",
            "providers:\n"
            "  i: {kind: im, url: 'https://i', ca_file: ca, secret_inputs: {key: pool.yaml, word: word}}",
        ).replace("provider: local", "provider: i")
    )
    assert main(["pool", "validate", str(file)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"note: providers.i.ca_file: there is no file {file.parent}/ca",
        f"note: providers.i.secret_inputs.word: there is no file {file.parent}/word",
    ]


def test_the_schema_can_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pool", "validate", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a\x1b[31m\nb.yaml"
    file.write_text('dodas: 1\nname: p\n"x\\ny": 1\n"\\e[31m": 2\nflavours: {a: {provider: local}}\n')
    assert main(["pool", "validate", str(file)]) == 1
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert len(err.splitlines()) == 3


def test_what_would_be_sent_is_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pool", "render", str(file)]) == 0
    out = capsys.readouterr().out
    assert "nothing is sent for the flavour here" in out
    assert "(flavour small, provider campus)" in out
    assert "#SBATCH --partition=short" in out
    assert main(["pool", "render", str(file), "--flavour", "here"]) == 0
    assert "#SBATCH" not in capsys.readouterr().out


def test_documents_are_written(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "a" / "b"
    assert main(["pool", "render", str(file), "--output", str(target)]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert sorted(map(str, target.iterdir())) == sorted(paths)
    assert main(["pool", "render", str(file), "--json"]) == 0
    documents = json.loads(capsys.readouterr().out)
    assert [one["text"] for one in documents] == [Path(path).read_text() for path in paths]
    assert {(one["flavour"], one["provider"]) for one in documents} == {("small", "campus")}


def test_what_cannot_be_rendered_is_said(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pool", "render", str(file), "--flavour", "smal"]) == 1
    assert "there is no flavour called smal" in capsys.readouterr().err
    assert main(["pool", "render", str(file), "--output", str(file)]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert main(["pool", "render", str(tmp_path / "none.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_can_be_rendered(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = read(str(example))
    assert main(["pool", "render", str(example), "--json"]) == 0
    documents = json.loads(capsys.readouterr().out)
    sent = {one.name for one in pool.flavours if pool.provider(one.provider).kind != "local"}
    assert {one["flavour"] for one in documents} == sent
    assert main(["pool", "render", str(example), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == documents


@pytest.mark.parametrize("command", ["validate", "render"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pool", command, "--help"])
    out = capsys.readouterr().out
    assert f"dodas pool {command} pool.yaml" in out
    assert "Nothing is contacted" in out
