"""A cluster for tests: a real control plane or its stand-in, with the same node and the same users."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import kubernetes_build
from servers import kubernetes_policies
from servers.daemon import Daemon
from servers.kubelet import Kubelet
from servers.kubernetes_admin import Admin
from servers.kubernetes_api import ADMIN, StandIn
from servers.pki import Pki, make_pki
from servers.ports import free_port, until

Object = dict[str, Any]

DOCS = Path(__file__).parents[2] / "docs" / "pool-kubernetes.md"
KINDS = ("stand-in", "real") if os.environ.get("DODAS_TEST_KUBERNETES") else ("stand-in",)
"""What the tests run on; a real control plane takes minutes to build."""

TOKENS = {"admin-of-test": ADMIN, "user-of-test": "dodas", "stranger-of-test": "mallory"}
USER, STRANGER = "user-of-test", "stranger-of-test"
CERTIFIED = "Alice"  # as the certificate of a user says
_NAMESPACES = itertools.count(1)


@dataclass(kw_only=True)
class Cluster:
    """What a test asks, and does behind the back of what it tests."""

    server: str
    pki: Pki
    admin: Admin
    kubelet: Kubelet
    stand_in: StandIn | None = None
    folders: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    made: list[str] = field(default_factory=list)

    @property
    def is_real(self) -> bool:
        return self.stand_in is None

    def namespace(self, *, restricted: bool = False, role: bool = True) -> str:
        """Return a new namespace, in which the user has exactly the Role of the documentation.

        Args:
            restricted: Take restricted Pods only.
            role: Whether the user has that Role.
        """
        name = f"test-{os.getpid()}-{next(_NAMESPACES)}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"} if restricted else {}
        self.admin.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        self.made.append(name)
        here = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}"
        if role:
            self.admin.post(f"{here}/roles", documented("Role"))
            binding = documented("RoleBinding")
            binding["subjects"] = [
                {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
                for user in ("dodas", CERTIFIED)
            ]
            self.admin.post(f"{here}/rolebindings", binding)
        if self.is_real:
            policy = "restricted" if restricted else "privileged"
            self.admin.post(f"{here}/rolebindings", kubernetes_policies.binding(policy, name))
            account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            self.until(lambda: self.admin.find(account), what="the service account of a namespace")
        return name

    def empty(self) -> None:
        """End all workers."""
        while self.made:
            path = f"/apis/batch/v1/namespaces/{self.made.pop()}/jobs"
            self.admin.delete(path, {"propagationPolicy": "Background"})

    def quota(self, namespace: str, **hard: str) -> None:
        """Let a namespace have no more than this."""
        here = f"/api/v1/namespaces/{namespace}/resourcequotas"
        self.admin.post(here, {"metadata": {"name": "small"}, "spec": {"hard": hard}})
        if self.is_real:
            self.until(
                lambda: (self.admin.get(f"{here}/small").get("status") or {}).get("hard"), what="a quota"
            )

    def names(self, namespace: str, plural: str) -> list[str]:
        """Return what is there, without what a cluster puts there itself."""
        group = "/apis/batch/v1" if plural == "jobs" else "/api/v1"
        found = self.admin.get(f"{group}/namespaces/{namespace}/{plural}")["items"]
        names = [str(one["metadata"]["name"]) for one in found]
        return [name for name in names if not name.startswith(("default-token", "kube-root"))]

    def log_of(self, namespace: str, worker: str) -> str:
        """Return what a worker printed, also after it has gone."""
        folders = sorted((self.kubelet.root / namespace).glob(f"{worker[:58]}-*"))
        return "".join((folder / "log").read_text() for folder in folders if (folder / "log").exists())

    def until(self, done: Any, *, what: str, seconds: float = 30) -> None:
        """Wait, but not for a node that has failed."""

        def look() -> bool:
            if self.kubelet.failure is not None:
                raise self.kubelet.failure
            return bool(done())

        until(look, what=what, seconds=seconds)


def documented(kind: str) -> Object:
    """Return the object of that kind which the documentation shows."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    objects = [one for block in blocks for one in yaml.safe_load_all(block)]
    (found,) = [one for one in objects if isinstance(one, dict) and one.get("kind") == kind]
    made: Object = found
    made["metadata"].pop("namespace", None)
    return made


@contextmanager
def stand_in(folder: Path, image: Path | None = None) -> Iterator[Cluster]:
    """Run the stand-in; its node runs everything in ``image`` if there is one."""
    pki = make_pki(folder / "pki")
    server = StandIn(pki, TOKENS)
    server.listener.start()
    admin = Admin(server.listener.origin, str(pki.ca), "admin-of-test")
    kubelet = Kubelet(admin, folder / "pods", pki, every=0.03, image=image)
    server.log = kubelet.log
    kubelet.start()
    try:
        yield Cluster(server=server.listener.origin, pki=pki, admin=admin, kubelet=kubelet, stand_in=server)
    finally:
        kubelet.stop()
        admin.close()
        server.listener.stop()


