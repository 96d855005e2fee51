"""Whatever networks and servers do: a pull ends with the right image, or with none and a clear word."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import lying_registry as lies
from dodas.containers import keystore
from dodas.containers.credentials import Login
from dodas.containers.progress import Progress
from dodas.containers.reference import Reference
from dodas.containers.registry.authority import Authority
from dodas.containers.registry.endpoints import Surroundings
from dodas.containers.registry.patience import Patience
from dodas.containers.registry.pull import pull
from dodas.containers.registry.wire import Wire
from dodas.containers.store import Store
from dodas.errors import ImageCorrupt, ImageError, ImageNotAllowed, ImageNotFound, RegistryUnreachable
from lying_registry import Liar, run_liar
from registry_server import digest, make_image, make_index
from stored import assert_no_leftovers, assert_stored, images

BIG = random.Random(1).randbytes(3 << 20)  # does not compress: several chunks


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith(("UDOCKER_", "DODAS_REGISTRY", "DODAS_INSECURE", "REGISTRY_AUTH")):
            monkeypatch.delenv(name)


@pytest.fixture
def liar() -> Iterator[Liar]:
    with run_liar(make_image({"big": BIG}, {"small": b"x"})) as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def patience(pauses: list[float]) -> Patience:
    return Patience(silence=0.5, sleep=pauses.append)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def layer(liar: Liar) -> str:
    """Return the path of the large layer's blob."""
    return f"/blobs/{digest(liar.image.layers[0])}"


def get(liar: Liar, store: Store, patience: Patience, name: str = "a/b:1") -> None:
    pull(store, Reference.parse(f"{liar.host}/{name}"), patience=patience)
    assert_stored(store, f"{liar.host}/{name}", liar.image)


def test_an_honest_registry(liar: Liar, store: Store, patience: Patience, pauses: list[float]) -> None:
    told: list[Progress] = []
    image = pull(store, Reference.parse(f"{liar.host}/a:1"), patience=patience, progress=told.append)
    assert image.digest == liar.image.digest
    assert_stored(store, f"{liar.host}/a:1", liar.image)
    assert pauses == []
    whole = {word.what: word.total for word in told if word.done == word.total}
    assert sum(filter(None, whole.values())) == sum(map(len, liar.image.layers))


def test_nothing_is_fetched_twice(liar: Liar, store: Store, patience: Patience) -> None:
    get(liar, store, patience)
    get(liar, store, patience)
    get(liar, store, patience, "other:2")
    assert len(liar.asked("/blobs/")) == 3


@pytest.mark.parametrize("lie", [lies.truncated, lies.short, lies.stalled])
def test_what_breaks_off_is_resumed(
    lie: lies.Lie, liar: Liar, store: Store, patience: Patience, pauses: list[float]
) -> None:
    liar.lies[layer(liar)] = [lie]
    get(liar, store, patience)
    first, second = liar.asked(layer(liar))
    assert "Range" not in first
    assert re.fullmatch(r"bytes=[1-9]\d*-", second["Range"])
    assert len(pauses) == 1


def test_resumes_as_often_as_it_gets_on(liar: Liar, store: Store, patience: Patience) -> None:
    liar.lies[layer(liar)] = [lies.truncated] * 12
    get(liar, store, patience)


def test_a_server_without_ranges(liar: Liar, store: Store, patience: Patience) -> None:
    liar.lies[layer(liar)] = [lies.truncated, lies.from_the_start]
    get(liar, store, patience)


