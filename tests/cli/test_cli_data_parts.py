"""What `dodas data` is made of, without a server: naming, threads, exit status, the picture on a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from dodas.cli.data_board import Bar, Board
from dodas.cli.data_crew import Crew
from dodas.cli.data_ends import Ends, as_failure
from dodas.cli.data_get import split
from dodas.cli.data_items import Moved, Refused
from dodas.cli.data_local import LocalFile, files
from dodas.cli.data_screen import screen
from dodas.cli.data_show import compared, summary
from dodas.cli.data_sources import relative
from dodas.errors import Corrupt, DodasError, NotAllowed, NotThere, SpecError, StorageUnreachable
from dodas.staging.values import Checksum, Verified
from terminals import terminal

HOSTILE = "a b'\"; $(x)%41 [y]?#+&é\n\x1b[2J"

# --- the exit status ---


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([], 0),
        ([NotThere("x")], 4),
        ([NotAllowed("x"), NotAllowed("y")], 5),
        ([SpecError("x")], 2),
        ([StorageUnreachable("x")], 1),
        ([NotThere("x"), NotAllowed("y")], 1),
        ([NotThere("x"), Corrupt("y")], 1),
    ],
)
def test_failures_of_one_kind_have_a_status_of_their_own(errors: list[DodasError], status: int) -> None:
    ends = Ends(lambda line: None)
    for error in errors:
        ends.failed(error)
    assert ends.status() == status
    assert ends.count == len(errors)


def test_what_failed_is_printed_without_control_characters_and_advice_once() -> None:
    lines: list[str] = []
    ends = Ends(lines.append)
    for name in (HOSTILE, "b"):
        ends.failed(NotThere(f"{name} is away", hint="look elsewhere"))
    assert lines == [
        r"error: a b'"
        r'"; $(x)%41 [y]?#+&é\n\x1b[2J is away',
        "  hint: look elsewhere",
        "error: b is away",
    ]


def test_failures_of_this_machine_name_the_file() -> None:
    with pytest.raises(OSError, match="No such") as caught:
        os.stat("/absent")
    error = as_failure(caught.value)
    assert isinstance(error, NotThere)
    assert str(error) == "'/absent': No such file or directory"


# --- many at once ---


def test_every_item_is_done_once_and_failures_stop_nothing() -> None:
    def do(item: int) -> int:
        if item % 3 == 0:
            raise NotThere(str(item))
        if item % 7 == 0:
            raise PermissionError(13, "Permission denied", str(item))
        return item

    results = dict(Crew(do, at_once=4).each(range(1000)))
    assert results.keys() == set(range(1000))
    assert {item for item, result in results.items() if isinstance(result, NotThere)} == set(
        range(0, 1000, 3)
    )
    assert str(results[7]) == "'7': Permission denied"
    assert results[8] == 8


def test_items_are_read_not_much_faster_than_they_are_done() -> None:
    read: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            read.append(len(read))
            yield read[-1]

    crew = Crew[int, int](lambda item: item, at_once=3)
    with closing(crew.each(endless())) as over:
        for _ in range(10):
            next(over)
    assert len(read) <= 10 + 2 * 3 + 1


def test_as_many_as_asked_for_run_at_once() -> None:
    together = threading.Barrier(5)
    crew = Crew[int, int](lambda item: together.wait(timeout=60), at_once=5)
    assert len(list(crew.each(range(10)))) == 10


def test_ctrl_c_ends_those_at_work() -> None:
    begun = threading.Semaphore(0)
    ended: list[int] = []

    def do(item: int) -> None:
        begun.release()
        try:
            while True:
                crew.check()
        finally:
            ended.append(item)

    def items() -> Iterator[int]:
        yield from range(3)
        for _ in range(3):
            begun.acquire()
        raise KeyboardInterrupt

    crew = Crew(do, at_once=3)
    with pytest.raises(KeyboardInterrupt):
        list(crew.each(items()))
    assert sorted(ended) == [0, 1, 2]


def test_an_error_of_ours_is_not_hidden() -> None:
    def do(item: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(Crew(do, at_once=2).each([1]))


# --- names ---


def test_the_last_word_of_get_is_the_target_unless_it_is_a_url() -> None:
    assert split(["davs://h/a"]) == (["davs://h/a"], ".")
    assert split(["davs://h/a", "http://h/b"]) == (["davs://h/a", "http://h/b"], ".")
    assert split(["davs://h/a", "b"]) == (["davs://h/a"], "b")
    assert split(["davs://h/a", "-"]) == (["davs://h/a"], "-")
    for words in (["b"], ["b", "davs://h/a"], ["davs://h/a", "b", "c"], ["davs://u:p@h/a"]):
        with pytest.raises(SpecError):
            split(words)


def test_names_below_a_directory() -> None:
    assert relative("davs://h/a/", "davs://h/a/b") == ("b",)
    assert relative("davs://h/a", "davs://h/a/b%20c/%2541/d/") == ("b c", "%41", "d")
    for url in ("davs://h/b", "davs://h/a/", "davs://h/ab", "davs://h/a/b%2Fc", "davs://h/a//c"):
        with pytest.raises(Corrupt):
            relative("davs://h/a/", url)


def test_files_on_this_disk(tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff")
    tree = tmp_path / HOSTILE
    (tree / "sub").mkdir(parents=True)
    (tree / "empty").mkdir()
    (tree / "file").write_bytes(b"12345")
    (tree / "sub" / odd).touch()
    (tree / "link").symlink_to("file")
    (tree / "round").symlink_to(tree)
    (tree / "broken").symlink_to("absent")
    os.mkfifo(tree / "fifo")
    found = list(files([str(tree)], recursive=True))
    good = {one.names: one.size for one in found if isinstance(one, LocalFile)}
    assert good == {
        (HOSTILE, "file"): 5,
        (HOSTILE, "link"): 5,
        (HOSTILE, "sub", odd): 0,
        (HOSTILE, "empty"): None,
    }
    bad = {os.path.basename(one.source): str(one.error) for one in found if isinstance(one, Refused)}
    assert bad.keys() == {"round", "broken", "fifo"}
    assert "leads back" in bad["round"]
    inside = [one.names for one in files([f"{tree}/"], recursive=True) if isinstance(one, LocalFile)]
    assert ("file",) in inside
    (one,) = files([str(tree)], recursive=False)
    assert isinstance(one, Refused)
    assert "-r" in one.error.hint


# --- what is shown ---


def test_what_a_file_was_compared_with_is_said() -> None:
    sums = (Checksum(algorithm="adler32", value="00000001"),)
    assert compared(Moved(size=1, checksums=sums, verified=Verified.CHECKSUM)) == "adler32 compared"
    assert compared(Moved(size=1, checksums=(), verified=Verified.SIZE)) == "only its size compared"
    assert compared(Moved(size=1, checksums=(), verified=Verified.NOTHING)) == "nothing to compare it with"


def test_the_summary_counts_everything() -> None:
    board = Board()
    for size in (1 << 20, 5, None, 7, 8):
        board.expect(size)
    board.count(1 << 20, same=False, verified=Verified.CHECKSUM)
    board.count(5, same=True, verified=Verified.SIZE)
    board.count_failure()
    text = summary(board)
    assert text.startswith("2 files, 1.0 MiB in ")
    assert text.endswith(
        "/s); 1 there already; 1 without a checksum to compare; 1 failed; "
        "2 not done; the same command goes on"
    )


@pytest.mark.parametrize(("rows", "columns"), [(24, 120), (10, 60), (5, 30)])
def test_a_picture_fits_the_terminal(rows: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    board = Board()
    for number in range(40):
        board.expect(3 << 30)
        bar = Bar(name=f"{HOSTILE}{number}", check=lambda: None)
        if number < 12:
            board.begin(bar)
            bar.move(number << 20, 3 << 30)
    board.count(3 << 30, same=False, verified=Verified.CHECKSUM)
    with terminal(rows, columns) as (out, shown), screen(board, out) as say:
        say("error: " + "long " * 40)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "\x1b" not in text
    lines = [line for line in re.split(r"[\r\n]+", text) if " bytes" in line or "iB" in line]
    assert max(map(len, lines)) < columns
    assert "1 of 40" in lines[0]
    heads = [number for number, line in enumerate(lines) if "1 of 40" in line]
    assert max(after - before for before, after in pairwise([*heads, len(lines)])) <= rows - 2
    assert ("… and" in text) == (rows < 15)
    assert text.count("long") == 40


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom dodas.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "heavy = 'ssl', 'http.client', 'rich', 'requests', 'hashlib', 'xml', 'dodas.staging'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    for words in (["--help"], ["data", "--help"], ["data", "get", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *words], check=True, capture_output=True, text=True
        )
        assert done.stdout.splitlines()[-1] == "[]"
