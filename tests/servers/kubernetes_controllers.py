"""What happens by itself in a stand-in cluster: Jobs get Pods, Pods get nodes, and what is owned goes."""

from __future__ import annotations

import re
from typing import Any

from servers.kubernetes_store import Object, Store, now

_UNITS = {"": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}

_VOLUMES = ("name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "projected", "secret")


def settle(store: Store) -> None:
    """Let all controllers act until nothing is left to do."""
    for job in store.find("jobs"):
        _job(store, job)
    for pod in store.find("pods"):
        if not pod["spec"].get("nodeName") and not _is_over(pod):
            _schedule(store, pod)
    _collect(store)


def refusal(store: Store, plural: str, namespace: str, made: Object) -> str:
    """Return why a namespace's quota does not allow an object; nothing if it does."""
    wanted = _uses(plural, made)
    for quota in store.find("resourcequotas", namespace):
        hard = {name: amount(value) for name, value in quota["spec"]["hard"].items()}
        used = dict.fromkeys(hard, 0.0)
        for other in store.find(plural, namespace):
            for name, value in _uses(plural, other).items():
                if name in used and not _is_over(other):
                    used[name] += value
        over = [name for name in hard if wanted.get(name) and used[name] + wanted[name] > hard[name]]
        if over:
            told = [
                ",".join(f"{name}={value[name]:g}" for name in sorted(over)) for value in (wanted, used, hard)
            ]
            name = quota["metadata"]["name"]
            return f"exceeded quota: {name}, requested: {told[0]}, used: {told[1]}, limited: {told[2]}"
    return ""


def insecurity(spec: Object) -> list[str]:
    """Return what the profile "restricted" of the Pod Security Standards forbids in a Pod.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/, all controls of both profiles that
    a Linux Pod can violate.
    """
    whole = spec.get("securityContext", {})
    containers = spec["containers"] + spec.get("initContainers", [])
    wrong = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    for volume in spec.get("volumes", []):
        wrong += [f"volume {kind}" for kind in volume if kind not in _VOLUMES]
    wrong += [f"sysctl {one['name']}" for one in whole.get("sysctls", [])]
    for container in containers:
        own = {**whole, **container.get("securityContext", {})}
        drops, adds = (own.get("capabilities", {}).get(name, []) for name in ("drop", "add"))
        wrong += ["privileged"] * bool(own.get("privileged"))
        wrong += ["allowPrivilegeEscalation != false"] * (own.get("allowPrivilegeEscalation") is not False)
        wrong += ["unrestricted capabilities"] * ("ALL" not in drops or set(adds) > {"NET_BIND_SERVICE"})
        wrong += ["runAsNonRoot != true"] * (own.get("runAsNonRoot") is not True)
        wrong += ["runAsUser=0"] * (own.get("runAsUser") == 0)
        profile = own.get("seccompProfile", {}).get("type")
        wrong += ["seccompProfile"] * (profile not in ("RuntimeDefault", "Localhost"))
        wrong += ["hostPort"] * any(port.get("hostPort") for port in container.get("ports", []))
        wrong += ["procMount"] * (own.get("procMount", "Default") != "Default")
    return wrong


def amount(text: Any) -> float:
    match = re.fullmatch(r"([\d.]+)([A-Za-z]*)", str(text))
    assert match, text
    return float(match[1]) * _UNITS[match[2]]


def _job(store: Store, job: Object) -> None:
    metadata, status = job["metadata"], job.setdefault("status", {})
    if status.get("conditions"):
        return
    mine = [one for one in store.find("pods", metadata["namespace"]) if _owner(one) == metadata["uid"]]
    over = [one for one in mine if _is_over(one)]
    if over:
        good = over[-1]["status"]["phase"] == "Succeeded"
        condition = {"type": "Complete" if good else "Failed", "status": "True"}
        if not good:
            condition.update(
                reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit"
            )
        status["conditions"] = [condition]
    elif not mine:
        _add_pod(store, job)


def _add_pod(store: Store, job: Object) -> None:
    metadata, template = job["metadata"], job["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **template["metadata"],
            "generateName": f"{metadata['name'][:58]}-",
            "ownerReferences": [{"kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}],
        },
        "spec": template["spec"],
        "status": {"phase": "Pending"},
    }
    why = refusal(store, "pods", metadata["namespace"], pod)
    if not why:
        store.add("pods", metadata["namespace"], pod)
        return
    event = {
        "metadata": {"name": f"{metadata['name']}.refused"},
        "involvedObject": {"kind": "Job", "name": metadata["name"]},
        "reason": "FailedCreate",
        "message": f'Error creating: pods "{metadata["name"]}-x" is forbidden: {why}',
    }
    if store.get("events", metadata["namespace"], f"{metadata['name']}.refused") is None:
        store.add("events", metadata["namespace"], event)


def _schedule(store: Store, pod: Object) -> None:
    nodes = store.find("nodes")
    wanted = _uses("pods", pod)
    for node in nodes:
        free = {name: amount(value) for name, value in node["status"].get("allocatable", {}).items()}
        for other in store.find("pods"):
            if other["spec"].get("nodeName") == node["metadata"]["name"] and not _is_over(other):
                for name, value in _uses("pods", other).items():
                    plain = name.removeprefix("requests.")
                    free[plain] = free.get(plain, 0.0) - value
        lacks = any(
            value > free.get(name.removeprefix("requests."), 0.0)
            for name, value in wanted.items()
            if name.startswith("requests.")
        )
        labels = node["metadata"].get("labels", {})
        if not lacks and all(labels.get(k) == v for k, v in pod["spec"].get("nodeSelector", {}).items()):
            pod["spec"]["nodeName"] = node["metadata"]["name"]
            pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
            return
    message = f"0/{len(nodes)} nodes are available: {len(nodes)} Insufficient cpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    pod["status"]["conditions"] = [condition]


def _collect(store: Store) -> None:
    """Let go what belonged to something that is gone; Pods are told first."""
    there = {one["metadata"]["uid"] for one in store.find("jobs")}
    for plural in ("configmaps", "secrets", "pods"):
        for one in store.find(plural):
            owner = _owner(one)
            if not owner or owner in there:
                continue
            if plural == "pods" and one["spec"].get("nodeName") and not _is_over(one):
                grace = one["spec"].get("terminationGracePeriodSeconds", 30)
                one["metadata"].setdefault("deletionGracePeriodSeconds", grace)
                one["metadata"].setdefault("deletionTimestamp", now(grace))
            else:
                store.remove(plural, one)


def _owner(one: Object) -> str:
    references = one["metadata"].get("ownerReferences") or [{}]
    return str(references[0].get("uid", ""))


def _is_over(one: Object) -> bool:
    return one.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _uses(plural: str, one: Object) -> dict[str, float]:
    if plural != "pods":
        return {f"count/{plural}": 1.0, f"count/{plural}.batch": 1.0}
    uses = {"pods": 1.0}
    for container in one["spec"]["containers"]:
        for name, value in container.get("resources", {}).get("requests", {}).items():
            uses[f"requests.{name}"] = uses.get(f"requests.{name}", 0.0) + amount(value)
    return uses
