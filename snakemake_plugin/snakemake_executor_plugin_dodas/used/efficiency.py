"""What each rule asked for and used, summed up while jobs end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dodas.step import Failure, Resources, Result, Step
from snakemake_executor_plugin_dodas.used.quantiles import Spread

_NODES = 50  # names of nodes that are kept for each rule
_TELLING = 1.0  # seconds from which on the processor time says how many cores a command keeps busy


@dataclass(slots=True)
class Asked:
    """What jobs of a rule asked for, of one resource.

    Attributes:
        least: The least; ``None`` while none did.
        most: The most; ``None`` while none did.
        enough: The most that a job succeeded with.
        short: The most that a job was ended with because it was not enough.
    """

    least: float | None = None
    most: float | None = None
    enough: float = 0.0
    short: float = 0.0

    def add(self, value: float | None, *, ok: bool, ended: bool = False) -> None:
        """Take what one more job asked for, whether it succeeded, and whether it was ended because of it."""
        if value is None:
            return
        self.least = value if self.least is None else min(self.least, value)
        self.most = value if self.most is None else max(self.most, value)
        if ok:
            self.enough = max(self.enough, value)
        if ended:
            self.short = max(self.short, value)

    @property
    def never_enough(self) -> bool:
        """Whether jobs were ended, and none was seen to succeed with more."""
        return self.short > 0 and self.enough <= self.short


@dataclass(slots=True)
class Use:
    """What the jobs of one rule asked for and used, or those of a group that runs as one.

    Sizes are bytes, times are seconds.

    Attributes:
        rule: Its name, or words for the group.
        members: The rules of a group; empty for a rule.
        jobs: Jobs of which at least one attempt came to its end.
        attempts: How often a command of theirs came to its end; repetitions of a benchmark count.
        failures: Of attempts, by what failed.
        over_memory: Attempts that were ended because of their memory.
        over_time: Attempts that were ended because of their time.
        cancelled: Commands that were ended with the run, or because of another job; they are not in the rest.
        cores_asked: Processors.
        memory_asked: Bytes; not what Snakemake guesses.
        time_asked: Seconds.
        disk_asked: Bytes.
        cores: Processors that were kept busy in the mean, by commands that took a second or more.
        memory: Peaks, of attempts that failed too.
        time: Of attempts that succeeded.
        most_time: The longest that any attempt took.
        cpu: Seconds of all processors.
        reserved: Seconds times processors that were asked for.
        read: Bytes.
        written: Bytes.
        nodes: How often a command came to its end where.
        elsewhere: The same for nodes beyond the first fifty.
    """

    rule: str
    members: tuple[str, ...] = ()
    jobs: int = 0
    attempts: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    over_memory: int = 0
    over_time: int = 0
    cancelled: int = 0
    cores_asked: Asked = field(default_factory=Asked)
    memory_asked: Asked = field(default_factory=Asked)
    time_asked: Asked = field(default_factory=Asked)
    disk_asked: Asked = field(default_factory=Asked)
    cores: Spread = field(default_factory=Spread)
    memory: Spread = field(default_factory=Spread)
    time: Spread = field(default_factory=Spread)
    most_time: float = 0.0
    cpu: float = 0.0
    reserved: float = 0.0
    read: int = 0
    written: int = 0
    nodes: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0

    def add(self, resources: Resources, result: Result, *, first: bool) -> None:
        """Take how one command ended; ``first`` if it is the first of its job."""
        if result.failure is Failure.CANCELLED:
            self.cancelled += 1
            return
        self.jobs += first
        self.attempts += 1
        large = over_memory(result)
        long = result.failure is Failure.LIMIT and not large
        self._ask(resources, ok=result.ok, large=large, long=long)
        if result.failure is not None:
            self.failures[result.failure.value] += 1
            self.over_memory += large
            self.over_time += long
        self._measure(resources, result)
        if result.node in self.nodes or len(self.nodes) < _NODES:
            self.nodes[result.node] += 1
        else:
            self.elsewhere += 1

    def _ask(self, resources: Resources, *, ok: bool, large: bool, long: bool) -> None:
        limit = resources.walltime
        self.cores_asked.add(resources.cores, ok=ok)
        self.disk_asked.add(resources.disk, ok=ok)
        self.memory_asked.add(resources.memory, ok=ok, ended=large)
        self.time_asked.add(None if limit is None else limit.total_seconds(), ok=ok, ended=long)

    def _measure(self, resources: Resources, result: Result) -> None:
        usage = result.usage
        if usage.peak_memory > 0:
            self.memory.add(usage.peak_memory)
        if usage.wall >= _TELLING:
            self.cores.add(usage.cpu / usage.wall)
        if result.ok:
            self.time.add(usage.wall)
        self.most_time = max(self.most_time, usage.wall)
        self.cpu += usage.cpu
        self.reserved += usage.wall * resources.cores
        self.read += usage.read
        self.written += usage.written


class Efficiency:
    """The use of all rules of a run; its size depends on their number and not on that of jobs."""

    def __init__(self) -> None:
        self._uses: dict[str, Use] = {}

    def add(self, job: Any, step: Step, result: Result, *, first: bool) -> None:
        """Take how a step ended.

        Args:
            job: The single job whose command it was, or the group that was one step.
            step: The step.
            result: How it ended.
            first: Whether it is the first step of this attempt at the job.
        """
        name, members = _name(job)
        use = self._uses.get(name)
        if use is None:
            use = self._uses[name] = Use(name, members)
        use.add(step.resources, result, first=first and step.attempt == 1)

    def __iter__(self) -> Iterator[Use]:
        """Yield what is known of each rule, by name."""
        return iter(sorted(list(self._uses.values()), key=lambda use: use.rule))


def over_memory(result: Result) -> bool:
    """Return whether a step was ended for its memory, by dodas or by the batch system."""
    return result.failure is Failure.LIMIT and "memory" in result.reason.lower()


def _name(job: Any) -> tuple[str, tuple[str, ...]]:
    if not job.is_group():
        return str(job.rule.name), ()
    members = tuple(sorted(str(name) for name in set(job.rules)))
    # No rule has such a name.  That of the group may be random, another one for each part of the workflow.
    return f"group of {', '.join(members)}", members
