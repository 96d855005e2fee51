"""The directory and the container of a pilot's daemons."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator

from dodas.containers.launch import Launch
from dodas.containers.prepared import PreparedRoot
from dodas.node import daemons, hosting
from dodas.node.daemons import INSIDE, MASTER, SBIN, Programs
from dodas.node.pilot.checks import NodeUnfit
from dodas.node.pilot.order import TOKEN, PilotOrder
from dodas.node.slot import named

_LEAVING = {"START": False, "CLAIM_WORKLIFE": 0, "STARTD_NOCLAIM_SHUTDOWN": 1}


class Room:
    """A new directory for the daemons of one worker.

    Args:
        order: What is to run.
        source: Directory with the token.
        place: Where to make it.
        ends: Unix time at which the worker ends at the latest.
    """

    def __init__(self, order: PilotOrder, source: str, place: str, *, ends: float) -> None:
        self.order = order
        self.place = place
        self._ends = ends
        self._logs = _own_logs(source)
        for name in daemons.DIRECTORIES:
            os.makedirs(os.path.join(place, name), mode=0o700)
        token = os.path.join(place, "tokens.d", "node")
        try:
            shutil.copy(os.path.join(source, TOKEN), token)
        except OSError as error:
            raise NodeUnfit(f"the token of this worker cannot be read: {error.strerror}") from error
        os.chmod(token, 0o600)

    def in_container(self, root: PreparedRoot, engine: str, program: str) -> Launch:
        """Return the launch of the daemons in an image that has HTCondor."""
        programs = daemons.programs_in(root.path)
        if programs is None:
            raise NodeUnfit(f"there is no {MASTER} in the image {self.order.image}")
        self._configure(INSIDE, programs)
        shared = self.order.shared_disk
        return Launch(
            engine=engine,
            program=program,
            root=root.path,
            scratch="",
            argv=(f"{programs.sbin}/{MASTER}", "-f"),
            env=tuple(self._environment(INSIDE, os.path.expanduser("~") if shared else INSIDE)),
            cwd=INSIDE,
            mounts=tuple(self._mounts(root.path)),
            ids=hosting.ids() if os.geteuid() == 0 else None,
            stdout=self._printed(),
            stderr=self._printed(),
        )

    def beside(self) -> Launch:
        """Return the launch of the daemons with the HTCondor that is here."""
        master = shutil.which(MASTER, path=os.pathsep.join((os.environ.get("PATH", ""), *SBIN)))
        if master is None:
            raise NodeUnfit(f"there is no {MASTER} on this node, and no image was named for it")
        if os.geteuid() == 0:
            raise NodeUnfit("HTCondor beside the pilot would run as root; run it as another user")
        # Sockets may not have long paths, and ours may be; HTCondor chooses a short one then.
        programs = daemons.programs_of(os.path.realpath(master))
        self._configure(self.place, programs, DAEMON_SOCKET_DIR="auto")
        self._write_files_here()
        if self._logs:
            os.rmdir(os.path.join(self.place, "log"))
            os.symlink(self._logs, os.path.join(self.place, "log"))
        return Launch(
            engine="host",
            scratch="",
            argv=(master, "-f"),
            env=tuple(self._environment(self.place, os.environ.get("HOME", self.place))),
            cwd=self.place,
            stdout=self._printed(),
            stderr=self._printed(),
        )

    def _configure(self, place: str, programs: Programs, **more: object) -> None:
        values: dict[str, object] = {
            **dict(self.order.config),
            **daemons.release(programs),
            **daemons.places(place),
            "SEC_PASSWORD_DIRECTORY": f"{place}/passwords.d",
            "SEC_TOKEN_DIRECTORY": f"{place}/tokens.d",
            "SEC_TOKEN_SYSTEM_DIRECTORY": f"{place}/tokens.d",
            "STARTD_ADDRESS_FILE": f"{place}/run/startd.address",
            "DodasCache": f'"{place}/cache"',
            "DaemonStopTime": int(self._ends),
            "STARTER_JOB_ENVIRONMENT": _quoted(named(self.order.environment)),
            **more,
        }
        with open(os.path.join(self.place, "condor_config"), "w", encoding="utf-8") as file:
            file.write(daemons.text(f"The worker {self.order.worker}", values))

    def _environment(self, place: str, home: str) -> Iterator[tuple[str, str]]:
        yield "PATH", hosting.PATH
        yield "HOME", home
        yield "LANG", "C.UTF-8"
        yield "CONDOR_CONFIG", f"{place}/condor_config"

    def _mounts(self, root: str) -> Iterator[tuple[str, str, bool]]:
        order = self.order
        if order.shared_disk:
            yield from hosting.directories()
        yield from order.mounts
        yield self.place, INSIDE, True
        if self._logs:
            yield self._logs, f"{INSIDE}/log", True
        for name, text in (
            ("passwd", hosting.passwd(root, order.user)),
            ("group", hosting.group(root, order.user)),
        ):
            yield self._written(name, text), f"/etc/{name}", False
        for number, (path, text) in enumerate(order.files):
            yield self._written(f"file{number}", text), path, False

    def _written(self, name: str, text: str) -> str:
        path = os.path.join(self.place, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _write_files_here(self) -> None:
        moved = [source for source, target, _ in self.order.mounts if source != target]
        if moved:
            raise NodeUnfit(f"without a container of its own a worker cannot mount {moved[0]} elsewhere")
        try:
            for path, text in self.order.files:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
        except OSError as error:
            raise NodeUnfit(f"cannot write {error.filename}: {error.strerror}") from error

    def take_no_more(self) -> None:
        """Change the configuration such that, once it is read again, no job comes and the last ends all."""
        with open(os.path.join(self.place, "condor_config"), "a", encoding="utf-8") as file:
            file.write(daemons.text("Leaving", _LEAVING))

    @property
    def logs(self) -> str:
        """Directory in which the daemons write what they do."""
        return self._logs or os.path.join(self.place, "log")

    def _printed(self) -> str:
        return os.path.join(self.logs, "printed")


def _own_logs(source: str) -> str:
    """Return a directory beside the order, where others can read it; empty if it cannot be written."""
    path = os.path.join(source, "log")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError:
        return ""
    return path if os.access(path, os.W_OK) else ""


def _quoted(environment: tuple[tuple[str, str], ...]) -> str:
    """Return variables in the syntax of job environments (HTCondor manual, condor_submit, "environment")."""
    words = [f"{name}={value}" for name, value in environment]
    shown = [_word(word) for word in words]
    return daemons.literal('"' + " ".join(shown).replace('"', '""') + '"')


def _word(word: str) -> str:
    if shlex.quote(word) == word:
        return word
    return "'" + word.replace("'", "''") + "'"
