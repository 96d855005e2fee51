"""The udocker of `dodas env`: what udocker does, it does; what udocker loses, it keeps."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import smallimage
from dodas.containers import archives
from dodas.containers.store import Store
from needs import need
from registry_server import Registry, make_image, run_registry
from udocker_env import BOX, ENTRY, Shell, open_shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = open_shell(tmp_path_factory.mktemp("udocker"))
    (shell.place / "there" / "file").write_text("content\n")
    (shell.place / "variables").write_text("A=from file\n\n# not this\nGREETING=not this\nB= blank\nC\n")
    return shell


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    scratch = tmp_path_factory.mktemp("registry")
    busybox = Path(need("busybox")).read_bytes()
    files = {"bin/busybox": busybox, "bin/echo": busybox, "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n"}
    image = make_image(files, config={"Env": ["PATH=/bin"]})
    with run_registry(scratch / "registry") as running:
        for name in ("library/pulled:1", "library/other:1"):
            running.push(image, name, scratch)
        yield running


SAME = {
    "words": [BOX, "sh", "-c", 'echo "$#" "$@"', "sh", "a b", "c'd\"e", "$x", "*", "grün-😀", "-v", "--rm"],
    "the image's command": [BOX],
    "the image's entry point": [ENTRY],
    "arguments of the entry point": [ENTRY, "given", "words"],
    "another entry point": ["--entrypoint=/bin/echo other one", ENTRY, "word"],
    "no entry point": ["--entrypoint=", ENTRY, "echo", "plain"],
    "no metadata": ["--nometa", "--env=PATH=/bin", ENTRY, "sh", "-c", "pwd; id -u"],
    "a failure": [BOX, "sh", "-c", "exit 7"],
    "status 255": [BOX, "sh", "-c", "exit 255"],
    "variables": [
        "-e",
        "A=1",
        "--env=B=two words",
        "--env",
        "HOST",
        "-e=NONE",
        BOX,
        "sh",
        "-c",
        "echo $A $B $HOST",
    ],
    "the image's variables": ["--env=GREETING=mine", BOX, "sh", "-c", "echo $GREETING $PATH"],
    "a file of variables": ["--env-file=variables", BOX, "sh", "-c", "echo $A $B $GREETING ${C-unset}"],
    "a variable before the file": ["--env-file=variables", "--env=A=2", BOX, "sh", "-c", "echo $A"],
    "the user's variables": [BOX, "sh", "-c", "echo $USER $LOGNAME $USERNAME $HOME $SHLVL $container_names"],
    "what is said of the container": [BOX, "sh", "-c", "test -n $container_uuid && echo $container_ruser"],
    "all of the host's variables": ["--hostenv", BOX, "sh", "-c", "echo $HOST $UDOCKER_DIR"],
    "none of the host's variables": [BOX, "sh", "-c", "echo ${HOST-none} ${UDOCKER_DIR-none}"],
    "a home": ["--env=HOME=/work", BOX, "sh", "-c", "echo ~"],
    "root": [BOX, "sh", "-c", "id -u; id -g; pwd; chown 5:5 /bin/busybox && echo done"],
    "root by name": ["--user=root", ENTRY, "-u"],
    "the image's user": ["--entrypoint=/bin/sh", ENTRY, "-c", "id -u; echo $USER $HOME; pwd"],
    "numbers": ["--user=1234:4321", BOX, "sh", "-c", "id -u; id -g"],
    "a number": ["-u", "1234", BOX, "id", "-u"],
    "an unknown name": ["--user=somebody", BOX, "sh", "-c", "id -u; id -un; echo $USER $HOME"],
    "the image's accounts": ["--containerauth", BOX, "cat", "/etc/passwd", "/etc/group"],
    "a working directory": ["--workdir=/usr/bin", BOX, "pwd"],
    "a working directory apart": ["-w", "/usr", BOX, "pwd"],
    "a volume": ["--volume=THERE:/data", BOX, "cat", "/data/file"],
    "volumes": [
        "-v",
        "THERE:/data",
        "--volume",
        "THERE/file:/etc/other",
        BOX,
        "cat",
        "/data/file",
        "/etc/other",
    ],
    "a volume at its own place": ["-v", "THERE", BOX, "cat", "THERE/file"],
    "a colon in the container": ["-v", "THERE:/data:more", BOX, "cat", "/data:more/file"],
    "no directories of the system": ["--nosysdirs", "-v", "THERE:/data", BOX, "cat", "/data/file"],
    "one processor": ["--cpuset-cpus=0", BOX, "nproc"],
    "options without meaning": [
        "-i",
        "-t",
        "--dns=1.1.1.1",
        "--dns-search=x",
        "--device=/dev/null",
        BOX,
        "echo",
        "y",
    ],
    "pulling never": ["--pull=never", BOX, "echo", "y"],
    "reusing": ["--pull=reuse", BOX, "echo", "y"],
    "standard input": [BOX, "sh", "-c", "wc -c; cat"],
    "the rest of the host": [
        BOX,
        "sh",
        "-c",
        "cat /etc/resolv.conf | wc -c; test -r /proc/self/stat && echo ok",
    ],
}


@pytest.mark.parametrize("words", SAME.values(), ids=SAME)
def test_what_udocker_does_it_does(words: list[str], shell: Shell) -> None:
    words = [word.replace("THERE", str(shell.place / "there")) for word in words]
    feed, variables = bytes(range(256)) * 999, {"HOST": "of the host"}
    ours = shell.udocker(*words, feed=feed, variables=variables)
    assert ours.stderr == b""
    udockers = shell.udocker(*words, real=True, feed=feed, variables=variables)
    assert (ours.returncode, ours.stdout) == (udockers.returncode, udockers.stdout), udockers.stderr


def test_empty_arguments_arrive(shell: Shell) -> None:
    script = 'for word; do echo "<$word>"; done'
    done = shell.udocker("", BOX, "sh", "-c", script, "sh", "", "a", "", "")
    assert done.stdout == b"<>\n<a>\n<>\n<>\n"


@pytest.mark.parametrize("value", [" two ", "\tx", "", "a=b", "line\nline ", "grün", "-X"])
def test_values_of_variables_are_what_they_are(value: str, shell: Shell) -> None:
    done = shell.udocker(f"--env=VALUE={value}", BOX, "sh", "-c", 'printf "<%s>" "$VALUE"')
    assert done.stdout.decode() == f"<{value}>"


def test_the_accounts_of_the_host_are_shown(shell: Shell) -> None:
    done = shell.udocker("--hostauth", "--user=root", BOX, "cat", "/etc/passwd", "/etc/group")
    assert done.stdout == Path("/etc/passwd").read_bytes() + Path("/etc/group").read_bytes()
    assert shell.udocker("--hostauth", "--user=nobody-here", BOX, "true").returncode == 125


def test_read_only_volumes_are(shell: Shell) -> None:
    there = shell.place / "there"
    done = shell.udocker(f"--volume={there}:/data:ro", BOX, "sh", "-c", "cat /data/file; echo x > /data/file")
    assert (done.returncode, done.stdout) == (1, b"content\n")
    assert b"/data/file: " in done.stderr
    assert (there / "file").read_text() == "content\n"
    done = shell.udocker(f"--volume={there}:/data:rw", BOX, "sh", "-c", "echo new > /data/new")
    assert (done.returncode, (there / "new").read_text()) == (0, "new\n")


@pytest.mark.parametrize("name", ["a:b", "a:/b", ":", "a b", "x:ro", "quo'te", "grün"])
@pytest.mark.parametrize("target", ["/data", "/a:b/c", "/data:ro/x"])
def test_any_path_is_a_volume(name: str, target: str, shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    (folder / "file").write_text(name)
    done = shell.udocker(f"-v={folder}:{target}", BOX, "cat", f"{target}/file")
    assert (done.stdout.decode(), done.stderr) == (name, b"")


def test_parents_of_mounts_are_made(shell: Shell, tmp_path: Path) -> None:
    volumes = (
        f"-v={tmp_path}:/out",
        f"-v={shell.place}/there/file:/out/deep/er/file",
        f"-v={tmp_path}:/not/there",
    )
    done = shell.udocker(*volumes, "-w=/out", BOX, "sh", "-c", "cat deep/er/file; ls /not/there")
    assert done.stdout == b"content\ndeep\n"


def test_what_is_not_there_is_no_volume(shell: Shell) -> None:
    for volume in ("/not/here:/data", "relative:/data", f"{shell.place}:relative", f"{shell.place}:/"):
        done = shell.udocker(f"--volume={volume}", BOX, "echo", "run")
        assert (done.returncode, done.stdout) == (125, b"")
        assert b"volume path" in done.stderr


def test_changes_of_the_image_are_gone(shell: Shell) -> None:
    assert shell.udocker(BOX, "sh", "-c", "echo x > /bin/new; rm /bin/cat").returncode == 0
    assert shell.udocker(BOX, "ls", "/bin/new", "/bin/cat").stdout == b"/bin/cat\n"


def test_statuses_are_exact(shell: Shell) -> None:
    statuses = {
        "exit 126": 126,
        "kill -9 $$": 137,
        "kill -TERM $$": 143,
        "(exit 5); kill -9 $$": 137,
        "true; kill -SEGV $$": 139,
    }
    found = {script: shell.udocker(BOX, "sh", "-c", script).returncode for script in statuses}
    assert found == statuses
    assert shell.udocker(BOX, "not-there").returncode == 127
    assert shell.udocker(BOX, "/etc/passwd").returncode == 126


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_who_is_killed_takes_all_along(number: signal.Signals, shell: Shell) -> None:
    mark = smallimage.token()
    process = shell.start(BOX, "sh", "-c", f"trap '' HUP INT; sleep {mark} & echo ready; sleep {mark}; wait")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    smallimage.wait_for_marked(mark)
    process.send_signal(number)
    if number != signal.SIGTERM:
        process.kill()  # what ignores it ends with us in any case
    process.communicate()
    assert process.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    smallimage.assert_gone(mark)


def test_the_command_hears_the_signal(shell: Shell) -> None:
    process = shell.start(
        BOX, "sh", "-c", "trap 'echo heard; exit 3' TERM; echo ready; while :; do sleep 0.1; done"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.communicate()[0] == b"heard\n"
    assert process.returncode == 3


def test_what_docker_has_and_udocker_not(shell: Shell) -> None:
    done = shell.udocker("--shm-size=1g", "--gpus=0", BOX, "sh", "-c", "test -w /dev/shm && echo done")
    assert done.stdout == b"done\n"
    done = shell.udocker("--gpus=99", BOX, "echo", "run")
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"--gpus=99" in done.stderr


def test_nothing_runs_on_the_host(shell: Shell) -> None:
    done = shell.udocker(BOX, "echo", "run", variables={"DODAS_ENGINE": "host"})
    assert (done.returncode, done.stdout) == (125, b"")


def test_the_banner_is_on_standard_output(shell: Shell) -> None:
    words = ("run", "--rm", BOX, "echo", "x")
    ours, udockers = (shell.do(shell.words(*words, real=real), real=real).stdout for real in (False, True))
    assert ours.splitlines()[-1] == b"x"
    # udocker's own comes after what the command prints where it is not flushed in time.
    assert Counter(map(len, ours.splitlines())) <= Counter(map(len, udockers.splitlines()))
    quiet = shell.do(shell.words(*words), variables={"UDOCKER_LOGLEVEL": "1"})
    assert quiet.stdout == b"x\n"


def test_what_only_udocker_can_do_is_done_by_udocker(shell: Shell) -> None:
    root = ("--allow-root",) if os.geteuid() == 0 else ()
    assert b"stays" not in shell.do(["udocker", *root, "ps"]).stdout
    start = ["udocker", *root, "-q", "run", "--nobanner"]
    made = shell.do([*start, "--name=stays", BOX, "sh", "-c", "echo mine > /mine"])
    assert made.returncode == 0, made.stderr
    assert shell.do([*start, "--volume=/etc/hosts:/h", "stays", "cat", "/mine"]).stdout == b"mine\n"
    assert b"tool/box:1" in shell.do(["udocker", *root, "images"]).stdout
    wrong = shell.udocker("--no-such-option", BOX, "true", general=root)
    assert wrong.returncode == shell.udocker("--no-such-option", BOX, "true", real=True).returncode != 0
    assert shell.do(["udocker", *root, "rm", "stays"]).returncode == 0


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["version"], ["no-such-command"], []])
def test_all_else_goes_to_udocker(words: list[str], shell: Shell) -> None:
    root = ("--allow-root",) if os.geteuid() == 0 else ()
    ours = shell.do(["udocker", *root, *words])
    udockers = shell.do([shell.real, *root, *words], real=True)
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        udockers.returncode,
        udockers.stdout,
        udockers.stderr,
    )


def test_udocker_finds_its_settings_and_standard_input(shell: Shell, tmp_path: Path) -> None:
    root = ("--allow-root",) if os.geteuid() == 0 else ()
    archive = (shell.place / "image.tar").read_bytes()
    environ = {"UDOCKER_DIR": str(tmp_path / "other")}
    shell.do(["udocker", *root, "import", "-", "from:stdin"], feed=archive, variables=environ)
    assert b"from:stdin" in shell.do([shell.real, *root, "images"], real=True, variables=environ).stdout


def test_settings_that_only_udocker_can_follow(shell: Shell, tmp_path: Path) -> None:
    root = ("--allow-root",) if os.geteuid() == 0 else ()
    (tmp_path / "containers").mkdir()
    environ = {"UDOCKER_CONTAINERS": str(tmp_path / "containers")}
    command = ["udocker", *root, "-q", "run", "--nobanner", BOX, "true"]
    assert shell.do(command, variables=environ).returncode == 0
    assert len(os.listdir(tmp_path / "containers")) == 1


def test_an_image_that_is_not_there(shell: Shell) -> None:
    done = shell.udocker("--pull=never", "no/such:image", "true")
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"no/such" in done.stderr


def test_a_missing_image_is_pulled(shell: Shell, registry: Registry) -> None:
    """By dodas; by udocker if it is told of the registry in a way that only udocker understands."""
    hub = {"UDOCKER_REGISTRY": registry.url}
    done = shell.udocker("pulled:1", "echo", "x", variables=hub)
    assert (done.returncode, done.stdout) == (0, b"x\n"), done.stderr
    root = ("--allow-root",) if os.geteuid() == 0 else ()
    assert b"\npulled:1 " in shell.do(["udocker", *root, "images"]).stdout
    done = shell.udocker(f"--registry={registry.url}", "other:1", "echo", "y")
    assert (done.returncode, done.stdout) == (0, b"y\n"), done.stderr
    assert shell.udocker("--pull=never", "other:1", "echo", "z").stdout == b"z\n"


def test_several_at_once_prepare_an_image_once(shell: Shell, tmp_path: Path) -> None:
    environ = {"UDOCKER_DIR": str(tmp_path / "store")}
    archives.load(Store(str(tmp_path / "store")), str(shell.place / "image.tar"))
    command = ["/usr/bin/env", *shell.words("-q", "run", "--nobanner", ENTRY, "x")]
    running = [
        subprocess.Popen(command, env={**shell.shimmed, **environ}, stdout=subprocess.PIPE) for _ in range(6)
    ]
    assert [process.communicate()[0] for process in running] == [b"entry x\n"] * 6
    assert (
        len([name for name in os.listdir(tmp_path / "store/containers") if not name.startswith("dodas-")])
        == 1
    )


def test_a_terminal_is_the_commands(shell: Shell) -> None:
    here, there = os.openpty()
    words = shell.words(
        "-q", "run", "--nobanner", BOX, "sh", "-c", "test -t 0 && echo ready; read x; echo got $x; exit 4"
    )
    with subprocess.Popen(
        [need("setsid"), "--ctty", "/usr/bin/env", *words],
        env=shell.shimmed,
        stdin=there,
        stdout=there,
        stderr=there,
    ) as process:
        os.close(there)
        _said(here, b"ready")
        os.write(here, b"word\n")
        _said(here, b"got word")
        assert process.wait() == 4
    os.close(here)


def _said(terminal: int, wanted: bytes) -> bytes:
    """Return what was written to a terminal until there is what is wanted."""
    said = b""
    while wanted not in said:
        assert select.select([terminal], [], [], 60)[0], said
        said += os.read(terminal, 1000)
    return said


def test_descriptors_are_passed_on(shell: Shell) -> None:
    words = shell.words("-q", "run", "--nobanner", BOX, "sh", "-c", "cat; echo out; echo err >&2")
    script = 'echo in | "$@" 2>&1 >/dev/null | tr a-z A-Z'
    assert shell.do(["sh", "-c", script, "sh", *words]).stdout == b"ERR\n"


def test_it_needs_nothing_of_the_users_python(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "dataclasses.py").write_text("raise SystemExit('not this one')\n")
    environ = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere"}
    assert shell.udocker(BOX, "echo", "x", variables=environ).stdout == b"x\n"
    assert sys.executable.encode() in Path(shell.shimmed["PATH"].split(":")[0], "udocker").read_bytes()
