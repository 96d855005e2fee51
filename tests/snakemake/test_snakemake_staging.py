"""What jobs say of themselves, for places that do not see this machine's files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from dodas.errors import SpecError
from dodas.step import Mount, Output, Step
from snakemake_executor_plugin_dodas.backends import parse_bundle, parse_condor
from snakemake_executor_plugin_dodas.command import library
from snakemake_executor_plugin_dodas.command.command import Command
from snakemake_executor_plugin_dodas.step import identity
from snakemake_executor_plugin_dodas.step.allotment import hints
from snakemake_recorder import Recorder, run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


class Elsewhere(Recorder):
    """A backend whose steps outlive a run; the disk is not shared."""

    def __init__(self, known: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.identities = known
        self.forgotten: list[str] = []

    def known(self, steps: list[Step]) -> frozenset[str]:
        return frozenset(step.id for step in steps if step.identity in self.identities)

    def forget(self, steps: list[Step]) -> None:
        self.forgotten += [step.identity for step in steps]


def below(path: Path, step: Step) -> set[str]:
    return {item.source.removeprefix(f"{path}/") for item in step.inputs}


def test_inputs_and_outputs_are_declared(tmp_path: Path) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside"
    for name in ("scripts/package", "data"):
        (work / name).mkdir(parents=True)
    outside.mkdir()
    for path in (
        *(work / f"scripts/{name}" for name in ("in.sh", "helper.py", "data.bin", "package/__init__.py")),
        *(work / name for name in ("data/file", "updated", "beside.py")),
        outside / "in",
    ):
        path.write_text("")
    backend = Elsewhere()
    text = f"""
rule all:
    input: "script.txt", "plain"
rule script:
    input: "data", "../outside/in", "{outside}/in"
    output: "script.txt", update("updated"), touch("touched"), directory("s[1]/dir")
    log: "logs/log"
    container: "docker://debian:12"
    script: "scripts/in.sh"
rule plain:
    output: "plain"
    shadow: "minimal"
    shell: "echo > {{output}}"
"""
    run(work, text, backend, here=False, shared=False, past=backend)
    step = backend.steps["script"]
    [script] = [name for name in below(work, step) if name.startswith(".snakemake/scripts")]
    expected = {"data", "updated", script, "scripts/in.sh", "scripts/helper.py", "scripts/package"}
    assert {name for name in below(work, step) if not name.startswith("/")} == expected
    assert str(outside / "in") in below(work, step)
    assert step.outputs == tuple(
        Output(path=f"{work}/{name}", destination=f"{work}/{name}", optional=optional)
        for name, optional in (
            ("logs/log", True),
            ("script.txt", False),
            ("updated", False),
            ("touched", True),
            ("s[1]/dir", False),
        )
    )
    assert not any(mount.whole for mount in step.mounts)
    assert Mount(source=f"{work}/s[1]", target=f"{work}/s[1]", writable=True, whole=False) in step.mounts
    plain = backend.steps["plain"]
    assert plain.cwd == str(work)  # its sandbox is shadow enough
    [output] = plain.outputs
    assert output.path == f"{work}/plain"
    assert output.destination.startswith(f"{work}/.snakemake/shadow/")


def test_work_is_recognised_by_what_decides_its_result(tmp_path: Path) -> None:
    text = """
rule one:
    input: "in"
    output: "out"
    params: words=["a"], {more}
    {how}
"""
    (tmp_path / "in").write_text("one")
    for name in ("a.sh", "b.sh"):
        (tmp_path / name).write_text(f"echo {name} > ${{snakemake_output[0]}}")

    def word(how: str, more: str = "x=1") -> str:
        backend = Elsewhere()
        (tmp_path / "out").unlink(missing_ok=True)
        assert run(tmp_path, text.format(how=how, more=more), backend, here=False, shared=False, past=backend)
        return backend.steps["one"].identity

    shell, script = 'shell: "echo {input} > {output}"', 'script: "a.sh"'
    first, second = word(shell), word(shell)
    assert first != second
    assert identity.is_of(first, second.partition("-")[0])
    digests = [first.partition("-")[0]]
    for how, more in (
        (shell.replace("echo", "cat"), "x=1"),
        (script, "x=1"),
        (script, "x=2"),
        (script.replace("a.", "b."), "x=1"),
    ):
        digests.append(word(how, more).partition("-")[0])
    assert word(script).partition("-")[0] == digests[2]
    (tmp_path / "in").write_text("other")
    digests.append(word(shell).partition("-")[0])
    assert len(set(digests)) == len(digests)


def test_only_what_snakemake_did_not_take_note_of_is_taken_over(tmp_path: Path) -> None:
    text = """
