"""Private writable places on the local disk, which outlive nobody.

``<scratch>/dodas-<uid>/<run>/`` belongs to one worker.  Its ``lock`` is held by the worker and by all that it
forks, so a directory whose lock can be had belongs to nobody alive; the next worker of the user removes it.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import suppress

from dodas.containers.engines.mounts import unmount_below
from dodas.containers.removal import remove_tree
from dodas.errors import StoreError
from dodas.paths import scratch_dir

_LOCK = "lock"
# A directory without a held lock is not yet an orphan while its maker is between two system calls.
_UNBORN = "new-"
_LONGEST_BIRTH = 60.0


def open_scratch(base: str | None = None) -> tuple[str, int]:
    """Return a new private directory below ``base`` and the descriptor that holds its lock.

    Raises:
        StoreError: The directory cannot be made there, or its parent belongs to somebody else.
    """
    home = _home(base or scratch_dir())
    sweep(home)
    try:
        return claim(home)
    except OSError as error:
        raise StoreError(
            f"no scratch space in {home}: {error.strerror}",
            hint="free some space, or set DODAS_SCRATCH to a directory on a local disk",
        ) from error


def claim(home: str) -> tuple[str, int]:
    """Return a new directory in ``home`` and the descriptor that holds its lock; until then it is no orphan.

    Raises:
        OSError: The disk does not take it.
    """
    # Not by ``tempfile``, whose import takes longer than all this.
    path = os.path.join(home, _UNBORN + os.urandom(8).hex())
    os.mkdir(path, 0o700)
    lock = os.open(os.path.join(path, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    final = os.path.join(home, "run-" + os.path.basename(path).removeprefix(_UNBORN))
    os.rename(path, final)
    return final, lock


def sweep(home: str) -> int:
    """Remove the directories of workers that are gone; return how many there were."""
    removed = 0
    with suppress(FileNotFoundError):
        for entry in os.scandir(home):
            with suppress(FileNotFoundError):
                if entry.name.startswith(_UNBORN) and time.time() - entry.stat().st_mtime < _LONGEST_BIRTH:
                    continue
                removed += _remove_if_orphan(entry.path)
    return removed


def _home(base: str) -> str:
    home = os.path.join(base, f"dodas-{os.geteuid()}")
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)
        status = os.lstat(home)
    except OSError as error:
        raise StoreError(
            f"cannot make {home}: {error.strerror}",
            hint="set DODAS_SCRATCH to a directory of yours on a local disk",
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise StoreError(
            f"{home} belongs to somebody else",
            hint="set DODAS_SCRATCH to a directory of yours on a local disk",
        )
    if status.st_mode & 0o077:
        os.chmod(home, 0o700)
    return home


def _remove_if_orphan(path: str) -> bool:
    try:
        lock = os.open(os.path.join(path, _LOCK), os.O_RDWR)
    except FileNotFoundError:
        # Its remover died after the last file.
        with suppress(OSError):
            os.rmdir(path)
        return False
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        unmount_below(path)
        # The lock goes last: who dies in between leaves what the next sweep takes for an orphan again.
        for entry in os.scandir(path):
            if entry.name != _LOCK:
                remove_tree(entry.path)
        remove_tree(path)
        return True
    finally:
        os.close(lock)
