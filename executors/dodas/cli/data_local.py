"""The files on this disk that the words of a command line stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from stat import S_ISDIR, S_ISREG

from dodas.cli.data_ends import as_failure
from dodas.cli.data_items import Refused
from dodas.errors import TransferError


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file to store, or a directory with nothing in it.

    Attributes:
        names: Its name, after those of the directories above it that are to be kept.
        size: Bytes; ``None`` for a directory.
    """

    path: str
    names: tuple[str, ...]
    size: int | None


def files(words: Iterable[str], *, recursive: bool) -> Iterator[LocalFile | Refused]:
    """Yield the files that paths stand for; of directories, with ``recursive``, all that is below them.

    Links are followed.  Refused is what is neither file nor directory, and a link to a directory that it
    is in.
    """
    for word in words:
        name = os.path.basename(word)
        names = (name,) if name not in ("", ".", "..") else ()
        yield from _below(word, names, recursive=recursive, above=frozenset())


def _below(
    path: str, names: tuple[str, ...], *, recursive: bool, above: frozenset[tuple[int, int]]
) -> Iterator[LocalFile | Refused]:
    try:
        about = os.stat(path)
        inside = sorted(os.listdir(path)) if S_ISDIR(about.st_mode) and recursive else []
    except OSError as error:
        yield Refused(source=path, error=as_failure(error))
        return
    itself = (about.st_dev, about.st_ino)
    if S_ISREG(about.st_mode):
        yield LocalFile(path=path, names=names, size=about.st_size)
    elif problem := _problem(path, about, recursive=recursive, known=itself in above):
        yield Refused(source=path, error=problem)
    elif not inside:
        yield LocalFile(path=path, names=names, size=None)
    for name in inside if itself not in above else ():
        yield from _below(os.path.join(path, name), (*names, name), recursive=True, above=above | {itself})


def _problem(path: str, about: os.stat_result, *, recursive: bool, known: bool) -> TransferError | None:
    if not S_ISDIR(about.st_mode):
        return TransferError(f"{path!r} is no file", hint="only files and directories can be stored")
    if known:
        return TransferError(f"{path!r} leads back to a directory that it is in", hint="remove that link")
    if not recursive:
        return TransferError(f"{path!r} is a directory", hint="give -r to take all of it")
    return None
