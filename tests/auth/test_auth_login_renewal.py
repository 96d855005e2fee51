"""What renews a login is used by one process at a time, and survives what can be survived."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from dodas.auth.login.store import Store
from needs import need
from servers.faults import Fault
from servers.iam_cli import Desk
from servers.ports import until

MANY = 16


def renewals(desk: Desk) -> int:
    """Return how often the provider has renewed a login."""
    return sum("error" not in one for one in desk.front.issuer.grants("refresh_token"))


def test_many_processes_renew_it_once(desk: Desk) -> None:
    desk.log_in()
    old = desk.kept()
    desk.let_pass(left=5)
    before = len(desk.front.issuer.grants("refresh_token"))
    processes = [desk.start("token") for _ in range(MANY)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert {(process.returncode, err) for process, (_, err) in zip(processes, ends, strict=True)} == {(0, "")}
    (token,) = {out for out, _ in ends}
    assert token.strip() == desk.kept()["tokens"][0]["value"] != old["tokens"][0]["value"]
    assert len(desk.front.issuer.grants("refresh_token")) == before + 1
    assert desk.kept()["refresh"] != old["refresh"]


def test_many_processes_that_were_refused_the_same_token_renew_it_once(desk: Desk) -> None:
    """As when a service takes a token no more, and all who work with it ask for another one."""
    desk.log_in()
    old = desk.token()
    ask = f"from dodas.auth.login import access_token; print(access_token(refused={old!r}))"
    before = len(desk.front.issuer.grants("refresh_token"))
    processes = [
        subprocess.Popen(
            [desk.python, "-"], env=desk.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    tokens = {process.communicate(ask, timeout=60)[0].strip() for process in processes}
    assert len(tokens) == 1
    assert tokens != {old}
    assert len(desk.front.issuer.grants("refresh_token")) == before + 1


def test_a_token_is_renewed_before_it_ends(desk: Desk) -> None:
    desk.front.issuer.live("laptop", access=4)
    desk.log_in()
    first = desk.token()
    until(lambda: desk.kept()["tokens"][0]["until"] - time.time() < 1.9, what="a token that is due")
    assert desk.token() != first


def test_a_provider_that_is_down_does_not_matter_while_the_token_is_good(desk: Desk) -> None:
    desk.log_in()
    token = desk.token()
    desk.let_pass(left=300)
    desk.front.stop()
    assert desk.token() == token
    desk.front.start()
    assert desk.token() == token  # it is asked again only after a while
    desk.let_pass(left=5)
    assert desk.token() != token


def test_a_disk_that_is_full_does_not_matter_while_the_token_is_good(desk: Desk) -> None:
    desk.log_in()
    token = desk.token()
    desk.let_pass(left=300)
    (desk.logins / ".default.next").mkdir()
    assert desk.token() == token
    assert "cannot keep the login" in desk.fails("token", "--fresh")


def test_a_provider_that_went_does_not_matter_while_the_token_is_good(desk: Desk) -> None:
    """As when a network wants its users to sign in first."""
    desk.log_in()
    token = desk.token()
    desk.let_pass(left=300)
    desk.front.fault(Fault(path="/.well-known", status=404))
    assert desk.token() == token
    assert "there is no OpenID provider" in desk.fails("token", "--fresh")


def test_an_answer_that_is_lost_is_told_and_the_loss_is_explained(desk: Desk) -> None:
    desk.log_in()
    good = desk.token()
    desk.front.fault(Fault(method="POST", path="/token", lose_answer=True, times=1))
    words = desk.fails("token", "--fresh")
    assert "broke off the connection" in words
    assert desk.token() == good
    assert "did not come" in desk.run("status").stdout
    words = desk.fails("token", "--fresh")
    assert "the answer to a renewal at" in words
    assert f"hint: log in again: dodas auth login {desk.front.issuer.url}" in words
    desk.log_in()
    assert desk.token("--fresh")


def test_a_request_that_was_not_sent_loses_nothing(desk: Desk) -> None:
    desk.log_in()
    desk.front.stop()
    desk.fails("token", "--fresh")
    desk.front.start()
    assert desk.token("--fresh")


def test_a_provider_that_is_busy_is_asked_again(desk: Desk) -> None:
    desk.log_in()
    busy = Fault(method="POST", path="/token", status=503, headers={"Retry-After": "1"}, times=1)
    desk.front.fault(busy)
    assert desk.token("--fresh")
    assert busy.happened == 1


def test_the_next_login_is_there_before_its_token_is_seen(desk: Desk) -> None:
    """Killed while the answer is awaited, which came too late: only that loses the login, and it is said."""
    desk.log_in()
    hanging = desk.front.fault(Fault(method="POST", path="/token", hang_after=0, times=1))
    process = desk.start("token", "--fresh")
    until(lambda: hanging.happened == 1 and renewals_grew(desk), what="an answer that hangs")
    process.kill()
    process.communicate()
    hanging.gate.set()
    words = desk.fails("token", "--fresh")
    assert "the answer to a renewal at" in words


def renewals_grew(desk: Desk) -> bool:
    marked = desk.kept()["renewing"]
    return marked is not None and renewals(desk) > 0


def test_killed_at_any_moment(desk: Desk) -> None:
    """A login is lost only if the provider had renewed it once more than was written down."""
    desk.log_in()
    chance = random.Random(7)
    lost = 0
    for _ in range(8):
        serial, provided = desk.kept()["serial"], renewals(desk)
        process = desk.start("token", "--fresh")
        time.sleep(chance.uniform(0.05, 0.4))
        process.kill()
        process.communicate()
        done = desk.run("token", "--fresh")
        if done.returncode == 0:
            assert desk.kept()["serial"] > serial
            continue
        lost += 1
        assert "the answer to a renewal at" in done.stderr
        assert renewals(desk) == provided + 1
        desk.log_in()
    assert lost < 8
    assert not [file for file in desk.logins.iterdir() if file.suffix == ".next"]


def test_killed_between_writing_and_renaming(desk: Desk) -> None:
    desk.log_in()
    old = (desk.logins / "default.json").read_bytes()
    desk.token("--fresh")
    # As a kill leaves it: the new one is written, in room for more, and the old one still has the name.
    new = (desk.logins / "default.json").read_bytes()
    (desk.logins / ".default.next").write_bytes(new + b"\0" * 5000)
    (desk.logins / ".default.next").chmod(0o600)
    (desk.logins / "default.json").write_bytes(old)
    assert desk.token("--fresh")
    assert not (desk.logins / ".default.next").exists()


def test_killed_while_writing(desk: Desk) -> None:
    desk.log_in()
    for content in (b"", b"\0" * 9, b"{", b'{"version": 1}', b"[]", b"\xff"):
        (desk.logins / ".default.next").write_bytes(content)
        with Store(str(desk.logins)).locked("default"):
            assert Store(str(desk.logins)).read("default") is not None
    assert desk.token("--fresh")


def test_ctrl_c_waits_for_the_answer(desk: Desk) -> None:
    desk.log_in()
    hanging = desk.front.fault(Fault(method="POST", path="/token", hang_after=0, times=1))
    process = desk.start("token", "--fresh")
    until(lambda: hanging.happened == 1 and renewals_grew(desk), what="an answer that hangs")
    process.send_signal(signal.SIGINT)
    hanging.gate.set()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert desk.token("--fresh")


def test_a_disk_that_is_full_before_anything_is_asked(desk: Desk) -> None:
    desk.log_in()
    kept, before = desk.kept(), len(desk.front.issuer.grants())
    limit = f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); {_RUN}"
    for words in (("token", "--fresh"), ("login", desk.front.issuer.url, "--client-id", "laptop")):
        done = subprocess.run(
            [desk.python, "-c", limit, *words],
            env={**desk.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1
        assert f"cannot keep the login in {desk.logins}: File too large" in done.stderr
    assert desk.kept() == kept
    assert len(desk.front.issuer.grants()) == before
    assert desk.token("--fresh")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0


_RUN = "sys.argv[1:1] = ['auth']; runpy.run_module('dodas', run_name='__main__', alter_sys=True)"


def test_a_full_disk(desk: Desk, tmp_path: Path) -> None:
    """A real one, of a megabyte, where this user may mount one."""
    desk.log_in()
    home = tmp_path / "small"
    home.mkdir()
    shutil.copytree(desk.logins, tmp_path / "logins")
    script = f"""
        mount -t tmpfs -o size=1m,mode=700 none '{home}' || exit 99
        cp -a '{tmp_path}/logins' '{home}/logins'
        dd if=/dev/zero of='{home}/filler' bs=4096 2>&1 | grep -q 'No space' || exit 98
        "$PYTHON" -m dodas auth token --fresh; echo "status $?"
        rm '{home}/filler'
        "$PYTHON" -m dodas auth token --fresh > '{home}/token'; echo "status $?"
    """
    done = subprocess.run(
        [need("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c", script],
        env={**desk.environ, "DODAS_STATE": str(home), "PYTHON": desk.python},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    assert done.stdout.split() == ["status", "1", "status", "0"], done
    assert "No space left on device" in done.stderr


def test_a_process_that_holds_the_lock_is_waited_for(desk: Desk) -> None:
    desk.log_in()
    lock = desk.logins / ".default.lock"
    holder = subprocess.Popen(
        [need("flock"), str(lock), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write("held\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "held\n"
    process = desk.start("token", "--fresh")
    assert desk.token()  # one that is good needs no lock
    assert process.poll() is None
    holder.communicate()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert out.strip() == desk.kept()["tokens"][0]["value"]


def test_json_of_the_file_is_whole_at_any_time(desk: Desk) -> None:
    desk.log_in()
    process = desk.start("token", "--fresh")
    while process.poll() is None:
        assert json.loads((desk.logins / "default.json").read_text())["refresh"]
    process.communicate()
