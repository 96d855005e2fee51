"""Pieces of a login, each for itself: what is read, what is sent, when it is asked again."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.auth.login import device
from dodas.auth.login.asking import EXCHANGE, Asking, aimed_at, joined
from dodas.auth.login.client import Client, client
from dodas.auth.login.connecting import Received, Sent
from dodas.auth.login.faults import AnswerLost, IssuerUnreachable, LoginNeeded, plain
from dodas.auth.login.granted import AccessToken, Granted, claims_of, granted
from dodas.auth.login.obtaining import Obtaining, Wanted
from dodas.auth.login.provider import Provider, discover
from dodas.auth.login.record import Record, from_json, to_json
from dodas.auth.login.renewal import Renewal
from dodas.auth.login.store import NotKept, Store
from dodas.auth.login.trusted import is_loopback, issuer_url, may_see_secrets
from dodas.auth.login.wire import Wire
from dodas.errors import NotAllowed, SpecError
from servers.pki import Pki
from servers.scripted import Answer, Reply, Scripted, answer, scripted

SECRET = "s3cret-of-ours"


def jwt(**claims: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


def said(status: int = 200, **body: object) -> Reply:
    return answer(status, json.dumps(body).encode())


def wire(pki: Pki, *, seconds: float = 60, sleep: Callable[[float], None] = lambda _: None) -> Wire:
    return Wire({"SSL_CERT_FILE": str(pki.ca)}, seconds=seconds, sleep=sleep)


def prompt(**changed: float) -> device.Prompt:
    usual = {"seconds": 600.0, "interval": 5.0, **changed}
    return device.Prompt(code=SECRET, user_code="ABCD", url="u", complete="", **usual)


def asking(server: Scripted, pki: Pki) -> Asking:
    return Asking(wire(pki), Provider(issuer="i", token=server.url("token")), Client(id="c"))


def test_the_pace_of_the_device_flow(pki: Pki) -> None:
    """RFC 8628, section 3.5: five seconds more when told so, twice as long when an answer is lost."""
    replies = [
        said(400, error="authorization_pending"),
        said(400, error="slow_down"),
        Answer(then="reset"),
        said(400, error="authorization_pending"),
        said(access_token="abc", token_type="bearer", expires_in=60),
    ]
    slept: list[float] = []
    with scripted(*replies, pki=pki) as server:
        got = device.wait(
            asking(server, pki), prompt(), audience="", again="", sleep=slept.append, clock=lambda: 0
        )
    assert got.access.value == "abc"
    assert slept == [5, 5, 10, 20, 20]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("expired_token", "nobody consented"),
        ("access_denied", "refused in the browser"),
        ("invalid_grant", "refuses"),
    ],
)
def test_the_end_of_the_device_flow(pki: Pki, error: str, words: str) -> None:
    with (
        scripted(said(400, error=error), pki=pki) as server,
        pytest.raises(LoginNeeded, match=words) as caught,
    ):
        device.wait(
            asking(server, pki), prompt(), audience="", again="dodas auth login", sleep=lambda _: None
        )
    assert caught.value.hint == "begin again: dodas auth login"


def test_the_device_flow_ends_by_itself(pki: Pki) -> None:
    clock = iter(range(0, 1000, 200))
    with (
        scripted(said(400, error="authorization_pending"), pki=pki) as server,
        pytest.raises(LoginNeeded, match="in time"),
    ):
        device.wait(
            asking(server, pki),
            prompt(),
            audience="",
            again="",
            sleep=lambda _: None,
            clock=lambda: next(clock),
        )
    assert len(server.asked) == 3


def test_what_may_have_arrived_is_not_sent_again(pki: Pki) -> None:
    for reply in (answer(500), Answer(then="reset"), Answer(data=b"HTTP", then="close")):
        with scripted(reply, pki=pki) as server:
            with pytest.raises(AnswerLost):
                wire(pki).post(server.url(), {"a": SECRET})
            assert len(server.asked) == 1
            with pytest.raises(IssuerUnreachable):
                wire(pki).get(server.url())
            assert len(server.asked) == 4


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_answer_of_nothing_is_a_lost_one(pki: Pki, body: bytes) -> None:
    with scripted(answer(200, body), pki=pki) as server, pytest.raises(AnswerLost, match="nothing"):
        asking(server, pki).refresh(SECRET)


def test_a_server_that_is_silent_is_not_waited_for(pki: Pki) -> None:
    began = time.monotonic()
    silent = answer(200, b"{}", then="hold").data
    with scripted(pki=pki) as server:
        for data in (b"", silent[:-1], silent[:20]):
            server.replies = [Answer(data=data, then="hold")]
            with pytest.raises(AnswerLost, match="silent") as caught:
                wire(pki, seconds=0.5).post(server.url(), {"a": SECRET})
            assert SECRET not in str(caught.value)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("body", [b"{", b'{"access_token"', b"x" * (2 << 20)])
def test_answers_that_are_cut_or_endless(pki: Pki, body: bytes) -> None:
    with scripted(answer(200, body), pki=pki) as server, pytest.raises(AnswerLost):
        wire(pki).post(server.url(), {"a": "b"})


def test_secrets_go_to_encrypted_places_only(pki: Pki) -> None:
    with pytest.raises(IssuerUnreachable, match="without encryption"):
        wire(pki).post("http://iam.example.org/token", {"a": SECRET})


def test_a_proxy_on_the_way(pki: Pki) -> None:
    with scripted(answer(407)) as proxy:
        environ = {"https_proxy": f"http://alice:open%20sesame@localhost:{proxy.port}"}
        through = Wire(environ, attempts=1, sleep=lambda _: None)
        with pytest.raises(IssuerUnreachable, match="behind a proxy") as caught:
            through.get("https://iam.invalid/")
        (asked,) = proxy.asked
        past = Wire({**environ, "NO_PROXY": "example.org, .invalid"}, attempts=1, sleep=lambda _: None)
        with pytest.raises(IssuerUnreachable, match="name service"):
            past.get("https://iam.invalid/")
        assert len(proxy.asked) == 1
    assert (asked.method, asked.target) == ("CONNECT", "iam.invalid:443")
    assert asked.headers["proxy-authorization"] == "Basic YWxpY2U6b3BlbiBzZXNhbWU="
    assert "sesame" not in str(caught.value)
    with pytest.raises(SpecError, match="HTTPS_PROXY"):
        Wire({"HTTPS_PROXY": "socks5://localhost"}).get("https://iam.invalid/")


def test_a_slash_at_the_end_of_an_issuer_makes_no_difference(pki: Pki) -> None:
    with scripted(pki=pki) as server:
        bare = server.url("").rstrip("/")
        for told, given_ in ((bare, f"{bare}/"), (f"{bare}/", bare)):
            server.replies = [said(issuer=told, token_endpoint=f"{bare}/token")]
            assert discover(wire(pki), given_, now=time.time()).issuer == told
        assert {one.target for one in server.asked} == {"/.well-known/openid-configuration"}


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"expires_in": 60}, 60.0),
        ({"expires_in": "60"}, 60.0),
        ({"expires_in": 1e400}, 300.0),
        ({"expires_in": True}, 300.0),
        ({}, 300.0),
        ({"access_token": jwt(exp=5060, iat=5000)}, 60.0),  # by a clock that is an hour ahead
        ({"access_token": jwt(exp=1500)}, 500.0),
        ({"access_token": jwt(exp=500)}, 0.0),
        ({"access_token": jwt(exp=5060, iat=5000), "expires_in": 30}, 30.0),
    ],
)
def test_how_long_a_token_is_good(body: dict[str, object], seconds: float) -> None:
    told = {"access_token": "abc", "token_type": "Bearer", **body}
    got = granted(told, issuer="i", now=1000.0, audience="", asked="")
    assert got.access.until == 1000 + seconds


@pytest.mark.parametrize(
    "body", [{}, {"access_token": ""}, {"access_token": "a b"}, {"access_token": "a", "token_type": "mac"}]
)
def test_what_is_no_token(body: dict[str, object]) -> None:
    with pytest.raises(NotAllowed):
        granted(body, issuer="i", now=0, audience="", asked="")


@pytest.mark.parametrize(
    ("life", "left", "due"),
    [
        (3600, 721, False),
        (3600, 719, True),
        (200, 61, False),
        (200, 59, True),
        (60, 31, False),
        (60, 29, True),
        (60, -5, True),
        (3600, 3700, True),  # the clock went back
    ],
)
def test_when_a_token_is_due(life: float, left: float, due: bool) -> None:
    one = AccessToken(value="v", got=10_000, until=10_000 + life)
    assert one.is_due(one.until - left) is due


def test_how_a_client_shows_its_secret() -> None:
    provider = Provider(issuer="i", token="t", methods=("client_secret_post",))
    assert client("a", "s", provider).fields == {"client_id": "a", "client_secret": "s"}
    assert client("a", "", provider).fields == {"client_id": "a"}
    basic = client("a b", "s:/+", Provider(issuer="i", token="t"))
    assert base64.b64decode(basic.authorization.removeprefix("Basic ")) == b"a+b:s%3A%2F%2B"
    assert basic.fields == {"client_id": "a b"}


def test_a_new_client_that_may_not_ask_for_all(pki: Pki, tmp_path: Path) -> None:
    """INDIGO IAM takes restricted scopes from it without a word, and refuses the login that asks for them."""
    warned: list[str] = []
    with scripted(pki=pki) as server:
        url = server.url("").rstrip("/")
        places = {
            f"{name}_endpoint": f"{url}/{name}" for name in ("token", "device_authorization", "registration")
        }
        server.replies = [
            answer(200, json.dumps({"issuer": url, **places}).encode()),
            said(201, client_id="new", client_secret="s", scope="openid"),
            said(device_code="d", user_code="u", verification_uri="v", interval=0),
            said(access_token="abc", expires_in=60),
        ]
        obtaining = Obtaining(
            Store(str(tmp_path)), wire(pki), show=lambda _: None, warn=warned.append, now=time.time
        )
        made = obtaining.log_in(Wanted(name="n", issuer=url, scopes=("storage.read:/", "openid")))
        (begin,) = [one for one in server.asked if one.target == "/device_authorization"]
    assert b"scope=openid&" in begin.body + b"&"
    assert (made.scope, made.client.id) == ("openid", "new")
    assert "ask for storage.read:/ offline_access;" in warned[0]


def test_rules_of_use_that_have_changed(pki: Pki, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with scripted(pki=pki) as server, store.locked("n") as held:
        url = server.url("").rstrip("/")
        server.replies = [
            said(issuer=url, token_endpoint=f"{url}/token"),
            said(400, error="invalid_grant", error_description="User anna needs to sign AUP"),
        ]
        record = held.mark(Record(name="n", issuer=url, flow="device", refresh=SECRET))
        with pytest.raises(LoginNeeded, match="AUP") as caught:
            Renewal(held, wire(pki), now=time.time).run(record, audience="", scope="")
    assert caught.value.hint == f"accept the rules of use at {url}, then try again"


def test_an_audience_as_indigo_iam_gives_it(pki: Pki, tmp_path: Path) -> None:
    """It lets few clients exchange tokens, and gives any audience to those who renew."""
    store, other = Store(str(tmp_path)), "https://dav.example.org"
    with scripted(pki=pki) as server, store.locked("n") as held:
        url = server.url("").rstrip("/")
        server.replies = [
            said(issuer=url, token_endpoint=f"{url}/token", grant_types_supported=[EXCHANGE]),
            said(401, error="invalid_client", error_description="Unauthorized grant type"),
            said(access_token=jwt(aud=other), refresh_token="next", expires_in=60),
        ]
        good = AccessToken(value="abc", got=time.time(), until=time.time() + 3600, scope="a offline_access")
        record = held.mark(Record(name="n", issuer=url, flow="device", refresh=SECRET, tokens=(good,)))
        made = Renewal(held, wire(pki), now=time.time).run(record, audience=other, scope="")
        exchange, renewal = (dict(parse_qsl(one.body.decode())) for one in server.asked[1:])
    assert (exchange["grant_type"], exchange["scope"]) == (EXCHANGE, "a")
    assert (renewal["audience"], "resource" in renewal) == (other, False)
    assert (made.refresh, made.token(other)) == ("next", made.tokens[0])


def test_whom_a_token_is_asked_for() -> None:
    assert aimed_at("") == {}
    assert aimed_at("name") == {"audience": "name"}
    assert aimed_at("https://a.example.org/x") == dict.fromkeys(
        ("audience", "resource"), "https://a.example.org/x"
    )
    assert joined(["b a", "a c"]) == "a b c"


def test_nothing_shows_its_secrets() -> None:
    token = AccessToken(value=SECRET, got=0, until=1)
    values = [
        Client(id="c", secret=SECRET, management_token=SECRET),
        token,
        Granted(access=token, refresh=SECRET, identity={"jti": SECRET}),
        Record(name="n", issuer="i", flow="device", refresh=SECRET, tokens=(token,)),
        Wanted(name="n", issuer="i", client_secret=SECRET, refresh=SECRET),
        Sent(method="POST", url="u", headers={"Authorization": SECRET}, body=SECRET.encode()),
        Received(status=200, headers={"x": SECRET}, body=SECRET.encode()),
        prompt(),
    ]
    assert SECRET not in f"{values!r} {[str(one) for one in values]}"


texts = st.text(max_size=20)
times = st.floats(0, 1e10)
tokens = st.builds(AccessToken, value=texts, got=times, until=times, scope=texts, audience=texts, asked=texts)
records = st.builds(
    Record,
    name=texts,
    issuer=texts,
    flow=texts,
    client=st.builds(Client, id=texts, secret=texts, method=texts, management=texts, management_token=texts),
    refresh=texts,
    refresh_until=st.none() | times,
    renewing=st.none() | times,
    groups=st.lists(texts).map(tuple),
    tokens=st.lists(tokens, max_size=3).map(tuple),
    serial=st.integers(0),
)


@given(records)
def test_a_login_is_read_as_it_was_written(record: Record) -> None:
    assert from_json(to_json(record)) == record
    assert from_json(to_json(record).replace('{"version": 1', '{"more": 2, "version": 1')) == record


@given(
    st.text()
    | st.recursive(st.none() | st.text(), lambda some: st.lists(some) | st.dictionaries(st.text(), some)).map(
        json.dumps
    )
)
def test_any_text_is_a_login_or_none(text: str) -> None:
    try:
        from_json(text)
    except ValueError as error:
        assert not text.strip() or len(text) < 9 or text not in str(error)


@given(st.text())
def test_any_issuer_is_encrypted_or_refused(text: str) -> None:
    try:
        url = issuer_url(text)
    except SpecError:
        return
    assert may_see_secrets(url)
    assert url.isprintable()


@given(st.text())
def test_any_text_of_others_can_be_shown(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable() or not any(ord(letter) < 32 or ord(letter) == 127 for letter in shown)
    assert len(shown) <= 200


@given(st.text())
def test_any_token_says_something_or_nothing(text: str) -> None:
    assert isinstance(claims_of(text), dict)
    assert isinstance(claims_of(f"a.{text}.c"), dict)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(NotKept, match="cannot keep the login"),
        Store(str(tmp_path / "file")).locked("x"),
    ):
        pass
    assert Store(str(tmp_path / "file")).names() == []
