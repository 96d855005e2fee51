"""Make a small sequencing study: ``python generate.py DIRECTORY [--seed N] [--scale X]``.

A random reference genome, variants planted into diploid samples, and paired reads with errors and
duplicates, as FASTQ.  The planted variants are written too, so that the pipeline's report can say how many
of them were found.  The same seed gives the same reads on every machine; standard library only.
"""

from __future__ import annotations

import argparse
import gzip
import math
import random
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CONTIGS = (("chr1", 240_000), ("chr2", 160_000))
SAMPLES = ("alpha", "beta", "gamma")
READ, FRAGMENT = 125, (360.0, 40.0)  # bases; of fragments mean and deviation
COVERAGE = 20
ERROR_RATE = 0.002  # a base
DUPLICATE_RATE = 0.03  # a fragment
FOREIGN_RATE = 0.01  # a fragment that is of another organism
REPEATS = 12  # stretches of the genome that stand in it twice, nearly the same: hard to place reads in
REPEAT_DIFFERENCE = 0.004  # a base
VARIANT_SPACING = 900  # bases, on average
INDEL_SHARE = 0.2
_MARGIN = 300  # no variant this close to the end of a contig: reads hardly reach there
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A planted difference, left-aligned and parsimonious as in a normalised VCF.

    Attributes:
        contig: Name of the contig.
        position: Of the first reference base, from 0.
        ref: Reference bases.
        alt: Bases instead.
        genotypes: For each sample, whether each of its two haplotypes has it.
    """

    contig: str
    position: int
    ref: str
    alt: str
    genotypes: tuple[tuple[bool, bool], ...]


def reference(rng: random.Random, scale: float) -> dict[str, str]:
    """Return random contigs with repeats, a little richer in A and T as most genomes are."""
    weights = (0.29, 0.21, 0.21, 0.29)
    contigs = {name: "".join(rng.choices("ACGT", weights, k=int(size * scale))) for name, size in CONTIGS}
    for _ in range(round(REPEATS * scale)):
        size = rng.randint(500, 2500)
        source, target = (rng.choice(list(contigs)) for _ in range(2))
        start, place = (rng.randrange(len(contigs[name]) - size) for name in (source, target))
        copied = "".join(
            rng.choice("ACGT") if rng.random() < REPEAT_DIFFERENCE else base
            for base in contigs[source][start : start + size]
        )
        contigs[target] = contigs[target][:place] + copied + contigs[target][place + size :]
    return contigs


def plant(rng: random.Random, contigs: dict[str, str]) -> list[Variant]:
    """Return variants for the whole population, at least a read's length apart in most places."""
    variants = []
    for contig, sequence in contigs.items():
        position = _MARGIN
        while True:
            position += 40 + int(rng.expovariate(1 / (VARIANT_SPACING - 40)))
            if position > len(sequence) - _MARGIN:
                break
            ref, alt = _indel(rng, sequence, position) if rng.random() < INDEL_SHARE else ("", "")
            if not ref:
                ref = sequence[position]
                alt = rng.choice([base for base in "ACGT" if base != ref])
            drawn = _genotypes(rng)
            variants.append(Variant(contig=contig, position=position, ref=ref, alt=alt, genotypes=drawn))
    return variants


def _indel(rng: random.Random, sequence: str, position: int) -> tuple[str, str]:
    """Return an insertion or deletion, mostly short; nothing if it could move to the left."""
    size = 1 + min(39, int(rng.expovariate(1 / 5)))
    anchor = sequence[position]
    if rng.random() < 0.5:
        inserted = "".join(rng.choices("ACGT", k=size))
        return (anchor, anchor + inserted) if inserted[-1] != anchor else ("", "")
    deleted = sequence[position + 1 : position + 1 + size]
    return (anchor + deleted, anchor) if deleted[-1] != anchor else ("", "")


def _genotypes(rng: random.Random) -> tuple[tuple[bool, bool], ...]:
    """Return genotypes in which at least one sample has the variant."""
    frequency = rng.uniform(0.15, 0.85)
    while True:
        drawn = tuple((rng.random() < frequency, rng.random() < frequency) for _ in SAMPLES)
        if any(map(any, drawn)):
            return drawn


def haplotype(contigs: dict[str, str], variants: Sequence[Variant], sample: int, copy: int) -> dict[str, str]:
    """Return the contigs as one of a sample's two copies has them."""
    changed = {}
    for contig, sequence in contigs.items():
        parts, done = [], 0
        for variant in variants:
            if variant.contig == contig and variant.genotypes[sample][copy]:
                parts += [sequence[done : variant.position], variant.alt]
                done = variant.position + len(variant.ref)
        changed[contig] = "".join([*parts, sequence[done:]])
    return changed


