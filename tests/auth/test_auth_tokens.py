"""Bearer tokens: the four places of WLCG discovery, and what is refused there."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.auth.credentials import Credentials
from dodas.auth.discovery import TokenFinder
from dodas.auth.tokens import expiry, token
from dodas.errors import NotAllowed

NAME = f"bt_u{os.geteuid()}"


def write(file: Path, text: str, mode: int = 0o600) -> Path:
    """Write a file as those do who renew tokens: under another name first."""
    part = file.with_name("part")
    part.write_text(text)
    part.chmod(mode)
    return part.replace(file)


def jwt(**claims: object) -> str:
    parts = ({"alg": "none"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*encoded, "c2ln"))


def found(environ: dict[str, str], tmp: Path) -> str | None:
    one = TokenFinder(environ, tmp=str(tmp)).find()
    return one.value if one else None


def test_the_places_in_their_order(tmp_path: Path) -> None:
    runtime, tmp = tmp_path / "run", tmp_path / "tmp"
    runtime.mkdir()
    tmp.mkdir()
    named = write(tmp_path / "named", "of-the-file\n")
    write(runtime / NAME, " of-the-session ")
    write(tmp / NAME, "of-tmp")
    environ = {
        "BEARER_TOKEN": "of-the-environment",
        "BEARER_TOKEN_FILE": str(named),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    seen = []
    for name in ("BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR"):
        seen.append(found(environ, tmp))
        del environ[name]
    assert seen == ["of-the-environment", "of-the-file", "of-the-session"]
    assert found(environ, tmp) == "of-tmp"
    (tmp / NAME).unlink()
    assert found(environ, tmp) is None


def test_a_blank_place_is_none(tmp_path: Path) -> None:
    write(tmp_path / NAME, "of-tmp")
    run = tmp_path / "run"
    run.mkdir()
    write(run / NAME, "\n")
    assert found({"BEARER_TOKEN": " ", "XDG_RUNTIME_DIR": str(run)}, tmp_path) == "of-tmp"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o777])
def test_a_token_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path / NAME, "SECRET", mode)
    for environ in ({}, {"BEARER_TOKEN_FILE": str(file)}):
        with pytest.raises(NotAllowed, match="other users") as caught:
            found(environ, tmp_path)
        assert f"chmod 600 {file}" in caught.value.hint
        assert "SECRET" not in str(caught.value)


def test_what_others_put_into_tmp_is_not_taken(tmp_path: Path) -> None:
    target = write(tmp_path / "target", "of-somebody")
    (tmp_path / NAME).symlink_to(target)
    assert found({}, tmp_path) is None
    (tmp_path / NAME).unlink()
    if os.geteuid() == 0:
        write(tmp_path / NAME, "of-somebody")
        os.chown(tmp_path / NAME, 12345, 12345)
        assert found({}, tmp_path) is None


@pytest.mark.parametrize(
    "text", ["two words", "Bearer x", '"quoted"', "line\nbreak", "caf\u00e9", "a=b", "{}"]
)
def test_what_is_no_token_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    file = write(tmp_path / "file", text)
    for environ in ({"BEARER_TOKEN": text}, {"BEARER_TOKEN_FILE": str(file)}):
        with pytest.raises(NotAllowed, match="BEARER_TOKEN") as caught:
            found(environ, tmp_path)
        assert text not in str(caught.value)


def test_a_named_file_has_to_be_there(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    for path in (tmp_path / "none", tmp_path, fifo):
        with pytest.raises(NotAllowed, match="BEARER_TOKEN_FILE"):
            found({"BEARER_TOKEN_FILE": str(path)}, tmp_path)


def test_a_file_is_read_again_when_it_was_replaced(tmp_path: Path) -> None:
    file = write(tmp_path / "file", "one")
    credentials = Credentials({"BEARER_TOKEN_FILE": str(file)})
    first = credentials.token()
    assert first is not None
    assert credentials.token() is first
    assert credentials.renewed(first) is None
    write(file, "two")
    second = credentials.token()
    assert second is not None
    assert (first.value, second.value) == ("one", "two")
    assert credentials.renewed(first) == second


def test_a_renewed_token_is_found_though_the_file_looks_the_same(tmp_path: Path) -> None:
    file = write(tmp_path / "file", "one")
    credentials = Credentials({"BEARER_TOKEN_FILE": str(file)})
    first = credentials.token()
    assert first is not None
    before = file.stat()
    with file.open("r+") as stream:
        stream.write("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    renewed = credentials.renewed(first)
    assert renewed is not None
    assert renewed.value == "two"


def test_the_environment_is_looked_at_each_time() -> None:
    environ = {"BEARER_TOKEN": "one"}
    credentials = Credentials.from_environment(environ)
    assert credentials.token() is not None
    environ["BEARER_TOKEN"] = "two"
    renewed = credentials.token()
    assert renewed is not None
    assert renewed.value == "two"


def test_nobody_has_nothing() -> None:
    nobody = Credentials.none()
    assert (nobody.token(), nobody.certificate()) == (None, None)


def test_many_threads_find_the_same(tmp_path: Path) -> None:
    file = write(tmp_path / "file", "one")
    credentials = Credentials({"BEARER_TOKEN_FILE": str(file)})
    seen: set[str] = set()

    def look() -> None:
        for _ in range(200):
            one = credentials.token()
            assert one is not None
            seen.add(one.value)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        write(file, f"token-{number}")
    for thread in threads:
        thread.join()
    assert seen <= {"one", *(f"token-{number}" for number in range(100))}


def test_a_token_does_not_show_itself() -> None:
    secret = token(jwt(exp=5), "BEARER_TOKEN")
    assert secret is not None
    assert secret.value not in f"{secret} {secret!r} {[secret]}"
    assert secret.expires == 5


@pytest.mark.parametrize(
    ("value", "end"),
    [
        (jwt(exp=1_700_000_000), 1_700_000_000.0),
        (jwt(exp=1.5), 1.5),
        (jwt(), None),
        (jwt(exp="soon"), None),
        (jwt(exp=True), None),
        (jwt(exp=None), None),
        ("opaque", None),
        ("a.b.c", None),
        ("..", None),
        ("a.W10.c", None),  # a list
    ],
)
def test_when_a_token_ends(value: str, end: float | None) -> None:
    assert expiry(value) == end


@given(st.text())
def test_any_text_is_a_token_or_none_or_refused(text: str) -> None:
    try:
        one = token(text, "the test")
    except NotAllowed:
        return
    assert one is None or one.value == text.strip()
    assert one is None or not set(one.value) & set(" \r\n\t\0")
