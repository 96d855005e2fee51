"""What is shown of a run: every step once, in a log; the right ones, on a screen; what failed, at the end."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dodas.backend import Finished, Preparing, Queued, Started
from dodas.cli.progress import display
from dodas.cli.screen import choose
from dodas.cli.summary import tail
from dodas.cli.tally import Stage, Tally, printable
from dodas.step import Failure, Result, Step, Usage
from terminals import terminal

HOSTILE = "[red]x[/red] \x1b[2J\n\udcff é"
SHOWN = r"[red]x[/red] \x1b[2J\n\udcff é"


def step(step_id: str, name: str = "") -> Step:
    return Step(id=step_id, name=name or step_id, argv=("true",))


def finished(step_id: str, failure: Failure | None = None, reason: str = "", **fields: object) -> Finished:
    usage = Usage(wall=2.5, cpu=1.5, peak_memory=3 << 20)
    result = Result(step=step_id, failure=failure, reason=reason, usage=usage, **fields)  # type: ignore[arg-type]
    return Finished(step=step_id, time=0, result=result)


def started(step_id: str) -> Started:
    return Started(step=step_id, time=0, node="here")


def test_a_log_has_one_line_for_each_thing_that_happened() -> None:
    out = io.StringIO()
    with display(out) as show:
        for name in ("good", "bad"):
            show.expect(step(name[0], name))
            show(Queued(step=name[0], time=0))
            show(Preparing(step=name[0], time=0, what="image debian:12"))
        show(started("g"))
        show(started("b"))
        show(finished("g"))
        show(finished("b", Failure.TOOL, "exit status 3"))
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in out.getvalue().splitlines()]
    assert lines[:5] == [
        "preparing image debian:12",
        "started   good on here",
        "started   bad on here",
        "done      good  2.5 s",
        "failed    bad  2.5 s: exit status 3",
    ]
    assert lines[-1].startswith("2 steps, 1 failed, ")
    assert lines[-1].endswith("CPU 3.0 s, largest step 3.0 MiB")


def test_the_end_says_why_and_where(tmp_path: Path) -> None:
    log = tmp_path / "stderr"
    log.write_bytes(
        b"old\n" * 100_000 + b"".join(b"line %d\n" % n for n in range(30)) + b"\x1b[31mlast\xff\t.\r\n"
    )
    out = io.StringIO()
    with display(out, quiet=True) as show:
        show.expect(step("b", HOSTILE))
        failed = finished(
            "b", Failure.TOOL, "exit status 3", stdout="/logs/out", stderr=str(log), scratch="/kept"
        )
        show(failed)
    text = out.getvalue()
    assert f"step {SHOWN} failed: exit status 3" in text
    assert "line 10\n" not in text
    assert "line 11\n" in text
    assert r"\x1b[31mlast" in text
    assert "\x1b" not in text
    for path in ("/logs/out", str(log), "/kept"):
        assert path in text


def test_quiet_and_well_is_silent() -> None:
    out = io.StringIO()
    with display(out, quiet=True) as show:
        show(started("a"))
        show(finished("a"))
    assert out.getvalue() == ""


def test_many_failures_are_told_in_short() -> None:
    out = io.StringIO()
    with display(out, quiet=True) as show:
        for number in range(500):
            show(finished(f"f{number}", Failure.TOOL, "exit status 1"))
        for number in range(500):
            show(finished(f"c{number}", Failure.CANCELLED, "cancelled"))
    text = out.getvalue()
    assert len(text.splitlines()) < 60
    assert "and 490 more failed" in text
    assert "1000 steps, 500 failed, 500 cancelled" in text


def test_the_summary_comes_after_an_interruption_too() -> None:
    out = io.StringIO()
    with pytest.raises(KeyboardInterrupt), display(out) as show:
        show(finished("a"))
        raise KeyboardInterrupt
    assert out.getvalue().splitlines()[-1].startswith("1 step, ")


def test_an_ascii_terminal_gets_escapes() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    with display(out) as show:
        show.expect(step("a", "é \udcff"))
        show(started("a"))
    out.flush()
    assert rb"started   \xe9 \udcff" in raw.getvalue()


def test_from_many_threads() -> None:
    out = io.StringIO()
    with display(out) as show:

        def work(name: str) -> None:
            for number in range(200):
                show(started(f"{name}{number}"))
                show(finished(f"{name}{number}"))

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert out.getvalue().count("done ") == 800
    assert out.getvalue().splitlines()[-1].startswith("800 steps, ")


def plain(shown: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_a_screen_has_room_for_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    with terminal(12, 60) as (out, shown), display(out, total=3000) as show:
        for number in range(2000):
            show.expect(step(f"s{number}", f"name {number}"))
        show.expect(step("hostile", HOSTILE))
        show(started("hostile"))
        for number in range(1000):
            show(started(f"s{number}"))
            show(finished(f"s{number}", *((Failure.TOOL, "exit status 9") if number == 5 else ())))
    text = plain(bytes(shown))
    last = text[text.rindex("999 done") :]
    assert "1 failed" in last
    assert "1999 waiting" in text
    assert "✗ name 5 " in last
    assert "exit status 9" in last
    assert f"▶ {SHOWN}" in last
    screen = last[: last.index("\r\n\r\n")].splitlines()
    assert len(screen) <= 12
    assert all(len(line) <= 60 for line in screen)
    assert "1000 steps, 1 failed" in last


def test_the_choice_of_lines() -> None:
    tally = Tally(clock=lambda: 0.0)
    for number in range(40):
        tally.expect(step(f"s{number}"))
    for number in range(30):
        tally.see(started(f"s{number}"))
    for number in range(20):
        tally.see(finished(f"s{number}", Failure.TOOL if number < 10 else None))
    stages = [line.stage for line in choose(tally, 20)]
    assert stages.count(Stage.RUNNING) == 10
    assert stages.count(Stage.FAILED) == 6
    assert stages.count(Stage.WAITING) == 4
    assert len(choose(tally, 5)) == 5
    assert len(choose(tally, 1000)) == 40


def test_counts_never_drift() -> None:
    tally = Tally(total=4)
    assert tally.waiting() == 4
    for event in (Queued(step="a", time=0), started("a"), started("a"), finished("a"), started("b")):
        tally.see(event)
    tally.see(finished("c", Failure.CANCELLED))
    assert (tally.waiting(), tally.finished()) == (1, 2)
    assert sum(tally.counts.values()) == 3
    assert set(tally.open) == {"b"}


def test_a_finished_step_costs_no_memory_for_ever() -> None:
    tally = Tally()
    for number in range(10_000):
        tally.see(finished(f"s{number}"))
    assert len(tally.recent) + len(tally.broken) + len(tally.open) < 1000
    assert tally.finished() == 10_000


def test_tail_of_odd_files(tmp_path: Path) -> None:
    assert tail(str(tmp_path / "absent")) == []
    (tmp_path / "empty").touch()
    assert tail(str(tmp_path / "empty")) == []
    (tmp_path / "long").write_bytes(b"x" * 500_000)
    assert len(tail(str(tmp_path / "long"))) == 1


def test_printable_leaves_text_alone() -> None:
    assert printable("Schöne Äpfel [a]") == "Schöne Äpfel [a]"
    assert printable("a\tb\x07") == r"a\tb\x07"


def test_rich_is_loaded_for_terminals_only() -> None:
    script = (
        "import io, sys\nfrom dodas.cli.progress import display\n"
        "with display(io.StringIO()) as show: pass\nprint('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
