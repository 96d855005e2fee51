"""The two pod security policies of a test's cluster: everything, and what the profile "restricted" allows.

They are what Kubernetes had before Pod Security admission; this "restricted" is the one of its documentation
(https://v1-20.docs.kubernetes.io/docs/concepts/policy/pod-security-policy/#example-policies), field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ANY: Object = {"rule": "RunAsAny"}
_NOT_ROOT: Object = {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 65535}]}

_PRIVILEGED: Object = {
    "metadata": {
        "name": "privileged",
        "annotations": {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "*"},
    },
    "spec": {
        "privileged": True,
        "allowPrivilegeEscalation": True,
        "allowedCapabilities": ["*"],
        "volumes": ["*"],
        "hostNetwork": True,
        "hostIPC": True,
        "hostPID": True,
        "runAsUser": _ANY,
        "seLinux": _ANY,
        "supplementalGroups": _ANY,
        "fsGroup": _ANY,
    },
}
_RESTRICTED: Object = {
    "metadata": {
        "name": "restricted",
        "annotations": {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "runtime/default"},
    },
    "spec": {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "requiredDropCapabilities": ["ALL"],
        "volumes": ["configMap", "emptyDir", "projected", "secret", "downwardAPI", "persistentVolumeClaim"],
        "hostNetwork": False,
        "hostIPC": False,
        "hostPID": False,
        "runAsUser": {"rule": "MustRunAsNonRoot"},
        "seLinux": _ANY,
        "supplementalGroups": _NOT_ROOT,
        "fsGroup": _NOT_ROOT,
        "readOnlyRootFilesystem": False,
    },
}


def objects() -> Iterator[tuple[str, Object]]:
    """Yield what to make in a new cluster: where, what."""
    for policy in (_PRIVILEGED, _RESTRICTED):
        name = policy["metadata"]["name"]
        yield "/apis/policy/v1beta1/podsecuritypolicies", policy
        rule = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"]}
        rule["resourceNames"] = [name]
        yield f"{_RBAC}/clusterroles", {"metadata": {"name": f"policy-{name}"}, "rules": [rule]}


def binding(policy: str, namespace: str) -> Object:
    """Return what lets the Pods of a namespace be as a policy allows."""
    group = "rbac.authorization.k8s.io"
    return {
        "metadata": {"name": "policy"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": f"policy-{policy}"},
        "subjects": [{"kind": "Group", "name": f"system:serviceaccounts:{namespace}", "apiGroup": group}],
    }
