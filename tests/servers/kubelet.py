"""A stand-in for a kubelet: a client of an API server that runs the containers of Pods as processes.

There is no isolation, and unless it is given one no image: paths below ``/dodas`` become a directory of the
Pod, and the name of the image says what happens to it: ``missing`` cannot be fetched, ``oom`` is killed for
its memory, ``evicted`` is put out by the node.  Its log is asked for as from a real one, over https.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from needs import need
from servers.answering import Answering
from servers.kubernetes_admin import Admin
from servers.kubernetes_store import now
from servers.listener import Listener
from servers.pki import Pki

Object = dict[str, Any]

NODE = "node-1"
_CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "100", "ephemeral-storage": "100Gi"}


class Kubelet:
    """One node.

    Args:
        admin: The API server, as somebody who may do everything.
        root: For the files of Pods.
        pki: For its https.
        every: Seconds between two looks.
        image: Root of the image in which containers run, in a PRoot; their user is 1000 as they see it.
    """

    def __init__(
        self, admin: Admin, root: Path, pki: Pki, *, every: float, image: Path | None = None
    ) -> None:
        self._admin = admin.another()
        self.root = root
        self._every = every
        self._image = image
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._told: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._listener = Listener(_Logs, pki=pki, owner=self)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Join the cluster."""
        self._listener.start()
        self._admin.post("/api/v1/nodes", {"metadata": {"name": NODE}, "spec": {}})
        self._report()
        self._thread.start()

    def stop(self) -> None:
        """Leave, and end what runs."""
        self._stop.set()
        self._thread.join()
        for process in self._processes.values():
            _signal(process, signal.SIGKILL)
            process.wait()
        self._listener.stop()
        self._admin.close()

    def log(self, namespace: str, pod: str) -> str | None:
        """Return what a Pod printed."""
        file = self.root / namespace / pod / "log"
        return file.read_text() if file.exists() else None

    def _run(self) -> None:
        renewed = 0
        while not self._stop.wait(self._every):
            try:
                renewed += 1
                if renewed % max(1, int(5 / self._every)) == 0:
                    self._report()
                for pod in self._admin.get(f"/api/v1/pods?fieldSelector=spec.nodeName={NODE}")["items"]:
                    self._tend(pod)
            except Exception as error:
                self.failure = error

    def _report(self) -> None:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "",
                 "lastHeartbeatTime": now(), "lastTransitionTime": now()}  # fmt: skip
        status = {
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._listener.port}},
        }
        self._admin.patch(f"/api/v1/nodes/{NODE}/status", {"status": status})

    def _tend(self, pod: Object) -> None:
        uid, phase = pod["metadata"]["uid"], pod.get("status", {}).get("phase")
        process = self._processes.get(uid)
        if pod["metadata"].get("deletionTimestamp"):
            self._end(pod, process)
        elif phase == "Pending" and process is None:
            self._begin(pod)
        elif phase == "Running" and process is not None and process.poll() is not None:
            self._over(pod, process.returncode)

    def _begin(self, pod: Object) -> None:
        image = pod["spec"]["containers"][0]["image"]
        if "missing" in image:
            message = f'Back-off pulling image "{image}"'
            self._status(pod, "Pending", waiting={"reason": "ImagePullBackOff", "message": message})
        elif "evicted" in image:
            message = "The node was low on resource: ephemeral-storage."
            self._patch(pod, {"phase": "Failed", "reason": "Evicted", "message": message})
        elif "oom" in image:
            over = {"exitCode": 137, "reason": "OOMKilled"}
            self._status(pod, "Failed", terminated=over)
        else:
            folder = self._folder(pod)
            if not self._volumes(pod, folder):
                return  # what it mounts is not there yet
            self._processes[pod["metadata"]["uid"]] = _start(
                pod["spec"]["containers"][0], folder, self._image
            )
            self._status(pod, "Running", running={"startedAt": now()})

    def _over(self, pod: Object, code: int) -> None:
        exit_code = code if code >= 0 else 128 - code
        over = {"exitCode": exit_code, "reason": "Completed" if code == 0 else "Error"}
        self._status(pod, "Succeeded" if code == 0 else "Failed", terminated=over)

    def _end(self, pod: Object, process: subprocess.Popen[bytes] | None) -> None:
        metadata = pod["metadata"]
        if process is not None and process.poll() is None:
            if metadata["uid"] not in self._told:
                self._told.add(metadata["uid"])
                self._tell(process)
            elif metadata["deletionTimestamp"] <= now():
                _signal(process, signal.SIGKILL)
            return
        self._admin.delete(_address(pod), {"gracePeriodSeconds": 0})

    def _tell(self, process: subprocess.Popen[bytes]) -> None:
        """Send SIGTERM to the container's first process alone."""
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            first = process.pid
            if self._image is not None:  # PRoot ignores it
                first = psutil.Process(process.pid).children()[0].pid
            os.kill(first, signal.SIGTERM)

    def _volumes(self, pod: Object, folder: Path) -> bool:
        """Lay out the volumes; tell whether all that they name is there."""
        namespace, volumes = pod["metadata"]["namespace"], pod["spec"]["volumes"]
        places = {one["name"]: one["mountPath"] for one in pod["spec"]["containers"][0]["volumeMounts"]}
        for volume in volumes:
            if volume["name"] not in places:
                continue
            place = folder / places[volume["name"]].removeprefix("/dodas/")
            place.mkdir(parents=True, exist_ok=True)
            for source in volume.get("projected", {}).get("sources", ()):
                ((kind, spec),) = source.items()
                found = self._admin.find(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{spec['name']}")
                if found is None:
                    return False
                values = _values(found)
                for item in spec["items"]:
                    (place / item["path"]).write_bytes(values[item["key"]])
        return True

    def _status(self, pod: Object, phase: str, **state: Object) -> None:
        container = {"name": "worker", "image": "x", "imageID": "", "ready": "running" in state,
                     "restartCount": 0, "state": state}  # fmt: skip
        self._patch(pod, {"phase": phase, "startTime": now(), "containerStatuses": [container]})

    def _patch(self, pod: Object, status: Object) -> None:
        self._admin.patch(f"{_address(pod)}/status", {"status": status})

    def _folder(self, pod: Object) -> Path:
        return Path(self.root, pod["metadata"]["namespace"], pod["metadata"]["name"])


def _values(found: Object) -> dict[str, bytes]:
    """Return what is in a ConfigMap or a Secret; the stand-in keeps Secrets as they were given."""
    plain = found.get("stringData") or (found.get("data", {}) if found["kind"] == "ConfigMap" else {})
    binary = found.get("binaryData") or (found.get("data", {}) if found["kind"] == "Secret" else {})
    return {
        **{name: text.encode() for name, text in plain.items()},
        **{name: base64.b64decode(text) for name, text in binary.items()},
    }


def _start(container: Object, folder: Path, image: Path | None) -> subprocess.Popen[bytes]:
    def here(text: str) -> str:
        return text if image else text.replace("/dodas/", f"{folder}/")

    variables = {one["name"]: here(one["value"]) for one in container.get("env", [])}
    words = [here(word) for word in (*container["command"], *container.get("args", []))]
    place = container["workingDir"] + "/"
    path = os.environ["PATH"]
    if image is not None:
        binds = [f"{folder}:/dodas", "/proc", "/dev", "/etc/resolv.conf", "/etc/hosts"]
        proot = [need("proot"), "-r", str(image), "-w", place, "-i", "1000:1000", "--kill-on-exit"]
        words = [*proot, *(word for bind in binds for word in ("-b", bind)), *words]
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            words,
            cwd=folder if image else here(place),
            env={"PATH": path, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _address(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


class _Logs(Answering):
    owner: Kubelet

    def on_get(self) -> None:
        path, _, query = self.path.partition("?")
        _, kind, namespace, pod, *_ = path.split("/")
        text = self.owner.log(namespace, pod) if kind == "containerLogs" else None
        lines = (text or "").splitlines(keepends=True)
        wanted = [part.partition("=")[2] for part in query.split("&") if part.startswith("tailLines=")]
        text = "".join(lines[-int(wanted[0]) :] if wanted else lines)
        self.answer(200, text.encode(), {"Content-Type": "text/plain"})
