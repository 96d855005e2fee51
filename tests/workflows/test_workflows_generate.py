"""The inputs: the same for the same seed, and what they say they are."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from workflows.physics import generate as physics
from workflows.sequencing import generate as sequencing


def small_genome(directory: Path, seed: int) -> None:
    sequencing.generate(directory, seed=seed, scale=0.05)


def few_events(directory: Path, seed: int) -> None:
    physics.generate(directory, files=2, events=300, seed=seed)


def digests(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def branch(path: Path, name: str, kind: str) -> array[float]:
    """Return one array of an event file, read by hand."""
    with zipfile.ZipFile(path) as archive:
        content = archive.read(f"{name}.npy")
    assert content[:8] == b"\x93NUMPY\x01\x00"
    start = 10 + int.from_bytes(content[8:10], "little")
    assert start % 64 == 0
    return array(kind, content[start:])


@pytest.mark.parametrize("generate", [small_genome, few_events])
def test_the_same_seed_gives_the_same_bytes(generate: Callable[[Path, int], None], tmp_path: Path) -> None:
    for place, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(tmp_path / place / "data", seed)
    first, again, other = (digests(tmp_path / place / "data") for place in "abc")
    assert first == again
    assert first.keys() == other.keys()
    assert {name for name in first if first[name] == other[name]} <= {"job.yml", "config.yml", "truth.json"}


def test_the_truth_fits_the_reference(tmp_path: Path) -> None:
    small_genome(tmp_path, 1)
    contigs: dict[str, str] = {}
    for record in (tmp_path / "reference.fa").read_text().split(">")[1:]:
        name, *lines = record.split()
        contigs[name] = "".join(lines)
    rows = [line.split("\t") for line in (tmp_path / "truth.vcf").read_text().splitlines() if line[0] != "#"]
    assert len(rows) > 10
    for contig, position, _, ref, alt, *_ in rows:
        start = int(position) - 1
        assert contigs[contig][start : start + len(ref)] == ref != alt
        if len(ref) != len(alt):  # left-aligned: the anchor differs from the last base, so nothing can move
            assert ref[0] == alt[0]
            assert max(ref, alt, key=len)[-1] != ref[0]


def test_reads_are_pairs_of_good_form(tmp_path: Path) -> None:
    small_genome(tmp_path, 1)
    for sample in sequencing.SAMPLES:
        mates = []
        for mate in (1, 2):
            lines = (
                gzip.decompress((tmp_path / f"reads/{sample}_{mate}.fastq.gz").read_bytes())
                .decode()
                .split("\n")
            )
            names, bases, plus, qualities = lines[0:-1:4], lines[1::4], lines[2::4], lines[3::4]
            assert set(plus) == {"+"}
            assert {len(read) for read in bases} == {len(read) for read in qualities} == {sequencing.READ}
            assert set("".join(bases)) == set("ACGT")
            mates.append([name.rpartition("/")[0] for name in names])
        assert mates[0] == mates[1]
        assert len(set(mates[0])) == len(mates[0])


def test_event_files_are_consistent(tmp_path: Path) -> None:
    few_events(tmp_path, 1)
    for path in (tmp_path / "events").iterdir():
        muons = branch(path, "nMuon", "i")
        assert len(muons) == len(branch(path, "isSignal", "b")) == 300
        assert len(branch(path, "Muon_pt", "f")) == sum(muons)
        assert set(branch(path, "Muon_charge", "b")) == {-1, 1}
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["mass"] == physics.MASS
