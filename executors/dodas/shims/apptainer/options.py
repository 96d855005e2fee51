"""Options as Go's pflag reads them, which is what apptainer uses."""

from __future__ import annotations

from dodas.shims.words import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TRUE = frozenset(("1", "t", "true"))


class Unknown(Exception):
    """Something that cannot be done here.

    Args:
        what: What it is, the end of a sentence.
        hint: What can be done about it where there is no real apptainer.
    """

    def __init__(
        self, what: str, hint: str = "install it; the one of `dodas env` then passes this on"
    ) -> None:
        super().__init__(f"only apptainer itself can do this: {what}")
        self.hint = hint


class Options:
    """Options, read as Go's pflag does it."""

    def __init__(  # noqa: PLR0917 - all kinds that there are
        self,
        short: dict[str, str],
        known: frozenset[str],
        flags_of_no_meaning: frozenset[str],
        one: frozenset[str],
        many: frozenset[str],
        values_of_no_meaning: frozenset[str],
    ) -> None:
        self.flags: set[str] = set()
        self._one: dict[str, str] = {}
        self._many: dict[str, list[str]] = {}
        self._short = short
        self._known = known
        self._flags = known | flags_of_no_meaning
        self._kinds = one, many
        self._values = one | many | values_of_no_meaning

    def read(self, words: list[str]) -> list[str]:
        """Take the options at the beginning and return the rest."""
        rest = iter(words)
        for word in rest:
            if word == "--":
                break
            if not word.startswith("-") or word == "-":
                return [word, *rest]
            if word.startswith("--"):
                name, equals, value = word[2:].partition("=")
                self._take(name, value if equals else None, rest, word)
            else:
                self._take_letters(word, rest)
        return list(rest)

    def take_variable(self, name: str, text: str) -> None:
        """Take what a variable says of an option; the command line counts more, or as well."""
        if name in self._flags:
            if text.lower() in _TRUE:
                self._set(name)
        elif name in self._kinds[1]:
            self._many.setdefault(name, []).append(text)
        elif name in self._kinds[0]:
            self._one.setdefault(name, text)

    def run(self, general: frozenset[str], rest: list[str]) -> Run:
        """Return the values, with the image and the words after it."""
        if not rest or not rest[0]:
            raise Unknown("a command line without an image")
        return Run(rest[0], tuple(rest[1:]), general | self.flags, self._one, self._many)

    def _take_letters(self, word: str, rest: Iterator[str]) -> None:
        for place, letter in enumerate(word[1:], start=2):
            name = self._short.get(letter, "")
            if name in self._values:
                self._take(name, word[place:].removeprefix("=") or None, rest, word)
                return
            self._take(name, None, rest, word)

    def _take(self, name: str, value: str | None, rest: Iterator[str], word: str) -> None:
        if name in self._flags:
            if value is None or value.lower() in _TRUE:
                self._set(name)
        elif name in self._values:
            text = next(rest, None) if value is None else value
            if text is None:
                raise Unknown(f"{word} without a value")
            if name in self._kinds[1]:
                self._many.setdefault(name, []).append(text)
            else:
                self._one[name] = text
        else:
            raise Unknown(f"option {word}")

    def _set(self, name: str) -> None:
        if name in self._known:
            self.flags.add(name)
