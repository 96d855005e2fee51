"""Where a run keeps its temporary directories, so that all of them can be removed at once."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress

from dodas.containers.removal import remove_tree
from dodas.errors import StoreError

_MARK = "dodas-cwl-"
_LOCK = ".lock"


class Place:
    """One directory, named ``<prefix>dodas-cwl-…``, made at once, removed with all that is in it.

    A lock in it is held while the run lives.  Who finds the lock free has found what a killed run left.

    Args:
        prefix: As of cwltool's ``--tmpdir-prefix``: a directory, or one and the start of a name.

    Raises:
        StoreError: It cannot be made.
    """

    def __init__(self, prefix: str) -> None:
        parent, start = os.path.split(os.path.abspath(prefix) + ("/" if prefix.endswith("/") else ""))
        try:
            os.makedirs(parent, exist_ok=True)
            _sweep(parent, start + _MARK)
            self.path = tempfile.mkdtemp(prefix=start + _MARK, dir=parent)
            self._lock = _hold(self.path)
        except OSError as error:
            raise StoreError(
                f"no temporary directory in {parent}: {error.strerror}",
                hint="name a writable directory by --tmpdir-prefix or TMPDIR",
            ) from error

    @property
    def prefix(self) -> str:
        """What makes cwltool put its directories here."""
        return self.path + "/"

    def logs(self) -> str:
        """Return the directory for the logs of steps."""
        return os.path.join(self.path, "logs")

    def tidy(self, *, keep: bool) -> None:
        """Remove it; with ``keep`` only if nothing is in it."""
        if keep:
            # Without a lock it is nobody's leftover, but the user's.
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self.path, _LOCK))
            with suppress(OSError):
                os.rmdir(self.path)
        else:
            remove_tree(self.path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _hold(path: str) -> int:
    # Locked before it has its name: nobody can find it free in between.
    unnamed = os.path.join(path, _LOCK + ".new")
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(unnamed, os.path.join(path, _LOCK))
    return lock


def _sweep(parent: str, start: str) -> None:
    with suppress(OSError):
        found = [entry for entry in os.scandir(parent) if entry.name.startswith(start)]
        for entry in found:
            with suppress(OSError):
                _remove_if_orphan(entry)


def _remove_if_orphan(entry: os.DirEntry[str]) -> None:
    if entry.stat(follow_symlinks=False).st_uid != os.geteuid():
        return
    lock = os.open(os.path.join(entry.path, _LOCK), os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(entry.path)
    finally:
        os.close(lock)
