"""Which jobs belong together: a queue put into kinds, each of which is read once.

Kinds are few and jobs are many, and to ask one of HTCondor's ads for an attribute takes long.  So such an ad
is asked once, for one text in which all is that matters; what the text means is found out for the first job
that has it, from its attributes, one by one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from dodas.pool.agent.job_ads import SIZES, JobAd, Kind, is_waiting, kind_of, references

_MOST = 16  # attributes that are asked for at once, beside the sizes
_PLAIN = {int, str, float, type(None)}
# In an expression it stands within brackets or quotes only, so that no two lists of them give one text.
_BETWEEN = ";"


@dataclass(slots=True)
class Group:
    """Jobs of a kind, while they are counted.

    Attributes:
        kind: What they have in common.
        since: Since when the oldest waits, Unix time.
        count: How many they are.
        jobs: The names of a few.
    """

    kind: Kind
    since: float
    count: int = 0
    jobs: list[str] = field(default_factory=list)


class Kinds:
    """Puts jobs into groups.

    Args:
        names: Attributes by which jobs differ, beside those in their Requirements.
        now: Unix time.

    Attributes:
        groups: Those that there are so far.
    """

    def __init__(self, names: Collection[str], now: float) -> None:
        self.groups: dict[Kind, Group] = {}
        self._now = now
        self._names = frozenset(names)
        self._refer: dict[str, tuple[str, ...]] = {}
        self._by_values: dict[tuple[object, ...], Group] = {}
        # A group, none for jobs that need no worker, or what else has to be asked.
        self._by_text: dict[object, Group | _More | None] = {}
        self._asked = getattr(sys.modules.get("classad2"), "ClassAd", None)
        self._whole: Callable[[JobAd], object] | None = None
        self._once = self._names
        self._ask(self._names)

    def of(self, ad: JobAd) -> Group | None:
        """Return the group of a job; nothing if it is none that a new worker could run."""
        if self._whole is None or type(ad) is not self._asked:
            return self._from_values(ad) if is_waiting(ad) else None
        text = self._whole(ad)
        try:
            found = self._by_text[text]
        except KeyError:
            if self._learn(ad):
                return self.of(ad)
            found = self._first(ad)
            if isinstance(text, str):
                self._by_text[text] = found
        return found.of(ad) if isinstance(found, _More) else found

    def _ask(self, names: frozenset[str]) -> bool:
        """Have jobs asked for these attributes, all at once; whether that can be done."""
        whole = _joined(("JobStatus", "JobUniverse", *SIZES, "Requirements", *sorted(names)))
        if whole is not None:
            self._whole, self._once = whole, names
            self._by_text.clear()
        return whole is not None

    def _learn(self, ad: JobAd) -> bool:
        """Whether jobs are asked for more from now on: for what the Requirements of this one refer to."""
        names = self._once.union(self._attributes(_requirements(ad)))
        return len(names) <= _MOST and names != self._once and is_waiting(ad) and self._ask(names)

    def _first(self, ad: JobAd) -> Group | _More | None:
        """Return what a text means that no job had before."""
        if not is_waiting(ad):
            return None
        own = set(self._attributes(_requirements(ad))) - self._once
        computed = [name for name in SIZES if type(ad.get(name)) not in _PLAIN]
        return _More(own, computed, self._from_values) if own or computed else self._from_values(ad)

    def _from_values(self, ad: JobAd) -> Group:
        """Return the group of a job by its attributes, one by one."""
        requirements = _requirements(ad)
        names = self._attributes(requirements)
        get = ad.get
        raw = (*map(get, SIZES), requirements, *map(get, names))
        try:
            return self._by_values[raw]
        except KeyError:
            group = self._group(kind_of(ad, requirements, names))
            if all(type(value) in _PLAIN for value in raw):
                self._by_values[raw] = group
            return group
        except TypeError:  # there is a list or an ad in it
            return self._group(kind_of(ad, requirements, names))

    def _attributes(self, requirements: str) -> tuple[str, ...]:
        names = self._refer.get(requirements)
        if names is None:
            names = tuple(sorted(self._names | references(requirements, "MY")))
            self._refer[requirements] = names
        return names

    def _group(self, kind: Kind) -> Group:
        if kind not in self.groups:
            self.groups[kind] = Group(kind, self._now)
        return self.groups[kind]


class _More:
    """Jobs that have a text in common, and differ in what their Requirements refer to or sizes amount to.

    Args:
        own: Attributes that their Requirements refer to.
        computed: Sizes that are expressions.
        otherwise: How to find the group of a job.
    """

    def __init__(
        self, own: Iterable[str], computed: Iterable[str], otherwise: Callable[[JobAd], Group]
    ) -> None:
        self._rest = _joined(sorted(own), computed)
        self._otherwise = otherwise
        self._known: dict[str, Group] = {}

    def of(self, ad: JobAd) -> Group:
        text = self._rest(ad) if self._rest is not None else None
        group = self._known.get(text) if isinstance(text, str) else None
        if group is None:
            group = self._otherwise(ad)
            if isinstance(text, str):
                self._known[text] = group
        return group


def _joined(written: Iterable[str], computed: Iterable[str] = ()) -> Callable[[JobAd], object] | None:
    """Return what gives attributes of one of HTCondor's ads as a text, as written or as they evaluate.

    It gives none for an ad in which one of the latter is an error.  Nothing is returned without HTCondor's
    Python module, or if one of the names is none to it.
    """
    module = sys.modules.get("classad2")  # if it was not imported, no ad is one of its own
    if module is None:
        return None
    parts = [f"unparse({name})" for name in written]
    parts += [f'ifThenElse(isUndefined({name}), "", string({name}))' for name in computed]
    try:
        evaluate: Callable[[JobAd], object] = module.ExprTree(f'join("{_BETWEEN}", {", ".join(parts)})').eval
    except module.ClassAdException:
        return None
    return evaluate


def _requirements(ad: JobAd) -> str:
    text = ad.get("Requirements", "")
    return text if isinstance(text, str) else str(text)
