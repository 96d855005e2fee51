"""What the URLs of a command line stand for: patterns, directories and all that is below them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from dodas.cli.data_items import Refused
from dodas.errors import Corrupt, DodasError, NotThere, SpecError, TransferError
from dodas.staging import urls
from dodas.staging.globs import is_pattern
from dodas.staging.values import Entry

if TYPE_CHECKING:
    from dodas.staging.storage import Storage


_SORTED = 10_000  # entries; more are not held in memory
_DEEPEST = 100  # directories

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file or directory that a word of the command line stands for.

    Attributes:
        names: Its name, after those of the directories above it that are to be kept; empty for a directory of
            which only what is in it was asked for.
    """

    entry: Entry
    names: tuple[str, ...]


def is_several(storage: Storage, word: str) -> bool:
    """Tell whether a URL is a pattern; what is there literally is meant literally."""
    if not is_pattern(urls.parse(word)):
        return False
    try:
        storage.stat(word)
    except (NotThere, SpecError):  # the latter: there are storages on which nothing can have this name
        return True
    return False


def named(storage: Storage, words: Iterable[str]) -> Iterator[Entry | Refused]:
    """Yield what is there for each URL, a pattern standing for all that match it."""
    for word in words:
        try:
            yield from _named(storage, word)
        except DodasError as error:
            yield Refused(source=urls.redacted(word), error=error)


def found(
    storage: Storage, words: Iterable[str], *, recursive: bool, unseen: bool = False
) -> Iterator[Found | Refused]:
    """Yield the files that URLs stand for; with ``recursive``, directories too, each before what is in it.

    Args:
        storage: Asked what is there.
        words: URLs and patterns.
        recursive: Go into directories; else they are refused.
        unseen: Take for a file what the storage does not want to speak of.
    """
    for word in words:
        try:
            inside = word.endswith("/") and not is_several(storage, word)
            for entry in (_files_named if unseen else _named)(storage, word):
                yield from _below(storage, entry, recursive=recursive, inside=inside)
        except DodasError as error:
            yield Refused(source=urls.redacted(word), error=error)


def _refuse_abyss(directory: Entry, names: tuple[str, ...]) -> None:
    if len(names) > _DEEPEST:
        raise TransferError(
            f"{urls.redacted(directory.url)} is more than {_DEEPEST} directories down",
            hint="see whether a link on the storage leads back to a directory above it",
        )


def in_order(things: Iterator[Thing], key: Callable[[Thing], str]) -> Iterable[Thing]:
    """Return things sorted; where there are very many, as they come, in bounded memory."""
    first = list(islice(things, _SORTED))
    return sorted(first, key=key) if len(first) < _SORTED else chain(first, things)


def place_of(entry: Entry) -> str:
    """Return what entries are sorted by."""
    return urls.decoded(entry.url)


def relative(directory: str, url: str) -> tuple[str, ...]:
    """Return the names that lead from a directory to what is below it.

    Raises:
        Corrupt: It is not below, or one of them cannot be the name of a file here.
    """
    base, path = urls.parse(directory).as_directory.path, urls.parse(url).as_file.path
    names = tuple(urls.decoded(part) for part in path[len(base) :].split("/"))
    if not path.startswith(base) or any(name in ("", ".", "..") or set("/\0") & set(name) for name in names):
        raise Corrupt(f"{urls.redacted(url)} was listed in {urls.redacted(directory)}, and cannot be")
    return names


def _named(storage: Storage, word: str) -> Iterator[Entry]:
    if not is_pattern(urls.parse(word)):
        entry = storage.stat(word)
        yield entry if entry.is_directory else replace(entry, url=word)
        return
    none = True
    for entry in in_order(storage.matching(word), place_of):
        none = False
        yield entry
    if none:
        raise NotThere(f"nothing matches {urls.redacted(word)}")


def _files_named(storage: Storage, word: str) -> Iterator[Entry]:
    try:
        yield from _named(storage, word)
    except (NotThere, SpecError):
        raise
    except TransferError:
        if is_pattern(urls.parse(word)):
            raise
        url = urls.parse(word)
        yield Entry(url=word, name=url.name, is_directory=url.path.endswith("/"))


def _below(storage: Storage, entry: Entry, *, recursive: bool, inside: bool) -> Iterator[Found | Refused]:
    if not entry.is_directory:
        yield Found(entry=entry, names=(entry.name,))
        return
    if not recursive:
        problem = TransferError(
            f"{urls.redacted(entry.url)} is a directory", hint="give -r to take all of it"
        )
        yield Refused(source=entry.url, error=problem)
        return
    top = () if inside or not entry.name else (entry.name,)
    yield Found(entry=entry, names=top)
    yield from _walked(storage, entry, top)


def _walked(storage: Storage, top: Entry, above: tuple[str, ...]) -> Iterator[Found | Refused]:
    """Go depth first, and on after a directory that cannot be listed."""
    todo = [top.url]
    while todo:
        directory, inside = todo.pop(), list[str]()
        try:
            for entry in in_order(storage.entries(directory), place_of):
                names = relative(top.url, entry.url)
                if entry.is_directory:
                    _refuse_abyss(entry, names)
                    inside.append(entry.url)
                yield Found(entry=entry, names=(*above, *names))
        except DodasError as error:
            yield Refused(source=urls.redacted(directory), error=error)
        todo.extend(reversed(inside))
