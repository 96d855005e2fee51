"""The comparison of public workflows, with one that is made here."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import public_workflows
from dodas.containers.packages.recipe import Recipe
from needs import need
from public_workflow_list import WORKFLOWS, Workflow
from public_workflow_sources import SourceError
from smallimage import NAME, fill

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="Snakemake 9 needs Python 3.11")

SNAKEFILE = """
shell.executable("/bin/sh")  # the image has nothing else
rule all:
    input: "made/same", "made/other"
rule same:
    input: "word"
    output: "made/same"
    shell: "busybox cat {input} > {output}"
rule other:
    output: "made/other"
    shell: "busybox mktemp -u XXXXXXXX > {output}"
"""


@pytest.fixture
def workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    """A workflow in a repository, which has a result already."""
    pytest.importorskip("snakemake.cli", reason="the extra [snakemake] is not installed")
    need("git")
    fill(str(tmp_path / "store"), tmp_path)
    monkeypatch.setenv("DODAS_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PUBLIC_WORKFLOWS", str(tmp_path / "repositories"))
    top = tmp_path / "repositories" / "one"
    (top / "in it/made").mkdir(parents=True)
    for name, text in {"Snakefile": SNAKEFILE, "word": "hello\n", "made/same": "hello\n"}.items():
        (top / "in it" / name).write_text(text)
    author = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false")
    for words in (("init", "--quiet"), ("add", "."), (*author, "commit", "--quiet", "-m", "x")):
        env = {**os.environ, "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"}
        subprocess.run(["git", *words], cwd=top, env=env, check=True)
    return Workflow(
        name="one",
        repository="somebody/one",
        commit="HEAD",
        folder="in it",
        recipe=Recipe(name=NAME),
        programs=("busybox",),
        published=("made/same",),
        varies={"made/other": "it is random"},
    )


def test_what_two_executors_make_is_compared(workflow: Workflow, tmp_path: Path) -> None:
    said = public_workflows.compare(workflow, tmp_path / "runs", jobs=2, more=())
    assert said.startswith("2 files in ")
    assert said.endswith("1 as from the local executor, 1 as their authors published")


def test_what_differs_is_told(workflow: Workflow, tmp_path: Path) -> None:
    strict = replace(workflow, varies={})
    with pytest.raises(public_workflows.UnlikeError, match="not what the local executor makes: made/other"):
        public_workflows.compare(strict, tmp_path / "runs", jobs=2, more=())


def test_a_repository_that_is_not_there_is_told(workflow: Workflow, tmp_path: Path) -> None:
    (tmp_path / "repositories/one").rename(tmp_path / "repositories/two")
    with pytest.raises(SourceError, match="there is no one in it"):
        public_workflows.compare(workflow, tmp_path / "runs", jobs=2, more=())


def test_each_is_at_a_commit_and_has_its_reasons() -> None:
    assert len(WORKFLOWS) >= 3
    for workflow in WORKFLOWS:
        assert len(bytes.fromhex(workflow.commit)) == 20
        assert all(workflow.varies.values())
