"""From an image in a registry to a root in which steps can run."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from benchmarks.local import measure
from benchmarks.local.bench import LARGE, SMALL, Bench
from benchmarks.local.table import Row
from dodas.containers.prepare import prepare
from dodas.containers.store import Store

_ROUNDS = 3
_CONFIGURATION = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
log: {{level: error}}
"""


def rows(bench: Bench) -> list[Row]:
    """Measure: pull and unpack, against ``udocker pull`` and ``create``."""
    found = []
    with _registry(bench) as host:
        for key in (SMALL, LARGE):
            name = f"dodas/{key}:1"
            _push(bench.archive(key), f"{host}/{name}")
            label = f"pull and prepare, {bench.megabytes(key)} MB"

            def ours(name: str = f"{host}/{name}") -> None:
                store = bench.home / "fresh"
                shutil.rmtree(store, ignore_errors=True)
                prepare(Store(str(store)), name, pull="always")

            def peer(name: str = name) -> None:
                store = bench.home / "fresh"
                shutil.rmtree(store, ignore_errors=True)
                environment = {"UDOCKER_DIR": str(store), "UDOCKER_REGISTRY": f"http://{host}"}
                for verb in (["pull", f"--registry=http://{host}"], ["create"]):
                    measure.command([bench.udocker, *verb, name], env=environment)

            dodas, udocker = measure.call(ours, _ROUNDS), measure.call(peer, _ROUNDS)
            found += [Row(label, "dodas", dodas), Row(label, "udocker pull + create", udocker, versus=dodas)]
    return found


@contextmanager
def _registry(bench: Bench) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = bench.home / "registry.yml"
    configuration.write_text(_CONFIGURATION.format(root=bench.home / "registry", port=port))
    server = subprocess.Popen(["docker-registry", "serve", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        _await(f"http://127.0.0.1:{port}/v2/")
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _await(url: str) -> None:
    for _ in range(200):
        try:
            requests.get(url, timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise SystemExit(f"no registry at {url}")


def _push(archive: str, name: str) -> None:
    words = ["skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"]
    subprocess.run([*words, f"docker-archive:{archive}", f"docker://{name}"], check=True)
