"""Workers through a stand-in for the INDIGO PaaS Orchestrator; see ``servers/orchestrator_standin.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dodas.pool.description.model import PoolDescription, Setting
from dodas.pool.providers import orchestrator
from dodas.pool.providers.base import (
    NotAuthorised,
    Provider,
    ProviderError,
    ProviderUnavailable,
    Refused,
    State,
    Worker,
)
from pool_clouds import ENCODED, TOKEN, cloud_pool, setup_of, states_of, workers_of
from servers.orchestrator_standin import Orchestrator

INPUTS: tuple[str, Setting] = ("inputs", (("worker_url", "https://files.example.org/worker"),))


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Orchestrator]:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("good-token")
    monkeypatch.delenv("BEARER_TOKEN", raising=False)
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(token))
    with Orchestrator() as server:
        yield server


class Pool:
    """A pool of one test."""

    def __init__(self, standin: Orchestrator, place: Path, *settings: tuple[str, Setting]) -> None:
        self.place = place
        self.description: PoolDescription = cloud_pool(
            "poet", "orchestrator", [("url", standin.url), INPUTS, *settings]
        )

    def provider(self, state: str = "state") -> Provider:
        return orchestrator.make(setup_of(self.description, self.place / state))

    def workers(self, count: int) -> list[Worker]:
        return workers_of(self.description, self.place / "workers", count)


@pytest.fixture
def pool(standin: Orchestrator, tmp_path: Path) -> Pool:
    return Pool(standin, tmp_path)


def settled(standin: Orchestrator, cloud: Provider) -> None:
    """Let everything be over, after which all workers run."""
    standin.finish()
    assert all(one.state is State.RUNNING for one in cloud.list())


def test_a_pool_comes_grows_shrinks_and_goes(standin: Orchestrator, pool: Pool) -> None:
    cloud = pool.provider()
    first, second, third, fourth = pool.workers(4)
    assert cloud.list() == []
    cloud.launch([first, second])
    assert states_of(cloud) == {first.name: State.PENDING, second.name: State.PENDING}
    settled(standin, cloud)
    cloud.launch([first, second])
    cloud.launch([second, third])
    assert states_of(cloud)[third.name] is State.PENDING
    settled(standin, cloud)
    cloud.terminate([second.name, "poet-small-ffffffff"])
    cloud.terminate(["poet-small-ffffffff"])
    settled(standin, cloud)
    assert set(states_of(cloud)) == {first.name, third.name}
    cloud.launch([fourth])
    settled(standin, cloud)
    assert set(states_of(cloud)) == {first.name, third.name, fourth.name}
    [deployed] = standin.deployments.values()
    assert sorted(one["toscaNodeName"] for one in deployed.resources.values()) == [
        "small-0",
        "small-1",
        "small-2",
    ]
    cloud.terminate([first.name, third.name, fourth.name])
    assert cloud.list() == []


def test_secrets_go_as_parameters_and_stay_out_of_the_template(
    standin: Orchestrator, pool: Pool, tmp_path: Path
) -> None:
    cloud = pool.provider()
    [worker] = pool.workers(1)
    cloud.launch([worker])
    [deployed] = standin.deployments.values()
    assert TOKEN not in deployed.template
    assert ENCODED not in deployed.template
    assert set(deployed.parameters) == {"worker_sha256", "pilot_small-0", "token_small-0"}
    inputs = yaml.safe_load(deployed.template)["topology_template"]["inputs"]
    assert "default" not in inputs["token_small-0"]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert TOKEN.encode() not in kept
    assert ENCODED.encode() not in kept
    assert b"good-token" not in kept


def test_nothing_is_changed_while_something_is_being_changed(standin: Orchestrator, pool: Pool) -> None:
    cloud = pool.provider()
    one, two = pool.workers(2)
    cloud.launch([one])
    with pytest.raises(ProviderUnavailable, match="CREATE_IN_PROGRESS") as caught:
        cloud.launch([two])
    assert caught.value.retry_after
    assert list(states_of(cloud)) == [one.name]
    cloud.terminate([one.name])  # but all may be taken away at any time
    assert cloud.list() == []


def test_a_conflict_in_the_database_of_the_orchestrator_is_for_the_moment(
    standin: Orchestrator, pool: Pool
) -> None:
    cloud = pool.provider()
    one, two = pool.workers(2)
    cloud.launch([one])
    settled(standin, cloud)
    standin.conflicts = 1
    with pytest.raises(ProviderUnavailable) as caught:
        cloud.launch([two])
    assert caught.value.retry_after == 0
    assert list(states_of(cloud)) == [one.name]
    cloud.launch([two])
    settled(standin, cloud)
    assert len(cloud.list()) == 2


def test_a_creation_that_failed_says_why_and_is_tried_again(standin: Orchestrator, pool: Pool) -> None:
    cloud = pool.provider()
    one, two = pool.workers(2)
    standin.fails = "No cloud has resources for this request"
    cloud.launch([one])
    standin.finish()
    [seen] = cloud.list()
    assert seen.state is State.FAILED
    assert seen.reason == "No cloud has resources for this request"
    cloud.launch([two])
    settled(standin, cloud)
    assert list(states_of(cloud)) == [two.name]


def test_an_update_that_failed_leaves_the_others_alone(standin: Orchestrator, pool: Pool) -> None:
    cloud = pool.provider()
    one, two, three = pool.workers(3)
    cloud.launch([one])
    settled(standin, cloud)
    standin.fails = "quota exceeded"
    cloud.launch([two])
    standin.finish()
    states = {one.worker: one for one in cloud.list()}
    assert states[one.name].state is State.RUNNING
    assert (states[two.name].state, states[two.name].reason) == (State.FAILED, "quota exceeded")
    cloud.terminate([two.name])
    standin.finish()
    cloud.launch([three])
    settled(standin, cloud)
    assert set(states_of(cloud)) == {one.name, three.name}


def test_a_removal_that_failed_is_seen_and_asked_for_again(standin: Orchestrator, pool: Pool) -> None:
    cloud = pool.provider()
    one, two = pool.workers(2)
    cloud.launch([one, two])
    settled(standin, cloud)
    standin.fails = "the cloud does not answer"
    cloud.terminate([one.name])
    standin.finish()
    assert set(states_of(cloud)) == {one.name, two.name}
    cloud.terminate([one.name])
    standin.finish()
    assert list(states_of(cloud)) == [two.name]


def test_a_change_whose_answer_was_lost_is_seen_all_the_same(
    standin: Orchestrator, pool: Pool, tmp_path: Path
) -> None:
    cloud = pool.provider()
    one, two = pool.workers(2)
    cloud.launch([one])
    settled(standin, cloud)
    before = (tmp_path / "state" / "deployment.json").read_bytes()
    cloud.launch([two])
    (tmp_path / "state" / "deployment.json").write_bytes(before)
    assert set(states_of(cloud)) == {one.name, two.name}
    settled(standin, cloud)


def test_a_token_that_expires_in_the_middle_of_an_update_and_is_renewed(
    standin: Orchestrator, pool: Pool, tmp_path: Path
) -> None:
    cloud = pool.provider()
    one, two = pool.workers(2)
    cloud.launch([one])
    settled(standin, cloud)
    cloud.launch([two])
    assert states_of(cloud)[two.name] is State.PENDING
    standin.tokens = {"new-token"}
    (tmp_path / "token").write_text("new-token")
    settled(standin, cloud)
    assert set(states_of(cloud)) == {one.name, two.name}


def test_a_token_that_expires_and_is_not_renewed_says_what_to_do(
    standin: Orchestrator, pool: Pool, tmp_path: Path
) -> None:
    cloud = pool.provider()
    one, two = pool.workers(2)
    cloud.launch([one])
    settled(standin, cloud)
    cloud.launch([two])
    standin.tokens = {"new-token"}
    with pytest.raises(NotAuthorised) as caught:
        cloud.list()
    assert "good-token" not in str(caught.value)
    assert "dodas auth login" in caught.value.hint
    standin.finish()  # which the Orchestrator does all by itself
    (tmp_path / "token").write_text("new-token")
    assert states_of(cloud) == {one.name: State.RUNNING, two.name: State.RUNNING}


def test_without_a_token(standin: Orchestrator, pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("")
    with pytest.raises(NotAuthorised) as caught:
        pool.provider().list()
    assert "dodas auth login" in caught.value.hint


def test_a_deployment_is_found_again_among_pages_of_others(standin: Orchestrator, pool: Pool) -> None:
    standin.most = 2
    other = Pool(standin, pool.place / "other")
    for number in range(4):
        other.description = cloud_pool(f"other{number}", "orchestrator", [("url", standin.url), INPUTS])
        other.provider(f"state{number}").launch(other.workers(1))
    one, two, three = pool.workers(3)
    cloud = pool.provider()
    cloud.launch([one, two, three])
    settled(standin, cloud)
    again = pool.provider("elsewhere")
    assert set(states_of(again)) == {one.name, two.name, three.name}
    again.launch([one])
    again.terminate([one.name, two.name, three.name])
    assert again.list() == []


def test_a_removal_that_hangs_is_helped(standin: Orchestrator, pool: Pool) -> None:
    cloud = pool.provider()
    one, two = pool.workers(2)
    cloud.launch([one])
    settled(standin, cloud)
    standin.hangs = True
    cloud.terminate([one.name])
    assert cloud.list() == []
    [deployed] = standin.deployments.values()
    deployed.changed -= 7200
    assert cloud.list() == []
    assert [request.method for request in standin.listener.asked].count("PATCH") == 1
    standin.hangs = False
    cloud.launch([two])
    settled(standin, cloud)
    assert list(states_of(cloud)) == [two.name]
    standin.finish()
    assert len(standin.deployments) == 1


def test_a_removal_that_failed_is_tried_again(standin: Orchestrator, pool: Pool) -> None:
    cloud = pool.provider()
    [one] = pool.workers(1)
    cloud.launch([one])
    settled(standin, cloud)
    standin.fails = "the cloud does not answer"
    cloud.terminate([one.name])
    standin.finish()
    [deployed] = standin.deployments.values()
    assert deployed.status == "DELETE_FAILED"
    assert cloud.list() == []
    standin.finish()
    assert standin.deployments == {}


def test_options_reach_the_orchestrator(standin: Orchestrator, tmp_path: Path) -> None:
    pool = Pool(standin, tmp_path, ("timeout_mins", 30), ("user_group", "cms"))
    pool.provider().launch(pool.workers(1))
    assert len(standin.deployments) == 1


def with_template(standin: Orchestrator, folder: Path, name: str) -> Pool:
    """Return a pool with a template of the user's, which has one input of that name."""
    template = folder / "own.yaml"
    template.write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_0\n"
        "topology_template:\n"
        f"  inputs: {{{name}: {{type: string}}}}\n"
        "  node_templates: {node: {type: tosca.nodes.indigo.Compute}}\n"
    )
    pool = Pool(standin, folder)
    pool.description = cloud_pool("poet", "orchestrator", [("url", standin.url), ("template", str(template))])
    return pool


