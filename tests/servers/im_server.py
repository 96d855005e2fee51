"""A real Infrastructure Manager on a port of loopback, in an environment of its own."""

from __future__ import annotations

import functools
import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import im_venv
from servers.daemon import Daemon
from servers.ports import free_port

HERE = Path(__file__).resolve().parent

AUTHORIZATION = """\
# Who asks, and whose clouds.
id = im; type = InfrastructureManager; username = alice; password = open sesame
id = cloud; type = {cloud}
"""

# Nobody answers at the addresses of machines that are but names: for longer than any test nobody gives up.
_USUAL: Mapping[str, Any] = {
    "REST_ADDRESS": "127.0.0.1",
    "MAX_SIMULTANEOUS_LAUNCHES": 5,
    "MAX_VM_FAILS": 1,
    "VM_INFO_UPDATE_FREQUENCY": 1,
    "CONFMAMAGER_CHECK_STATE_INTERVAL": 1,
    "CHECK_CTXT_PROCESS_INTERVAL": 1,
    "UPDATE_CTXT_LOG_INTERVAL": 1,
}


class ImServer:
    """An Infrastructure Manager; its clouds are those of ``im_connectors``.

    Args:
        folder: Its own.
        cloud: Type of the cloud of its user.
        settings: More of its settings.
        environ: Added to its environment.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cloud: str = "Fickle",
        settings: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.wishes_file = folder / "wishes.json"
        self.authorization = folder / "authorization"
        self.authorization.write_text(AUTHORIZATION.format(cloud=cloud))
        self.authorization.chmod(0o600)
        python = python_of_manager()
        (folder / "settings.json").write_text(json.dumps({**self._settings(), **(settings or {})}))
        self._daemon = Daemon(
            ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(folder), *self._command(python)],
            place=self.port,
            log=folder / "im.out",
            environ={
                "PATH": f"{python.parent}:{os.environ['PATH']}",
                "ANSIBLE_HOST_KEY_CHECKING": "False",
                "DODAS_FICKLE": str(self.wishes_file),
                "PYTHONPATH": "",
                **(environ or {}),
            },
        )

    def __enter__(self) -> ImServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it wrote to its log."""
        return (self.folder / "im.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, or start it again with what it remembers."""
        self._daemon.start()

    def stop(self) -> None:
        """End it at once, as a machine dies."""
        (self.folder / "im.pid").unlink(missing_ok=True)
        self._daemon.stop()

    def end(self) -> None:
        """Let it end, with all the processes of Ansible that it has started; at once if it takes its time."""
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = int((self.folder / "im.pid").read_text())
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 10
            while _runs(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        self.stop()

    def wish(self, **wishes: Any) -> None:
        """Tell its cloud what to do from now on; see ``im_connectors/Fickle.py``."""
        part = self.wishes_file.with_suffix(".part")
        part.write_text(json.dumps(wishes))
        part.replace(self.wishes_file)

    def _command(self, python: Path) -> list[str]:
        return [str(python), str(HERE / "im_launcher.py"), str(self.folder / "settings.json")]

    def _settings(self) -> dict[str, Any]:
        return {
            **_USUAL,
            "connectors": str(HERE / "im_connectors"),
            "REST_PORT": self.port,
            "DATA_DB": f"sqlite:///{self.folder}/im.sqlite",
            "LOG_FILE": str(self.folder / "im.log"),
        }


def _runs(pid: int) -> bool:
    """Tell whether a process is there, and not only waits for its parent to look."""
    return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"


def python_of_manager() -> Path:
    """Return the Python that has an Infrastructure Manager, or skip the test."""
    python, problem = _brought()
    if python is None:
        pytest.skip(f"no Infrastructure Manager: {problem}")
    return python


@functools.cache
def _brought() -> tuple[Path | None, str]:
    """Return that Python, or why there is none; tried once."""
    try:
        return im_venv.bring(), ""
    except im_venv.NoManagerError as error:
        return None, str(error)
