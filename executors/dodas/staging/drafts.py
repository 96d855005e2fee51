"""Where a download goes until it is complete: small files into memory, larger ones into a part on disk.

Of thousands of small files, most of the time would go into names, locks and notes that nobody comes back to:
what is small is fetched again rather than gone on with, and written at once when it is known to be right.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import AbstractContextManager, suppress
from types import TracebackType

from dodas.staging import parts
from dodas.staging.checksums import Hasher
from dodas.staging.disk import explained
from dodas.staging.parts import Part
from dodas.staging.parts_memo import Memo

# Bytes; with some hundred transfers at once, this is what they have of the memory.
SMALL = 64 << 10
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
_NO_NAMES = (errno.EOPNOTSUPP, errno.ENOENT, errno.EXDEV, errno.EPERM, errno.EACCES)  # no /proc, for one


class Held:
    """A small file in the making, in memory; for the rest as `Part`.

    Attributes:
        target: What it will be called.
        memo: What the bytes are of; ``None`` if there are none.
    """

    nameless = True  # whether this machine has shown no sign yet that it cannot do without names

    def __init__(self, target: str) -> None:
        self.target = target
        self.memo: Memo | None = None
        self._bytes = bytearray()

    @property
    def length(self) -> int:
        """Bytes from the start that are there."""
        return len(self._bytes) if self.memo is not None else 0

    def note(self, memo: Memo, *, keep: bool = True) -> None:
        """Say what the bytes are of; ``keep`` is for larger ones."""
        self.memo = memo

    def note_prefix(self, length: int) -> None:
        """There are no gaps in what is small."""

    def cut(self, length: int) -> None:
        """Keep the first ``length`` bytes alone."""
        if not length:
            self.memo = None
        del self._bytes[length:]

    def hash(self, hasher: Hasher, length: int) -> None:
        """Let ``hasher`` see what it has not seen of the first ``length`` bytes."""
        hasher.update(bytes(self._bytes[hasher.count : length]))

    def make_room(self, size: int | None) -> None:
        """There is room."""

    def write(self, data: memoryview, offset: int) -> None:
        """Take ``data``, which is at ``offset``."""
        self._bytes[offset : offset + len(data)] = data

    def admit(self, *, overwrite: bool, modified: float | None = None) -> None:
        """Write it under its name; see `Part.admit`.

        Raises:
            AlreadyThere: Something has that name, and it is not to be replaced.
        """
        try:
            if overwrite or not (Held.nameless and self._linked(modified)):
                self._renamed(modified, overwrite=overwrite)
        except FileExistsError:
            raise parts.taken(self.target) from None
        except OSError as error:
            raise explained(self.target, error) from error

    def _linked(self, modified: float | None) -> bool:
        """Write a file without a name and give it its own; return whether that can be done here.

        Nothing is left, however we die; and it takes half of the time of a file that is renamed.
        """
        directory = self.target.rpartition("/")[0] or "/"
        try:
            fd = os.open(directory, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o666)
        except OSError as error:
            return _cannot(error, _NO_NAMELESS)
        try:
            self._fill(fd, modified)
            try:
                # The descriptor of a directory makes Python follow the link; with an absolute name it counts
                # for nothing else.
                os.link(f"/proc/self/fd/{fd}", self.target, src_dir_fd=fd)
            except OSError as error:
                return _cannot(error, _NO_NAMES)
        finally:
            os.close(fd)
        return True

    def _renamed(self, modified: float | None, *, overwrite: bool) -> None:
        aside = os.path.join(os.path.dirname(self.target), f".dodas-{os.urandom(12).hex()}.part")
        fd = os.open(aside, _FLAGS, 0o666)
        try:
            self._fill(fd, modified)
            if overwrite:
                os.replace(aside, self.target)
            else:
                parts.rename_to_nothing(aside, self.target)
        except BaseException:
            with suppress(OSError):
                os.unlink(aside)
            raise
        finally:
            os.close(fd)

    def _fill(self, fd: int, modified: float | None) -> None:
        left = memoryview(self._bytes)
        while left:
            left = left[os.write(fd, left) :]
        if modified is not None:
            parts.set_time(fd, modified)


class Draft:
    """The place of one download; a context manager that tidies up.

    Args:
        target: What the file will be called.
        overwrite: Whether what has that name is replaced.
        resume: Whether to go on with what somebody left.

    Attributes:
        part: Where the bytes go.
    """

    part: Part | Held

    def __init__(self, target: str, *, overwrite: bool, resume: bool) -> None:
        self._target, self._overwrite, self._resume = target, overwrite, resume
        self._opened: AbstractContextManager[Part] | None = None

    def __enter__(self) -> Draft:
        parts.refuse(self._target, overwrite=self._overwrite)
        if not parts.is_begun(self._target):
            self.part = Held(self._target)
            return self
        try:
            self._open()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            self._opened.__exit__(kind, error, trace)

    def suits(self, size: int | None) -> bool:
        """Tell whether ``part`` is the place for a file of ``size`` bytes; otherwise `enlarge` it."""
        return self._opened is not None or (size is not None and size <= SMALL)

    def enlarge(self) -> bool:
        """Go on on disk; return whether nobody else began there meanwhile.

        Raises:
            AlreadyThere: Somebody else made the file.
        """
        alone = not parts.is_begun(self._target)
        self._open()
        return alone

    def _open(self) -> None:
        opened = parts.opened(self._target, resume=self._resume)
        self.part = opened.__enter__()
        self._opened = opened
        # Another process may have made it while we waited.
        parts.refuse(self._target, overwrite=self._overwrite)


def _cannot(error: OSError, reasons: tuple[int, ...]) -> bool:
    if error.errno not in reasons:
        raise error
    Held.nameless = False
    return False
