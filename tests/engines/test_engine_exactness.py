"""What reaches a command, and what comes back of it, is exactly what was said."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine_bench import HOSTILE, Bench

_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def _given(bench: Bench) -> bytes:
    return bench.stdout.read_bytes()


@pytest.mark.parametrize("words", [("",), ("", "a", ""), HOSTILE, ("--", "-e", "-r", "--kill-on-exit")])
def test_arguments_arrive_as_they_are(bench: Bench, words: tuple[str, ...]) -> None:
    bench.run("sh", "-c", 'for word; do printf "%s\\0" "$word"; done', "sh", *words)
    assert _given(bench) == b"".join(os.fsencode(word) + b"\0" for word in words)


@given(words=st.lists(_text, max_size=4), value=_text)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives_as_argument_and_variable(bench: Bench, words: list[str], value: str) -> None:
    env = (("PATH", os.environ["PATH"] if bench.engine == "host" else "/bin"), ("VALUE", value))
    bench.run(
        "sh", "-c", 'for word; do printf "%s\\0" "$word"; done; printf %s "$VALUE"', "sh", *words, env=env
    )
    assert _given(bench) == b"".join(word.encode() + b"\0" for word in words) + value.encode()


def test_environment_is_exactly_the_one_given(bench: Bench) -> None:
    path = os.environ["PATH"] if bench.engine == "host" else "/bin"
    env = (("PATH", path), ("A", " lead and trail "), ("B", "l1\nl2\n"), ("C", "\udcff"), ("D", ""))
    bench.run("env", "-0", env=env)
    seen = {*_given(bench).split(b"\0")} - {b""}
    # PRoot's status is passed on by a shell, which adds variables of its own.
    seen = {line for line in seen if line.split(b"=")[0] not in (b"PWD", b"OLDPWD", b"SHLVL", b"_")}
    assert seen == {os.fsencode(f"{name}={value}") for name, value in env}


def test_many_long_arguments(bench: Bench) -> None:
    words = [f"{number:05}" for number in range(20_000)]
    bench.run("sh", "-c", 'echo $#; shift 19999; echo "$1"', "sh", *words)
    assert _given(bench) == b"20000\n19999\n"


def test_streams_are_binary_and_separate(bench: Bench, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    source = tmp_path / "input"
    source.write_bytes(data)
    bench.run("sh", "-c", "cat; echo error >&2", stdin=str(source))
    assert _given(bench) == data
    assert bench.stderr.read_bytes() == b"error\n"


def test_without_input_there_is_none(bench: Bench) -> None:
    assert bench.run("cat").exit_code == 0
    assert _given(bench) == b""


@pytest.mark.parametrize("code", [0, 1, 2, 7, 125, 126, 127, 128, 137, 255])
def test_exit_status(bench: Bench, code: int) -> None:
    outcome = bench.run("sh", "-c", f"true; (exit 5); exit {code}")
    assert (outcome.exit_code, outcome.fault) == (code, "")


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGPIPE]
)
def test_death_by_signal_is_never_success(bench: Bench, number: int) -> None:
    outcome = bench.run("sh", "-c", f"true; kill -{int(number)} $$; sleep 5")
    assert outcome.exit_code == 128 + number
    if not bench.engine.startswith(("proot", "fuse")):
        assert outcome.signal == number


def test_missing_and_not_executable_commands(bench: Bench) -> None:
    assert bench.run("no such command").exit_code == 127
    assert bench.run("/etc/passwd").exit_code == 126
    assert "passwd" in bench.stderr.read_text()


def test_ignored_signals_are_not_inherited(bench: Bench) -> None:
    # Python ignores SIGPIPE; `yes | head` would then run on or complain.
    outcome = bench.run("sh", "-c", "yes | head -n 1")
    assert (outcome.exit_code, _given(bench), bench.stderr.read_bytes()) == (0, b"y\n", b"")


def test_outputs_may_be_one_file(bench: Bench) -> None:
    path = str(bench.folder / "both")
    bench.run("sh", "-c", "echo out; echo err >&2; echo out", stdout=path, stderr=path)
    assert Path(path).read_text() == "out\nerr\nout\n"


def test_usage_is_measured(bench: Bench) -> None:
    outcome = bench.run(
        "sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; head -c 3000000 /dev/zero"
    )
    assert outcome.cpu > 0
    assert outcome.wall > 0
    assert outcome.peak_memory > 100_000
    assert outcome.written >= 3_000_000
