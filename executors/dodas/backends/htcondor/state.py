"""The directory of a run: whose it is, and what it holds.

::

    lock        held while a dodas works on the run
    run.json    its name for HTCondor, and how files get to nodes
    journal     what was submitted
    events.log  what HTCondor says of it
    dodas-worker-…  what nodes run, where they see the run
    jobs/       a directory for each job
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress

from dodas import whole
from dodas.containers.removal import remove_tree
from dodas.errors import BackendError


class State:
    """The directory at ``path``, held until :meth:`close`.

    Attributes:
        run: Identifies the run, in HTCondor too.
        shared: Whether its jobs use the disk of the submit side; ``None`` for a new run.

    Raises:
        BackendError: Another dodas works on it, or it cannot be used.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            self._lock = os.open(self.of("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BackendError(f"cannot use the directory {path} for a run: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise BackendError(
                f"another dodas works on the run in {self.path}",
                hint="wait for it, or end it",
            ) from None
        known = self._read()
        self.run = str(known.get("run") or os.urandom(8).hex())
        self.shared: bool | None = None if "shared" not in known else bool(known["shared"])

    def of(self, name: str) -> str:
        """Return the path of something in it."""
        return os.path.join(self.path, name)

    def decide(self, shared: bool) -> None:
        """Write down how files get to nodes."""
        if self.shared is shared:
            return
        self.shared = shared
        whole.write(self.of("run.json"), json.dumps({"run": self.run, "shared": shared}), mode=0o666)

    def remove(self) -> None:
        """Remove all of it; what is not dodas' own stays."""
        remove_tree(self.of("jobs"))
        workers = [name for name in os.listdir(self.path) if name.startswith("dodas-worker-")]
        for name in ("journal", "events.log", "run.json", *workers, "lock"):
            with suppress(FileNotFoundError):
                os.unlink(self.of(name))
        with suppress(OSError):
            os.rmdir(self.path)

    def close(self) -> None:
        """Let others work on it."""
        os.close(self._lock)

    def _read(self) -> dict[str, object]:
        with suppress(OSError, ValueError), open(self.of("run.json"), encoding="ascii") as file:
            known = json.load(file)
            return known if isinstance(known, dict) else {}
        return {}
