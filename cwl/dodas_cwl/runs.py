"""A run that can be left, and found again by the same command.

Its directory holds, until it ends, what a later life of it needs:

==================  ==========================================================
``lock``            held while dodas lives
``run.json``        the secret of its names, and which directory is ``work``
``steps.jsonl``     what is known of single steps (:mod:`dodas_cwl.memory`)
``pool``            what the backend knows of jobs
``work-…``          output and temporary directories of steps, and their logs
==================  ==========================================================
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from dodas import paths
from dodas.containers.removal import remove_tree
from dodas.errors import SpecError, StoreError
from dodas_cwl.memory import Memory

_LOCK, _RUN, _STEPS, _POOL, _WORK = "lock", "run.json", "steps.jsonl", "pool", "work-"


def folder(words: Sequence[str], prefix: str | None) -> str:
    """Return the directory of the run that a command is, in the current directory.

    Args:
        words: The command line.
        prefix: As of cwltool's ``--tmp-outdir-prefix``; ``None`` for the user's directory of states.
    """
    text = json.dumps([os.path.realpath(os.curdir), *words])
    name = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
    if prefix is None:
        return os.path.join(paths.state_dir(), "cwl", name)
    parent, start = os.path.split(prefix)
    return os.path.join(os.path.abspath(parent), f"{start}dodas-cwl-{name}")


class Run:
    """The run in the directory ``path``, new or taken up.

    Attributes:
        path: Its directory.
        work: Where steps have theirs.
        taken_up: Whether it was left before.
        opened: Whether a backend has it, which ends its jobs.
        secret: Makes the names of its steps.
        memory: What is known of them.

    Raises:
        SpecError: The same command runs already.
        StoreError: The directory cannot be used.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._lock = _lock(path)
            known = self._known()
            facts = known or self._begin()
        except OSError as error:
            raise StoreError(
                f"no state of the run can be kept in {path}: {error.strerror}",
                hint="name a writable directory by DODAS_STATE or --tmp-outdir-prefix",
            ) from error
        self.taken_up = known is not None
        self.opened = False
        self.work = os.path.join(path, facts["work"])
        self.secret = bytes.fromhex(facts["secret"])
        self.memory = Memory(os.path.join(path, _STEPS))

    @property
    def prefix(self) -> str:
        """What makes cwltool put its directories here."""
        return self.work + "/"

    @property
    def pool(self) -> str:
        """The directory for what a backend has to know again."""
        return os.path.join(self.path, _POOL)

    def logs(self) -> str:
        """Return the directory for the logs of steps."""
        return os.path.join(self.work, "logs")

    def tidy(self, *, keep: bool) -> None:
        """End the run: remove its directory.

        With ``keep``, what steps made and what the backend keeps of them stays until the run begins anew.
        If it was taken up, but the backend was not asked for its jobs, it is only left again.
        """
        if self.taken_up and not self.opened:
            self.leave()
        if self._lock < 0:
            return
        self._clear(but=(_POOL, os.path.basename(self.work)) if keep else ())
        with suppress(OSError):
            os.rmdir(self.work)
        with suppress(OSError):
            os.unlink(os.path.join(self.path, _LOCK))
            os.rmdir(self.path)
        self.leave()

    def leave(self) -> None:
        """Let a later run take it up."""
        if self._lock >= 0:
            self.memory.close()
            os.close(self._lock)
            self._lock = -1

    def _known(self) -> dict[str, Any] | None:
        with suppress(FileNotFoundError, ValueError), open(os.path.join(self.path, _RUN)) as file:
            facts = json.load(file)
            if os.path.isdir(os.path.join(self.path, facts["work"])):
                return dict(facts)
        return None

    def _begin(self) -> dict[str, Any]:
        # If only its work is gone, jobs of a run that was left may be in a queue; the backend knows of them.
        self._clear(but=(_POOL,) if os.path.exists(os.path.join(self.path, _RUN)) else ())
        work = tempfile.mkdtemp(prefix=_WORK, dir=self.path)
        facts = {"secret": os.urandom(32).hex(), "work": os.path.basename(work)}
        unnamed = os.path.join(self.path, _RUN + ".new")
        with open(unnamed, "w", opener=_private) as file:
            json.dump(facts, file)
        os.rename(unnamed, os.path.join(self.path, _RUN))
        return facts

    def _clear(self, *, but: tuple[str, ...]) -> None:
        for name in os.listdir(self.path):
            if name not in (_LOCK, *but):
                remove_tree(os.path.join(self.path, name))


def _lock(path: str) -> int:
    while True:
        os.makedirs(path, mode=0o700, exist_ok=True)
        try:
            lock = _private(os.path.join(path, _LOCK), os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            continue  # a run that ends took the directory away
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), os.stat(os.path.join(path, _LOCK))):
                return lock
        except BlockingIOError:
            os.close(lock)
            raise SpecError(
                "this very command is running already, from the same directory",
                hint="wait for it, or give this run another --outdir",
            ) from None
        except FileNotFoundError:
            pass
        os.close(lock)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
