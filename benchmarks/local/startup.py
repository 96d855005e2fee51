"""What it costs that dodas is installed, and to ask it for help."""

from __future__ import annotations

import sys

from benchmarks.local import measure
from benchmarks.local.bench import Bench
from benchmarks.local.table import Row

_ROUNDS = 15
_PACKAGE = "snakemake_interface_executor_plugins"
_INTERFACE = f"import {_PACKAGE}.executors.remote, {_PACKAGE}.settings"


def rows(_bench: Bench) -> list[Row]:
    """Measure starts of programs."""
    helped = measure.command([sys.executable, "-m", "dodas", "--help"], repeat=_ROUNDS)
    nothing = measure.command([sys.executable, "-c", "pass"], repeat=_ROUNDS)
    plugin = measure.command(
        [sys.executable, "-c", f"{_INTERFACE}; import snakemake_executor_plugin_dodas"], repeat=_ROUNDS
    )
    interface = measure.command([sys.executable, "-c", _INTERFACE], repeat=_ROUNDS)
    return [
        Row("start", "dodas --help", helped),
        Row("start", "Python alone", nothing, versus=helped),
        Row("start of Snakemake's plugins", "interface and dodas' plugin", plugin),
        Row("start of Snakemake's plugins", "interface alone", interface, versus=plugin),
    ]
