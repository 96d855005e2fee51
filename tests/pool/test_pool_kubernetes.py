"""Workers on Kubernetes: the same tests on a real control plane and on its stand-in."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dodas.pool.providers import kubernetes_api
from dodas.pool.providers.base import (
    NotAuthorised,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    Refused,
    State,
)
from dodas.pool.providers.kubernetes_config import access
from dodas.pool.providers.rest import Patience
from dodas.pool.rendering import kubernetes as rendering
from servers.kubernetes_cluster import KINDS, STRANGER, USER, Cluster, documented, kubeconfig, real, stand_in
from servers.kubernetes_pool import SECRET, Pool
from servers.ports import free_port


def test_all_of_this_runs_on_a_real_control_plane_too() -> None:
    if "real" not in KINDS:
        pytest.skip("a real control plane takes minutes to build: `make test-kubernetes`")


@pytest.fixture(scope="session", params=KINDS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    run = {"stand-in": stand_in, "real": real}[request.param]
    with run(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(autouse=True)
def room(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the node to the next test."""
    yield
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").empty()


@pytest.fixture
def pool(cluster: Cluster, tmp_path: Path) -> Pool:
    return Pool(cluster, tmp_path)


def test_workers_come_say_something_are_told_to_end_and_leave_nothing(pool: Pool) -> None:
    workers = [pool.worker(1), pool.worker(2)]
    pool.provider.launch(workers)
    seen = pool.wait(workers[0], State.RUNNING)
    assert seen.node == "node-1"
    assert seen.handle.startswith(f"pod/{workers[0].name}-")
    pool.wait(workers[1], State.RUNNING)
    pool.cluster.until(lambda: "ready" in _logs(pool, 1), what="the worker's words")
    assert '"does": "stays"' in _logs(pool, 1)
    # Sent twice is sent once.
    pool.provider.terminate([workers[0].name])
    pool.provider.terminate([workers[0].name, "unknown-small-00000000"])
    pool.wait_gone(workers[:1])
    assert "told" in pool.cluster.log_of(pool.namespace, workers[0].name)
    pool.wait(workers[1], State.RUNNING)
    # The program is for both.
    parts = [name for name in pool.cluster.names(pool.namespace, "configmaps") if "-program-" in name]
    assert len(parts) == 2
    pool.provider.terminate([workers[1].name])
    pool.wait_gone(workers)
    assert pool.cluster.names(pool.namespace, "configmaps") == []


def test_a_worker_is_asked_for_once_and_known_to_another_process(pool: Pool) -> None:
    worker = pool.worker()
    pool.provider.launch([worker])
    pool.fresh().launch([worker])
    pool.wait(worker, State.RUNNING)
    pool.fresh().launch([worker])
    assert pool.cluster.names(pool.namespace, "jobs") == [worker.name]
    assert len(pool.cluster.names(pool.namespace, "pods")) == 1
    assert [one.worker for one in pool.fresh().list()] == [worker.name]


def test_what_ended_and_what_failed_is_told_apart(pool: Pool) -> None:
    good, bad = pool.worker(1, "ends"), pool.worker(2, "fails")
    pool.provider.launch([good, bad])
    assert pool.wait(good, State.ENDED).reason == ""
    assert pool.wait(bad, State.FAILED).reason == "exit status 7"
    assert "broken" in pool.provider.logs(bad.name)


@pytest.mark.parametrize(
    ("image", "state", "reason"),
    [
        ("missing", State.PENDING, "ImagePullBackOff (its image cannot be fetched): Back-off pulling"),
        ("oom", State.FAILED, "OOMKilled (it used more memory than its flavour has)"),
        ("evicted", State.FAILED, "Evicted (its node put it out): The node was low on resource"),
    ],
)
def test_a_worker_that_does_not_come_says_why(pool: Pool, image: str, state: State, reason: str) -> None:
    worker = pool.worker(image=f"registry.test/{image}:1")
    pool.provider.launch([worker])
    pool.wait(worker, state, reason)
    with pytest.raises(ProviderError, match=r"has printed nothing yet"):
        pool.provider.logs(worker.name)


def test_a_worker_that_no_node_has_room_for_says_so(pool: Pool) -> None:
    worker = pool.worker(cores=64)
    pool.provider.launch([worker])
    pool.wait(
        worker, State.PENDING, "Unschedulable (no node has room for it, or none may take it): 0/1 nodes"
    )
    pool.provider.terminate([worker.name])
    pool.wait_gone([worker])


