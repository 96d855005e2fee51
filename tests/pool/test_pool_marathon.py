"""Workers on Marathon, against a stand-in made from its API description: no live server exists any more."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dodas.errors import SpecError
from dodas.pool.description.model import Flavour, PoolDescription, ProviderSettings
from dodas.pool.providers import marathon
from dodas.pool.providers.base import (
    NotAuthorised,
    Provider,
    ProviderError,
    ProviderUnavailable,
    Refused,
    Setup,
    State,
    Worker,
)
from dodas.pool.rendering import marathon as rendering
from servers.marathon_api import StandIn
from servers.pki import Pki, make_pki

PASSWORD, DCOS = "päss'w ord;", "token-of-dcos"
SECRET = "eyJhbGciOi.the-token-of-a-worker.c2lnbmF0dXJl"


@pytest.fixture(scope="session")
def marathon_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("marathon") / "pki")


@dataclass(kw_only=True)
class Pool:
    server: StandIn
    description: PoolDescription
    folder: Path

    @property
    def provider(self) -> Provider:
        return marathon.make(Setup(pool=self.description, provider="mesos", state=str(self.folder)))

    def worker(self, number: int = 1, **changes: Any) -> Worker:
        name = f"physics_1-task-{number:08x}".replace("_", "-")
        directory = self.folder / f"o'{name} $HOME"
        directory.mkdir(exist_ok=True)
        (directory / "pilot.json").write_text(json.dumps({"grace": 33.5, "text": "it's $5; `x`\n"}))
        (directory / "token").write_text(SECRET)
        program = self.folder / "the program"
        flavour = replace(self.description.flavours[0], **changes)
        return Worker(name=name, flavour=flavour, site=None, directory=str(directory), program=str(program))

    def app_of(self, worker: Worker) -> dict[str, Any]:
        return self.server.apps[rendering.app_id(self.description, worker.name)]

    def change(self, **settings: Any) -> None:
        (provider,) = self.description.providers
        merged = {**dict(provider.settings), **settings}
        given = tuple((name, value) for name, value in merged.items() if value)
        self.description = replace(self.description, providers=(replace(provider, settings=given),))


@pytest.fixture
def pool(marathon_pki: Pki, tmp_path: Path) -> Iterator[Pool]:
    server = StandIn(marathon_pki, "anna", PASSWORD, DCOS)
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    settings: dict[str, Any] = {
        "url": server.listener.origin,
        "username": "anna",
        "password_file": str(password),
        "ca_file": str(marathon_pki.ca),
        "worker_in_image": "/opt/my dodas/worker",
        "constraints": (("hostname", "UNIQUE"), ("rack", "LIKE", "a.*")),
    }
    provider = ProviderSettings(name="mesos", kind="marathon", settings=tuple(settings.items()))
    flavour = Flavour(name="task", provider="mesos", image="registry.test/worker:1", cores=2, memory=3 << 30)
    description = PoolDescription(name="Physics_1", providers=(provider,), flavours=(flavour,))
    server.listener.start()
    yield Pool(server=server, description=description, folder=tmp_path)
    server.listener.stop()


def test_workers_wait_run_and_go(pool: Pool) -> None:
    one, two = pool.worker(1), pool.worker(2)
    pool.provider.launch([one, two])
    app = pool.app_of(one)
    assert app["instances"] == 1
    assert (app["cpus"], app["mem"], app["taskKillGracePeriodSeconds"]) == (2, 3072, 64)
    assert app["constraints"] == [["hostname", "UNIQUE"], ["rack", "LIKE", "a.*"]]
    (waiting, _) = pool.provider.list()
    assert (waiting.worker, waiting.state) == (one.name, State.PENDING)
    assert waiting.reason == "no offer fits: InsufficientCpus (75 of 123), InsufficientMemory (15 of 48)"
    pool.server.is_now(app["id"], "TASK_RUNNING")
    running = pool.provider.list()[0]
    assert (running.state, running.node) == (State.RUNNING, "node-7.example.org")
    pool.provider.terminate([one.name, "never-seen"])
    pool.provider.terminate([one.name])
    assert [seen.worker for seen in pool.provider.list()] == [two.name]


def test_a_worker_is_asked_for_once(pool: Pool) -> None:
    pool.provider.launch([pool.worker()])
    pool.provider.launch([pool.worker(), pool.worker(2)])
    assert len(pool.server.apps) == 2


@pytest.mark.parametrize(
    ("end", "message", "state", "reason"),
    [
        ("TASK_FINISHED", "", State.ENDED, ""),
        ("TASK_FAILED", "Command exited with status 7", State.FAILED, "failed: Command exited with status 7"),
        ("TASK_LOST", "", State.FAILED, "lost"),
        ("TASK_FAILED", f"no, Bearer {SECRET}\nat all", State.FAILED, "failed: no, Bearer *** at all"),
    ],
)
def test_what_ended_is_seen_once_and_not_started_again(
    pool: Pool, end: str, message: str, state: State, reason: str
) -> None:
    worker = pool.worker()
    pool.provider.launch([worker])
    app = pool.app_of(worker)
    pool.server.is_now(app["id"], "TASK_RUNNING")
    pool.server.ended(app["id"], end, message)
    (seen,) = pool.provider.list()
    assert (seen.state, seen.reason) == (state, reason)
    assert pool.server.apps == {}
    assert list(pool.provider.list()) == []


@pytest.mark.parametrize(
    ("task", "state", "reason"),
    [
        ("TASK_STAGING", State.PENDING, "staging"),
        ("TASK_KILLING", State.RUNNING, "it was told to end"),
        ("TASK_UNREACHABLE", State.RUNNING, "its node does not answer"),
    ],
)
def test_states_of_tasks(pool: Pool, task: str, state: State, reason: str) -> None:
    pool.provider.launch([pool.worker()])
    pool.server.is_now(pool.app_of(pool.worker())["id"], task)
    (seen,) = pool.provider.list()
    assert (seen.state, seen.reason) == (state, reason)


def test_an_app_that_is_being_deployed_is_removed_all_the_same(pool: Pool) -> None:
    worker = pool.worker()
    pool.provider.launch([worker])
    pool.server.locked.add(pool.app_of(worker)["id"])
    pool.provider.terminate([worker.name])
    assert pool.server.apps == {}


def test_an_app_of_somebody_else_is_neither_taken_nor_removed(pool: Pool) -> None:
    worker = pool.worker()
    pool.provider.launch([worker])
    pool.app_of(worker)["labels"]["dodas.provider"] = "other"
    with pytest.raises(Refused, match="none of this pool's"):
        pool.provider.launch([worker])
    pool.provider.terminate([worker.name])
    assert len(pool.server.apps) == 1
    assert list(pool.provider.list()) == []


def test_what_marathon_does_not_accept_is_told_by_field(pool: Pool) -> None:
    worker = pool.worker(settings=(("constraints", (("hostname", "NEAR"),)),))
    with pytest.raises(Refused, match=r"/constraints\(2\): operator must be one of") as caught:
        pool.provider.launch([worker])
    assert SECRET not in str(caught.value)


def test_wrong_passwords_and_readable_ones_are_refused(pool: Pool) -> None:
    file = pool.folder / "password"
    file.chmod(0o644)
    with pytest.raises(NotAuthorised, match="can be read by other users"):
        pool.provider.list()
    file.chmod(0o600)
    file.write_text("wrong-secret")
    with pytest.raises(NotAuthorised, match="Invalid username or password") as caught:
        pool.provider.list()
    assert "wrong-secret" not in str(caught.value)
    file.unlink()
    with pytest.raises(NotAuthorised, match="cannot be read"):
        pool.provider.list()


def test_a_token_file_serves_instead(pool: Pool) -> None:
    file = pool.folder / "token"
    file.write_text(DCOS)
    file.chmod(0o600)
    pool.change(token_file=str(file), username="", password_file="")
    assert list(pool.provider.list()) == []


def test_a_deployment_elsewhere_means_to_try_again(pool: Pool) -> None:
    pool.server.trouble = (409, {"message": "App is locked by one or more deployments."})
    with pytest.raises(ProviderUnavailable, match="locked by one or more"):
        pool.provider.launch([pool.worker()])


def test_what_is_not_marathon_is_recognised(pool: Pool) -> None:
    pool.server.trouble = (200, ["hello"])
    with pytest.raises(ProviderUnavailable, match="does not say"):
        pool.provider.list()


def test_logs_say_where_they_are(pool: Pool) -> None:
    worker = pool.worker()
    pool.provider.launch([worker])
    with pytest.raises(ProviderError, match="runs nowhere"):
        pool.provider.logs(worker.name)
    pool.server.is_now(pool.app_of(worker)["id"], "TASK_RUNNING")
    with pytest.raises(ProviderError, match=r"stays on the node node-7\.example\.org"):
        pool.provider.logs(worker.name)


def test_the_command_starts_the_worker_with_its_order_and_hides_the_token_from_jobs(pool: Pool) -> None:
    program = pool.folder / "the worker's program"
    program.write_text(
        '#!/bin/sh\necho "$@"; cat "$2"; cat token; stat -c %a . token; env; kill -0 "$(cat ../worker.pid)"\n'
    )
    program.chmod(0o755)
    pool.change(worker_in_image=str(program))
    worker = pool.worker()
    pool.provider.launch([worker])
    said = _run(pool, worker)
    order = (Path(worker.directory) / "pilot.json").read_text()
    assert said.startswith(f"pilot pilot.json\n{order}{SECRET}700\n600\n")
    assert said.count(SECRET) == 1
    assert "WORKER_" not in said


def test_with_a_shared_disk_nothing_secret_is_sent(pool: Pool) -> None:
    worker = pool.worker(shared_disk=True)
    program = Path(worker.program)
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    program.chmod(0o755)
    pool.provider.launch([worker])
    app = pool.app_of(worker)
    assert SECRET not in json.dumps(app)
    assert [one["hostPath"] for one in app["container"]["volumes"]] == [worker.directory, worker.program]
    assert _run(pool, worker) == f"pilot|{worker.directory}/pilot.json|"


def test_what_is_rendered_is_what_is_sent_without_the_token(pool: Pool) -> None:
    worker = pool.worker()
    pool.provider.launch([worker])
    (rendered,) = rendering.render(pool.description, worker.flavour, worker)
    assert rendered.name == "task.json"
    assert SECRET not in rendered.text
    shown, sent = json.loads(rendered.text), pool.app_of(worker)
    assert {name for name in shown if shown[name] != sent.get(name)} == {"env", "taskKillGracePeriodSeconds"}
    assert shown["env"] == {
        "WORKER_ORDER": "<pilot.json of the worker>",
        "WORKER_TOKEN": "<file `token` of the worker>",
    }
    (of_any,) = rendering.render(pool.description, worker.flavour)
    assert json.loads(of_any.text)["id"] == "/dodas/physics-1/physics-1-task-00000000"


def test_a_flavour_without_an_image_or_a_program_is_refused(pool: Pool) -> None:
    flavour = pool.description.flavours[0]
    for image in ("", "localhost/dodas/htcondor:1"):
        with pytest.raises(SpecError, match=r"no image|which only this host has"):
            rendering.render(pool.description, replace(flavour, image=image))
    pool.change(worker_in_image="")
    with pytest.raises(SpecError, match="brings no files") as caught:
        rendering.render(pool.description, flavour)
    assert "worker_in_image" in caught.value.hint


def _run(pool: Pool, worker: Worker) -> str:
    """Run the command of an app as Mesos does it."""
    app = pool.app_of(worker)
    sandbox = pool.folder / "sandbox"
    sandbox.mkdir()
    variables = {"PATH": os.environ["PATH"], "MESOS_SANDBOX": str(sandbox), **app.get("env", {})}
    done = subprocess.run(
        ["/bin/sh", "-c", app["cmd"]], env=variables, cwd="/", text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
