"""Tools in containers: what they see, what they may do, where their image comes from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cwlcases import IMAGE, Cwl, shell, tool


@pytest.fixture(params=["local", "htcondor"])
def cwl(cwl: Cwl, request: pytest.FixtureRequest) -> Cwl:
    """Run steps here, and on nodes that see nothing of this machine's disk."""
    return cwl if request.param == "local" else cwl.on(*request.getfixturevalue("condor_pool")("far"))


HOSTILE = ["a b", "c:d:ro", "quo'te\"", "grün-😀", "-rf", "$(x);`y`", "x" * 200]


def file(path: Path) -> dict[str, str]:
    """Return a File for an input object."""
    return {"class": "File", "location": path.as_uri()}


def test_the_paths_of_a_container_are_the_same_everywhere(cwl: Cwl) -> None:
    answer = cwl.run_containers(shell("pwd; echo $HOME $TMPDIR; touch $TMPDIR/x $HOME/y; ls /tmp"))
    assert answer.text() == "/var/spool/cwl\n/var/spool/cwl /tmp\nx\n"
    assert cwl.left() == []


def test_the_environment_is_the_images_and_what_cwl_says(cwl: Cwl) -> None:
    document = tool("env", requirements={"EnvVarRequirement": {"envDef": {"WORD": " two "}}})
    answer = cwl.run_containers(document, {}, SECRET="not for tools")
    assert sorted(answer.text().splitlines()) == [
        "GREETING=hello from the image",
        "HOME=/var/spool/cwl",
        "PATH=/bin",
        "TMPDIR=/tmp",
        "WORD= two ",
    ]


def test_empty_arguments_arrive(cwl: Cwl) -> None:
    document = tool("sh", "-c", 'for word; do echo "<$word>"; done', "sh")
    document["arguments"] = ["", "a  b", "new\nline", "", "it's", '"']
    assert cwl.run_containers(document).text() == "<>\n<a  b>\n<new\nline>\n<>\n<it's>\n<\">\n"


def test_without_a_command_the_images_own_runs(cwl: Cwl) -> None:
    assert cwl.run_containers(tool()).text() == "image command\n"


def test_a_shell_command_is_put_together(cwl: Cwl) -> None:
    document = tool("echo", requirements={"ShellCommandRequirement": {}})
    document["arguments"] = ["a  b", {"valueFrom": "| tr a-z A-Z; echo", "shellQuote": False}, "$HOME"]
    assert cwl.run_containers(document).text() == "A  B\n$HOME\n"


def test_any_file_name(cwl: Cwl) -> None:
    directories = [cwl.place / "in" / name for name in HOSTILE]
    for directory in directories:
        directory.mkdir(parents=True)
        (directory / f"_{directory.name}").write_text(directory.name)
    document = tool("cp", "-r", "-t", ".", "--")
    anything = {"type": "array", "items": ["File", "Directory"]}
    document["inputs"] = {"all": {"type": anything, "inputBinding": {}}}
    document["outputs"] = {"copies": {"type": anything, "outputBinding": {"glob": "*"}}}
    del document["stdout"]
    inputs: list[dict[str, str]] = []
    for directory in directories:
        inputs += (
            {"class": "Directory", "location": directory.as_uri()},
            file(directory / f"_{directory.name}"),
        )
    assert len(cwl.run_containers(document, {"all": inputs}).output["copies"]) == 2 * len(HOSTILE)
    for name in HOSTILE:
        assert (cwl.outdir / f"_{name}").read_text() == name
        assert (cwl.outdir / name / f"_{name}").read_text() == name


def test_inputs_cannot_be_changed(cwl: Cwl) -> None:
    source = cwl.place / "input.txt"
    source.write_text("as it was\n")
    document = shell(
        'echo changed 2>/dev/null > "$1" || echo refused',
        inputs={"file": {"type": "File", "inputBinding": {}}},
    )
    document["baseCommand"].append("sh")
    assert cwl.run_containers(document, {"file": file(source)}).text() == "refused\n"
    assert source.read_text() == "as it was\n"


def test_a_directory_that_is_put_together(cwl: Cwl) -> None:
    (cwl.place / "one.txt").write_text("one")
    made = {
        "class": "Directory",
        "basename": "made " + "x" * 200,
        "listing": [
            file(cwl.place / "one.txt"),
            {"class": "File", "basename": "two.txt", "contents": "two"},
            {"class": "Directory", "basename": "empty", "listing": []},
        ],
    }
    document = tool("find", inputs={"made": {"type": "Directory", "inputBinding": {}}})
    document["arguments"] = [{"valueFrom": "-mindepth", "position": 1}, {"valueFrom": "1", "position": 1}]
    found = {
        os.path.basename(line) for line in cwl.run_containers(document, {"made": made}).text().splitlines()
    }
    assert found == {"one.txt", "two.txt", "empty"}