def test_gpus_and_disk_are_asked_for(pool: Pool) -> None:
    pool.provider.launch([pool.worker(1, gpus=1), pool.worker(2, disk=1 << 40)])
    pool.wait(pool.worker(1), State.PENDING, "Insufficient nvidia.com/gpu" if pool.cluster.is_real else "0/1")
    pool.wait(pool.worker(2), State.PENDING, "ephemeral-storage" if pool.cluster.is_real else "0/1")


def test_a_quota_is_noticed_before_a_job_is_made(pool: Pool) -> None:
    pool.cluster.quota(pool.namespace, **{"pods": "1"})
    first, second = pool.worker(1), pool.worker(2)
    pool.provider.launch([first])
    pool.wait(first, State.RUNNING)
    with pytest.raises(QuotaExceeded, match=r"exceeded quota: small, requested: pods=1") as caught:
        pool.provider.launch([second])
    assert caught.value.retryable
    assert pool.cluster.names(pool.namespace, "jobs") == [first.name]


def test_a_job_whose_pods_a_quota_refuses_says_so(pool: Pool) -> None:
    pool.cluster.quota(pool.namespace, **{"requests.cpu": "1"})
    workers = [pool.worker(1), pool.worker(2)]
    pool.provider.launch(workers)

    def are_told_apart() -> bool:
        return {one.state for one in pool.provider.list()} == {State.RUNNING, State.PENDING} and any(
            "exceeded quota: small, requested: requests.cpu=1" in one.reason for one in pool.provider.list()
        )

    pool.cluster.until(are_told_apart, what="one worker and a quota")


def test_a_quota_of_jobs_is_one_too(pool: Pool) -> None:
    pool.cluster.quota(pool.namespace, **{"count/jobs.batch": "1"})
    with pytest.raises(QuotaExceeded, match="exceeded quota"):
        pool.provider.launch([pool.worker(1), pool.worker(2)])


def test_a_name_that_somebody_else_has_is_refused(pool: Pool) -> None:
    worker = pool.worker()
    job = rendering.job(pool.description, pool.flavour, worker.name, program=rendering.EXAMPLE)
    job["metadata"]["labels"] = job["spec"]["template"]["metadata"]["labels"] = {"dodas.pool": "others"}
    pool.cluster.admin.post(f"/apis/batch/v1/namespaces/{pool.namespace}/jobs", job)
    with pytest.raises(Refused, match="none of this pool's"):
        pool.provider.launch([worker])
    pool.provider.terminate([worker.name])
    assert pool.cluster.names(pool.namespace, "jobs") == [worker.name]
    assert list(pool.provider.list()) == []


def test_what_a_cluster_does_not_understand_is_refused_in_its_words(pool: Pool) -> None:
    worker = pool.worker(settings=(("node_selector", (("a b", "c"),)),))
    with pytest.raises(Refused, match=r"spec\.nodeSelector: Invalid value"):
        pool.provider.launch([worker])
    assert pool.cluster.names(pool.namespace, "jobs") == []


def test_strangers_are_refused(pool: Pool, tmp_path: Path) -> None:
    cluster = pool.cluster
    (tmp_path / "one").mkdir()
    token = _private(tmp_path / "token", STRANGER)
    settings = {"server": cluster.server, "ca_file": str(cluster.pki.ca), "token_file": str(token)}
    stranger = Pool(cluster, tmp_path / "one", namespace=pool.namespace, kubeconfig="", **settings)
    for act in (
        lambda: stranger.provider.launch([stranger.worker()]),
        stranger.provider.list,
        lambda: stranger.provider.terminate(["x"]),
        lambda: stranger.provider.logs("x"),
    ):
        with pytest.raises(NotAuthorised, match=r"mallory.* cannot") as caught:
            act()
        assert "docs/pool-kubernetes.md" in caught.value.hint
        assert STRANGER not in str(caught.value)
    token.write_text("expired-token")
    with pytest.raises(NotAuthorised, match="does not take the credentials"):
        stranger.provider.list()
    # A renewed one is used at once.
    token.write_text(USER + "\n")
    assert list(stranger.provider.list()) == []


def test_rights_that_only_explain_may_be_missing(cluster: Cluster, tmp_path: Path) -> None:
    namespace = cluster.namespace(role=False)
    here = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    role = documented("Role")
    role["rules"] = [rule for rule in role["rules"] if rule["resources"] != ["events"]]
    for rule in role["rules"]:
        if rule["resources"] == ["pods"]:
            rule["verbs"] = ["list"]
    binding = documented("RoleBinding")
    binding["subjects"] = [{"kind": "User", "name": "dodas", "apiGroup": "rbac.authorization.k8s.io"}]
    cluster.admin.post(f"{here}/roles", role)
    cluster.admin.post(f"{here}/rolebindings", binding)
    pool = Pool(cluster, tmp_path, namespace=namespace)
    cluster.quota(namespace, pods="0")
    pool.provider.launch([pool.worker()])
    pool.wait(pool.worker(), State.PENDING)


