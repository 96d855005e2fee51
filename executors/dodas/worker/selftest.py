"""Proves an engine on this node, with the very code that will run steps.

Distributions ship container programs that seem to work and do not: a PRoot whose system call filter was
patched out runs the command on the host's own files, and says nothing.  So each engine runs a probe in a
small root that differs from the host in a marker file, and what the probe saw is compared with what a
container must show.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sys
import tempfile
from contextlib import suppress

from dodas.containers.engines import engine
from dodas.containers.launch import Launch, Outcome
from dodas.containers.removal import remove_tree
from dodas.errors import DodasError
from dodas.paths import store_dir
from dodas.worker import probe
from dodas.worker.client import Ended, Worker
from dodas.worker.verdict import Verdict

_LIMIT = 60.0
_ARGUMENTS = ("", "two words", "new\nline", "\"quotes'", "-e", "\N{SNOWMAN}", "\udcff", "")
_VALUE = ' "a=\n\udcff'
_HOST_DIRECTORIES = ("/usr", "/bin", "/lib", "/lib64", "/lib32", "/libx32", "/sbin", "/opt", "/nix", "/gnu")


def prove(name: str, program: str = "") -> Verdict:
    """Run the self-test of the engine ``name`` and return what it found; takes a few tenths of a second."""
    missing = engine(name).missing() if not program else ""
    if missing:
        return Verdict(engine=name, program=program, problem=missing)
    try:
        with _Bench() as bench:
            return bench.judge(name, program)
    except (DodasError, OSError) as error:
        return Verdict(engine=name, program=program, problem=f"the self-test could not be made: {error}")


class _Bench:
    """A root for tests, in the image store, since it is that file system which steps will have below them."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        self.home = tempfile.mkdtemp(prefix="selftest-", dir=_place())
        self.root = os.path.join(self.home, "ROOT")
        self.shared = os.path.join(self.home, "shared")
        self.worker = Worker()

    def __enter__(self) -> _Bench:
        for path in (self.shared, *(os.path.join(self.root, name) for name in ("etc", "proc", "tmp", "dev"))):
            os.makedirs(path)
        os.makedirs(os.path.join(self.root, "usr", "bin"))
        _write(
            os.path.join(self.root, "usr", "bin", "sh"), ""
        )  # hidden by the host's, which is mounted there
        _write(os.path.join(self.root, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\n")
        _write(os.path.join(self.root, "etc", "group"), "root:x:0:\n")
        _write(os.path.join(self.root, "marker"), self.token)
        _write(os.path.join(self.home, "secret"), self.token)
        _write(os.path.join(self.home, "read-only"), self.token)
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.close()
        remove_tree(self.home)

    def judge(self, name: str, program: str) -> Verdict:
        """Return the verdict on one engine; the first fault found decides."""
        problem = self._sees_the_container(name, program) or self._ends_right(name, program)
        remark = "" if problem else self._protects_the_root(name)
        return Verdict(engine=name, program=program, problem=problem, remark=remark)

    def _run(self, name: str, program: str, *words: str) -> tuple[Outcome, str]:
        output = os.path.join(self.home, "output")
        launch = Launch(
            engine=name,
            program=program,
            root=self.root,
            scratch="",
            argv=(_python(), "-I", "-S", "-c", probe.SOURCE, *words),
            env=(("DODAS_PROBE", _VALUE), ("PATH", "/usr/bin:/bin")),
            mounts=(
                *_host_mounts(),
                (self.shared, "/shared", True),
                (f"{self.home}/read-only", "/read-only", False),
            ),
            stdout=output,
            stderr=output,
            walltime=_LIMIT,
            grace=0.5,
        )
        self.worker.start("probe", launch)
        outcome = self._end()
        with open(output, encoding="utf-8", errors="surrogateescape") as file:
            return outcome, file.read()

    def _end(self) -> Outcome:
        while True:
            for news in self.worker.told(None):
                if isinstance(news, Ended):
                    return news.outcome

    def _sees_the_container(self, name: str, program: str) -> str:
        outcome, output = self._run(name, program, "look", self.token, f"{self.home}/secret", *_ARGUMENTS)
        if outcome.fault:
            return outcome.fault
        if outcome.exit_code != 0:
            return f"the probe ended with status {outcome.exit_code}: {output.strip()[-300:]}"
        try:
            seen = json.loads(output)
        except ValueError:
            return f"the probe's output was changed: {output.strip()[-300:]!r}"
        expected = {
            "marker": self.token,
            "secret": False,
            "arguments": list(_ARGUMENTS),
            "value": _VALUE,
            "uid": os.geteuid(),
            "temporary": True,
            "untranslated": False,
        }
        for what, value in expected.items():
            if seen.get(what) != value:
                return probe.FAULTS[what]
        if os.path.exists(os.path.join("/tmp", self.token)):  # noqa: S108 - where a leak would be
            os.unlink(os.path.join("/tmp", self.token))  # noqa: S108
            return probe.FAULTS["temporary"]
        return ""

    def _ends_right(self, name: str, program: str) -> str:
        outcome, _ = self._run(name, program, "exit", "7")
        if outcome.exit_code != 7:
            return f"a command that ended with 7 was reported as {outcome.exit_code}"
        outcome, _ = self._run(name, program, "die")
        if not outcome.exit_code:
            return "a command that was killed was reported as success"
        self._run(name, program, "daemon", "/shared/alive")
        with suppress(FileNotFoundError), open(os.path.join(self.shared, "alive"), "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return "a daemon outlived the step that had started it"
            return ""
        return "a step could not write into a directory that was given to it"

    def _protects_the_root(self, name: str) -> str:
        """Return what a step could change that it should not."""
        changed = []
        if os.path.exists(os.path.join(self.root, "written")):
            changed.append("the prepared image")
        with open(os.path.join(self.home, "read-only"), encoding="ascii") as file:
            if file.read() != self.token:
                changed.append("read-only mounts")
        if changed:
            return f"{' and '.join(changed)} could be changed by a step (this kernel has no Landlock)"
        return "" if engine(name).isolates_network else "cannot take the network away"


def _place() -> str:
    place = os.path.join(store_dir(), ".dodas")
    os.makedirs(place, exist_ok=True)
    return place


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _python() -> str:
    return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)


def _host_mounts() -> tuple[tuple[str, str, bool], ...]:
    """Return mounts that make this Python work in the test's root."""
    wanted = [path for path in _HOST_DIRECTORIES if os.path.isdir(path)]
    prefix = os.path.realpath(sys.base_prefix)
    if not any(prefix == path or prefix.startswith(path + "/") for path in wanted):
        wanted.append(prefix)
    cache = "/etc/ld.so.cache"
    files = [cache] if os.path.exists(cache) else []
    return tuple((path, path, False) for path in (*wanted, *files))
