"""udocker's own other modes (fakechroot, runc, singularity), where the user has installed them.

They are slow to start and weaker than the engines of dodas, and matter on hosts that allow neither user
namespaces nor ptrace.  What udocker's command line would change (empty arguments, leading blanks in
variables, colons in paths) travels in a script and through links instead.  Each mode must pass the same
self-test as every engine before a step runs in it.
"""

from __future__ import annotations

import glob
import json
import os
import shlex
import shutil
import sys
from typing import NoReturn

from dodas.containers.engines import start
from dodas.containers.launch import Launch, LaunchFault
from dodas.paths import data_dir, store_dir

_CONTAINER = "step"
_SCRIPT = "/.dodas-step"


def program() -> str:
    """Return the path of the udocker command: on ``PATH``, beside this Python, or shipped; empty if none."""
    folders = (os.path.dirname(sys.executable), os.path.join(data_dir(), "bin"))
    others = (os.path.join(folder, "udocker") for folder in folders)
    return shutil.which("udocker") or next((path for path in others if os.access(path, os.X_OK)), "")


class UdockerMode:
    """One execution mode of the ``udocker`` command; subclasses name it."""

    mode = ""
    isolates_network = False
    isolates_root = False
    own_pids = False
    namespaces = 0

    @property
    def name(self) -> str:
        """What users call it."""
        return f"udocker-{self.mode}"

    def missing(self) -> str:
        """Return which program or library of the mode is absent."""
        if not program():
            return "udocker is not installed"
        return self.missing_tools()

    def missing_tools(self) -> str:
        """Return what the mode itself lacks."""
        raise NotImplementedError

    def confine(self, launch: Launch) -> None:
        """Do nothing."""

    def enter(self, launch: Launch) -> NoReturn:
        """Become udocker, which becomes the command."""
        if launch.root is None:
            raise LaunchFault("no image was prepared for this engine")
        _make_container(launch, self.mode)
        script = os.path.join(launch.scratch, "script")
        with open(script, "wb") as file:
            file.write(_script(launch))
        words = [program(), *(["--allow-root"] if os.geteuid() == 0 else []), "-q", "run", "--nobanner"]
        for number, (source, target, _) in enumerate((*launch.mounts, (script, _SCRIPT, False))):
            words.append(f"--volume={_link(launch, number, source)}:{target}")
        if not launch.as_root:
            words.append(f"--user={os.geteuid()}:{os.getegid()}")
        words += [f"--workdir={launch.cwd}", _CONTAINER, "/bin/sh", _SCRIPT]
        start.reset_signals()
        start.execute(tuple(words), _environment(launch))

    def exit_code(self, launch: Launch, code: int) -> int:
        """Return ``code``, which is the command's own."""
        return code

    def clean(self, launch: Launch) -> None:
        """Do nothing: all of it is in the launch's scratch directory."""

    def leaves_supervisor_alone(self, launch: Launch) -> bool:
        """Return true: all is done in the child."""
        return True


class _Fakechroot(UdockerMode):
    def missing_tools(self) -> str:
        if os.environ.get("UDOCKER_FAKECHROOT_SO"):
            return ""
        found = glob.glob(os.path.join(glob.escape(store_dir()), "lib", "libfakechroot*.so"))
        return "" if found else "udocker's fakechroot library is not installed; `udocker install` brings it"


class _Runc(UdockerMode):
    def missing_tools(self) -> str:
        return "" if shutil.which("runc") or shutil.which("crun") else "neither runc nor crun is on PATH"


class S1(UdockerMode):
    """Singularity or Apptainer."""

    mode = "S1"

    def missing_tools(self) -> str:
        """Return what is absent."""
        found = shutil.which("apptainer") or shutil.which("singularity")
        return "" if found else "neither apptainer nor singularity is on PATH"


F1, F2, F3, F4 = (type(mode, (_Fakechroot,), {"mode": mode}) for mode in ("F1", "F2", "F3", "F4"))
R1, R2, R3 = (type(mode, (_Runc,), {"mode": mode}) for mode in ("R1", "R2", "R3"))


def _make_container(launch: Launch, mode: str) -> None:
    """Make a udocker container of the launch's own around the shared root."""
    folder = os.path.join(launch.scratch, "containers", _CONTAINER)
    os.makedirs(os.path.join(folder, ".mountpoints"))
    os.symlink(launch.root or "", os.path.join(folder, "ROOT"))
    for name, text in (("execmode", mode), ("container.json", json.dumps({"config": {}}))):
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(text)


def _script(launch: Launch) -> bytes:
    lines = ["unset $(env | sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p') 2>/dev/null"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in launch.env if name.isidentifier()]
    lines.append("exec " + " ".join(map(shlex.quote, launch.argv)))
    return os.fsencode("\n".join(lines) + "\n")


def _link(launch: Launch, number: int, source: str) -> str:
    if ":" not in source:
        return source
    link = os.path.join(launch.scratch, f"link{number}")
    os.symlink(source, link)
    return link


def _environment(launch: Launch) -> tuple[tuple[str, str], ...]:
    """Return udocker's own environment: the user's, with the launch's container in place of the store's."""
    own = {
        "UDOCKER_DIR": store_dir(),
        "UDOCKER_CONTAINERS": os.path.join(launch.scratch, "containers"),
        "UDOCKER_TMP": launch.scratch,
        "UDOCKER_TARBALL": "",
        "UDOCKER_LOGLEVEL": "1",
    }
    return tuple({**os.environ, **own}.items())