rule one:
    output: "out"
    shell: "test -e notes || {{ cp -r .snakemake/incomplete notes; exit 1; }}; echo x >> {output}"
"""
    first = Elsewhere()
    assert not run(tmp_path, text, first, here=False, shared=False, past=first)
    word = first.steps["one"].identity
    # As if it had been killed meanwhile.
    shutil.copytree(tmp_path / "notes", tmp_path / ".snakemake/incomplete", dirs_exist_ok=True)
    second = Elsewhere(frozenset([word]))
    (tmp_path / "out").write_text("made meanwhile\n")
    assert run(tmp_path, text, second, here=False, shared=False, past=second, dag={"force_incomplete": True})
    assert second.steps["one"].identity == word
    assert (tmp_path / "out").read_text() == "made meanwhile\nx\n"  # nothing was removed first
    third = Elsewhere(frozenset([word]))
    assert run(tmp_path, text, third, here=False, shared=False, past=third, dag={"forceall": True})
    assert third.steps["one"].identity not in ("", word)
    assert (tmp_path / "out").read_text() == "x\n"
    assert not third.forgotten


def test_files_of_a_command_get_names_that_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script, folder, other = (
        tmp_path / ".snakemake/scripts/tmpab12.it's.py",
        tmp_path / ".snakemake/shell_tmp.cd34",
        tmp_path / "tmp/tmpef56",
    )
    for path in (folder, other, script.parent):
        path.mkdir(parents=True)
    script.write_text("script")
    (folder / "script.sh").write_text("long")
    command = Command(
        shell="/bin/sh",
        text=f"python '{script.parent}/tmpab12.it'\\''s.py' \"{folder}/script.sh\" --out '{other}/x'",
        env={"DIR": str(other)},
        files=(".snakemake/scripts/tmpab12.it's.py",),
        folders=(str(folder), str(other)),
    )
    named = command.named("name")
    assert "tmpab12" not in named.text + "".join(named.files)
    assert Path(named.files[0]).read_text() == "script"
    assert [Path(path).exists() for path in named.folders] == [True, True]
    assert named.env["DIR"] == named.folders[1]
    assert f"--out '{named.folders[1]}/x'" in named.text
    assert command.anonymous() == command.named("it").text
    named.tidy()
    assert not list((tmp_path / ".snakemake").rglob("*name*"))


def test_any_python_imports_snakemake_from_the_archive(tmp_path: Path) -> None:
    program = """
import sys
sys.path.extend(sys.argv[1:])
from snakemake.logging import logger
from snakemake.shell import shell
from importlib import import_module
assert import_module(sys.argv[2]).Snakemake.__module__ == sys.argv[2]
"""
    # Where a release has the object that scripts get, which is not where it tells them to look.
    of_scripts = import_module("snakemake.script").Snakemake.__module__
    command = [sys.executable, "-I", "-S", "-c", program, library.archive(), of_scripts]
    subprocess.run(command, check=True, cwd=tmp_path)


class Asking:
    """A job that has resources, and nothing else."""

    def __init__(self, **resources: object) -> None:
        self.resources = resources


def test_hints() -> None:
    job = Asking(
        htcondor_rank="Mips", htcondor_priority=-1, htcondor_attributes=' A = "x;y" ;+B=true;', htcondor_odd=1
    )
    assert hints(job) == (
        ("htcondor.rank", "Mips"),
        ("htcondor.priority", "-1"),
        ("htcondor.+A", '"x;y"'),
        ("htcondor.+B", "true"),
    )
    assert hints(Asking()) == ()
    for wrong in ("A", "A=", "=1", "a b=1", "A=1; B"):
        with pytest.raises(SpecError, match="is not NAME=VALUE"):
            hints(Asking(htcondor_attributes=wrong))


def test_settings_for_a_pool() -> None:
    assert parse_condor(["rank=Mips", '+Project="a=b"', "x ="]) == {
        "rank": "Mips",
        "+Project": '"a=b"',
        "x": "",
    }
    assert (parse_bundle("auto"), parse_bundle("off"), parse_bundle("20")) == ("auto", None, 20)
    for wrong in ("", "0", "-1", "many"):
        with pytest.raises(SpecError):
            parse_bundle(wrong)
    for wrong in ("rank", "=x", "a b=c"):
        with pytest.raises(SpecError):
            parse_condor([wrong])