def test_a_template_of_the_user_makes_each_worker(standin: Orchestrator, tmp_path: Path) -> None:
    pool = with_template(standin, tmp_path, "worker_name")
    cloud = pool.provider()
    one, two = pool.workers(2)
    cloud.launch([one, two])
    settled(standin, cloud)
    assert {
        yaml.safe_load(each.template)["topology_template"]["inputs"]["worker_name"]["default"]
        for each in standin.deployments.values()
    } == {one.name, two.name}
    again = pool.provider("elsewhere")
    again.terminate([one.name])
    standin.finish()
    assert list(states_of(again)) == [two.name]
    assert len(standin.deployments) == 1


def test_a_field_that_is_missing_is_refused_with_its_reason(standin: Orchestrator, tmp_path: Path) -> None:
    pool = with_template(standin, tmp_path, "flavour")
    with pytest.raises(Refused, match="Input value for flavour is missing"):
        pool.provider().launch(pool.workers(1))


def test_logs(standin: Orchestrator, pool: Pool) -> None:
    cloud = pool.provider()
    [worker] = pool.workers(1)
    cloud.launch([worker])
    assert "log of" in cloud.logs(worker.name)
    with pytest.raises(ProviderError, match="no machine"):
        cloud.logs("poet-small-00000000")


def test_nobody_there(pool: Pool, standin: Orchestrator) -> None:
    standin.listener.stop()
    with pytest.raises(ProviderUnavailable, match="refuses connections"):
        pool.provider().list()
