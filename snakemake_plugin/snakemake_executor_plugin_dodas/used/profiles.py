"""Proposals in the form that a profile of Snakemake takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from snakemake_executor_plugin_dodas.used.proposals import Proposal

# Names that a rule can have, and that YAML takes for something else than text.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def profile(proposals: Iterable[tuple[str, Proposal]]) -> dict[str, Any]:
    """Return what a profile has to say about rules for them to get what is proposed."""
    threads: dict[str, int] = {}
    resources: dict[str, dict[str, int]] = {}
    for rule, proposal in proposals:
        if proposal.threads is not None:
            threads[rule] = proposal.threads
        values = {"mem_mb": proposal.mem_mb, "runtime": proposal.runtime}
        known = {name: value for name, value in values.items() if value is not None}
        if known:
            resources[rule] = known
    parts = {"set-threads": threads, "set-resources": resources}
    return {name: part for name, part in parts.items() if part}


def lines(content: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield that as YAML."""
    for name, value in content.items():
        word = f'"{name}"' if name.lower() in _WORDS else name
        if isinstance(value, dict):
            yield f"{indent}{word}:"
            yield from lines(value, indent + "  ")
        else:
            yield f"{indent}{word}: {value}"
