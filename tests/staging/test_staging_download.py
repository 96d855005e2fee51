"""Files on this disk while they are made, and what others may have put there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.errors import AlreadyThere, SpecError, TransferError
from dodas.staging import parts, queue
from dodas.staging.checksums import Hasher
from dodas.staging.parts_memo import Memo
from dodas.staging.storage import Storage
from dodas.staging.values import Expected, Received, Stored
from servers.apache import Apache
from servers.ports import until
from storages import MANY, adler32, content, fetched_at_once, left_in, storage

DATA = content()


@pytest.fixture
def client() -> Iterator[Storage]:
    with storage() as client:
        yield client


@pytest.fixture
def url(apache: Apache) -> str:
    (apache.root / "f").write_bytes(DATA)
    return apache.url("f")


def part_of(target: Path) -> Path:
    """Return the name under which a file is made."""
    with parts.opened(str(target), resume=False) as part:
        [name] = [file for file in target.parent.iterdir() if file.name.startswith(".dodas-")]
        part.discard()
    return name


def test_what_is_there_stays(url: str, tmp_path: Path, client: Storage) -> None:
    (tmp_path / "f").write_text("old")
    with pytest.raises(AlreadyThere):
        client.download(url, tmp_path / "f")
    assert (tmp_path / "f").read_text() == "old"
    client.download(url, tmp_path / "f", overwrite=True)
    assert (tmp_path / "f").read_bytes() == DATA


def test_what_appears_meanwhile_stays(url: str, tmp_path: Path, client: Storage) -> None:
    def appear(done: int, total: int | None) -> None:
        (tmp_path / "f").write_text("somebody else's")

    with pytest.raises(AlreadyThere):
        client.download(url, tmp_path / "f", progress=appear)
    assert (tmp_path / "f").read_text() == "somebody else's"


def test_a_link_is_replaced_and_not_followed(url: str, tmp_path: Path, client: Storage) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "f").symlink_to("precious")
    with pytest.raises(AlreadyThere):
        client.download(url, tmp_path / "f")
    client.download(url, tmp_path / "f", overwrite=True)
    assert (tmp_path / "f").read_bytes() == DATA
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_stays(overwrite: bool, url: str, tmp_path: Path, client: Storage) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(TransferError):
        client.download(url, tmp_path / "f", overwrite=overwrite)
    assert (tmp_path / "f").is_dir()


def test_a_directory_that_is_not_there(url: str, tmp_path: Path, client: Storage) -> None:
    with pytest.raises(TransferError, match="cannot be used") as caught:
        client.download(url, tmp_path / "no" / "f")
    assert "directory" in caught.value.hint


def test_names_as_long_as_they_can_be(url: str, tmp_path: Path, client: Storage) -> None:
    target = tmp_path / ("ü" * 127 + "x")
    client.download(url, target)
    assert target.read_bytes() == DATA


def test_a_part_that_is_a_link_is_not_written_through(url: str, tmp_path: Path, client: Storage) -> None:
    (tmp_path / "precious").write_text("precious")
    part_of(tmp_path / "f").symlink_to("precious")
    client.download(url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_part_that_nobody_could_go_on_with_does_not_stay(url: str, tmp_path: Path, client: Storage) -> None:
    def give_up(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    (tmp_path / "precious").write_text("precious")
    part = part_of(tmp_path / "f")
    part.symlink_to("precious")
    with pytest.raises(KeyboardInterrupt):
        client.download(url, tmp_path / "f", progress=give_up)
    assert left_in(tmp_path) == {"precious", part.name}


def test_a_part_that_has_its_name_already_is_not_touched(url: str, tmp_path: Path, client: Storage) -> None:
    """Its maker died after it had given the file its name, and before it took the other one away."""
    (tmp_path / "f").write_text("complete")
    part_of(tmp_path / "g").hardlink_to(tmp_path / "f")
    client.download(url, tmp_path / "g")
    assert (tmp_path / "f").read_text() == "complete"
    assert (tmp_path / "g").read_bytes() == DATA
    assert left_in(tmp_path) == {"f", "g"}


def test_a_part_without_a_note_is_worth_nothing(url: str, tmp_path: Path, client: Storage) -> None:
    part_of(tmp_path / "f").write_bytes(b"x" * 1000)
    client.download(url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"boot": 1}', b"\xff", b'{"size": "x"}' * 1000])
def test_a_note_that_is_damaged(note: bytes, url: str, tmp_path: Path, client: Storage) -> None:
    part = part_of(tmp_path / "f")
    part.write_bytes(b"x" * 1000)
    part.with_suffix(".state").write_bytes(note)
    client.download(url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA
    assert left_in(tmp_path) == {"f"}


def test_bytes_of_another_run_of_the_machine_need_a_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may have lost them when it went down."""
    target = str(tmp_path / "f")
    for checksums in ((), (adler32(DATA),)):
        with parts.opened(target, resume=True) as part:
            part.note(Memo(url="u", etag='"e"', size=10, checksums=checksums))
            part.write(memoryview(b"12345"), 0)
        monkeypatch.setattr("dodas.staging.parts_memo.boot", lambda: "another")
        with parts.opened(target, resume=True) as part:
            assert part.length == (5 if checksums else 0)
        monkeypatch.undo()


