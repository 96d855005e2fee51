"""The few lines at the end of a run about rules whose resources are worth a look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from snakemake_executor_plugin_dodas.used.efficiency import Use
from snakemake_executor_plugin_dodas.used.profiles import lines, profile
from snakemake_executor_plugin_dodas.used.proposals import Difference, difference, propose
from snakemake_executor_plugin_dodas.used.quantities import length, size

_ROWS = 8
_HEAD = ("rule", "jobs", "cores", "memory", "time")


def summary(uses: Iterable[Use]) -> str:
    """Return what to tell about the resources of rules; empty where they are about right."""
    found = [(use, differing) for use in uses if (differing := difference(use))]
    if not found:
        return ""
    found.sort(key=lambda item: _weight(*item), reverse=True)
    rows = [_HEAD, *(_row(*item) for item in found[:_ROWS])]
    text = ["dodas: rules that used much less than they asked for, or needed more:", *_aligned(rows)]
    if len(found) > _ROWS:
        text.append(f"    and {len(found) - _ROWS} more; --dodas-report FILE has them all")
    proposals = [
        (use.rule, propose(use).without(cores=far.cores, memory=far.memory, time=far.time))
        for use, far in found[:_ROWS]
    ]
    content = profile(proposals)
    if content:
        text += ["    In a profile, what was seen and some more:", *lines(content, " " * 8)]
    return "\n".join(text)


def _weight(use: Use, far: Difference) -> tuple[bool, float]:
    """Return what sorts by importance: what was ended, then how much processor time was idle."""
    return bool(use.over_memory or use.over_time), use.reserved - use.cpu + (far.memory and use.most_time)


def _row(use: Use, far: Difference) -> tuple[str, ...]:
    return (
        use.rule,
        str(use.jobs),
        _cores(use) if far.cores else "",
        _memory(use) if far.memory else "",
        _time(use) if far.time else "",
    )


def _cores(use: Use) -> str:
    return f"{use.cores.most:.1f} of {use.cores_asked.most:g}"


def _memory(use: Use) -> str:
    asked = size(use.memory_asked.most or 0)
    if use.over_memory:
        return f"{use.over_memory} ended at {asked}"
    return f"{size(use.memory.most)} of {asked}"


def _time(use: Use) -> str:
    asked = length(use.time_asked.most or 0)
    return f"{use.over_time} ended at {asked}" if use.over_time else f"{length(use.most_time)} of {asked}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    used = [place for place in range(len(_HEAD)) if any(row[place] for row in rows[1:])]
    widths = {place: max(len(row[place]) for row in rows) for place in used}
    return ["    " + "  ".join(row[place].ljust(widths[place]) for place in used).rstrip() for row in rows]
