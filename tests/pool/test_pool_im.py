"""Workers through a real Infrastructure Manager, on machines that are but names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.pool.description.model import Flavour, Setting
from dodas.pool.providers import im
from dodas.pool.providers.base import (
    NotAuthorised,
    Provider,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    Refused,
    State,
)
from pool_clouds import ENCODED, SETTINGS, TOKEN, await_seen, cloud_pool, setup_of, states_of, workers_of
from servers.im_server import ImServer

# The first of them installs the Infrastructure Manager.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

INPUTS: tuple[str, Setting] = ("inputs", (("worker_url", "https://files.example.org/worker"),))


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImServer]:
    with ImServer(tmp_path_factory.mktemp("im")) as server:
        yield server


@pytest.fixture
def server(manager: ImServer) -> ImServer:
    manager.start()
    manager.wish()
    return manager


def settings(server: ImServer, *more: tuple[str, Setting]) -> list[tuple[str, Setting]]:
    return [("url", server.url), ("authorization_file", str(server.authorization)), INPUTS, *more]


def provider_of(server: ImServer, name: str, place: Path, *flavours: Flavour) -> Provider:
    return im.make(setup_of(cloud_pool(name, "im", settings(server), flavours), place))


def test_a_pool_comes_grows_shrinks_and_goes(server: ImServer, tmp_path: Path) -> None:
    pool = cloud_pool("life", "im", settings(server))
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    first, second, third, fourth = workers_of(pool, tmp_path / "workers", 4)
    assert cloud.list() == []
    cloud.launch([first, second])
    assert set(states_of(cloud)) == {first.name, second.name}
    cloud.launch([first, second])  # again: nobody is asked for twice
    assert len(cloud.list()) == 2
    cloud.launch([second, third])
    assert set(states_of(cloud)) == {first.name, second.name, third.name}
    cloud.terminate([second.name, "life-small-ffffffff"])
    cloud.terminate([second.name])
    assert set(states_of(cloud)) == {first.name, third.name}
    cloud.launch([fourth])  # in the place of the second, which does not come back
    seen = {one.worker: one for one in cloud.list()}
    assert set(seen) == {first.name, third.name, fourth.name}
    assert all(one.state in (State.PENDING, State.RUNNING) for one in seen.values())
    assert seen[fourth.name].node == "192.0.2.9"
    assert "/vms/" in seen[fourth.name].handle
    cloud.terminate([first.name, third.name, fourth.name])
    assert cloud.list() == []


def test_a_process_that_remembers_nothing_finds_the_machines(server: ImServer, tmp_path: Path) -> None:
    pool = cloud_pool("found", "im", settings(server))
    workers = workers_of(pool, tmp_path / "workers", 2)
    im.make(setup_of(pool, tmp_path / "state")).launch(workers)
    other = im.make(setup_of(pool, tmp_path / "elsewhere"))
    assert set(states_of(other)) == {one.name for one in workers}
    other.launch(workers)
    assert len(other.list()) == 2
    other.terminate([one.name for one in workers])
    assert im.make(setup_of(pool, tmp_path / "third")).list() == []


def test_two_pools_do_not_see_each_other(server: ImServer, tmp_path: Path) -> None:
    one, other = cloud_pool("one", "im", settings(server)), cloud_pool("other", "im", settings(server))
    clouds = [im.make(setup_of(pool, tmp_path / pool.name)) for pool in (one, other)]
    workers = [workers_of(pool, tmp_path / f"workers-{pool.name}", 1) for pool in (one, other)]
    for cloud, wanted in zip(clouds, workers, strict=True):
        cloud.launch(wanted)
    clouds[0].terminate([workers[1][0].name])
    assert list(states_of(clouds[1])) == [workers[1][0].name]
    for cloud, wanted in zip(clouds, workers, strict=True):
        cloud.terminate([wanted[0].name])


def test_a_manager_that_was_killed_knows_its_machines_again(server: ImServer, tmp_path: Path) -> None:
    pool = cloud_pool("restart", "im", settings(server))
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    one, two = workers_of(pool, tmp_path / "workers", 2)
    cloud.launch([one])
    server.stop()
    with pytest.raises(ProviderUnavailable, match="refuses connections"):
        cloud.list()
    server.start()
    assert list(states_of(cloud)) == [one.name]
    cloud.launch([two])
    assert set(states_of(cloud)) == {one.name, two.name}
    cloud.terminate([one.name, two.name])


def test_a_machine_that_is_off_has_ended_or_failed_and_makes_room_for_new_ones(
    server: ImServer, tmp_path: Path
) -> None:
    pool = cloud_pool("heal", "im", settings(server))
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    good, bad, new = workers_of(pool, tmp_path / "workers", 3)
    cloud.launch([good, bad])
    server.wish(off=[bad.name])
    seen = await_seen(
        cloud,
        lambda seen: any(one.worker == bad.name and one.state is State.FAILED for one in seen),
        what="the end of a machine",
    )
    assert next(one for one in seen if one.worker == bad.name).reason
    cloud.launch([new])
    assert set(states_of(cloud)) == {good.name, new.name}
    cloud.terminate([good.name, new.name])


def test_a_quota_is_told_as_such(server: ImServer, tmp_path: Path) -> None:
    pool = cloud_pool("quota", "im", settings(server))
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    server.wish(quota=0)
    workers = workers_of(pool, tmp_path / "workers", 2)
    with pytest.raises(QuotaExceeded, match="Quota exceeded for instances") as caught:
        cloud.launch(workers)
    assert "Traceback" not in str(caught.value)
    assert cloud.list() == []
    server.wish(quota=1)
    cloud.launch(workers[:1])
    with pytest.raises(QuotaExceeded):
        cloud.launch(workers[1:])
    assert list(states_of(cloud)) == [workers[0].name]
    server.wish(quota=2)
    cloud.launch(workers[1:])
    assert set(states_of(cloud)) == {one.name for one in workers}
    cloud.terminate([one.name for one in workers])


def test_no_secret_of_a_worker_stays_on_this_host(server: ImServer, tmp_path: Path) -> None:
    pool = cloud_pool("secrets", "im", settings(server))
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    workers = workers_of(pool, tmp_path / "workers", 1)
    cloud.launch(workers)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert workers[0].name.encode() in kept or cloud.list()
    assert TOKEN.encode() not in kept
    assert ENCODED.encode() not in kept
    assert b"open sesame" not in kept
    logs = cloud.logs(workers[0].name)
    assert TOKEN not in logs
    assert ENCODED not in logs
    cloud.terminate([workers[0].name])


def test_two_flavours_have_machines_of_their_own(server: ImServer, tmp_path: Path) -> None:
    small = Flavour(name="small", provider="cloud", settings=SETTINGS)
    large = Flavour(name="large", provider="cloud", cores=4, memory=9 << 30, disk=50 << 30, settings=SETTINGS)
    pool = cloud_pool("two", "im", settings(server), (small, large))
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    workers = [
        *workers_of(pool, tmp_path / "workers", 1),
        *workers_of(pool, tmp_path / "workers", 2, flavour="large"),
    ]
    cloud.launch(workers)
    assert set(states_of(cloud)) == {one.name for one in workers}
    cloud.terminate([one.name for one in workers])


def test_a_template_that_the_manager_rejects_is_refused_in_two_lines(tmp_path: Path) -> None:
    # Once it has been restarted with infrastructures, IM 2.0.0 checks templates no more.
    with ImServer(tmp_path / "im") as fresh:
        _is_refused(fresh, tmp_path)


def _is_refused(server: ImServer, tmp_path: Path) -> None:
    template = tmp_path / "bad.yaml"
    template.write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_0\n"
        "topology_template:\n"
        "  node_templates:\n"
        "    a: {type: tosca.nodes.NoSuchThing}\n"
        "    b: {type: tosca.nodes.Compute, properties: {colour: red}}\n"
    )
    pool = cloud_pool("rejected", "im", [*settings(server)[:2], ("template", str(template))])
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    with pytest.raises(Refused) as caught:
        cloud.launch(workers_of(pool, tmp_path / "workers", 1))
    assert "tosca.nodes.NoSuchThing" in str(caught.value)
    assert "File" not in str(caught.value)
    assert len(str(caught.value)) < 900
    assert cloud.list() == []


def test_a_template_of_the_user_makes_each_worker(server: ImServer, tmp_path: Path) -> None:
    template = tmp_path / "own.yaml"
    template.write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_0\n"
        "topology_template:\n"
        "  inputs:\n"
        "    cpus: {type: integer, default: 1}\n"
        "    worker_token: {type: string}\n"
        "  node_templates:\n"
        "    node:\n"
        "      type: tosca.nodes.Compute\n"
        "      capabilities:\n"
        "        host: {properties: {num_cpus: {get_input: cpus}, mem_size: 1 GB}}\n"
        "        os: {properties: {type: linux}}\n"
    )
    own = [("template", str(template)), ("inputs", (("cpus", 2),))]
    pool = cloud_pool("own", "im", [*settings(server)[:2], *own])  # type: ignore[list-item]
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    workers = workers_of(pool, tmp_path / "workers", 2)
    cloud.launch(workers)
    cloud.launch(workers)
    other = im.make(setup_of(pool, tmp_path / "elsewhere"))
    assert set(states_of(other)) == set(states_of(cloud)) == {one.name for one in workers}
    cloud.terminate([workers[0].name])
    assert list(states_of(cloud)) == [workers[1].name]
    cloud.terminate([workers[1].name])
    assert cloud.list() == []


def test_another_user_is_refused(server: ImServer, tmp_path: Path) -> None:
    pool = cloud_pool("mine", "im", settings(server))
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    workers = workers_of(pool, tmp_path / "workers", 1)
    cloud.launch(workers)
    stranger = tmp_path / "stranger"
    stranger.write_text(server.authorization.read_text().replace("open sesame", "knock knock"))
    stranger.chmod(0o600)
    changed = [("url", server.url), ("authorization_file", str(stranger)), INPUTS]
    other = im.make(setup_of(cloud_pool("mine", "im", changed), tmp_path / "state"))
    with pytest.raises(NotAuthorised) as caught:
        other.list()
    assert "knock" not in str(caught.value)
    cloud.terminate([workers[0].name])


def test_a_worker_that_is_not_there_has_no_log(server: ImServer, tmp_path: Path) -> None:
    cloud = provider_of(server, "nolog", tmp_path)
    with pytest.raises(ProviderError, match="no machine of nolog-small-00000000"):
        cloud.logs("nolog-small-00000000")


def test_a_machine_that_cannot_be_configured_says_why(server: ImServer, tmp_path: Path) -> None:
    hidden = Flavour(name="small", provider="cloud", settings=(*SETTINGS, ("network", "PRIVATE")))
    pool = cloud_pool("why", "im", settings(server), [hidden])
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    [worker] = workers_of(pool, tmp_path / "workers", 1)
    cloud.launch([worker])
    [seen] = await_seen(
        cloud, lambda seen: seen[0].state is State.FAILED, what="a machine that is not configured"
    )
    assert "Contextualization Error" in seen.reason
    assert "Contextualization Error" in cloud.logs(worker.name)
    cloud.terminate([worker.name])
    assert cloud.list() == []
