"""A root file system in the making, which nothing that is written to it can leave.

Symbolic links in a path lead where they would lead a process inside: absolute ones start at the root, and
``..`` ends there.  Nobody else writes to the tree meanwhile, so a path whose directories were found to be
real stays so until this class itself replaces one.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from dodas.containers.removal import remove_at
from dodas.containers.tar.faults import TarFault
from dodas.containers.tar.numbers import storable

_MOST_LINKS = 40  # as the kernel's ELOOP
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


T = TypeVar("T")


class Tree:
    """The directory behind ``fd``.  Paths that its methods take and return are relative to it.

    A *place* is a path whose directories are all real.  ``begin_layer`` starts the record of what the current
    layer has made, which ``hide`` and ``clear`` spare.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._places: dict[bytes, bytes] = {}
        self._made: set[bytes] = set()
        self._times: dict[bytes, int] = {}

    def begin_layer(self) -> None:
        """Forget what was made so far: it belongs to lower layers now."""
        self._made.clear()
        self._places.clear()

    def place(self, path: bytes) -> bytes:
        """Return the place of ``path``: its directories resolved and made, its last component as it is.

        Raises:
            TarFault: The path goes up, or round in circles.
        """
        parts = [part for part in path.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            raise TarFault(f"the path {path[:200]!r} leads upwards")
        if not parts:
            return b""
        parent = self._directory(b"/".join(parts[:-1]))
        return parent + b"/" + parts[-1] if parent else parts[-1]

    def directory(self, place: bytes, mode: int, mtime: int) -> None:
        """Make a directory, or give one its mode; whatever else is there goes."""
        if place:
            try:
                os.mkdir(place, 0o700, dir_fd=self._fd)
            except FileExistsError:
                if not stat.S_ISDIR(self._status(place).st_mode):
                    self._remove(place)
                    os.mkdir(place, 0o700, dir_fd=self._fd)
        os.chmod(place or b".", mode, dir_fd=self._fd)
        self._times[place] = mtime
        self._made.add(place)

    def file(self, place: bytes, mode: int, mtime: int, fill: Callable[[int], None]) -> None:
        """Make a file; ``fill`` is given its descriptor."""
        fd = self._fresh(place, lambda: os.open(place, _CREATE, 0o600, dir_fd=self._fd))
        try:
            fill(fd)
            os.fchmod(fd, mode)
            moment = storable(mtime)
            os.utime(fd, ns=(moment, moment))
        finally:
            os.close(fd)

    def symlink(self, place: bytes, target: bytes, mtime: int) -> None:
        """Make a symbolic link, to wherever it may point."""
        self._fresh(place, lambda: os.symlink(target, place, dir_fd=self._fd))
        self._touch(place, mtime)

    def fifo(self, place: bytes, mode: int, mtime: int) -> None:
        """Make a named pipe."""
        self._fresh(place, lambda: os.mkfifo(place, 0o600, dir_fd=self._fd))
        os.chmod(place, mode, dir_fd=self._fd)
        self._touch(place, mtime)

    def hard_link(self, place: bytes, target: bytes) -> None:
        """Make ``place`` another name of the place ``target``.

        Raises:
            TarFault: There is no such file.
        """
        if place == target:
            return
        try:
            if stat.S_ISDIR(self._status(target).st_mode):
                raise TarFault(f"{place[:200]!r} is a hard link to a directory")
            self._fresh(place, lambda: self._link(target, place))
        except FileNotFoundError:
            problem = f"{place[:200]!r} is a hard link to {target[:200]!r}, which is not there"
            raise TarFault(problem) from None

    def absent(self, place: bytes) -> None:
        """Leave nothing at ``place``."""
        self._remove(place)

    def hide(self, place: bytes) -> None:
        """Remove what lower layers have at ``place`` and below it."""
        if place in self._made and not self._is_directory(place):
            return
        self._places.clear()
        remove_at(self._fd, place, self._made.__contains__)

    def clear(self, directory: bytes) -> None:
        """Remove what lower layers have below the place of a directory."""
        with suppress(FileNotFoundError, NotADirectoryError):
            fd = os.open(directory or b".", _LIST, dir_fd=self._fd)
            try:
                names = [os.fsencode(name) for name in os.listdir(fd)]
            finally:
                os.close(fd)
            for name in names:
                self.hide(directory + b"/" + name if directory else name)

    def finish(self) -> None:
        """Give the directories their times, which making things in them has changed."""
        for place, mtime in self._times.items():
            with suppress(FileNotFoundError, NotADirectoryError):
                self._touch(place, mtime)

    def _directory(self, path: bytes) -> bytes:
        """Return the place of a directory, following links inside the tree and making what is missing."""
        known = self._places.get(path)
        if known is not None:
            return known
        place = b""
        links = 0
        todo = path.split(b"/")[::-1]
        while todo:
            name = todo.pop()
            if name == b"..":
                place = place.rpartition(b"/")[0]
            elif name not in (b"", b"."):
                here = place + b"/" + name if place else name
                target = self._enter(here)
                if target is None:
                    place = here
                    self._made.add(here)
                    continue
                links += 1
                if links > _MOST_LINKS:
                    raise TarFault(f"too many symbolic links in {path[:200]!r}")
                place = b"" if target.startswith(b"/") else place
                todo.extend(target.split(b"/")[::-1])
        self._places[path] = place
        return place

    def _enter(self, place: bytes) -> bytes | None:
        """Return where the symbolic link at ``place`` leads; else make sure that there is a directory."""
        try:
            mode = self._status(place).st_mode
        except FileNotFoundError:
            mode = 0
        if stat.S_ISLNK(mode):
            return os.readlink(place, dir_fd=self._fd)
        if not stat.S_ISDIR(mode):
            if mode:
                self._remove(place)
            os.mkdir(place, 0o700, dir_fd=self._fd)
            os.chmod(place, 0o755, dir_fd=self._fd)  # noqa: S103 - as Docker makes them, whatever the umask
        return None

    def _fresh(self, place: bytes, make: Callable[[], T]) -> T:
        """Make something new; what is there is replaced, not changed, for it may have other names."""
        if not place:
            raise TarFault("the root directory is something else than a directory")
        try:
            made = make()
        except FileExistsError:
            self._remove(place)
            made = make()
        self._made.add(place)
        return made

    def _link(self, target: bytes, place: bytes) -> None:
        try:
            os.link(target, place, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._copy(target, place)

    def _copy(self, target: bytes, place: bytes) -> None:
        source = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        with open(source, "rb") as old:
            status = os.fstat(source)
            new = os.open(place, _CREATE, 0o600, dir_fd=self._fd)
            with open(new, "wb") as copy:
                shutil.copyfileobj(old, copy)
                copy.flush()
                os.fchmod(new, stat.S_IMODE(status.st_mode))
                os.utime(new, ns=(status.st_mtime_ns, status.st_mtime_ns))

    def _remove(self, place: bytes) -> None:
        """Remove what is at ``place`` and below it, and what is known of it."""
        try:
            if stat.S_ISREG(self._status(place).st_mode):
                os.unlink(place, dir_fd=self._fd)
                self._made.discard(place)
                return
        except FileNotFoundError:
            return
        below = place + b"/"
        self._made -= {made for made in self._made if made == place or made.startswith(below)}
        for gone in [known for known in self._times if known == place or known.startswith(below)]:
            del self._times[gone]
        self._places.clear()  # any of them may have led through what goes
        remove_at(self._fd, place)

    def _touch(self, place: bytes, mtime: int) -> None:
        moment = storable(mtime)
        os.utime(place or b".", ns=(moment, moment), dir_fd=self._fd, follow_symlinks=False)

    def _status(self, place: bytes) -> os.stat_result:
        return os.stat(place or b".", dir_fd=self._fd, follow_symlinks=False)

    def _is_directory(self, place: bytes) -> bool:
        try:
            return stat.S_ISDIR(self._status(place).st_mode)
        except FileNotFoundError:
            return False
