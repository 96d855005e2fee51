"""Large files over several connections, where one is slow."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from dodas.errors import StorageUnreachable
from dodas.staging import pieces, ranges
from dodas.staging.pieces import Pieces
from dodas.staging.values import Expected
from servers.apache import Apache
from servers.dynafed import Dynafed
from servers.faults import Fault
from servers.faulty import Faulty
from servers.site import Site
from storages import MANY, adler32, content, left_in, storage

DATA = content()
SURE = Expected(size=MANY, checksums=(adler32(DATA),))


@pytest.fixture(autouse=True)
def _all_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file seem large, and every connection slow."""
    monkeypatch.setattr(ranges, "_TRIAL", 0.0)
    monkeypatch.setattr(ranges, "_FAST", 1 << 60)
    monkeypatch.setattr(pieces, "_LEAST", 100_000)


def place(site: Site, data: bytes = DATA) -> None:
    (site.root / "f").write_bytes(data)
    os.utime(site.root / "f", (1e9, 1e9))


def pieces_of(site: Site) -> list[str]:
    return [one.headers["range"] for one in site.requests() if "range" in one.headers]


@pytest.mark.parametrize("kind", ["apache", "xrootd"])
def test_a_file_comes_in_pieces(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    site: Site = request.getfixturevalue(kind)
    place(site)
    told: list[int] = []
    with Faulty(site) as seen, storage(streams=3, large=1_000_000) as client:
        client.download(seen.url("f"), tmp_path / "f", progress=lambda done, _: told.append(done))
        asked = [one.headers["range"] for one in seen.asked() if "range" in one.headers]
    assert (tmp_path / "f").read_bytes() == DATA
    assert left_in(tmp_path) == {"f"}
    assert len(asked) > 10 and len(set(asked)) == len(asked)
    assert max(told) == MANY


def test_a_small_one_does_not(apache: Apache, tmp_path: Path) -> None:
    place(apache)
    with storage(streams=3, large=10_000_000) as client:
        client.download(apache.url("f"), tmp_path / "f")
    assert not pieces_of(apache)


def test_it_does_not_if_pieces_could_be_of_different_files(faulty: Faulty, tmp_path: Path) -> None:
    place(faulty)
    faulty.fault(Fault(method="GET", without=("ETag",)))
    with storage(streams=3, large=1_000_000) as client:
        client.download(faulty.url("f"), tmp_path / "f")
    assert not pieces_of(faulty)
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_server_that_knows_no_pieces(faulty: Faulty, tmp_path: Path) -> None:
    place(faulty)
    faulty.fault(Fault(method="GET", skip=1, times=1, status=200, body=DATA))
    with storage(streams=3, large=1_000_000) as client:
        client.download(faulty.url("f"), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA


def test_several_copies_help(dynafed: Dynafed, tmp_path: Path) -> None:
    dynafed.place("d/f", DATA, at=(0, 1, 2))
    with storage(streams=3, large=1_000_000) as client:
        client.download(dynafed.url("d/f"), tmp_path / "f", expected=SURE)
    assert (tmp_path / "f").read_bytes() == DATA
    assert all(pieces_of(site) for site in dynafed.sites)


def test_copies_that_differ_are_not_mixed(dynafed: Dynafed, tmp_path: Path) -> None:
    dynafed.place("d/f", DATA, at=(0,))
    dynafed.place("d/f", content(seed=2), at=(1,))
    with storage(streams=3, large=1_000_000) as client:
        client.download(dynafed.url("d/f"), tmp_path / "f", expected=SURE)
    assert (tmp_path / "f").read_bytes() == DATA


@pytest.mark.parametrize("skip", [1, 2, 5])
def test_a_connection_that_breaks(skip: int, faulty: Faulty, tmp_path: Path) -> None:
    place(faulty)
    faulty.fault(Fault(method="GET", skip=skip, times=2, cut_after=50_000))
    with storage(streams=3, large=1_000_000) as client:
        client.download(faulty.url("f"), tmp_path / "f", expected=SURE)
    assert (tmp_path / "f").read_bytes() == DATA


def test_what_is_beyond_a_gap_counts_for_nothing(faulty: Faulty, tmp_path: Path) -> None:
    place(faulty)
    faulty.fault(Fault(method="GET", skip=6, cut_after=50_000))
    with storage(streams=3, large=1_000_000, attempts=1) as client:
        with pytest.raises(StorageUnreachable):
            client.download(faulty.url("f"), tmp_path / "f")
        faulty._faults.clear()
        client.download(faulty.url("f"), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA


def test_pieces_cover_a_file_once() -> None:
    plan = Pieces(begin=7, size=1_000_003)
    taken = []
    while (piece := plan.take()) is not None:
        taken.append(piece)
    assert (taken[0].start, taken[-1].end) == (7, 1_000_003)
    assert all(one.end == other.start for one, other in itertools.pairwise(taken))
    assert plan.complete(taken[1]) == 7
    assert plan.complete(taken[0]) == taken[1].end
    plan.give_back(taken[2])
    assert plan.take() == taken[2]