def test_a_server_that_cannot_resume(liar: Liar, store: Store, patience: Patience) -> None:
    liar.lies[layer(liar)] = [lies.truncated, lies.status(416)]
    get(liar, store, patience)


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        (lies.truncated, RegistryUnreachable),
        (lies.short, RegistryUnreachable),
        (lies.corrupt, ImageCorrupt),
        (lies.longer, ImageCorrupt),
        (lies.web_page, RegistryUnreachable),
        (lies.stalled, RegistryUnreachable),
        (lies.hang_up, RegistryUnreachable),
        (lies.status(500), RegistryUnreachable),
        (lies.status(404), ImageNotFound),
        (lies.status(403), ImageNotAllowed),
    ],
)
@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_what_never_gets_better_is_told_and_leaves_nothing(
    part: str, lie: lies.Lie, error: type[ImageError], liar: Liar, store: Store, patience: Patience
) -> None:
    liar.lies[part if part == "/manifests/" else layer(liar)] = [lie]
    liar.for_ever = True
    with pytest.raises(error if part == "/blobs/" else ImageError) as caught:
        pull(store, Reference.parse(f"{liar.host}/a@{liar.image.digest}"), patience=patience)
    assert caught.value.hint
    assert images(store) == []
    assert_no_leftovers(store)
    liar.lies.clear()
    get(liar, store, patience)


@pytest.mark.parametrize("lie", [lies.truncated, lies.hang_up, lies.stalled, lies.status(502)])
def test_a_manifest_is_asked_for_again(
    lie: lies.Lie, liar: Liar, store: Store, patience: Patience, pauses: list[float]
) -> None:
    liar.lies["/manifests/"] = [lie]
    get(liar, store, patience)
    assert len(pauses) == 1


def test_the_page_of_a_captive_portal_is_called_by_its_name(
    liar: Liar, store: Store, patience: Patience, pauses: list[float]
) -> None:
    for part in ("/manifests/", layer(liar)):
        liar.lies = {part: [lies.web_page]}
        with pytest.raises(RegistryUnreachable, match="web page"):
            get(liar, store, patience)
    assert pauses == []


def test_a_pause_that_is_asked_for_is_made(
    liar: Liar, store: Store, patience: Patience, pauses: list[float]
) -> None:
    liar.lies["/manifests/"] = [lies.status(429, Retry_After="7"), lies.status(503)]
    get(liar, store, patience)
    assert pauses[0] == 7
    assert len(pauses) == 2


def test_a_pause_too_long_is_not_made(
    liar: Liar, store: Store, patience: Patience, pauses: list[float]
) -> None:
    liar.lies["/manifests/"] = [lies.status(429, Retry_After="3600")]
    with pytest.raises(RegistryUnreachable, match=r"429.*3600 s") as caught:
        get(liar, store, patience)
    assert "DODAS_REGISTRY_MIRRORS" in caught.value.hint
    assert pauses == []


def test_a_manifest_must_have_the_digest_asked_for(liar: Liar, store: Store, patience: Patience) -> None:
    with pytest.raises(ImageCorrupt):
        get(liar, store, patience, f"a@sha256:{'0' * 64}")
    get(liar, store, patience, f"a@{liar.image.digest}")


def test_a_manifest_must_have_the_digest_it_comes_with(liar: Liar, store: Store, patience: Patience) -> None:
    wrong = {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
    liar.lies["/manifests/"] = [lambda handler, content: handler.reply(200, content, wrong)]
    with pytest.raises(ImageCorrupt):
        get(liar, store, patience)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b"[]", b"\xff", b"{" * 100_000, b"[" * 100_000, b"x" * (5 << 20), b'{"manifests": 1}'),
        *(
            b'{"schemaVersion": 1, "fsLayers": []}',
            b'{"config": {"digest": "../../x", "size": 1}, "layers": []}',
        ),
        *(b'{"manifests": [1]}', b'{"layers": [], "config": {"digest": 1, "size": 1, "mediaType": "helm"}}'),
    ],
)
def test_manifests_without_sense(content: bytes, liar: Liar, store: Store, patience: Patience) -> None:
    liar.lies["/manifests/"] = [lambda handler, _: handler.reply(200, content)]
    with pytest.raises(ImageError) as caught:
        get(liar, store, patience)
    assert str(caught.value).isprintable()
    assert images(store) == []


def test_an_index_that_lists_itself_ends(liar: Liar, store: Store, patience: Patience) -> None:
    index = make_index([(liar.image, {"os": "linux", "architecture": "amd64"})])
    liar.for_ever = True
    liar.lies["/manifests/"] = [lambda handler, _: handler.reply(200, index)]
    with pytest.raises(ImageError):
        get(liar, store, patience)


