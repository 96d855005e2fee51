"""The command line of udocker (``udocker/cmdparser.py``, ``UdockerCLI.do_run``), of which nothing is lost.

What udocker understands means the same here.  Beyond that, empty arguments of the command, blanks in values
and options that cwltool gives (``--gpus``, ``--shm-size``) arrive.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_GENERAL = frozenset(("--allow-root", "-q", "--quiet", "-D", "--debug", "--insecure"))

_FLAGS = frozenset(
    ("--hostauth", "--containerauth", "--nosysdirs", "--hostenv", "--bindhome", "--nometa", "--nobanner")
)
# Without a meaning to udocker (the first three, and what it calls "TBD"), or here: nothing of a run stays.
_FLAGS_OF_NO_MEANING = frozenset(("-i", "-t", "-a", "--rm"))
_VALUES_OF_NO_MEANING = frozenset(("--volumes-from", "--dns", "--dns-search", "--shm-size"))
_MANY = {
    "-v": "--volume",
    "--volume": "--volume",
    "-e": "--env",
    "--env": "--env",
    "--env-file": "--env-file",
    "--device": "--device",
}
_ONE = frozenset(
    (
        *("-u", "--user", "-w", "--workdir", "--entrypoint", "--cpuset-cpus", "--platform", "--pull"),
        *("--registry", "--index", "--httpproxy", "--gpus"),
    )
)
_PULL = frozenset(("missing", "never", "always", "reuse"))


class Run:
    """A ``udocker run`` that can be done here; no dataclass, whose import takes longer than all this.

    Attributes:
        image: Image, or container.
        words: The command; empty for the image's own.
        flags: Options without a value, also general ones.
        one: Options with a value of which the first counts.
        many: Options that add up, in their order.
    """

    def __init__(
        self,
        image: str,
        words: tuple[str, ...],
        flags: frozenset[str],
        one: dict[str, str],
        many: dict[str, list[str]],
    ) -> None:
        self.image = image
        self.words = words
        self.flags = flags
        self.one = one
        self.many = many

    @property
    def quiet(self) -> bool:
        """Whether udocker would be."""
        return not self.flags.isdisjoint(("-q", "--quiet"))

    def value(self, *names: str) -> str | None:
        """Return the value of the last of these options that has one."""
        found = [self.one[name] for name in names if name in self.one]
        return next((value for value in reversed(found) if value), found[0] if found else None)


def command_of(words: list[str]) -> tuple[list[str], str, list[str]]:
    """Return the general options, the command, and what comes after it."""
    for place, word in enumerate(words):
        if word and word[0] in _LETTERS:
            return [word for word in words[:place] if word], word, words[place + 1 :]
    return words, "", []


def parse(general: list[str], words: list[str]) -> Run | None:
    """Return what a ``run`` means; nothing if only udocker knows, or has to say what is wrong with it.

    Args:
        general: Options before the command.
        words: What comes after it.
    """
    flags = {option for option in general if option in _GENERAL}
    one: dict[str, str] = {}
    many: dict[str, list[str]] = {}
    for option in general:
        if option.startswith("--repo="):
            one.setdefault("--repo", option[7:])
        elif option not in _GENERAL:
            return None
    return _parse(words, flags, one, many)


def _parse(words: list[str], flags: set[str], one: dict[str, str], many: dict[str, list[str]]) -> Run | None:
    # udocker drops empty words; those before the image have no meaning, those of the command have.
    rest = iter(words)
    for word in filter(None, rest):
        if not word.startswith("-"):
            return Run(word, tuple(rest), frozenset(flags), one, many)
        name, equals, value = word.partition("=")
        if not equals and word in _FLAGS | _FLAGS_OF_NO_MEANING:
            flags.add(word)
            continue
        found = value if equals else _next(name, rest)
        if found is None:
            return None
        if name in _MANY:
            many.setdefault(_MANY[name], []).append(found)
        elif name in _ONE:
            one.setdefault(name, found)
        elif name not in _VALUES_OF_NO_MEANING:
            return None
    return None


def _next(name: str, rest: Iterator[str]) -> str | None:
    """Return the value that is a word of its own; nothing if it is not one, also to udocker."""
    if name not in _MANY and name not in _ONE | _VALUES_OF_NO_MEANING:
        return None
    value = next(filter(None, rest), "-")
    if value.startswith("-") or (name == "--pull" and value not in _PULL):
        return None
    return value
