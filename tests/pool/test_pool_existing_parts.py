"""What belongs to a central manager that exists already: tokens, whose jobs, configuration."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dodas import whole
from dodas.errors import BackendError, SpecError
from dodas.pool import admission, client_config, configuration, on_demand, tokens, whose
from dodas.pool.definition import Definition, Existing
from dodas.pool.description.model import PoolDescription
from dodas.pool.description.reading import parse
from dodas.pool.description.remarks import remarks
from dodas.pool.layout import Layout
from dodas.pool.trust import NODE_POWERS

_TRUST = "pool.example.org"
_EXISTING = Existing(
    schedd="ap.example.org",
    users=("alice",),
    files="example.org",
    trust=_TRUST,
    config="",
    maker="",
    identity="",
    mark="0123456789abcdef",
    asked="",
)
_DEFINITION = Definition(
    cpus=0,
    memory=0,
    image="",
    shared_disk=True,
    port=9618,
    user="me",
    host="cm.example.org",
    existing=_EXISTING,
)
_FILE = """\
dodas: 1
name: joining
manager: {collector: 'cm.example.org:9618', token_file: token}
flavours:
  small: {provider: local, start: TARGET.RequestCpus > 1 || TARGET.Short}
  other: {provider: local}
"""


@pytest.fixture
def key(tmp_path: Path) -> str:
    folder = tmp_path / "key"
    folder.mkdir(mode=0o700)
    tokens.make_key(str(folder))
    return str(folder)


def token(folder: Path, key: str, **changes: object) -> str:
    """Return the file with a token of the pool."""
    given: dict[str, object] = {
        "issuer": _TRUST,
        "identity": f"condor@{_TRUST}",
        "powers": NODE_POWERS,
        "seconds": 60.0,
    }
    tokens.make_token(str(folder), "token", key=key, **{**given, **changes})  # type: ignore[arg-type]
    return str(folder / "token")


def test_a_token_that_will_do(tmp_path: Path, key: str) -> None:
    path = token(tmp_path, key)
    written = Path(path).read_text()
    assert admission.from_file(path, _TRUST) == written
    assert admission.from_file(path, "") == written
    # As HTCondor has them: remarks, and several in a file.
    whole.write(path, f"# of the pool\n\n  {written}{written}")
    assert admission.from_file(path, _TRUST) == written * 2
    assert admission.from_file(token(tmp_path, key, seconds=0.0), _TRUST)
    assert admission.from_file(token(tmp_path, key, powers=("READ", "ADVERTISE_STARTD")), _TRUST)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no token in"),
        ("# only a remark\n", "there is no token in"),
        ("hello", "is none of HTCondor's"),
        ("a.b.c", "is none of HTCondor's"),
        ("e30.e30.", "allows all that its holder may do"),
        ("e30.bnVsbA.x", "is none of HTCondor's"),  # null
        ("e30.eyJleHAiOiAieCJ9.x", "is none of HTCondor's"),  # {"exp": "x"}
        ("é.é.é", "it is no text"),
        ("\0" * 100, "is none of HTCondor's"),
        ("x" * 100_000, "is none of HTCondor's"),
    ],
)
def test_what_is_no_token(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "token"
    whole.write(str(path), text)
    with pytest.raises(SpecError, match=said) as caught:
        admission.from_file(str(path), "")
    assert "condor_token_create -identity condor@TRUST_DOMAIN" in caught.value.hint


def test_one_bad_token_among_good_ones_is_found(tmp_path: Path, key: str) -> None:
    path = token(tmp_path, key)
    good = Path(path).read_text()
    bad = Path(token(tmp_path, key, powers=("ADVERTISE_STARTD", "ADMINISTRATOR"))).read_text()
    whole.write(path, good + bad)
    with pytest.raises(SpecError, match="could use: ADMINISTRATOR"):
        admission.from_file(path, _TRUST)


def test_a_worker_gets_the_token_as_it_is_now(tmp_path: Path, key: str) -> None:
    given = token(tmp_path, key)
    path = tmp_path / "for the worker"

    def place() -> None:
        admission.place(str(path), _EXISTING, given=given, seconds=1, config="", collector="c:1")

    place()
    assert path.read_text() == Path(given).read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    renewed = Path(token(tmp_path, key)).read_text()
    place()
    assert path.read_text() == renewed
    Path(given).unlink()
    with pytest.raises(SpecError, match="cannot be read"):
        place()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'no key, $HOME; %s' >&2; exit 2", r"condor_token_create: no key, \$HOME; %s"),
        ("exit 3", "exit status 3"),
        ("echo hello", "exit status 0"),
        ("echo e30.e30.", "exit status 0"),  # it may do all
    ],
)
def test_a_command_that_makes_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    command = tmp_path / admission.CREATE
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    assert list(admission.makers("me", "d")) == [(admission.CREATE, "condor@d"), (admission.CREATE, "me@d")]
    with pytest.raises(BackendError, match=said):
        admission.made(admission.CREATE, "me@d", seconds=60, config="/dev/null", collector="c:1")


def test_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(admission.makers("me", "d")) == []
    with pytest.raises(BackendError, match="condor_token_fetch: No such file"):
        admission.made(admission.FETCH, "me@d", seconds=60, config="/dev/null", collector="c:1")


def test_whose_jobs() -> None:
    classad2 = pytest.importorskip("classad2")
    own = {"Owner": "alice", "User": "alice@example.org"}
    jobs = [
        own,
        {"Owner": "Alice", "User": "Alice@example.org"},
        {"Owner": "bob", "User": "bob@example.com"},
        {"Owner": 'x" || true || "', "User": "x@example.org"},
        {},
        {**own, "DodasWorkerName": "w"},
    ]

    def met(*users: str) -> list[int]:
        condition = classad2.ExprTree(whose.condition(users))
        ads = [classad2.ClassAd({**job, "Wanted": condition}) for job in jobs]
        return [number for number, ad in enumerate(ads) if ad.eval("Wanted") is True]

    assert met("alice") == [0]
    assert met("alice@example.org", "bob") == [0, 2]
    assert met("alice@example.com") == []
    assert met("*") == [0, 1, 2, 3, 4]
    assert met('" || true || "') == []
    assert met('x" || true || "') == [3]


def test_workers_take_these_jobs_alone_whatever_start_says() -> None:
    small, other = whose.limited(parse(_FILE), ("alice",)).flavours
    assert small.start.endswith("&& (TARGET.RequestCpus > 1 || TARGET.Short)")
    assert other.start == whose.condition(("alice",), "TARGET.")
    assert 'TARGET.Owner =?= "alice"' in other.start


@pytest.mark.parametrize("name", ["condor config", "é $(HOME)", "a'b\"c", "#x", "$ENV(HOME)"])
@pytest.mark.parametrize("piped", [False, True])
def test_what_a_pool_says_comes_before_what_the_user_has(tmp_path: Path, name: str, piped: bool) -> None:
    pytest.importorskip("htcondor2")
    main, more = tmp_path / name, tmp_path / f"more {name}"
    main.write_text("COLLECTOR_HOST = other:1\nMINE = main\nNO_DNS = True\nLOCAL_CONFIG_DIR = /nonexistent\n")
    more.write_text("MINE = more\nCOLLECTOR_HOST = another:2\n")
    made = tmp_path / "made"
    made.write_text(
        client_config.configuration(
            "joining",
            main=str(main),
            files=[str(more), str(tmp_path / "gone")],
            piped=piped,
            host="cm.example.org",
            port=9618,
            schedd="ap.example.org",
            local=False,
        )
    )
    names = ("COLLECTOR_HOST", "MINE", "SCHEDD_HOST", "NO_DNS", "LOCAL_CONFIG_DIR", "SCHEDD_ADDRESS_FILE")
    assert read(made, *names) == ["cm.example.org:9618", "more", "ap.example.org", "False", "None", "None"]


def read(config: Path, *names: str) -> list[str]:
    """Return values of a configuration as HTCondor reads it."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, htcondor2\nfor name in sys.argv[1:]: print(htcondor2.param.get(name))",
            *names,
        ],
        env={"CONDOR_CONFIG": str(config)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("cm.example.org", {"NETWORK_INTERFACE": "*", "NO_DNS": False, "ENABLE_IPV6": False}),
        ("192.0.2.1", {"NETWORK_INTERFACE": "*", "NO_DNS": True, "ENABLE_IPV6": False}),
        ("[2001:db8::1]", {"NETWORK_INTERFACE": "*", "NO_DNS": True, "ENABLE_IPV6": True}),
        ("127.0.0.1", {"NETWORK_INTERFACE": "127.0.0.1", "NO_DNS": True, "ENABLE_IPV6": False}),
        ("localhost", {"NETWORK_INTERFACE": "127.0.0.1", "NO_DNS": False, "ENABLE_IPV6": False}),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_what_workers_are_told(host: str, expected: dict[str, object], shared: bool) -> None:
    offer = configuration.Offer(
        worker="joining-small-0",
        cores=1,
        memory=512,
        gpus=0,
        idle=60,
        grace=60,
        start="",
        attributes=(),
        shared_disk=shared,
    )
    told = configuration.pilot("joining", replace(_DEFINITION, host=host), offer)
    assert told["COLLECTOR_HOST"] == f"{host}:9618"
    assert told["FILESYSTEM_DOMAIN"] == ("example.org" if shared else "node.example.org")
    assert {name: told[name] for name in expected} == expected
    assert str(told["STARTD_ATTRS"]).split()[-1] == "DodasMark"


@pytest.mark.parametrize(("idle", "many"), [("8s", 1), ("2m", 0)])
def test_a_worker_that_may_go_before_its_first_job_is_remarked_upon(idle: str, many: int) -> None:
    pool = parse(_FILE.replace("other: {", f"other: {{idle: {idle}, "))
    assert len([one for one in remarks(pool, 0) if one.startswith("flavours.other: a worker may go")]) == many


def test_what_was_found_is_read_again_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = made(tmp_path, monkeypatch)
    assert Definition.of(layout) == _DEFINITION
    assert not layout.has_keeper


def test_a_file_is_parsed_again_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = made(tmp_path, monkeypatch)
    first = described()
    assert described() is first
    assert first.manager.token == str(tmp_path / "token")
    whole.write(layout.description, _FILE.replace("other", "third"))
    second = described()
    assert [one.name for one in second.flavours] == ["small", "third"]
    replace(_DEFINITION, existing=replace(_EXISTING, users=("bob",))).write(layout)
    assert '"bob"' in described().flavours[1].start
    whole.write(layout.at("pool.from"), "/elsewhere")
    assert described().manager.token == "/elsewhere/token"
    whole.write(layout.description, "dodas: 1\n")
    with pytest.raises(SpecError):
        described()
    whole.write(layout.description, _FILE)
    assert described().flavours[0].name == "small"


def described() -> PoolDescription:
    return on_demand.described("joining")


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Return a pool that is there, and not up."""
    monkeypatch.setenv("DODAS_STATE", str(folder / "state"))
    layout = Layout("joining")
    Path(layout.root).mkdir(parents=True)
    _DEFINITION.write(layout)
    whole.write(layout.description, _FILE)
    whole.write(layout.at("pool.from"), str(folder))
    return layout
