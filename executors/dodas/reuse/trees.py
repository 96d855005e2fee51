"""Files and directories brought into an entry, and compared with what was noted of them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

Listing = dict[str, dict[str, Any]]
_CHUNK = 1 << 24


class Unkeepable(Exception):
    """Something is no file, directory or link, or a directory that never ends."""


class Bringer:
    """Brings what a step made into a directory.

    Args:
        top: The directory.
        made: Directory of the step.  What it made is shared, as nobody writes it any more.
        kept: Directory of what is kept already, which is shared too.  All else is copied.
        links: Whether links within a directory stay links, and do not become what they lead to.

    Attributes:
        taken: Paths of what the step made, which is no more needed there.
    """

    def __init__(self, top: str, made: str = "", kept: str = "", *, links: bool = True) -> None:
        self._top = top
        self._links = links
        self._made = f"{os.path.realpath(made)}/" if made else ""
        self._kept = f"{os.path.realpath(kept)}/" if kept else ""
        self.taken: list[str] = []

    def bring(self, source: str, name: str) -> None:
        """Bring a file, or a directory with all that is in it, links followed where they lead out of it.

        Args:
            source: Where it is.
            name: Path below the directory; what is there already stays.

        Raises:
            OSError: It cannot be read, or there is no room.
            Unkeepable: It is, or holds, what cannot be kept.
        """
        target = os.path.join(self._top, name)
        if os.path.lexists(target):
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        self._any(source, target, root=os.path.realpath(source), above=())

    def _any(self, source: str, target: str, root: str, above: tuple[str, ...]) -> None:
        kind = os.stat(source).st_mode
        if stat.S_ISDIR(kind):
            self._directory(source, target, root, above)
        elif stat.S_ISREG(kind):
            self._file(os.path.realpath(source), target)
        else:
            raise Unkeepable(f"{source} is no file and no directory")

    def _directory(self, source: str, target: str, root: str, above: tuple[str, ...]) -> None:
        real = os.path.realpath(source)
        if real in above:
            raise Unkeepable(f"{source} leads to a directory that it is in")
        os.makedirs(target, exist_ok=True)
        for entry in list(os.scandir(source)):
            place = os.path.join(target, entry.name)
            if entry.is_symlink() and self._stays(entry.path, root):
                os.symlink(os.readlink(entry.path), place)
            else:
                self._any(entry.path, place, root, (*above, real))
        os.chmod(target, stat.S_IMODE(os.stat(source).st_mode))

    def _stays(self, link: str, root: str) -> bool:
        """Return whether a link is to stay one: it leads to what comes along, or nowhere."""
        text, end = os.readlink(link), os.path.realpath(link)
        inside = not text.startswith("/") and end.startswith(root + "/")
        return not os.path.exists(link) or (self._links and inside)

    def _file(self, source: str, target: str) -> None:
        made = _is_in(source, self._made)
        if made:
            self.taken.append(source)
        # A second name may be one that the step gave to an input, or a user will go on to use.
        if _is_in(source, self._kept) or (made and os.stat(source).st_nlink == 1):
            with suppress(OSError):
                os.link(source, target)
                return
        _copy(source, target)


def _is_in(path: str, directory: str) -> bool:
    return bool(directory) and path.startswith(directory)


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as old, open(target, "xb") as new:
        try:
            # Shares the blocks where the file system can.
            while os.copy_file_range(old.fileno(), new.fileno(), _CHUNK):
                pass
        except OSError:
            if new.tell() or os.fstat(new.fileno()).st_size:
                raise
            old.seek(0)
            shutil.copyfileobj(old, new, _CHUNK)
        found = os.fstat(old.fileno())
        os.fchmod(new.fileno(), stat.S_IMODE(found.st_mode))
        new.flush()
        os.utime(new.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))


def listing(top: str, checksum: Callable[[str], str]) -> Listing:
    """Return what is below a directory, by path: files with size and checksum, links, directories.

    Raises:
        OSError: Something cannot be read.
    """
    return {os.path.relpath(path, top): _noted(path, checksum) for path in walk(top)}


def walk(top: str) -> Iterator[str]:
    """Yield the path of everything below a directory; links are not followed."""
    for entry in sorted(os.scandir(top), key=lambda entry: entry.name):
        yield entry.path
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path)


def damage(top: str, noted: Listing, checksum: Callable[[str], str]) -> str:
    """Return in words what is not as it was noted; empty if all is."""
    try:
        found = {os.path.relpath(path, top): path for path in walk(top)} if os.path.isdir(top) else {}
        for name, known in noted.items():
            if name not in found:
                return f"{name} is missing"
            if _noted(found[name], checksum, size=known.get("size")) != known:
                return f"{name} is not what it was"
    except OSError as error:
        return str(error)
    more = sorted(found.keys() - noted.keys())
    return f"{more[0]} has come in addition" if more else ""


def _noted(path: str, checksum: Callable[[str], str], size: int | None = None) -> dict[str, Any]:
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return {"link": os.readlink(path)}
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISDIR(found.st_mode):
        return {"mode": mode}
    if not stat.S_ISREG(found.st_mode) or (size is not None and size != found.st_size):
        return {"size": found.st_size}  # cannot be the same, whatever is in it
    return {"mode": mode, "size": found.st_size, "checksum": checksum(path)}
