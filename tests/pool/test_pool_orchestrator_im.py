"""Workers through the stand-in for the Orchestrator, with a real Infrastructure Manager behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dodas.pool.providers import orchestrator
from dodas.pool.providers.base import State
from pool_clouds import cloud_pool, setup_of, states_of, workers_of
from servers.im_server import ImServer
from servers.orchestrator_on_im import OrchestratorOnIm

# The first of them installs the Infrastructure Manager.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def machines(standin: OrchestratorOnIm) -> dict[str, str]:
    """Return what is there at the Infrastructure Manager: nodes and the workers on them."""
    found = {}
    for infrastructure in standin.manager.infrastructures():
        states = standin.manager.states(infrastructure)
        for machine in states[1] if states and states[0] != "deleting" else ():
            one = standin.manager.machine(infrastructure, machine)
            assert one is not None
            found[one.node] = one.name
    return found


def test_what_is_asked_of_the_orchestrator_is_there_at_the_infrastructure_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEARER_TOKEN", "good-token")
    server = ImServer(tmp_path / "im")
    standin = OrchestratorOnIm(server)
    with server, standin:
        inputs = ("inputs", (("worker_url", "https://files.example.org/worker"),))
        pool = cloud_pool("both", "orchestrator", [("url", standin.url), inputs])
        cloud = orchestrator.make(setup_of(pool, tmp_path / "state"))
        first, second, third, fourth = workers_of(pool, tmp_path / "workers", 4)
        cloud.launch([first, second])
        standin.finish()
        assert states_of(cloud) == {first.name: State.RUNNING, second.name: State.RUNNING}
        assert machines(standin) == {"small-0": first.name, "small-1": second.name}
        cloud.launch([third])
        standin.finish()
        assert machines(standin)["small-2"] == third.name
        cloud.terminate([first.name])
        standin.finish()
        assert machines(standin) == {"small-1": second.name, "small-2": third.name}
        cloud.launch([fourth])
        standin.finish()
        assert machines(standin) == {
            "small-0": fourth.name,
            "small-1": second.name,
            "small-2": third.name,
        }
        cloud.terminate([second.name, third.name, fourth.name])
        standin.finish()
        assert cloud.list() == []
        assert machines(standin) == {}
