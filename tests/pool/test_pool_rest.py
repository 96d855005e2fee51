"""A REST service that is well, ill, away, hostile: what providers see of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.pool.providers.base import (
    NotAuthorised,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    Refused,
)
from dodas.pool.providers.rest import NotFound, Patience, Service
from dodas.pool.providers.rest_faults import fault, reason, redact, secrets_of
from servers.pki import Pki
from servers.ports import free_port
from servers.scripted import Answer, Scripted, answer, scripted

TOKEN = "s3cr3t-of-the-user"


class Time:
    """A clock that only goes on while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self) -> Patience:
        return Patience(sleep=self.sleep, clock=lambda: self.now)


def bearer(fresh: bool) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {TOKEN}"}


def service(server: Scripted, time: Time | None = None) -> Service:
    url = f"http://localhost:{server.port}/api/"
    return Service(name="the cloud", url=url, headers=bearer, patience=(time or Time()).patience())


def test_a_call_says_who_asks_and_what_it_wants() -> None:
    with scripted(answer(200, b'{"a": [1]}')) as server:
        done = service(server).ask("PUT", "/thing", params={"of": "a b&c"}, data={"é": 1})
    assert done.json() == {"a": [1]}
    [asked] = server.asked
    assert asked.target == "/api/thing?of=a+b%26c"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["accept"] == "application/json"
    assert json.loads(asked.body) == {"é": 1}


def test_a_body_in_chunks_is_read_whole() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n3\r\n 2]\r\n0\r\n\r\n"
    with scripted(lambda asked: Answer(data=chunked)) as server:
        assert service(server).ask("GET", "/").json() == [1, 2]


def test_a_renewed_token_is_used_and_an_old_one_read_once_more() -> None:
    given_: list[bool] = []

    def headers(fresh: bool) -> Mapping[str, str]:
        given_.append(fresh)
        return {"Authorization": "Bearer new-token" if fresh else "Bearer old-token"}

    def judge(asked: object) -> object:
        good = "new-token" in asked.headers["authorization"]  # type: ignore[attr-defined]
        return answer(200 if good else 401)

    with scripted(judge) as server:  # type: ignore[arg-type]
        cloud = Service(name="the cloud", url=f"http://127.0.0.1:{server.port}", headers=headers)
        assert cloud.ask("POST", "/").status == 200
    assert given_ == [False, True]


def test_credentials_that_stay_refused_are_shown_twice_and_never_told() -> None:
    with (
        scripted(answer(401, f'{{"message": "Token {TOKEN} expired"}}'.encode())) as server,
        pytest.raises(NotAuthorised) as caught,
    ):
        service(server).ask("GET", "/")
    assert len(server.asked) == 2
    assert "Token *** expired" in str(caught.value)
    assert "dodas auth login" in caught.value.hint


def test_a_busy_service_is_asked_again_when_it_wants_to() -> None:
    time = Time()
    with scripted(answer(503, b"later"), answer(429, b"", "Retry-After: 7"), answer(200, b"{}")) as server:
        assert service(server, time).ask("GET", "/").status == 200
    assert len(time.slept) == 2
    assert time.slept[1] == 7


def test_what_cannot_be_repeated_is_not_repeated() -> None:
    with scripted(answer(503, b"later", "Retry-After: 90")) as server:
        with pytest.raises(ProviderUnavailable) as caught:
            service(server).ask("POST", "/")
        assert len(server.asked) == 1
    assert caught.value.retry_after == 90


def test_a_service_that_wants_more_time_than_a_call_has_gets_it_from_the_caller() -> None:
    time = Time()
    with scripted(answer(429, b"", "Retry-After: 600")) as server:
        with pytest.raises(ProviderUnavailable) as caught:
            service(server, time).ask("GET", "/")
        assert len(server.asked) == 1
    assert (caught.value.retry_after, time.slept) == (600, [])


def test_a_service_in_trouble_is_given_up_within_a_minute() -> None:
    time = Time()
    with scripted(answer(503)) as server:
        with pytest.raises(ProviderUnavailable):
            service(server, time).ask("GET", "/")
        assert 2 <= len(server.asked) <= 6
    assert time.now <= 60


def test_several_calls_together_take_no_longer_than_one() -> None:
    time = Time()
    with scripted(answer(200, b"{}")) as server:
        cloud = service(server, time)
        with cloud.together():
            cloud.ask("GET", "/")
            time.now += 61
            with pytest.raises(ProviderUnavailable, match="too slow"):
                cloud.ask("GET", "/")
        cloud.ask("GET", "/")
        assert len(server.asked) == 2


def test_nobody_there() -> None:
    time = Time()
    nobody = Service(name="the cloud", url=f"http://127.0.0.1:{free_port()}", patience=time.patience())
    with pytest.raises(ProviderUnavailable, match=r"the cloud at 127\.0\.0\.1:\d+ refuses connections"):
        nobody.ask("GET", "/")


def test_a_silent_service_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(answer(200, b"", then="hold")) as server:
        server.replies = [Answer(data=b"HTTP/1.1 200 OK\r\nContent-Le", then="hold")]
        cloud = Service(
            name="the cloud", url=f"http://127.0.0.1:{server.port}", patience=Patience(read=0.2, attempts=1)
        )
        with pytest.raises(ProviderUnavailable, match="fell silent"):
            cloud.ask("GET", "/")