def test_two_that_make_the_same_file_do_not_disturb_each_other(
    url: str, tmp_path: Path, client: Storage
) -> None:
    outcomes = fetched_at_once(client, url, tmp_path / "f", 4)
    assert outcomes == [*["AlreadyThere"] * 3, "Received"]
    assert (tmp_path / "f").read_bytes() == DATA
    assert left_in(tmp_path) == {"f"}


def test_what_is_expected_is_compared_before_it_is_fetched(url: str, tmp_path: Path, client: Storage) -> None:
    told: list[int] = []
    with pytest.raises(TransferError, match="should have 5"):
        client.download(
            url, tmp_path / "f", expected=Expected(size=5), progress=lambda done, _: told.append(done)
        )
    assert not told
    assert not left_in(tmp_path)


def test_a_url_of_a_directory_names_no_file(apache: Apache, tmp_path: Path, client: Storage) -> None:
    for use in (
        lambda: client.download(apache.url("d/"), tmp_path / "f"),
        lambda: client.upload(__file__, apache.url("d/")),
    ):
        with pytest.raises(SpecError):
            use()


def test_what_is_uploaded_has_to_be_a_file(apache: Apache, tmp_path: Path, client: Storage) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "no", "."):
        with pytest.raises((SpecError, TransferError)):
            client.upload(tmp_path / name, apache.url("x"))
    assert not left_in(apache.root)


def test_hashing_goes_on_where_it_was(tmp_path: Path) -> None:
    with parts.opened(str(tmp_path / "f"), resume=True) as part:
        part.write(memoryview(DATA), 0)
        hasher = Hasher(["adler32"])
        part.hash(hasher, 1000)
        part.hash(hasher, MANY)
        assert hasher.digests() == (adler32(DATA),)
        part.discard()


def test_a_queue_goes_on_when_one_fails() -> None:
    ends: dict[int, object] = {}

    def work(job: int, check: object) -> int:
        if job == 3:
            raise AlreadyThere("three")
        return -job

    queue.run(range(10), work, ends.__setitem__, at_once=4)
    assert isinstance(ends.pop(3), AlreadyThere)
    assert ends == {job: -job for job in range(10) if job != 3}


def test_a_queue_takes_no_more_than_it_needs() -> None:
    taken: list[int] = []
    gate = threading.Event()

    def jobs() -> Iterator[int]:
        for job in range(1_000):
            taken.append(job)
            yield job

    def work(job: int, check: object) -> int:
        gate.wait(10)
        return job

    seen: list[int] = []
    runner = threading.Thread(
        target=lambda: queue.run(jobs(), work, lambda job, _: seen.append(job), at_once=2)
    )
    runner.start()
    until(lambda: len(taken) == 2, what="both threads to have a job")
    assert taken == [0, 1]
    gate.set()
    runner.join()
    assert sorted(seen) == list(range(1_000))


def test_a_queue_ends_what_is_under_way_when_nobody_listens() -> None:
    begun = threading.Event()

    def work(job: int, check: object) -> int:
        if job:
            begun.set()
            while True:
                assert callable(check)
                check()
        assert begun.wait(10)
        return job

    def complain(job: int, outcome: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queue.run(range(5), work, complain, at_once=2)


def test_many_stop_in_the_middle(apache: Apache, tmp_path: Path, client: Storage) -> None:
    for number in range(8):
        (apache.root / f"f{number}").write_bytes(DATA)

    def stop(source: str, target: str, outcome: Received | Stored | Exception) -> None:
        raise KeyboardInterrupt

    pairs = [(apache.url(f"f{number}"), tmp_path / f"f{number}") for number in range(8)]
    with pytest.raises(KeyboardInterrupt):
        client.download_many(pairs, stop, at_once=2)
    assert all((tmp_path / name).read_bytes() == DATA for name in left_in(tmp_path) if name[0] == "f")
