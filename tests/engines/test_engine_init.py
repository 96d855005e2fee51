"""The first process of a step in PRoot: it tells how the command ended, and nothing can make it lie."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import smallimage
from dodas.containers.engines import proot, traced
from dodas.worker.choose import verdict
from dodas.worker.client import Worker
from engine_bench import Bench
from needs import need

in_proot = pytest.mark.parametrize("container", ["proot", "proot-noseccomp", "fuse"], indirect=True)


@pytest.fixture(scope="module")
def init() -> str:
    """The path of the init that was built with PRoot."""
    path = traced.files(verdict("proot").program or proot.find())[2]
    if not os.access(path, os.X_OK):
        if os.environ.get("DODAS_TEST_STRICT") == "1" and shutil.which("gcc"):
            pytest.fail("`make proot` did not build proot-init")
        pytest.skip("`make proot` did not build proot-init here")
    return path


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What is left of a command: its status, its output, and what the init reported."""

    code: int
    stdout: str
    stderr: str
    report: list[str]


def start(init: str, *command: str, **options: object) -> tuple[subprocess.Popen[str], int]:
    """Start ``command`` in the init alone, without PRoot; return it and where the report can be read."""
    reader, writer = os.pipe()
    own = os.open(init, os.O_PATH)
    process = subprocess.Popen(
        [init, "run", str(writer), str(own), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        pass_fds=(writer, own),
        start_new_session=True,
        **options,  # type: ignore[call-overload]
    )
    os.close(writer)
    os.close(own)
    return process, reader


def finish(process: subprocess.Popen[str], reader: int) -> Ending:
    stdout, stderr = process.communicate(timeout=60)
    with open(reader) as report:
        return Ending(
            code=process.returncode, stdout=stdout, stderr=stderr, report=report.read().splitlines()
        )


def run(init: str, *command: str, **options: object) -> Ending:
    return finish(*start(init, *command, **options))


@pytest.mark.parametrize("code", [0, 1, 7, 125, 126, 127, 128, 137, 255])
def test_a_status_is_passed_on_and_reported(init: str, code: int) -> None:
    ending = run(init, "sh", "-c", f"exit {code}")
    assert (ending.code, ending.report) == (code, ["signal 009", f"exit {code:03}"])


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, 64])
def test_a_signal_is_reported_as_one(init: str, number: int) -> None:
    ending = run(init, "sh", "-c", f"ulimit -c 0; kill -{int(number)} $$")
    assert (ending.code, ending.report[-1]) == (128 + number, f"signal {number:03}")


def test_the_command_gets_none_of_its_descriptors(init: str) -> None:
    assert run(init, "sh", "-c", "echo /proc/self/fd/*").stdout.split()[:3] == [
        f"/proc/self/fd/{number}" for number in range(3)
    ]
    assert run(init, "sh", "-c", "for n in 3 4 5 6 7 8 9; do (: >&$n) 2>&- && echo $n; done").stdout == ""


def test_what_is_for_proot_is_not_for_the_command(init: str) -> None:
    env = {
        "PROOT_LOADER": "x",
        "A": "",
        "PROOT_TMP_DIR": "x",
        "PROOT_NO_SECCOMP": "1",
        "PROOT_LOADER_": "own",
    }
    path = {"PATH": os.environ["PATH"]}
    assert run(init, "env", env={**env, **path}).stdout.splitlines() == [
        "A=",
        "PROOT_LOADER_=own",
        f"PATH={path['PATH']}",
    ]


def ignore(number: int) -> None:
    """Ignore any signal, also 32 and 33, which the C library keeps for itself but a parent may ignore."""
    rt_sigaction = {"x86_64": 13, "aarch64": 134}[platform.machine()]
    ignored = ctypes.create_string_buffer(struct.pack("@4P", 1, 0, 0, 0))
    ctypes.CDLL(None).syscall(rt_sigaction, number, ignored, None, 8)


def test_the_command_starts_with_no_signal_ignored_or_blocked(init: str) -> None:
    def spoil() -> None:
        for number in range(1, 65):
            ignore(number)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    ending = run(init, "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", preexec_fn=spoil)
    assert [int(line.split()[1], 16) for line in ending.stdout.splitlines()] == [0, 0]