def test_an_input_that_is_not_there(cwl: Cwl) -> None:
    missing = cwl.place / "missing"
    document = tool("ls", inputs={"directory": {"type": "Directory", "inputBinding": {}}})
    answer = cwl.run_containers(document, {"directory": {"class": "Directory", "location": missing.as_uri()}})
    assert answer.status == 1
    assert "missing" in answer.stderr
    assert not missing.exists()


def test_secondary_files_lie_beside_theirs(cwl: Cwl) -> None:
    for name in ("reads.bam", "reads.bam.bai"):
        (cwl.place / name).write_text(name)
    document = shell('cat "$1" "$1.bai"')
    document["baseCommand"].append("sh")
    document["inputs"] = {"reads": {"type": "File", "secondaryFiles": ".bai", "inputBinding": {}}}
    assert (
        cwl.run_containers(document, {"reads": file(cwl.place / "reads.bam")}).text()
        == "reads.bamreads.bam.bai"
    )


def test_the_working_directory_is_filled_as_asked(cwl: Cwl) -> None:
    names = ("changed", "linked", "listed")
    for name in names:
        (cwl.place / f"{name}.txt").write_text(f"{name}\n")
    listing = [
        {"entryname": "literal.sh", "entry": "echo \"from a 'literal'\""},
        {"entryname": "changed.txt", "entry": "$(inputs.changed)", "writable": True},
        {"entryname": "sub/linked.txt", "entry": "$(inputs.linked)"},
        {"entryname": "/opt/tool/config", "entry": "absolute\n"},
        '${return {"class": "Directory", "basename": "made", "listing": [inputs.listed,'
        ' {"class": "Directory", "basename": "empty", "listing": []}]}}',
    ]
    document = shell(
        "sh literal.sh; echo more >> changed.txt;"
        " cat changed.txt sub/linked.txt /opt/tool/config made/listed.txt; ls made",
        requirements={"InlineJavascriptRequirement": {}, "InitialWorkDirRequirement": {"listing": listing}},
        inputs=dict.fromkeys(names, "File"),
    )
    document["outputs"]["all"] = {
        "type": {"type": "array", "items": ["File", "Directory"]},
        "outputBinding": {"glob": "*"},
    }
    answer = cwl.run_containers(document, {name: file(cwl.place / f"{name}.txt") for name in names})
    assert answer.text() == "from a 'literal'\nchanged\nmore\nlinked\nabsolute\nlisted\nempty\nlisted.txt\n"
    assert (cwl.place / "changed.txt").read_text() == "changed\n"
    assert (cwl.outdir / "changed.txt").read_text() == "changed\nmore\n"
    assert (cwl.outdir / "sub" / "linked.txt").read_text() == "linked\n"


def test_files_are_updated_in_place_where_that_is_wanted(cwl: Cwl) -> None:
    target = cwl.place / "table.txt"
    target.write_text("one\n")
    requirements = {
        "InplaceUpdateRequirement": {"inplaceUpdate": True},
        "InitialWorkDirRequirement": {"listing": [{"entry": "$(inputs.table)", "writable": True}]},
    }
    document = shell("echo two >> table.txt", requirements=requirements, inputs={"table": "File"})
    answer = cwl.run_containers(document, {"table": file(target)})
    if "htcondor" in cwl.options:
        assert answer.status == 33
        assert "InplaceUpdateRequirement" in answer.stderr
    else:
        assert answer.status == 0
        assert target.read_text() == "one\ntwo\n"


def test_an_output_directory_of_the_tools_choice(cwl: Cwl) -> None:
    document = shell("pwd; echo x > /elsewhere/result")
    document["requirements"]["DockerRequirement"]["dockerOutputDirectory"] = "/elsewhere"
    document["outputs"]["result"] = {"type": "File", "outputBinding": {"glob": "result"}}
    answer = cwl.run_containers(document)
    assert (answer.text(), answer.text("result")) == ("/elsewhere\n", "x\n")


