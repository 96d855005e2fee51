"""From what jobs of a rule used to what the rule should ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from snakemake_executor_plugin_dodas.step.allotment import MB
from snakemake_executor_plugin_dodas.used.efficiency import Use
from snakemake_executor_plugin_dodas.used.quantiles import Spread

_MEMORY_MARGIN = 1.2
_TIME_MARGIN = 1.5
# Up to a size, in MB or minutes: what proposals are multiples of.
_MEMORY_STEPS = ((2000, 100), (10_000, 500), (100_000, 1000), (math.inf, 5000))
_TIME_STEPS = ((60, 5), (240, 15), (1440, 60), (math.inf, 240))
_TENTH = 0.1  # of a core: what programs take beside the threads that they were given

# What is worth a word at the end of a run.
_MUCH_MEMORY = 500 * MB
_MUCH_TIME = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Resources for a rule, as Snakemake names them; ``None`` where nothing is known.

    Attributes:
        threads: Cores.
        mem_mb: Memory in MB.
        runtime: Minutes.
    """

    threads: int | None = None
    mem_mb: int | None = None
    runtime: int | None = None

    def without(self, *, cores: bool, memory: bool, time: bool) -> Proposal:
        """Return it with only those that are asked for."""
        return Proposal(
            threads=self.threads if cores else None,
            mem_mb=self.mem_mb if memory else None,
            runtime=self.runtime if time else None,
        )


def propose(use: Use) -> Proposal:
    """Return what a rule should ask for.

    It is never less than the most that was seen; jobs that failed by themselves are no evidence of needing
    little.  Where a limit ended jobs, and none was seen to get by with more, it is twice the limit.  The
    resources of a group are computed from those of its rules: there is nothing to propose for it as a whole.
    """
    if use.members:
        return Proposal()
    return Proposal(threads=_threads(use), mem_mb=_memory(use), runtime=_runtime(use))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where the use of a rule is far from what it asked for."""

    cores: bool
    memory: bool
    time: bool

    def __bool__(self) -> bool:
        return self.cores or self.memory or self.time


def difference(use: Use) -> Difference:
    """Return where a rule asked for much more than it used, or where that was too little."""
    return Difference(cores=_cores_differ(use), memory=_memory_differs(use), time=_time_differs(use))


def _threads(use: Use) -> int | None:
    asked = use.cores_asked.most
    if not _is_known(use.cores, use) or asked is None or asked < 1:
        return None
    return max(1, math.ceil(use.cores.most - _TENTH))


def _memory(use: Use) -> int | None:
    if not _is_known(use.memory, use) and not use.over_memory:
        return None
    needed = use.memory.most * _MEMORY_MARGIN
    if use.memory_asked.never_enough:
        needed = 2 * max(use.memory_asked.most or 0, use.memory.most)
    return _rounded(needed / MB, _MEMORY_STEPS)


def _runtime(use: Use) -> int | None:
    if use.time.count == 0 and not use.over_time:
        return None
    needed = use.most_time * _TIME_MARGIN
    if use.time_asked.never_enough:
        needed = 2 * max(use.time_asked.most or 0, use.most_time)
    return _rounded(needed / 60, _TIME_STEPS)


def _is_known(measured: Spread, use: Use) -> bool:
    return measured.count > 0 and use.time.count > 0


def _rounded(value: float, steps: tuple[tuple[float, int], ...]) -> int:
    step = next(step for largest, step in steps if value <= largest)
    return max(1, math.ceil(value / step)) * step


def _cores_differ(use: Use) -> bool:
    asked = use.cores_asked.most or 0
    if not _is_known(use.cores, use) or asked < 1:
        return False
    idle = asked >= 2 and use.cores.most < 0.6 * asked
    return idle or (use.cores.quantile(0.5) or 0) > asked + 0.5


def _memory_differs(use: Use) -> bool:
    asked = use.memory_asked.most
    if use.over_memory:
        return True
    if asked is None or not _is_known(use.memory, use):
        return False
    spare = asked - use.memory.most
    return spare < 0 or (spare > _MUCH_MEMORY and use.memory.most < asked / 2)


def _time_differs(use: Use) -> bool:
    asked = use.time_asked.most
    if use.over_time:
        return True
    if asked is None or use.time.count == 0:
        return False
    return asked - use.most_time > _MUCH_TIME and use.most_time < asked / 4
