"""Parts of a pool without a pool: the file of a queue, configurations, tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from dodas.node.daemons import Programs
from dodas.pool import configuration, queue_file, tokens
from dodas.pool.definition import Definition

QUEUE = """\
107 1 CreationTimestamp 1764000000
101 0.0 Job Machine
103 0.0 NextClusterNum 3
101 0.-2 Owner (?)
103 0.-2 User "x y"
105
101 01.-1 Job Machine
103 01.-1 JobStatus 1
101 1.0 Job Machine
103 1.0 Args "103 1.0 JobStatus 5"
101 1.1 Job Machine
106
103 1.0 JobStatus 2
103 1.0 RemoteHost "slot1_1@p-node@"
103 1.1 JobStatus 5
105
101 02.-1 Job Machine
103 02.-1 JobStatus 5
101 2.0 Job Machine
101 2.1 Job Machine
106
102 2.1
105
101 3.0 Job Machine
"""

POOL = Definition(cpus=3, memory=1000, image="", shared_disk=True, port=1234, user="anna")


def test_the_queue_of_a_dead_pool_is_read() -> None:
    assert {key: job.status for key, job in queue_file.replay(QUEUE.splitlines(keepends=True)).items()} == {
        "1.0": 2,
        "1.1": 5,
        "2.0": 5,
    }


@pytest.mark.parametrize("text", ["", "\n", "103", "103 1.0\n103 1.0 JobStatus\n102\n", "xyz\0\n", "101 1.0"])
def test_a_damaged_queue_is_read_as_far_as_it_goes(tmp_path: Path, text: str) -> None:
    (tmp_path / "queue").write_text(text)
    assert len(queue_file.jobs(str(tmp_path / "queue"))) <= 1
    queue_file.give_up(str(tmp_path / "queue"), "x")


def test_only_jobs_of_dead_slots_are_given_up(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    path.write_text(QUEUE)
    queue_file.give_up(str(path), "@another-node@")
    assert path.read_text() == QUEUE
    queue_file.give_up(str(path), "@p-node@")
    assert path.read_text() == QUEUE + "103 1.0 LastJobLeaseRenewal 1\n"


def test_a_queue_whose_last_line_is_torn_is_left_to_htcondor(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    path.write_text(QUEUE + "103 1.0 Some")
    queue_file.give_up(str(path), "@p-node@")
    assert path.read_text() == QUEUE + "103 1.0 Some"


def test_no_authorization_is_for_everybody() -> None:
    programs = Programs()
    for text in (
        configuration.head("p", POOL, "/pool", programs),
        configuration.node("p", POOL, "/pool", programs),
        configuration.client("p", POOL, "/x"),
    ):
        values = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
        allowed = {name: value for name, value in values.items() if "ALLOW_" in name}
        assert "*" not in "".join(allowed.values())
        assert values["NETWORK_INTERFACE"] == "127.0.0.1"
        assert values["BIND_ALL_INTERFACES"] == "False"
        assert values["SEC_DEFAULT_AUTHENTICATION"] == "REQUIRED"
    assert "*" not in configuration.head("p", POOL, "/pool", programs)


def test_a_directory_stands_in_a_configuration_as_it_is() -> None:
    text = configuration.client("p", POOL, "/a $(HOME) b/é")
    assert "SEC_TOKEN_DIRECTORY = /a $(DOLLAR)(HOME) b/é/tokens.d\n" in text


def test_a_token_is_what_the_standard_says(tmp_path: Path) -> None:
    tokens.make_key(str(tmp_path))
    key = (tmp_path / tokens.KEY_NAME).read_bytes()
    tokens.make_key(str(tmp_path))
    assert (tmp_path / tokens.KEY_NAME).read_bytes() == key, "tokens stay valid when a pool comes up again"
    tokens.make_token(
        str(tmp_path), "token", key=str(tmp_path), issuer="pool", identity="a@pool", powers=("READ", "X")
    )
    head, claims, signature = (tmp_path / "token").read_text().strip().split(".")
    plain = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (plain["iss"], plain["sub"], plain["scope"]) == ("pool", "a@pool", "condor:/READ condor:/X")
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS256", "kid": tokens.KEY_NAME}
    wrong = hmac.digest(key, f"{head}.{claims}".encode(), hashlib.sha256)
    assert base64.urlsafe_b64decode(signature + "==") != wrong, "the key itself signs nothing"