# --- authorization ---


def wants(scheme: str, good: str, then: lies.Lie | None = None) -> lies.Lie:
    """Serve what comes with the authorization ``good``; challenge everything else."""

    def lie(handler: lies.Handler, content: bytes) -> None:
        if handler.headers.get("Authorization") != good:
            handler.reply(401, b"{}", {"WWW-Authenticate": scheme})
        elif then is not None:
            then(handler, content)
        else:
            handler.serve(content)

    return lie


def test_secrets_do_not_follow_a_redirection(liar: Liar, store: Store, patience: Patience) -> None:
    keystore.remember(f"http://{liar.host}", "anna", "secret")
    basic = f"Basic {keystore.encode('anna', 'secret')}"
    with run_liar(liar.image) as elsewhere:
        target = f"http://{elsewhere.host}/store{layer(liar)}?signature=s3cr3t"
        liar.for_ever = True
        liar.lies[layer(liar)] = [wants('Basic realm="x"', basic, lies.redirect(target))]
        get(liar, store, patience)
        assert liar.asked(layer(liar))[-1]["Authorization"] == basic
        (asked,) = elsewhere.asked("/store/")
        assert "Authorization" not in asked
        # nor does a signed address appear in an error
        elsewhere.lies["/store/"] = [lies.status(403)]
        other = Store(f"{store.root}-2")
        with pytest.raises(RegistryUnreachable) as caught:
            get(liar, other, patience)
        assert "s3cr3t" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_password_in_netrc_is_left_there(
    liar: Liar, store: Store, patience: Patience, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login anna password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    get(liar, store, patience)
    assert not any("Authorization" in headers for _, headers in liar.requests)


def test_a_token_that_runs_out_is_renewed(store: Store, patience: Patience) -> None:
    valid: set[str] = set()
    numbers = iter(range(100))

    def good_for_one_request(handler: lies.Handler, content: bytes) -> None:
        if "/token" in handler.path:
            token = f"t{next(numbers)}"
            valid.add(f"Bearer {token}")
            handler.reply(200, json.dumps({"access_token": token}).encode())
        elif handler.headers.get("Authorization") not in valid:
            handler.reply(
                401, b"{}", {"WWW-Authenticate": f'Bearer realm="http://{handler.liar.host}/token"'}
            )
        else:
            valid.clear()
            half = len(content) > 1 << 20 and "Range" not in handler.headers
            lies.truncated(handler, content) if half else handler.serve(content)

    with run_liar(make_image({"big": BIG})) as liar:
        liar.lies["/"] = [good_for_one_request]
        liar.for_ever = True
        get(liar, store, patience)
        assert len(liar.asked("/token")) > 3
        assert {
            parse_qs(urlsplit(path).query)["scope"][0] for path, _ in liar.requests if "/token" in path
        } == {"repository:a/b:pull"}


def test_an_identity_token_is_exchanged(liar: Liar, store: Store, patience: Patience, tmp_path: Path) -> None:
    """Some clouds' logins leave a token in Docker's configuration, not a password."""
    config = tmp_path / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {liar.host: {"identitytoken": "i/d+1"}}}))
    forms = []

    def exchange(handler: lies.Handler, _: bytes) -> None:
        forms.append(parse_qs(handler.rfile.read(int(handler.headers["Content-Length"])).decode()))
        handler.reply(200, b'{"access_token": "t"}')

    bearer = f'Bearer realm="http://{liar.host}/token",service="cloud"'
    liar.lies = {"/token": [exchange], "/manifests/": [wants(bearer, "Bearer t")] * 2}
    get(liar, store, patience)
    assert forms == [
        {
            "grant_type": ["refresh_token"],
            "client_id": ["dodas"],
            "refresh_token": ["i/d+1"],
            "service": ["cloud"],
            "scope": ["repository:a/b:pull"],
        }
    ]
    assert not any("i/d" in str(headers) for _, headers in liar.requests)


