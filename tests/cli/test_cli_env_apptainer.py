"""The apptainer of `dodas env`: what Snakemake and its users ask of one, it does, on images of the store."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import smallimage
from dodas.containers import archives
from dodas.containers.store import Store
from needs import need
from registry_server import Registry, make_image, run_registry
from udocker_env import BOX, ENTRY, Shell, open_shell

HOSTILE = ["", " ", "a b", "c'd\"e", "$x", "*", "grün-😀", "line\nline", "--nv", "\\", "-"]
DOCKER = f"docker://{BOX}"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = open_shell(tmp_path_factory.mktemp("apptainer"))
    (shell.place / "there/file").write_text("content\n")
    done = shell.apptainer("pull", "--name", "box.simg", DOCKER)
    assert done.returncode == 0, done.stderr
    return shell


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    busybox = Path(need("busybox")).read_bytes()
    with run_registry(tmp_path / "registry") as running:
        for number in (1, 2):
            image = make_image({"bin/sh": busybox, "number": b"%d\n" % number}, config={"Env": ["PATH=/bin"]})
            running.push(image, f"library/pulled:{number}", tmp_path)
        yield running


def out(shell: Shell, *words: str | Path, where: Path | None = None, **variables: str) -> str:
    """Return what a command says that is expected to work."""
    done = shell.apptainer(*words, where=where, variables=variables)
    assert (done.returncode, done.stderr) == (0, b""), done.stdout
    return done.stdout.decode()


def test_snakemake_accepts_the_version(shell: Shell) -> None:
    said = out(shell, "--version")
    assert re.fullmatch(r"apptainer version 1\.\d+\.\d+\S*\n", said)
    assert shell.do(["singularity", "--version"]).stdout.decode() == said


def test_arguments_arrive(shell: Shell) -> None:
    script = 'for word; do printf "<%s>" "$word"; done'
    said = out(shell, "--quiet", "--silent", "exec", "box.simg", "sh", "-c", script, "sh", *HOSTILE)
    assert said == "".join(f"<{word}>" for word in HOSTILE)


def test_streams_and_status_are_the_commands(shell: Shell) -> None:
    feed = bytes(range(256)) * 999
    script = "cat; echo error >&2; exit 7"
    done = shell.do(["singularity", "exec", "box.simg", "sh", "-c", script], feed=feed)
    assert (done.returncode, done.stdout, done.stderr) == (7, feed, b"error\n")
    killed = shell.apptainer("exec", "box.simg", "sh", "-c", "kill -9 $$")
    assert killed.returncode == 137
    assert shell.apptainer("exec", "box.simg", "not-there").returncode == 127


def test_a_signal_ends_all(shell: Shell) -> None:
    mark = smallimage.token()
    script = f"sleep {mark} & echo ready; sleep {mark}; wait"
    process = subprocess.Popen(
        ["/usr/bin/env", "apptainer", "exec", "box.simg", "sh", "-c", script],
        env=shell.shimmed,
        cwd=shell.place,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    smallimage.assert_gone(mark)


def test_what_is_seen_without_asking(shell: Shell, tmp_path: Path) -> None:
    """Working directory, home, temporary directories, the user; the image stays as it is."""
    home, named = tmp_path / "home", tmp_path / "tmp"
    for folder in (home, named):
        folder.mkdir()
    script = 'pwd; echo "$HOME"; id -u; id -un; touch "$HOME/h" "$TMPDIR/t" here /bin/new; ls -d /.sing*'
    where = shell.place / "there"
    said = out(
        shell, "exec", "--home", home, "../box.simg", "sh", "-c", script, where=where, TMPDIR=str(named)
    )
    name = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    assert said.splitlines() == [str(where), str(home), str(os.geteuid()), name, "/.singularity.d"]
    assert all(path.exists() for path in (home / "h", named / "t", where / "here"))
    assert "new" not in out(shell, "exec", "box.simg", "ls", "/bin")


def test_the_environment(shell: Shell) -> None:
    """The host's, and of the image what is not there; then files, variables and options that say more."""
    (shell.place / "variables").write_text('# a comment\nFROM_FILE="a  b"\nALSO=$FROM_FILE\nA=file\n')
    said = out(
        shell,
        *("exec", "--env", "A=1,B=two words", "--env=C=x,y", "--env-file", "variables", DOCKER, "env"),
        HOST="of the host",
        GREETING="of the host",
        LD_LIBRARY_PATH="/host",
        PYTHONPATH="",
        APPTAINERENV_D="d",
        SINGULARITYENV_D="less",
        SINGULARITYENV_E="e",
        APPTAINERENV_PREPEND_PATH="/first",
        APPTAINERENV_HOME="/not/permitted",
    )
    found = dict(line.partition("=")[::2] for line in said.splitlines())
    wanted = {"A": "1", "B": "two words", "C": "x,y", "D": "d", "E": "e", "FROM_FILE": "a  b", "ALSO": "a  b"}
    assert found.items() >= wanted.items()
    assert (found["HOST"], found["GREETING"], found["PATH"]) == ("of the host", "of the host", "/first:/bin")
    assert not {"LD_LIBRARY_PATH", "APPTAINERENV_D", "SINGULARITYENV_D", "D_PATH"} & found.keys()
    assert found["HOME"] != "/not/permitted"