def test_no_signal_ends_it_before_the_command(init: str) -> None:
    script = "trap 'exit 3' TERM; trap : HUP INT QUIT USR1 USR2 ALRM; echo up; while :; do sleep 0.01; done"
    process, reader = start(init, "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    for number in (1, 2, 3, 10, 12, 14, 15):
        process.send_signal(number)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGTERM)
    assert finish(process, reader).report[-1] == "exit 003"


_EXECUTE = """
import os, sys
from dodas.containers.engines import start
start.execute(tuple(sys.argv[1:]), tuple(os.environ.items()))
"""


def _script(path: Path, text: str, mode: int = 0o755) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


@pytest.mark.parametrize("path", ["{0}/one:{0}/two:/bin", "{0}/absent::/bin", ":{0}/two", "{0}/closed:/bin"])
@pytest.mark.parametrize(
    "words",
    [
        ("shebang", "a", "", "b c"),
        ("bare", "a", "", "b c"),
        ("plain",),
        ("lost",),
        ("folder",),
        ("both",),
        ("here",),
        ("./here", "x"),
        ("no such", "command"),
        ("no/such",),
        ("/",),
        ("x" * 300,),
        ("x" * 5000,),
        ("d" * 5000 + "/x",),
        ("\udcff",),
    ],
    ids=lambda words: ascii(words[0])[:12],
)
def test_commands_are_found_as_by_the_other_engines(
    init: str, tmp_path: Path, words: tuple[str, ...], path: str
) -> None:
    _script(tmp_path / "two/shebang", "#!/bin/sh\necho two $# $0 $3\n")
    _script(tmp_path / "two/bare", 'echo bare $# "$0" "$3"\n')
    _script(tmp_path / "one/plain", "text\n", 0o644)
    _script(tmp_path / "one/lost", "#!/no/such/interpreter\n")
    _script(tmp_path / "one/both", "text\n", 0o644)
    _script(tmp_path / "two/both", "#!/bin/sh\nexit 5\n")
    _script(tmp_path / "here", "#!/bin/sh\necho here $*\n")
    _script(tmp_path / "closed/shebang", "#!/bin/sh\necho closed\n")
    (tmp_path / "one/folder").mkdir()
    (tmp_path / "closed").chmod(0)
    env = {"PATH": path.format(tmp_path)}
    roots = os.pathsep.join(filter(None, sys.path))
    options = {"cwd": tmp_path, "env": {**env, "PYTHONPATH": roots}}
    expected = subprocess.run(
        [sys.executable, "-c", _EXECUTE, *words],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
        **options,  # type: ignore[call-overload]
    )
    ending = run(init, *words, **options)
    (tmp_path / "closed").chmod(0o700)
    assert (ending.code, ending.stdout, ending.stderr) == (
        expected.returncode,
        expected.stdout,
        expected.stderr,
    )


@pytest.fixture
def token() -> Iterator[str]:
    """A number that marks the processes of this test; none may be left."""
    made = smallimage.token()
    yield made
    smallimage.assert_gone(made)


@pytest.fixture
def shared(tmp_path: Path) -> dict[str, object]:
    """Options that give a step a directory in which it can say that it is there."""
    (tmp_path / "shared").mkdir()
    return {"mounts": ((str(tmp_path / "shared"), "/shared", True),)}


