"""Objects for Kubernetes, and workers as its objects tell of them: no cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from dodas.errors import SpecError
from dodas.pool.description.model import Flavour, PoolDescription, ProviderSettings
from dodas.pool.providers.base import Seen, State
from dodas.pool.providers.kubernetes_states import are_missing, seen
from dodas.pool.providers.parted import Parted
from dodas.pool.rendering import kubernetes, render
from servers.kubernetes_controllers import insecurity

FLAVOUR = Flavour(
    name="small",
    provider="k8s",
    image="registry.test/worker:1",
    cores=4,
    memory=(3 << 30) + 1,
    disk=10 << 30,
    gpus=2,
    lifetime=3600.5,
    settings=(
        ("node_selector", (("disk", "ssd"),)),
        ("tolerations", ((("key", "b"), ("operator", "Exists")),)),
    ),
)
SETTINGS: tuple[tuple[str, Any], ...] = (
    ("labels", (("team", "physics"), ("dodas.pool", "not this"))),
    ("node_selector", (("disk", "any"), ("zone", "a"))),
    ("tolerations", ((("key", "a"), ("value", "1"), ("effect", "NoSchedule")),)),
    ("service_account", "worker"),
    ("image_pull_secrets", ("one", "two")),
)


def _pool(*settings: tuple[str, Any], flavour: Flavour = FLAVOUR) -> PoolDescription:
    provider = ProviderSettings(name="k8s", kind="kubernetes", settings=settings)
    return PoolDescription(name="My_Pool", providers=(provider,), flavours=(flavour,))


def _objects(pool: PoolDescription) -> list[Any]:
    (rendered,) = render(pool, pool.flavours[0])
    assert rendered.name == "small.yaml"
    return list(yaml.safe_load_all(rendered.text))


def test_settings_of_provider_and_flavour_meet_in_the_pod() -> None:
    job = _objects(_pool(*SETTINGS))[0]
    assert job["metadata"]["name"] == "my-pool-small-00000000"
    assert job["metadata"]["labels"] == {
        "team": "physics",
        "dodas.pool": "My_Pool",
        "dodas.provider": "k8s",
        "dodas.flavour": "small",
        "dodas.worker": "my-pool-small-00000000",
    }
    pod = job["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"disk": "ssd", "zone": "a"}
    assert pod["tolerations"] == [
        {"key": "a", "value": "1", "effect": "NoSchedule"},
        {"key": "b", "operator": "Exists"},
    ]
    assert pod["serviceAccountName"] == "worker"
    assert pod["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert pod["automountServiceAccountToken"] is False
    assert pod["activeDeadlineSeconds"] > 3600 + pod["terminationGracePeriodSeconds"]
    (container,) = pod["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["resources"]["limits"] == {
        "cpu": "4",
        "memory": str((3 << 30) + 1),
        "ephemeral-storage": "10496Mi",
        "nvidia.com/gpu": "2",
    }


def test_pods_are_restricted_whatever_is_set() -> None:
    for pool in (_pool(), _pool(*SETTINGS), _pool(("worker_in_image", "/opt/worker"))):
        assert insecurity(_objects(pool)[0]["spec"]["template"]["spec"]) == []


def test_the_check_of_restricted_pods_finds_what_is_forbidden() -> None:
    spec = _objects(_pool())[0]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    loose = [
        {**spec, "hostNetwork": True},
        {**spec, "securityContext": {}},
        {**spec, "volumes": [{"name": "x", "hostPath": {"path": "/"}}]},
        {**spec, "containers": [{**container, "securityContext": {"privileged": True}}]},
    ]
    assert all(insecurity(one) for one in loose)


def test_secrets_are_references_and_belong_to_the_job() -> None:
    _, order, secret, *parts = _objects(_pool())
    assert (order["kind"], secret["kind"]) == ("ConfigMap", "Secret")
    assert secret["stringData"] == {"token": "<file `token` of the worker>"}
    for one in (order, secret):
        (owner,) = one["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Job", "my-pool-small-00000000")
    assert [one["metadata"]["name"] for one in parts] == [
        f"my-pool-k8s-program-000000000000-{number}" for number in range(2)
    ]


@pytest.mark.parametrize("image", ["", "localhost/dodas/htcondor:1"])
def test_images_that_no_node_can_fetch_are_refused(image: str) -> None:
    pool = _pool(flavour=replace(FLAVOUR, image=image))
    with pytest.raises(SpecError, match="flavour small has") as caught:
        render(pool, pool.flavours[0])
    assert "flavours.small.image" in caught.value.hint


def test_a_program_of_the_image_is_quoted() -> None:
    (job, *_) = _objects(_pool(("worker_in_image", "/opt/my worker")))
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["command"][2].endswith("exec '/opt/my worker' pilot pilot.json\n")
    assert kubernetes.program_in_image(_pool(), FLAVOUR) == ""


def _pod(worker: str, phase: str, *, at: str = "1", **more: Any) -> dict[str, Any]:
    metadata = {"name": f"{worker}-{at}", "labels": {"dodas.worker": worker}, "creationTimestamp": at}
    status = more.pop("status", {})
    return {"metadata": {**metadata, **more}, "spec": {"nodeName": "n"}, "status": {"phase": phase, **status}}


def _job(worker: str, **condition: Any) -> dict[str, Any]:
    conditions = [{"status": "True", **condition}] if condition else []
    return {"metadata": {"name": worker}, "status": {"conditions": conditions}}


def _one(jobs: list[Any], pods: list[Any], events: list[Any] | None = None) -> Seen:
    (found,) = seen(jobs, pods, events or [])
    return found


def test_of_two_pods_the_newer_one_counts() -> None:
    pods = [_pod("w", "Running", at="2026-01-02"), _pod("w", "Failed", at="2026-01-01")]
    assert (_one([_job("w")], pods).state, _one([_job("w")], pods).handle) == (
        State.RUNNING,
        "pod/w-2026-01-02",
    )


def test_a_pod_whose_job_is_gone_is_ending() -> None:
    found = _one([], [_pod("w", "Running", deletionTimestamp="2026-01-01")])
    assert (found.state, found.reason) == (State.RUNNING, "it was told to end")


@pytest.mark.parametrize(
    ("job", "state", "reason"),
    [
        (_job("w"), State.PENDING, ""),
        (_job("w", type="Complete"), State.ENDED, ""),
        (
            _job("w", type="Failed", reason="DeadlineExceeded", message="Job was active too long"),
            State.FAILED,
            "DeadlineExceeded (it was still there after its lifetime): Job was active too long",
        ),
    ],
)
def test_a_job_without_a_pod(job: Any, state: State, reason: str) -> None:
    found = _one([job], [])
    assert (found.state, found.reason) == (state, reason)
    assert are_missing([job], []) is (state is State.PENDING)
    assert not are_missing([job], [_pod("w", "Running")])


def test_reasons_are_one_short_line_without_secrets() -> None:
    message = "a\nb\x1b[31m Bearer abcdefghijklmnop-1234 " + "x" * 1000
    state = {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
    found = _one([], [_pod("w", "Pending", status={"containerStatuses": [{"state": state}]})])
    assert found.reason.startswith(
        "CreateContainerConfigError (its container cannot be set up): a b[31m Bearer ***"
    )
    assert len(found.reason) <= 301
    assert _one([_job("w")], [], [{"involvedObject": {"name": "w"}, "message": "no"}]).reason == "no"
    normal = {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}
    assert _one([], [_pod("w", "Pending", status=normal)]).reason == ""
    killed = {"containerStatuses": [{"state": {"terminated": {"exitCode": 137, "signal": 9}}}]}
    assert _one([], [_pod("w", "Failed", status=killed)]).reason == "killed by signal 9"


def test_who_was_told_to_go_and_is_gone_has_ended_and_is_forgotten_later() -> None:
    now = [0.0]
    parted = Parted(clock=lambda: now[0])
    there = [Seen(worker=name, state=State.RUNNING) for name in ("a", "b")]
    assert list(parted.complete(there)) == there
    parted.tell(["a", "never-seen"])
    assert list(parted.complete(there)) == there
    now[0] = 500.0
    gone = Seen(worker="a", state=State.ENDED, reason="it was told to end")
    assert list(parted.complete(there[1:])) == [there[1], gone]
    now[0] = 700.0
    assert list(parted.complete([])) == []
