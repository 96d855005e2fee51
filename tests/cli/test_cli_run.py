"""`dodas run`: byte for byte, status for status, and nothing of the host but what was given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import smallimage
from servers.apache import Apache

DODAS = (sys.executable, "-m", "dodas", "run")
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def environment(small_environment: dict[str, str]) -> dict[str, str]:
    """The environment of `dodas run`."""
    return {**small_environment, "MINE": "my own"}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run a command in the small image."""

    def dodas(*words: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*DODAS, "--pull", "never", *words],
            check=False,
            input=stdin,
            env={"DODAS_CACHE": str(tmp_path / "cache"), **environment, **environ},
            capture_output=True,
            cwd=tmp_path,
        )

    return dodas


def sh(run: Run, script: str, *options: str) -> str:
    """Run a script that must succeed and return what it wrote."""
    done = run(*options, smallimage.NAME, "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_streams_are_ours_byte_for_byte(run: Run) -> None:
    every = bytes(range(256)) * 1000
    done = run(smallimage.NAME, "sh", "-c", "cat; echo err >&2", stdin=every)
    assert (done.returncode, done.stdout, done.stderr) == (0, every, b"err\n")


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 7", 7), ("exit 125", 125), ("kill -SEGV $$", 139), ("kill -KILL $$", 137)],
)
def test_the_status_is_that_of_the_command(run: Run, script: str, status: int) -> None:
    assert run(smallimage.NAME, "--", "sh", "-c", script).returncode == status


def test_own_failures_have_a_status_of_their_own(run: Run, tmp_path: Path) -> None:
    for words, complaint in (
        (("localhost:1/absent:1", "true"), b"localhost:1/absent"),
        (("--volume", "a:b:c:d", smallimage.NAME, "true"), b"a:b:c:d"),
        (("--volume", f"{tmp_path}/absent:/x", smallimage.NAME, "true"), b"absent"),
        (("--memory", "much", smallimage.NAME, "true"), b"much"),
        (("--gpus", "99", smallimage.NAME, "true"), b"99 GPUs"),
        (("--engine", "teleport", smallimage.NAME, "true"), b"teleport"),
        (("--bogus", smallimage.NAME, "true"), b"--bogus"),
        ((smallimage.NAME,), b"no command"),
    ):
        done = run(*words)
        assert done.returncode == 125, words
        assert complaint in done.stderr, words
        assert b"Traceback" not in done.stderr


def test_a_command_that_is_not_there(run: Run) -> None:
    assert run(smallimage.NAME, "no-such-command").returncode == 127
    assert run(smallimage.NAME, "/marker").returncode == 126


def test_arguments_arrive_as_they_are(run: Run) -> None:
    words = ("", " ", "-e", "--", "a\nb", "'\"$HOME`", "é")
    done = run(smallimage.NAME, "--", "sh", "-c", 'for word; do printf "%s\\0" "$word"; done', "sh", *words)
    assert done.stdout == b"".join(os.fsencode(word) + b"\0" for word in words)


def test_the_environment(run: Run, tmp_path: Path) -> None:
    (tmp_path / "env").write_bytes(b"# comment\r\nA=file\n\nQUOTED='as it is'\nMINE\nABSENT\nB=file\n")
    options = ("--env-file", str(tmp_path / "env"), "-e", "A= a=b\n", "-e", "EMPTY=", "-e", "NOT_SET")
    lines = set(sh(run, "env -0 | tr '\\0' '|'", *options).split("|"))
    home = "/root" if os.geteuid() == 0 else "/tmp"
    assert {"A= a=b\n", "B=file", "QUOTED='as it is'", "MINE=my own", "EMPTY=", f"HOME={home}"} <= lines
    names = {line.partition("=")[0] for line in lines}
    assert names <= {"A", "B", "QUOTED", "MINE", "EMPTY", "HOME", "HOSTNAME", "PATH", "PWD", "SHLVL", ""}