def test_links_among_the_outputs_never_lead_to_the_host(cwl: Cwl) -> None:
    secret = cwl.place / "secret"
    secret.write_text("not for tools")
    source = cwl.place / "input.txt"
    source.write_text("input")
    script = f"""
        mkdir -p sub/deep; echo output > sub/file; echo temporary > /tmp/file
        ln -s /var/spool/cwl/sub/file absolute; ln -s sub/file relative; ln -s ../file sub/deep/up
        ln -s absolute chain; ln -s "$1" through; ln -s .. sub/cycle; ln -s loop loop
        ln -s {secret} stolen; ln -s ../../..{secret} sub/stolen; ln -s / root; ln -s root{secret} twice
        ln -s /tmp/file temporary; ln -s /etc/passwd passwd
        ln -s ../../../../../../../../../../../../..{secret} climb
    """
    document = shell(script, inputs={"file": {"type": "File", "inputBinding": {}}})
    document["baseCommand"].append("sh")
    document["outputs"]["all"] = {"type": "Directory", "outputBinding": {"glob": "."}}
    answer = cwl.run_containers(document, {"file": file(source)})
    (top,) = (path for path in cwl.outdir.rglob("relative"))
    found = {path.name: path for path in top.parent.rglob("*") if path.is_file()}
    assert found.keys() == {"file", "absolute", "relative", "up", "chain", "through", "out.txt"}, (
        answer.stderr
    )
    assert found.pop("through").read_text() == "input"
    assert found.pop("out.txt").read_text() == ""
    assert {path.read_text() for path in found.values()} == {"output\n"}
    assert "stolen" in answer.stderr


def test_outputs_belong_to_the_user_and_the_image_stays_as_it_was(cwl: Cwl) -> None:
    document = shell("echo mine; rm -rf /bin/true /etc/passwd; touch /usr/new; ls /usr")
    assert cwl.run_containers(document).text() == "mine\nbin\nnew\n"
    assert os.stat(cwl.outdir / "out.txt").st_uid == os.geteuid()
    assert (
        cwl.run_containers(shell("head -n 1 /etc/passwd; ls /usr")).text()
        == "root:x:0:0:root:/root:/bin/sh\nbin\n"
    )


def test_a_tool_sees_nothing_else_of_the_host(cwl: Cwl) -> None:
    answer = cwl.run_containers(
        shell(f"ls -d {cwl.place} {Path.home()}/.ssh /etc/hostname 2>/dev/null; ls /home")
    )
    assert answer.text() == ""


@pytest.mark.parametrize(("access", "devices"), [(False, {"lo"}), (True, set(os.listdir("/sys/class/net")))])
def test_the_network_is_there_if_asked_for(cwl: Cwl, access: bool, devices: set[str]) -> None:
    requirements = {"NetworkAccess": {"networkAccess": access}}
    answer = cwl.run_containers(shell("sed 1,2d /proc/net/dev | cut -d: -f1", requirements=requirements))
    assert {line.strip() for line in answer.text().splitlines()} == devices


def test_an_image_from_an_archive(cwl: Cwl, image_archive: Path, tmp_path: Path) -> None:
    requirement = {"dockerLoad": str(image_archive), "dockerImageId": IMAGE}
    document = tool("cat", "/etc/passwd")
    document["requirements"]["DockerRequirement"] = requirement
    answer = cwl.run_containers(document, DODAS_STORE=str(tmp_path / "new store"))
    assert answer.text().startswith("root:")


def test_a_container_for_tools_that_name_none(cwl: Cwl) -> None:
    document = tool("cat", "/etc/passwd")
    del document["requirements"]["DockerRequirement"]
    assert (
        cwl.run_containers(document, {}, "--default-container", IMAGE)
        .text()
        .startswith("root:x:0:0:root:/root:/bin/sh")
    )


def test_an_image_that_cannot_be_had(cwl: Cwl) -> None:
    document = tool("true")
    document["requirements"]["DockerRequirement"]["dockerPull"] = "localhost:1/nothing/here:1"
    answer = cwl.run_containers(document)
    assert answer.status == 1
    assert "localhost:1" in answer.stderr
    assert "exit status" not in answer.stderr
    assert cwl.left() == []


def test_a_hundred_steps_share_one_prepared_image(cwl: Cwl) -> None:
    step = tool("echo")
    step["inputs"] = {"number": {"type": "int", "inputBinding": {}}}
    document: dict[str, Any] = {
        "class": "Workflow",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"numbers": "int[]"},
        "outputs": {"all": {"type": "File[]", "outputSource": "each/out"}},
        "steps": {"each": {"run": step, "scatter": "number", "in": {"number": "numbers"}, "out": ["out"]}},
    }
    answer = cwl.run_containers(document, {"numbers": list(range(100))})
    assert [Path(item["path"]).read_text() for item in answer.output["all"]] == [f"{n}\n" for n in range(100)]
    assert json.loads(answer.stdout).keys() == {"all"}
    assert cwl.left() == []