def test_a_login_for_https_is_not_sent_in_clear(liar: Liar, patience: Patience) -> None:
    with Wire(Surroundings({}), patience) as wire:
        authority = Authority(
            wire,
            host="quay.io",
            encrypted=True,
            scope="",
            find_login=lambda: Login(user="anna", secret="s3cr3t"),
        )
        with pytest.raises(ImageError, match="unencrypted"):
            authority.renew(f'Bearer realm="http://{liar.host}/token"', used="")
    assert liar.requests == []


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"token": 1}', b'{"token": "a\\r\\nX-Evil: 1"}'])
def test_a_token_server_without_tokens(answer: bytes, liar: Liar, store: Store, patience: Patience) -> None:
    liar.lies = {
        "/token": [lambda handler, _: handler.reply(200, answer)],
        "/manifests/": [wants(f'Bearer realm="http://{liar.host}/token"', "Bearer t")],
    }
    with pytest.raises(RegistryUnreachable, match="token"):
        get(liar, store, patience)


def test_plain_http_needs_a_word(
    liar: Liar, store: Store, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirection leads to a host of the network that is not spoken to in clear."""
    liar.lies[layer(liar)] = [lies.redirect(f"http://registry.example.org{layer(liar)}")]
    with pytest.raises(RegistryUnreachable, match="without encryption") as caught:
        get(liar, store, patience)
    assert "DODAS_INSECURE_REGISTRIES=registry.example.org" in caught.value.hint


def test_loopback_is_not_sought_behind_a_proxy(
    liar: Liar, store: Store, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    get(liar, store, patience)


def test_other_hosts_are_sought_behind_the_proxy(
    store: Store, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://anna:s3cr3t@127.0.0.1:9")
    with pytest.raises(RegistryUnreachable, match="proxy that does not answer") as caught:
        pull(store, Reference.parse("registry.example.org/a"), patience=patience)
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


def test_redirections_end(liar: Liar, store: Store, patience: Patience) -> None:
    liar.for_ever = True
    liar.lies["/manifests/"] = [lies.redirect("/v2/a/b/manifests/1")]
    with pytest.raises(RegistryUnreachable, match="redirects without end"):
        get(liar, store, patience)


def test_nobody_there(liar: Liar, store: Store, pauses: list[float], patience: Patience) -> None:
    with pytest.raises(RegistryUnreachable, match="refuses connections") as caught:
        pull(store, Reference.parse("127.0.0.1:9/a"), patience=patience)
    assert len(pauses) == 2
    assert "dodas image load" in caught.value.hint


# --- processes ---


def spawn(liar: Liar, store: Store, name: str = "a/b:1") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dodas", "image", "pull", f"{liar.host}/{name}"],
        env={**os.environ, "DODAS_STORE": store.root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_killed_pull_leaves_nothing_and_the_next_one_goes_on(
    liar: Liar, store: Store, patience: Patience
) -> None:
    liar.lies[layer(liar)] = [lies.stalled]
    process = spawn(liar, store)
    assert liar.stalled.wait(60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert images(store) == []
    get(liar, store, patience)
    assert len(liar.asked(layer(liar))) == 2


def test_ctrl_c_ends_a_pull(liar: Liar, store: Store) -> None:
    liar.lies[layer(liar)] = [lies.stalled]
    process = spawn(liar, store)
    assert liar.stalled.wait(60)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in complaint


def test_sixteen_processes_fetch_each_layer_once(liar: Liar, store: Store) -> None:
    processes = [spawn(liar, store, f"a/b:{number % 4}") for number in range(16)]
    for process in processes:
        _, complaint = process.communicate(timeout=200)
        assert process.returncode == 0, complaint.decode()
    assert len(liar.asked("/blobs/")) == len(liar.image.blobs)
    for number in range(4):
        assert_stored(store, f"{liar.host}/a/b:{number}", liar.image)
    assert_no_leftovers(store)