def pairs(
    rng: random.Random, haplotypes: Sequence[dict[str, str]], coverage: float
) -> Iterator[tuple[str, str]]:
    """Yield read pairs, without their errors; duplicates follow their original."""
    foreign = "".join(rng.choices("ACGT", k=20_000))
    for contig in haplotypes[0]:
        length = min(len(copy[contig]) for copy in haplotypes)
        for _ in range(int(length * coverage / (2 * READ))):
            sequence = haplotypes[rng.random() < 0.5][contig]
            if rng.random() < FOREIGN_RATE:
                sequence = foreign
            size = max(READ, int(rng.gauss(*FRAGMENT)))
            start = _start(rng, len(sequence) - size)
            forward = sequence[start : start + READ]
            reverse = sequence[start + size - READ : start + size].translate(_COMPLEMENT)[::-1]
            pair = (forward, reverse) if rng.random() < 0.5 else (reverse, forward)
            yield pair
            if rng.random() < DUPLICATE_RATE:
                yield pair


def _start(rng: random.Random, last: int) -> int:
    """Return where a fragment starts: no sequencer covers a genome evenly."""
    while True:
        start = rng.randrange(last + 1)
        if 1.6 * rng.random() < 1 + 0.4 * math.sin(start / 7000) + 0.2 * math.sin(start / 1300):
            return start


def sequenced(rng: random.Random, read: str, quality: str) -> tuple[str, str]:
    """Return a read and its qualities, with an error now and then."""
    if rng.random() >= ERROR_RATE * READ:
        return read, quality
    at = rng.randrange(len(read))
    wrong = rng.choice([base for base in "ACGT" if base != read[at]])
    return read[:at] + wrong + read[at + 1 :], quality[:at] + "+" + quality[at + 1 :]


def _qualities(rng: random.Random) -> list[str]:
    """Return profiles that fall towards the end of a read, as Phred+33."""
    return [
        "".join(
            chr(33 + max(20, min(40, round(rng.gauss(39 - 9 * (at / READ) ** 2, 1))))) for at in range(READ)
        )
        for _ in range(64)
    ]


def write_reads(directory: Path, rng: random.Random, sample: str, reads: Iterator[tuple[str, str]]) -> None:
    """Write the two FASTQ files of a sample."""
    qualities = _qualities(rng)
    lines: tuple[list[str], list[str]] = ([], [])
    for number, pair in enumerate(reads):
        for mate, read in enumerate(pair):
            bases, quality = sequenced(rng, read, rng.choice(qualities))
            lines[mate].append(f"@{sample}:{number}/{mate + 1}\n{bases}\n+\n{quality}\n")
    for mate in (0, 1):
        path = directory / f"{sample}_{mate + 1}.fastq.gz"
        # No name and no time in the file: the same reads give the same bytes.
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
            packed.write("".join(lines[mate]).encode())


def write_reference(path: Path, contigs: dict[str, str]) -> None:
    """Write FASTA, 60 bases a line."""
    with path.open("w") as file:
        for name, sequence in contigs.items():
            file.write("\n".join((f">{name}", *textwrap.wrap(sequence, 60), "")))


def write_truth(path: Path, contigs: dict[str, str], variants: Sequence[Variant]) -> None:
    """Write the planted variants as VCF 4.2."""
    with path.open("w") as file:
        file.write("##fileformat=VCFv4.2\n")
        file.writelines(f"##contig=<ID={name},length={len(bases)}>\n" for name, bases in contigs.items())
        file.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Planted genotype">\n')
        columns = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *SAMPLES)
        file.write("\t".join(columns) + "\n")
        for found in variants:
            genotypes = (f"{int(first)}|{int(second)}" for first, second in found.genotypes)
            fields = (found.contig, str(found.position + 1), ".", found.ref, found.alt, ".", ".", ".", "GT")
            file.write("\t".join((*fields, *genotypes)) + "\n")


def write_jobs(directory: Path) -> None:
    """Write the input objects of both front ends: ``job.yml`` for CWL, ``config.yml`` for Snakemake."""
    files = (("reference", "reference.fa"), ("truth", "truth.vcf"))
    job = [f"{name}: {{class: File, path: {path}}}" for name, path in files]
    job.append("samples:")
    for sample in SAMPLES:
        job.append(f"  - name: {sample}")
        for field, mate in (("forward", 1), ("reverse", 2)):
            job.append(f"    {field}: {{class: File, path: reads/{sample}_{mate}.fastq.gz}}")
    (directory / "job.yml").write_text("\n".join(job) + "\n")
    place = f"# The working directory is the one that holds this one.\ndata: {directory.name}\n"
    (directory / "config.yml").write_text(f"{place}samples: [{', '.join(SAMPLES)}]\n")


def generate(directory: Path, *, seed: int = 1, scale: float = 1.0) -> None:
    """Write the whole study into ``directory``.

    Args:
        directory: Made if need be.
        seed: Of all randomness.
        scale: Factor on the size of the genome.
    """
    (directory / "reads").mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    contigs = reference(rng, scale)
    variants = plant(rng, contigs)
    write_reference(directory / "reference.fa", contigs)
    write_truth(directory / "truth.vcf", contigs, variants)
    for number, sample in enumerate(SAMPLES):
        own = random.Random(f"{seed}/{sample}")
        copies = [haplotype(contigs, variants, number, copy) for copy in (0, 1)]
        write_reads(directory / "reads", own, sample, pairs(own, copies, COVERAGE))
    write_jobs(directory)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make a small sequencing study.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the size of the genome")
    generate(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