def _until(condition: Callable[[], bool]) -> None:
    """Wait for what gives no event to wait for."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _wait_for(tmp_path: Path, mark: str) -> list[psutil.Process]:
    """Return the processes of a step that has made ``/shared/up``."""
    found = smallimage.wait_for_marked(mark, 3)
    _until((tmp_path / "shared" / "up").exists)
    return found


def _named(processes: list[psutil.Process], part: str) -> psutil.Process:
    return next(process for process in processes if process.cmdline()[0].startswith(part))


@in_proot
def test_an_image_without_a_shell(init: str, container: Bench, tmp_path: Path) -> None:
    root = tmp_path / "ROOT"
    (root / "bin").mkdir(parents=True)
    shutil.copy(need("busybox"), root / "bin/tool")
    (root / "bin/echo").symlink_to("tool")
    (root / "bin/false").symlink_to("tool")
    outcome = container.run("echo", "hello", root=str(root))
    assert (outcome.exit_code, outcome.fault) == (0, "")
    assert container.stdout.read_text() == "hello\n"
    assert container.run("false", root=str(root)).exit_code == 1


@in_proot
def test_a_killed_command_is_told_by_its_signal(init: str, container: Bench) -> None:
    outcome = container.run("sh", "-c", "true; kill -9 $$")
    assert (outcome.exit_code, outcome.signal) == (137, 9)
    outcome = container.run("sh", "-c", "exit 137")
    assert (outcome.exit_code, outcome.signal) == (137, None)


@in_proot
@pytest.mark.parametrize("victim", ["/proc/self/fd/", "PROOT"])
def test_a_kill_between_the_step_and_its_supervisor_is_no_success(
    init: str, container: Bench, tmp_path: Path, shared: dict[str, object], token: str, victim: str
) -> None:
    key = container.start("sh", "-c", f"true; touch /shared/up; sleep {token}; exit 5", **shared)
    program = init.removesuffix("-init")
    _named(_wait_for(tmp_path, token), victim.replace("PROOT", program)).kill()
    outcome = container.end(key)
    assert (outcome.exit_code, outcome.signal, outcome.fault) == (137, 9, "")


@in_proot
def test_signals_are_the_business_of_the_command(
    init: str, container: Bench, tmp_path: Path, shared: dict[str, object], token: str
) -> None:
    script = (
        f"exec 2>/dev/null; trap 'echo got' USR1; trap 'exit 4' QUIT; touch /shared/up; : {token};"
        "while true; do sleep 0.02; done"
    )
    key = container.start("sh", "-c", script, **shared)
    group = os.getpgid(_wait_for(tmp_path, token)[0].pid)
    os.killpg(group, signal.SIGUSR1)
    _until(lambda: container.stdout.read_text() == "got\n")
    os.killpg(group, signal.SIGQUIT)
    assert container.end(key).exit_code == 4
    assert container.stderr.read_text() == ""


@in_proot
def test_the_environment_is_the_one_given(init: str, container: Bench) -> None:
    container.run("env", env=(("PATH", "/bin"), ("A", "b c")), cwd="/tmp")
    assert sorted(container.stdout.read_text().splitlines()) == ["A=b c", "PATH=/bin", "PWD=/tmp"]


def test_the_shell_of_the_image_takes_its_place(
    init: str, worker: Worker, busybox_root: Path, tmp_path: Path
) -> None:
    program = shutil.copy(init.removesuffix("-init"), tmp_path)
    bench = Bench(engine="proot", root=busybox_root, folder=tmp_path, worker=worker)
    for script, code in (("exit 7", 7), ("true; kill -9 $$", 137), ("nohow", 127)):
        assert bench.run("sh", "-c", script, program=program).exit_code == code
    outcome = bench.run("cat", program=program, root=str(tmp_path))
    assert outcome.exit_code is None
    assert "no /bin/sh" in outcome.fault


@in_proot
def test_a_stop_at_any_moment_of_the_start_is_obeyed(init: str, container: Bench) -> None:
    for _ in range(20):
        key = container.start("sleep", "1000", grace=1000.0)
        container.worker.stop(key)
        outcome = container.end(key)
        assert outcome.stopped
        assert outcome.exit_code != 0


@in_proot
@pytest.mark.parametrize("options", [{"env": (("A=B", "C"), ("D", "\0"))}, {"program": "/etc/passwd"}])
def test_what_cannot_be_started_is_a_fault(
    init: str, container: Bench, tmp_path: Path, options: dict[str, object]
) -> None:
    if "program" in options:
        program = tmp_path / "proot"
        program.write_text("no program\n")
        program.chmod(0o755)
        shutil.copy(init, f"{program}-init")
        options = {"program": str(program)}
    outcome = container.run("true", **options)
    assert (outcome.exit_code, outcome.lost) == (None, False)
    assert outcome.fault != ""