def test_mounts(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / "a:b, c"
    odd.mkdir()
    (odd / "file").write_text("odd\n")
    (tmp_path / "relative").mkdir()
    (tmp_path / "relative/file").write_text("relative\n")
    output = sh(
        run,
        'cat /x/file; touch /x/made; cat "/y z/file";'
        ' touch "/y z/no" 2>/dev/null || echo read-only; cat /r/file',
        "--mount",
        f'"source={odd}",target=/x',
        "--mount",
        f'type=bind,"src={odd}",dst=/y z,readonly',
        "--volume",
        "relative:/r:ro",
    )
    assert output == "odd\nodd\nread-only\nrelative\n"
    assert (odd / "made").stat().st_uid == os.geteuid()
    assert not (odd / "no").exists()


def test_nothing_of_the_host_is_seen_and_nothing_is_kept(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    assert sh(run, f"ls {tmp_path} 2>&1 || echo none; touch /new; ls /new").endswith("none\n/new\n")
    assert sh(run, "ls /new 2>/dev/null || echo fresh") == "fresh\n"


def test_where_and_who(run: Run) -> None:
    assert sh(run, "pwd", "--workdir", "/some/where") == "/some/where\n"
    assert sh(run, "id -u") == f"{os.geteuid()}\n"
    assert sh(run, "id -u; touch f; chown 12:34 f && stat -c %u f", "--root").startswith("0\n")
    assert run("--entrypoint", "echo", smallimage.NAME, "a", "b").stdout == b"a b\n"


def test_the_network_can_be_taken_away(run: Run) -> None:
    done = run("--network", "none", smallimage.NAME, "cat", "/proc/net/dev")
    if b"cannot take the network away" not in done.stderr:
        assert [line.split(b":")[0].strip() for line in done.stdout.splitlines()[2:]] == [b"lo"]


def test_limits(run: Run) -> None:
    late = run("--time", "0.3s", smallimage.NAME, "sleep", "60")
    assert late.returncode == 124
    assert b"time limit" in late.stderr
    half = "dd if=/dev/zero of=/dev/null bs=40M count=100000"
    fat = run("--memory", "60M", smallimage.NAME, "sh", "-c", f"{half} & {half}; wait")
    assert fat.returncode == 137
    assert b"60.0 MiB" in fat.stderr
    assert sh(run, "nproc", "--cores", "0.5") == "1\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(environment: dict[str, str], number: signal.Signals) -> None:
    name = number.name[3:]
    script = f"trap 'echo got {name}; exit 9' {name}; echo up; while true; do sleep 0.05; done"
    with subprocess.Popen(
        [*DODAS, smallimage.NAME, "sh", "-c", script],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.stdout.read() == f"got {name}\n".encode()
    assert process.returncode == 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_ends_the_command_is_its_status(environment: dict[str, str], number: int) -> None:
    with subprocess.Popen(
        [*DODAS, smallimage.NAME, "sh", "-c", "echo up; exec sleep 60"],
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
    assert process.returncode == 128 + number


@pytest.mark.parametrize("victim", ["dodas", "supervisor"])
def test_nothing_outlives_a_kill(environment: dict[str, str], tmp_path: Path, victim: str) -> None:
    mark = smallimage.token()
    script = f"(setsid sleep {mark} &); sleep {mark}; sleep {mark}"
    with subprocess.Popen([*DODAS, smallimage.NAME, "sh", "-c", script], env=environment) as process:
        smallimage.wait_for_marked(mark, 3)
        target = psutil.Process(process.pid)
        (target if victim == "dodas" else target.children()[0]).kill()
    assert process.returncode == (-9 if victim == "dodas" else 125)
    smallimage.assert_gone(mark)


def test_a_reader_that_goes_away_ends_the_command(environment: dict[str, str]) -> None:
    mark = smallimage.token()
    command = [*DODAS, smallimage.NAME, "sh", "-c", f"while echo y; do :; done; echo {mark}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
    smallimage.assert_gone(mark)


def test_files_at_urls_come_and_go(run: Run, apache: Apache, tmp_path: Path) -> None:
    (apache.root / "d").mkdir()
    (apache.root / "d/a b").write_text("given\n")
    (apache.root / "x").write_text("x\n")
    words = ("--input", f"{apache.url('d/')}:/in/dir", "--input", f"{apache.url('x')}:/in/x:y")
    output = ("--output", f"/out/made:{apache.url('results/')}")
    (tmp_path / "here").mkdir()
    script = 'cat "/in/dir/a b" /in/x:y > /out/made'
    sh(run, script, *words, *output, "--volume", f"{tmp_path}/here:/in")
    assert (apache.root / "results/made").read_text() == "given\nx\n"
    assert list((tmp_path / "here").iterdir()) == []
    failed = run(*words, *output, smallimage.NAME, "--", "sh", "-c", "echo no > /out/made; exit 3")
    assert failed.returncode == 3
    assert (apache.root / "results/made").read_text() == "given\nx\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--input", "/x:/y"), b"is no input"),
        (("--input", "davs://host/x"), b"is no input"),
        (("--output", "x:davs://host/y"), b"is no output"),
        (("--output", "/bin/x:davs://host/y"), b"nothing stays"),
        (("--input", "http://localhost:1/x:/x"), b"localhost:1"),
    ],
)
def test_what_is_wrong_with_urls_is_said(run: Run, words: tuple[str, ...], said: bytes) -> None:
    done = run(*words, smallimage.NAME, "--", "true", DODAS_STORAGE_ATTEMPTS="1")
    assert done.returncode == 125
    assert said in done.stderr