def test_a_connection_cut_in_the_body_is_no_answer() -> None:
    with scripted(Answer(data=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", then="close")) as server:
        with pytest.raises(ProviderUnavailable, match="broke off"):
            service(server).ask("GET", "/")
        assert len(server.asked) == 4


def test_a_web_page_instead_of_an_answer() -> None:
    with (
        scripted(answer(200, b"<html>log in</html>")) as server,
        pytest.raises(ProviderUnavailable, match="not JSON"),
    ):
        service(server).ask("GET", "/").json()


def test_credentials_do_not_cross_a_network_in_clear() -> None:
    cloud = Service(name="the cloud", url="http://cloud.example.org", headers=bearer)
    with pytest.raises(Refused, match="without encryption"):
        cloud.ask("GET", "/")


@pytest.mark.parametrize(
    "url",
    ["", "cloud", "ftp://cloud", "https://", "https://cloud:port", "https://cloud/?a=b", "https://[::1"],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(Refused, match="address"):
        Service(name="the cloud", url=url)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(Refused) as caught:
        Service(name="the cloud", url="https://alice:opensesame@cloud.example.org")
    assert "opensesame" not in str(caught.value)


def test_a_redirection_is_not_followed_with_credentials() -> None:
    with (
        scripted(answer(302, b"", "Location: http://localhost:1/")) as server,
        pytest.raises(Refused, match="elsewhere"),
    ):
        service(server).ask("GET", "/")


def test_the_named_authority_is_believed_whatever_the_environment_says(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other") / "bundle.pem"
    other.write_text("")
    with scripted(answer(200, b"{}"), pki=pki) as server:
        url = f"https://localhost:{server.port}"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
        assert Service(name="the cloud", url=url, ca_file=str(pki.ca)).ask("GET", "/").status == 200
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with pytest.raises(ProviderUnavailable, match="not trusted"):
            Service(name="the cloud", url=url).ask("GET", "/")


def test_an_authority_that_cannot_be_read() -> None:
    cloud = Service(name="the cloud", url=f"https://localhost:{free_port()}", ca_file="/no/such/file.pem")
    with pytest.raises(Refused, match="certificates"):
        cloud.ask("GET", "/")


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "no such image", Refused),
        (403, "not yours", NotAuthorised),
        (403, "exceeded quota: compute, requested: pods=1", QuotaExceeded),
        (403, 'cannot list resource "resourcequotas"', NotAuthorised),
        (404, "no such infrastructure", NotFound),
        (409, "is being updated", ProviderUnavailable),
        (422, '{"detail": [{"loc": ["body", "x"], "msg": "Field required"}]}', Refused),
        (500, "Quota exceeded for cores", QuotaExceeded),
        (500, "Internal Server Error", ProviderUnavailable),
        (429, "quota of requests exceeded", ProviderUnavailable),
    ],
)
def test_every_refusal_has_its_class(status: int, text: str, kind: type[ProviderError]) -> None:
    found = fault("the cloud", "GET /x", status, text)
    assert type(found) is kind
    assert found.hint


def test_what_a_form_lacks_is_named() -> None:
    text = json.dumps({"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]})
    assert reason(text) == "body.x: Field required"


def test_a_traceback_is_no_reason() -> None:
    frames = "\n\t\tFile /site-packages/toscaparser/x.py, line 3, in y\n\t\t\traise z()" * 200
    text = (
        "Error Creating Inf.: The input failed validation with the following error(s): \n"
        f'\n\tInvalidTypeError: Type "a" is not valid.{frames}'
        f'\n\tMissingRequiredFieldError: Node "b" lacks "type".{frames}'
    )
    assert reason(json.dumps({"message": text, "code": 400})) == (
        'Type "a" is not valid; Node "b" lacks "type"'
    )


def test_a_python_traceback_gives_its_last_line() -> None:
    text = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\nValueError: bad'
    assert reason(text) == "bad"


def test_a_web_page_is_no_reason() -> None:
    assert reason("<!DOCTYPE html><html><h1>502 Bad Gateway</h1></html>") == ""


def test_secrets_of_lines_for_an_infrastructure_manager_are_known() -> None:
    lines = "type = InfrastructureManager; username = alice; password = open sesame\\nid = o; token = abc123"
    assert secrets_of({"Authorization": lines}) == ("open sesame", "abc123")


def test_the_password_of_basic_credentials_is_known() -> None:
    basic = base64.b64encode(b"alice:open sesame").decode()
    assert secrets_of({"Authorization": f"Basic {basic}"}) == (basic, "open sesame")


@given(st.text(min_size=3).filter(str.strip), st.text(), st.text())
def test_a_known_secret_is_in_no_reason(secret: str, before: str, after: str) -> None:
    shown = redact(f"{before}{secret}{after}", [secret])
    assert secret not in shown or secret in "***" or secret in f"{before}***" or secret in f"***{after}"


@given(st.text())
def test_any_answer_gives_at_most_two_short_printable_lines(text: str) -> None:
    found = reason(text)
    assert len(found) <= 2 * 301 + 2
    assert found.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefghijklmnopqrstuvwxyz",
        "password = abcdefghijklmnopqrstuvwxyz; x",
        '{"token": "abcdefghijklmnopqrstuvwxyz"}',
        "https://me:abcdefghijklmnopqrstuvwxyz@host/path",
        "eyJabcdefghijk.eyJabcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_what_looks_like_a_secret_is_not_shown(text: str) -> None:
    assert "abcdefghijklmnopqrstuvwxyz" not in redact(text)