def test_secrets_are_in_secrets_alone(pool: Pool) -> None:
    worker = pool.worker()
    pool.provider.launch([worker])
    pool.wait(worker, State.RUNNING)
    pool.cluster.until(lambda: "ready" in _logs(pool, 1), what="the worker's words")
    admin, encoded = pool.cluster.admin, base64.b64encode(SECRET.encode()).decode()
    for plural in ("jobs", "pods", "configmaps", "events"):
        group = "/apis/batch/v1" if plural == "jobs" else "/api/v1"
        text = json.dumps(admin.get(f"{group}/namespaces/{pool.namespace}/{plural}"))
        assert SECRET not in text
        assert encoded not in text
    assert SECRET not in pool.provider.logs(worker.name)
    assert SECRET in json.dumps(admin.get(f"/api/v1/namespaces/{pool.namespace}/secrets")).replace(
        encoded, SECRET
    )
    for text in [one.text for one in rendering.render(pool.description, pool.flavour, worker)]:
        assert SECRET not in text


def test_what_is_rendered_is_what_is_sent(pool: Pool) -> None:
    worker = pool.worker()
    (rendered,) = rendering.render(pool.description, pool.flavour, worker)
    shown = list(yaml.safe_load_all(rendered.text))
    assert [one["kind"] for one in shown] == ["Job", "ConfigMap", "Secret", "ConfigMap", "ConfigMap"]
    # The cluster takes what a user applies, as it is.
    created = pool.cluster.admin.post(f"/apis/batch/v1/namespaces/{pool.namespace}/jobs?dryRun=All", shown[0])
    assert created is not None
    pool.provider.launch([worker])
    sent = pool.cluster.admin.get(f"/apis/batch/v1/namespaces/{pool.namespace}/jobs/{worker.name}")
    told = json.dumps(sent["spec"]["template"]["spec"]["containers"][0]["command"])
    assert told == json.dumps(shown[0]["spec"]["template"]["spec"]["containers"][0]["command"])
    assert sent["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 35
    assert sent["spec"]["ttlSecondsAfterFinished"] == 3600


def test_a_program_of_the_image_is_not_brought(cluster: Cluster, tmp_path: Path) -> None:
    pool = Pool(cluster, tmp_path, worker_in_image=str(tmp_path / "program"))
    (tmp_path / "program").chmod(0o755)
    worker = pool.worker()
    pool.provider.launch([worker])
    pool.wait(worker, State.RUNNING)
    assert pool.cluster.names(pool.namespace, "configmaps") == [worker.name]
    pool.cluster.until(lambda: "ready" in _logs(pool, 1), what="the worker's words")


def test_long_lists_come_in_pages(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_api, "_PAGE", "2")
    workers = [pool.worker(number, cores=64) for number in range(1, 6)]
    pool.provider.launch(workers)
    assert [one.worker for one in pool.provider.list()] == [worker.name for worker in workers]
    if pool.cluster.stand_in is not None:
        pool.cluster.stand_in.expired = True
        assert len(pool.provider.list()) == 5
        assert not pool.cluster.stand_in.expired
    pool.provider.terminate([worker.name for worker in workers])
    pool.wait_gone(workers)


def test_a_client_certificate_opens_the_door(pool: Pool) -> None:
    pki = pool.cluster.pki
    data = {
        f"client-{name}-data": base64.b64encode(file.read_bytes()).decode()
        for name, file in {"certificate": pki.user, "key": pki.user_key}.items()
    }
    config = kubeconfig(pool.cluster.server, pki, data)
    (pool.folder / "kubeconfig").write_text(yaml.safe_dump(config))
    assert list(pool.fresh().list()) == []
    assert {oct(file.stat().st_mode & 0o777) for file in (pool.folder / "state").iterdir()} == {"0o600"}


@pytest.mark.parametrize("gives", ["token", "certificate"])
def test_a_plugin_opens_the_door_and_is_asked_again_when_that_is_over(pool: Pool, gives: str) -> None:
    status = {"token": USER}
    if gives == "certificate":
        pki = pool.cluster.pki
        status = {
            "clientCertificateData": pki.user.read_text(),
            "clientKeyData": pki.user_key.read_text(),
        }
    version = "client.authentication.k8s.io/v1beta1"
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    given = pool.folder / "given.json"
    given.write_text(json.dumps(answer))
    plugin = pool.folder / "plug in"
    plugin.write_text(f'#!/bin/sh\necho x >> {shlex.quote(str(pool.folder / "calls"))}\nexec cat "$1"\n')
    plugin.chmod(0o755)
    spec = {"apiVersion": version, "command": "./plug in", "args": [str(given)]}
    config = kubeconfig(pool.cluster.server, pool.cluster.pki, {"exec": spec})
    (pool.folder / "kubeconfig").write_text(yaml.safe_dump(config))
    provider = pool.fresh()
    provider.list()
    provider.list()
    assert _calls(pool) == 1
    if gives == "token":
        given.write_text(json.dumps({**answer, "status": {"token": "not-any-more"}}))
        renewed = pool.fresh()
        with pytest.raises(NotAuthorised):
            renewed.list()
        given.write_text(json.dumps(answer))
        renewed.list()


def test_a_namespace_that_is_not_there_is_named(cluster: Cluster, tmp_path: Path) -> None:
    settings = {
        "server": cluster.server,
        "ca_file": str(cluster.pki.ca),
        "token_file": str(_private(tmp_path / "token", "admin-of-test")),
    }
    pool = Pool(cluster, tmp_path, namespace="nowhere", kubeconfig="", **settings)
    with pytest.raises(Refused, match='namespaces "nowhere" not found'):
        pool.provider.launch([pool.worker()])


def test_a_server_that_is_down_may_come_back(pool: Pool, tmp_path: Path) -> None:
    config = kubeconfig(f"https://127.0.0.1:{free_port()}", pool.cluster.pki, {"token": USER})
    (pool.folder / "kubeconfig").write_text(yaml.safe_dump(config))
    found = access(pool.description.providers[0], str(tmp_path))
    with pytest.raises(ProviderUnavailable, match="refuses connections") as caught:
        kubernetes_api.Api(found, Patience(attempts=1)).find("jobs")
    assert caught.value.retryable


def test_an_authority_that_is_not_the_clusters_is_not_believed(pool: Pool) -> None:
    config = kubeconfig(pool.cluster.server, pool.cluster.pki, {"token": USER})
    config["clusters"][0]["cluster"]["certificate-authority"] = str(pool.cluster.pki.user)
    (pool.folder / "kubeconfig").write_text(yaml.safe_dump(config))
    with pytest.raises(ProviderUnavailable, match="certificate"):
        pool.fresh().list()


def test_restricted_namespaces_take_the_pods_and_nothing_less(tmp_path: Path, cluster: Cluster) -> None:
    # Pod Security Standards on the stand-in, the policy from which they came on a real one.
    pool = Pool(cluster, tmp_path, namespace=cluster.namespace(restricted=True))
    worker = pool.worker()
    pool.provider.launch([worker])
    pool.wait(worker, State.RUNNING)
    job = rendering.job(pool.description, pool.flavour, worker.name, program=rendering.EXAMPLE)
    job["spec"]["template"]["spec"]["hostNetwork"] = True
    with pytest.raises(Refused, match=r"violates PodSecurity|Host network is not allowed"):
        pool.provider._try(job)


def test_the_documented_role_is_what_is_used(cluster: Cluster, tmp_path: Path) -> None:
    if cluster.stand_in is None:
        pytest.skip("the other tests have exactly this Role; what they use of it only the stand-in counts")
    cluster.stand_in.used.clear()
    pool = Pool(cluster, tmp_path)
    good, bad = pool.worker(1), pool.worker(2)
    pool.provider.launch([good])
    pool.provider.launch([good])
    pool.wait(good, State.RUNNING)
    cluster.quota(pool.namespace, pods="1")
    with pytest.raises(QuotaExceeded):
        pool.provider.launch([bad])
    pool.cluster.admin.post(
        f"/apis/batch/v1/namespaces/{pool.namespace}/jobs",
        rendering.job(pool.description, pool.flavour, bad.name, program=rendering.EXAMPLE),
    )
    pool.wait(bad, State.PENDING, "exceeded quota")
    pool.cluster.until(lambda: "ready" in _logs(pool, 1), what="the worker's words")
    pool.provider.terminate([good.name, bad.name])
    rules = documented("Role")["rules"]
    allowed = {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert cluster.stand_in.used == allowed


def _logs(pool: Pool, number: int) -> str:
    try:
        return pool.provider.logs(pool.worker(number).name)
    except ProviderError:
        return ""


def _calls(pool: Pool) -> int:
    return len((pool.folder / "calls").read_text().splitlines())


def _private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path
