"""Hosts that are network namespaces, made by ``im_host.sh``, and what they can reach of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import im_sshd
from dodas.pool.providers.base import Worker
from servers.httpd import httpd
from servers.im_server import HERE, python_of_manager
from servers.pki import Pki
from servers.ports import free_port

GATEWAY = "172.31.77.1"

_WEB = """
Listen {gateway}:{outside}
TypesConfig /dev/null
SSLEngine On
SSLCertificateFile "{pki.host}"
SSLCertificateKeyFile "{pki.host_key}"
SSLSessionCache "shmcb:{folder}/sessions(512000)"
DocumentRoot "{folder}/files"
<Directory "{folder}/files">
  Require all granted
</Directory>
ProxyPass "/v2" "{registry}/v2"
ProxyPassReverse "/v2" "{registry}/v2"
RequestHeader set X-Forwarded-Proto https
ProxyPreserveHost On
"""
_WEB_MODULES = ("authz_host", "dir", "mime", "headers", "proxy", "proxy_http", "ssl", "socache_shmcb")


class Hosts:
    """The hosts of a test.

    Args:
        place: Directory of all that they have; made here.
        pki: Their authorities.
    """

    def __init__(self, place: Path, pki: Pki) -> None:
        sshd = im_sshd.bring()
        if sshd is None or not shutil.which("ip"):
            pytest.skip("no SSH server or no `ip` for hosts")
        self.place = place
        place.mkdir()
        self.environ = {
            "DODAS_HOSTS": str(place),
            "DODAS_HOSTS_SSHD": str(sshd),
            "DODAS_HOSTS_ANSIBLE": str(python_of_manager().parent.parent),
            "DODAS_HOSTS_TRUST": str(pki.directory),
            "LD_PRELOAD": "",
        }

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call the script that makes hosts."""
        command = [str(HERE / "im_host.sh"), *arguments]
        environ = {**os.environ, **self.environ}
        return subprocess.run(command, env=environ, check=False, capture_output=True, text=True)

    def names(self) -> list[str]:
        """Return the hosts that were made."""
        return sorted(path.name for path in self.place.iterdir() if path.is_dir())

    def up(self) -> list[str]:
        """Return the hosts that are up."""
        return [name for name in self.names() if self.call("status", name).returncode == 0]

    def of(self, worker: Worker) -> tuple[str, Path]:
        """Return the host of a worker, and the directory of the worker as this system sees it."""
        for name in self.names():
            root = self.call("root", name).stdout.strip()
            directory = Path(root, "var", "lib", "dodas", worker.name)
            if root and directory.exists():
                return name, directory
        return "", self.place / "none"

    def said(self, worker: Worker) -> str:
        """Return what the pilot of a worker printed."""
        log = self.of(worker)[1] / "pilot.log"
        return log.read_text() if log.exists() else ""


@contextmanager
def gateway() -> Iterator[str]:
    """Have this machine in the network of hosts; yield its address there."""
    subprocess.run(["ip", "link", "add", "dodasbr0", "type", "bridge"], check=False, capture_output=True)
    subprocess.run(["ip", "address", "replace", f"{GATEWAY}/24", "dev", "dodasbr0"], check=True)
    subprocess.run(["ip", "link", "set", "dodasbr0", "up"], check=True)
    yield GATEWAY
    subprocess.run(["ip", "link", "delete", "dodasbr0"], check=False)


@contextmanager
def web(folder: Path, pki: Pki, registry: str) -> Iterator[str]:
    """Have files and a registry of images where hosts find both, with https; yield the place, with its port.

    Args:
        folder: Its own; the files are those in ``files``, which is made.
        pki: Has its certificate.
        registry: The address of the registry here.
    """
    (folder / "files").mkdir(parents=True)
    port, outside = free_port(), free_port()
    text = _WEB.format(gateway=GATEWAY, outside=outside, folder=folder, pki=pki, registry=registry)
    server = httpd(folder, text, port=port, modules=_WEB_MODULES)
    server.environ["LD_PRELOAD"] = ""  # which keeps other servers on loopback
    server.start()
    yield f"{GATEWAY}:{outside}"
    server.stop()
