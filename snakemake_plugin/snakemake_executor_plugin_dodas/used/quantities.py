"""Amounts for people, in the units of Snakemake's resources."""

from __future__ import annotations

from snakemake_executor_plugin_dodas.step.allotment import MB

_GB = 1000 * MB


def size(count: float) -> str:
    """Return bytes as decimal units, as ``mem_mb`` has them: ``"812 MB"``, ``"16.5 GB"``."""
    if count >= 10 * _GB:
        return f"{count / _GB:.1f} GB".replace(".0 GB", " GB")
    return f"{count / MB:.0f} MB" if count >= MB or count == 0 else f"{count / MB:.1f} MB"


def length(seconds: float) -> str:
    """Return a time as ``runtime`` has it, or in seconds where it is short: ``"4.5 s"``, ``"90 min"``."""
    if seconds < 120:
        return f"{seconds:.{0 if seconds >= 10 else 1}f} s"
    return f"{seconds / 60:.0f} min"