def test_a_clean_environment(shell: Shell) -> None:
    said = out(shell, "exec", "-e", "--env=A=1", "box.simg", "env", HOST="x", TERM="vt100", no_proxy="y")
    found = dict(line.partition("=")[::2] for line in said.splitlines())
    assert (
        found.items()
        >= {"A": "1", "LANG": "C", "TERM": "vt100", "no_proxy": "y", "GREETING": "hello"}.items()
    )
    assert "HOST" not in found


@pytest.mark.parametrize("name", ["a b", "a,b", "a:b", "quo'te", "grün", "back\\slash", "a:/b"])
def test_any_path_can_be_bound_and_worked_in(name: str, shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    (folder / "file").write_text(name)
    script = "cat file; cat /data/file; pwd"
    said = out(
        shell,
        *("exec", "--home", folder, "--bind", f"{folder}:/data", "--pwd", folder),
        *("--bind", folder, shell.place / "box.simg", "sh", "-c", script),
        where=folder,
    )
    assert said == f"{name}{name}{folder}\n"


def test_binds_of_all_kinds(shell: Shell) -> None:
    there = shell.place / "there"
    (shell.place / "com,ma").mkdir()
    done = shell.apptainer(
        *("exec", "-B", f"{there}:/one,{there}:/two:ro", f"-B{there}/file", "--bind=there:/three:rw"),
        *(
            "--mount",
            f'type=bind,"source={shell.place}/com,ma",destination=/four,ro',
            "--bind",
            "com\\,ma:/five",
        ),
        *(
            DOCKER,
            "sh",
            "-c",
            f"cat /one/file {there}/file; ls -d /s*; touch /two/x; touch /four/x; touch /three/x",
        ),
        variables={"APPTAINER_BIND": f"{there}:/six", "SINGULARITY_BINDPATH": f"{there}:/seven"},
    )
    assert done.stdout.decode().splitlines() == ["content", "content", "/seven", "/six", "/sys"]
    assert done.returncode == 0, done.stderr
    assert (there / "x").exists()
    assert not (shell.place / "com,ma/x").exists()


def test_snakemake_does_not_quote_the_path_of_an_image(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "a b" / "x y.simg"
    path.parent.mkdir()
    path.write_bytes((shell.place / "box.simg").read_bytes())
    assert out(shell, "exec", *f"{path} echo x".split(" ")) == "x\n"


def test_what_is_not_there_cannot_be_bound(shell: Shell) -> None:
    for words in (
        ["--bind", "/not/here"],
        ["--bind", ".:relative"],
        ["--home", "/not/here"],
        ["--pwd", "/no"],
    ):
        done = shell.apptainer("exec", *words, "box.simg", "echo", "run")
        assert (done.returncode, done.stdout) == (255, b""), words
        assert done.stderr.startswith(b"FATAL: ")


def test_contained(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("bound\n")
    script = "pwd; cat /data/file ~/file; echo ${HOST-none}; ls /tmp /var/tmp; cat /proc/net/route | wc -l"
    said = out(
        shell,
        *("exec", "-C", "-p", "--ipc", "--writable-tmpfs", "--net", "--network=none", "--nv"),
        *("--home", f"{tmp_path}/mine:/home/me", "-B", f"{tmp_path}/mine:/data", "--cwd", "/opt/d"),
        *(shell.place / "box.simg", "sh", "-c", script),
        HOST="x",
    )
    assert said.split() == ["/opt/d", "bound", "bound", "none", "/tmp:", "/var/tmp:", "1"]
    said = out(
        shell,
        "exec",
        "--contain",
        "box.simg",
        "sh",
        "-c",
        "ls -A ~; touch ~/x /tmp/x /var/tmp/x; pwd; echo ~",
    )
    assert len(set(said.split())) == 1
    assert not Path.home().joinpath("x").exists()


def test_left_out(shell: Shell) -> None:
    there = shell.place / "there"
    words = (
        "exec",
        "--no-home",
        "--no-mount",
        "tmp,cwd",
        shell.place / "box.simg",
        "sh",
        "-c",
        "pwd; ls /tmp",
    )
    said = out(shell, *words, where=there)
    assert str(there) not in said


def test_run_and_shell(shell: Shell) -> None:
    entry = f"docker://{ENTRY}"
    assert out(shell, "-q", "run", entry) == "entry of image\n"
    assert out(shell, "run", entry, "a b", "") == "entry a b \n"
    done = shell.do(["apptainer", "shell", entry], feed=b"echo $0\n")
    assert done.stdout == b"/bin/sh\n"


def test_pretended_root(shell: Shell) -> None:
    assert out(shell, "exec", "-f", "box.simg", "sh", "-c", "id -u; echo $HOME") == "0\n/root\n"


def test_in_proot(shell: Shell) -> None:
    there = shell.place / "there"
    words = ("exec", "--home", there, "-B", f"{there}:/data:ro", "../box.simg")
    script = "cat file /data/file; pwd; ls -d /.sing*"
    said = out(shell, *words, "sh", "-c", script, where=there, DODAS_ENGINE="proot")
    assert said == f"content\ncontent\n{there}\n/.singularity.d\n"


TOOL = """
cwlVersion: v1.2
class: CommandLineTool
hints: {DockerRequirement: {dockerPull: "tool/box:1"}}
inputs: {f: {type: File, inputBinding: {position: 1}}}
baseCommand: [cat, -n]
stdout: out.txt
outputs: {o: stdout}
"""


def test_cwltool(shell: Shell, tmp_path: Path) -> None:
    pytest.importorskip("cwltool")
    for name, text in (("t.cwl", TOOL), ("in", "one\ntwo\n"), ("j.yml", "f: {class: File, path: in}\n")):
        (tmp_path / name).write_text(text)
    done = shell.do([sys.executable, "-m", "cwltool", "--singularity", "t.cwl", "j.yml"], where=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "out.txt").read_text().split() == ["1", "one", "2", "two"]


def test_a_pull_makes_a_file_that_names_the_image(shell: Shell, tmp_path: Path) -> None:
    done = shell.apptainer("pull", DOCKER, where=tmp_path)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "box_1.sif").read_text())
    assert content["image of dodas"] == BOX
    assert content["digest"].startswith("sha256:")
    assert shell.apptainer("pull", DOCKER, where=tmp_path).returncode == 0, "as if at the same time"
    (tmp_path / "box_1.sif").write_text("mine")
    again = shell.apptainer("pull", DOCKER, where=tmp_path)
    assert again.returncode == 255
    assert b"box_1.sif is there already" in again.stderr
    assert (tmp_path / "box_1.sif").read_text() == "mine"
    said = out(shell, "-s", "pull", "--force", "--dir", tmp_path, "box_1.sif", DOCKER)
    assert said == out(shell, "-s", "pull", "--dir", tmp_path, "other", DOCKER) == ""
    assert sorted(os.listdir(tmp_path)) == ["box_1.sif", "other"]


def test_the_file_means_the_image_that_was_pulled(shell: Shell, registry: Registry, tmp_path: Path) -> None:
    """Whatever its name means by now, and also where the store does not have it."""
    environ = {"UDOCKER_REGISTRY": registry.url, "UDOCKER_DIR": str(tmp_path / "store")}
    done = shell.apptainer("pull", "x.sif", "docker://pulled:1", where=tmp_path, variables=environ)
    assert done.returncode == 0, done.stderr
    environ["UDOCKER_DIR"] = str(tmp_path / "another store")
    read = ("--silent", "exec", "x.sif", "sh", "-c", "read number < /number; echo $number")
    assert out(shell, *read, where=tmp_path, **environ) == "1\n"
    assert out(shell, *read, where=tmp_path, **{**environ, "UDOCKER_REGISTRY": "http://127.0.0.1:1"}) == "1\n"


def test_several_pull_at_once(shell: Shell, registry: Registry, tmp_path: Path) -> None:
    environ = {"UDOCKER_REGISTRY": registry.url, "UDOCKER_DIR": str(tmp_path / "store")}
    command = ["/usr/bin/env", "apptainer", "pull", "--force", "--name", "x.sif", "docker://pulled:2"]
    running = [
        subprocess.Popen(command, cwd=tmp_path, env={**shell.shimmed, **environ}, stderr=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [process.wait() for process in running] == [0] * 3
    assert [name for name in os.listdir(tmp_path) if name.startswith("x.sif")] == ["x.sif"]


def test_archives_and_directories(shell: Shell, tmp_path: Path) -> None:
    environ = {"UDOCKER_DIR": str(tmp_path / "store")}
    archive = f"docker-archive:{shell.place}/image.tar"
    assert shell.apptainer("pull", "a.sif", archive, where=tmp_path, variables=environ).returncode == 0
    assert out(shell, "run", "a.sif", "x", where=tmp_path, **environ) == "entry x\n"
    assert out(shell, "run", archive, "y", where=tmp_path, **environ) == "entry y\n"
    store = Store(str(tmp_path / "store"))
    assert len({image.digest for image in store.images()}) == 1
    (tmp_path / "tree/bin").mkdir(parents=True)
    (tmp_path / "tree/bin/sh").write_bytes(Path(need("busybox")).read_bytes())
    (tmp_path / "tree/bin/sh").chmod(0o755)
    said = out(shell, "exec", tmp_path / "tree", "sh", "-c", "echo x > /new && echo $0")
    assert said == "sh\n"
    assert os.listdir(tmp_path / "tree") == ["bin"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["exec", "a.sif", "true"], "SIF file"),
        (["exec", "library://a/b", "true"], "library://"),
        (["pull", "oras://a/b"], "oras://"),
        (["pull", "--name", "x", "shub://a/b"], "shub://"),
        (["exec", "--frobnicate", "box.simg", "true"], "--frobnicate"),
        (["exec", "--overlay", "x", "box.simg", "true"], "--overlay"),
        (["exec", "--network=bridge", "box.simg", "true"], "--network=bridge"),
        (["build", "x.sif", "y.def"], "build"),
        (["exec"], "without an image"),
        ([], "without a command"),
    ],
)
def test_the_rest_is_refused_or_done_by_a_real_one(
    words: list[str], said: str, shell: Shell, tmp_path: Path
) -> None:
    (shell.place / "a.sif").write_bytes(b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0" + bytes(1000))
    refused = shell.apptainer(*words)
    assert (refused.returncode, refused.stdout) == (255, b"")
    assert said in refused.stderr.decode()
    assert len(refused.stderr.splitlines()) == 2
    (tmp_path / "singularity").write_text('#!/bin/sh\necho "real $# $*"\nexit 3\n')
    (tmp_path / "singularity").chmod(0o755)
    path = f"{shell.shimmed['PATH']}:{tmp_path}"
    done = shell.apptainer(*words, variables={"PATH": path})
    assert (done.returncode, done.stdout.decode()) == (3, f"real {len(words)} {' '.join(words)}\n")


def test_files_that_are_no_images(shell: Shell) -> None:
    (shell.place / "text").write_text("{}")
    for name in ("text", "not-there", "/dev/null"):
        done = shell.apptainer("exec", name, "true")
        assert done.returncode == 255
        assert name in done.stderr.decode()


def test_a_variable_that_asks_for_what_cannot_be_had(shell: Shell) -> None:
    done = shell.apptainer("exec", "box.simg", "true", variables={"APPTAINER_OVERLAY": "x"})
    assert done.returncode == 255
    assert b"APPTAINER_OVERLAY" in done.stderr


def test_an_image_that_is_gone_is_named(shell: Shell, tmp_path: Path) -> None:
    store = tmp_path / "store"
    archives.load(Store(str(store)), str(shell.place / "image.tar"), name="127.0.0.1:1/gone:1")
    environ = {"UDOCKER_DIR": str(store)}
    name = "docker://127.0.0.1:1/gone:1"
    assert shell.apptainer("pull", tmp_path / "x", name, variables=environ).returncode == 0
    done = shell.apptainer("exec", tmp_path / "x", "true", variables={"UDOCKER_DIR": str(tmp_path / "empty")})
    assert done.returncode == 255
    assert b"127.0.0.1:1" in done.stderr
