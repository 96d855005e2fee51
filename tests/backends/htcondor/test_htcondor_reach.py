"""Pools that cannot be reached, and that do not want us: an error in time that says what to look at."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dodas.backends.htcondor import HtcondorBackend
from dodas.backends.htcondor.scheduler import Scheduler
from dodas.errors import BackendError, BackendUnreachable, SpecError
from dodas.step import Step
from htcondor_runs import Place, wait_for

Configure = Callable[..., None]


@pytest.fixture
def configure(shared_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Talk to the pool in another way than its own configuration says."""
    own = Path(os.environ["DODAS_STATE"]) / "pools" / shared_place.pool / "condor_config"
    path = tmp_path / "condor_config"

    def write(**values: str) -> None:
        text = own.read_text()
        for name, value in values.items():
            text = re.sub(rf"(?m)^{name} *=.*\n", "", text) + f"{name} = {value}\n"
        path.write_text(text)

    monkeypatch.setenv("CONDOR_CONFIG", str(path))
    return write


def make(tmp_path: Path) -> HtcondorBackend:
    return HtcondorBackend(run=str(tmp_path / "run"), logs=str(tmp_path / "logs"))


def test_a_collector_that_is_not_there(configure: Configure, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        configure(COLLECTOR_HOST=address)
        with pytest.raises(BackendUnreachable, match=re.escape(address)) as caught:
            make(tmp_path)
    assert "does not answer" in str(caught.value)
    assert "CONDOR_CONFIG" in caught.value.hint


def test_a_collector_that_is_silent(configure: Configure, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        configure(COLLECTOR_HOST=f"127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(BackendUnreachable, match="does not answer"):
            make(tmp_path)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("token", [None, "ey.wrong.token"])
def test_a_token_that_is_refused(configure: Configure, tmp_path: Path, token: str | None) -> None:
    tokens = tmp_path / "tokens"
    tokens.mkdir(mode=0o700)
    if token is not None:
        (tokens / "token").write_text(token)
        (tokens / "token").chmod(0o600)
    configure(SEC_DEFAULT_AUTHENTICATION_METHODS="IDTOKENS", SEC_TOKEN_DIRECTORY=str(tokens))
    # In another process: this one has been let in, and is remembered.
    said = in_a_process(
        "from dodas.backends.htcondor import HtcondorBackend\n"
        "from dodas.errors import BackendUnreachable\n"
        "try:\n"
        f"    HtcondorBackend(run={str(tmp_path / 'run')!r}, logs={str(tmp_path)!r})\n"
        "except BackendUnreachable as error:\n"
        "    print(error, error.hint)\n"
    )
    assert "refuses to talk to us" in said
    assert "see that you have a token" in said
    assert token is None or token not in said


def test_a_schedd_that_lets_us_in_and_denies_us_all(place: Place) -> None:
    schedd = place.daemon("condor_schedd")
    config = Path(os.environ["DODAS_STATE"]) / "pools" / place.pool / "head" / "condor_config"
    before = config.read_text()
    scheduler = Scheduler(place.pool)

    def denies() -> bool:
        try:
            scheduler.find("false")
        except BackendUnreachable as error:
            assert "refuses to talk to us" in str(error)
            return True
        return False

    denied = ("READ", "WRITE", "DAEMON", "ADMINISTRATOR")
    config.write_text(before + "".join(f"DENY_{level} = *\n" for level in denied))
    schedd.send_signal(signal.SIGHUP)
    try:
        wait_for(denies, "a schedd that does not allow it")
        with pytest.raises(BackendUnreachable, match="refuses to talk to us"):
            place.backend()
    finally:
        config.write_text(before)
        schedd.send_signal(signal.SIGHUP)
    wait_for(lambda: not denies(), "one that does")
    place.backend()


def in_a_process(program: str) -> str:
    """Return what a Python program prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_pool_that_does_not_exist(shared_place: Place, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="absent"):
        HtcondorBackend(pool="absent", run=str(tmp_path / "run"), logs=str(tmp_path / "logs"))


def test_a_run_that_another_dodas_works_on(shared_place: Place) -> None:
    shared_place.backend()
    with pytest.raises(BackendError, match="another dodas"):
        shared_place.backend()


def test_a_run_keeps_to_its_way_of_bringing_files(shared_place: Place) -> None:
    shared_place.backend(shared=True).close(keep=True)
    with pytest.raises(SpecError, match="shared disk"):
        shared_place.backend(shared=False)
    assert shared_place.backend().shared


def test_without_the_bindings_it_is_said_how_to_get_them(tmp_path: Path) -> None:
    said = in_a_process(
        "import sys; sys.modules['htcondor2'] = None\n"
        "from dodas.backends.htcondor import HtcondorBackend\n"
        "from dodas.errors import DodasError\n"
        "try:\n"
        f"    HtcondorBackend(run={str(tmp_path / 'run')!r}, logs={str(tmp_path)!r})\n"
        "except DodasError as error:\n"
        "    print(error.hint)\n"
    )
    assert "pip install 'dodas[htcondor]'" in said


@pytest.mark.parametrize("hint", ["executable", "+DodasRun"])
def test_hints_are_looked_at_before_anything_is_taken(shared_place: Place, hint: str) -> None:
    backend = shared_place.backend()
    bad = Step(id="s", name="s", argv=("true",), hints=((f"htcondor.{hint}", "x"),))
    with pytest.raises(SpecError, match=re.escape(hint)):
        backend.submit([Step(id="t", name="t", argv=("true",)), bad])
    assert list(backend.events(0)) == []


def test_jobs_that_htcondor_does_not_take(shared_place: Place) -> None:
    from local_runs import Followed

    backend = shared_place.backend()
    backend.submit([Step(id="s", name="s", argv=("true",), hints=(("htcondor.rank", "((("),))])
    result = Followed().finish(backend).results["s"]
    assert not result.ok
    assert "HTCondor does not take" in result.reason