@contextmanager
def real(folder: Path, image: Path | None = None) -> Iterator[Cluster]:
    """Run what ``make test-kubernetes`` builds, with the same node."""
    if not kubernetes_build.is_built():
        why = "no control plane is built: `python tools/kubernetes_build.py`"
        (pytest.fail if os.environ.get("DODAS_TEST_STRICT") == "1" else pytest.skip)(why)
    pki = make_pki(folder / "pki")
    port = free_port()
    server = f"https://127.0.0.1:{port}"
    admin = Admin(server, str(pki.ca), "admin-of-test")
    with ExitStack() as stack:
        stack.callback(admin.close)
        for daemon in _daemons(folder, pki, port):
            stack.callback(daemon.stop)
            daemon.start()
            if daemon.place == port:
                until(lambda: _is_ready(admin), what="the API server")
        for path, made in kubernetes_policies.objects():
            admin.post(path, made)
        kubelet = Kubelet(admin, folder / "pods", pki, every=0.2, image=image)
        kubelet.start()
        stack.callback(kubelet.stop)
        assert admin.get("/version")["gitVersion"] == f"v{kubernetes_build.VERSION}"
        cluster = Cluster(server=server, pki=pki, admin=admin, kubelet=kubelet)
        cluster.until(lambda: _node_is_ready(admin), what="the node", seconds=60)
        yield cluster


def _daemons(folder: Path, pki: Pki, port: int) -> Iterator[Daemon]:
    etcd, peer = free_port(), free_port()
    url, peers = f"http://127.0.0.1:{etcd}", f"http://127.0.0.1:{peer}"
    yield _daemon(
        folder, etcd, "etcd", f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}", f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=default={peers}", "--unsafe-no-fsync",
    )  # fmt: skip
    users = "".join(
        f"{token},{user},{user}{',system:masters' if user == ADMIN else ''}\n"
        for token, user in TOKENS.items()
    )
    (folder / "tokens.csv").write_text(users)
    gates = "--feature-gates=TTLAfterFinished=true"  # on by default since 1.21
    yield _daemon(
        folder, port, "kube-apiserver", f"--etcd-servers={url}", "--bind-address=127.0.0.1",
        f"--secure-port={port}", "--insecure-port=0", f"--tls-cert-file={pki.host}",
        f"--tls-private-key-file={pki.host_key}", f"--client-ca-file={pki.ca}",
        f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc", "--allow-privileged=true",
        f"--service-account-key-file={pki.user_key}", f"--service-account-signing-key-file={pki.user_key}",
        f"--cert-dir={folder / 'certificates'}", "--service-cluster-ip-range=10.0.0.0/24",
        "--enable-admission-plugins=PodSecurityPolicy", gates,
    )  # fmt: skip
    config = folder / "admin.kubeconfig"
    config.write_text(json.dumps(kubeconfig(f"https://127.0.0.1:{port}", pki, {"token": "admin-of-test"})))
    manager, scheduler = free_port(), free_port()
    yield _daemon(
        folder, manager, "kube-controller-manager", f"--kubeconfig={config}", f"--secure-port={manager}",
        "--port=0", "--bind-address=127.0.0.1", f"--service-account-private-key-file={pki.user_key}",
        f"--root-ca-file={pki.ca}", "--node-monitor-period=1s", "--leader-elect=false",
        f"--cert-dir={folder / 'certificates'}", gates,
    )  # fmt: skip
    yield _daemon(
        folder, scheduler, "kube-scheduler", f"--kubeconfig={config}", f"--secure-port={scheduler}",
        "--port=0", "--bind-address=127.0.0.1", "--leader-elect=false",
        f"--cert-dir={folder / 'certificates'}",
    )  # fmt: skip


def _daemon(folder: Path, port: int, program: str, *words: str) -> Daemon:
    command = [str(kubernetes_build.place() / program), *words]
    return Daemon(command, place=port, log=folder / f"{program}.log")


def kubeconfig(server: str, pki: Pki, user: Mapping[str, Any], namespace: str = "") -> Object:
    """Return a kubeconfig with one cluster and one user."""
    context = {"cluster": "c", "user": "u", **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": str(pki.ca)}}],
        "users": [{"name": "u", "user": dict(user)}],
        "contexts": [{"name": "here", "context": context}],
    }


def _is_ready(admin: Admin) -> bool:
    try:
        return admin.find("/api/v1/namespaces/default") is not None
    except (AssertionError, OSError):
        return False


def _node_is_ready(admin: Admin) -> bool:
    return not admin.get("/api/v1/nodes/node-1")["spec"].get("taints")
