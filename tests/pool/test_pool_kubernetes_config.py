"""Where a cluster is and who asks: kubeconfigs of all kinds, and the programs that they name."""

from __future__ import annotations

import base64
import json
import os
import shlex
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dodas.pool.description.model import ProviderSettings
from dodas.pool.providers import kubernetes_config
from dodas.pool.providers.base import NotAuthorised, ProviderUnavailable, Refused
from dodas.pool.providers.kubernetes_config import Access, access
from dodas.pool.providers.kubernetes_credentials import TokenFile
from dodas.pool.providers.kubernetes_plugin import run

V1 = "client.authentication.k8s.io/v1"


def _find(folder: Path, environ: Mapping[str, str] | None = None, **given: Any) -> Access:
    one = ProviderSettings(name="cluster", kind="kubernetes", settings=tuple(given.items()))
    (folder / "state").mkdir(exist_ok=True)
    return access(one, str(folder / "state"), environ or {})


def _write(file: Path, user: Mapping[str, Any], **cluster: Any) -> Path:
    content = {
        "current-context": "work",
        "clusters": [{"name": "c", "cluster": {"server": "https://one.example.org", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "work", "context": {"cluster": "c", "user": "u", "namespace": "mine"}},
            {"name": "other", "context": {"cluster": "c", "user": "u"}},
        ],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content))
    return file


def test_settings_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _write(tmp_path / ".kube" / "config", {"token": "t"})
    token = tmp_path / "token"
    token.write_text("from-file\n")
    token.chmod(0o600)
    found = _find(tmp_path, server="https://two.example.org", token_file=str(token), namespace="n")
    assert (found.server, found.namespace) == ("https://two.example.org", "n")
    assert found.credentials.headers(fresh=False) == {"Authorization": "Bearer from-file"}
    assert _find(tmp_path, server="http://localhost:8001").credentials.headers(fresh=False) == {}


def test_then_the_kubeconfig_as_kubectl_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _write(tmp_path / ".kube" / "config", {"token": "of-home"})
    assert _find(tmp_path).credentials.headers(fresh=False) == {"Authorization": "Bearer of-home"}
    assert _find(tmp_path).namespace == "mine"
    assert _find(tmp_path, context="other").namespace == "default"
    first = tmp_path / "first"
    first.write_text(yaml.safe_dump({"users": [{"name": "u", "user": {"token": "of-first"}}]}))
    second = _write(tmp_path / "second", {"token": "of-second"})
    both = {"KUBECONFIG": os.pathsep.join(["", str(first), "/none/such", str(second)])}
    assert _find(tmp_path, both).credentials.headers(fresh=False) == {"Authorization": "Bearer of-first"}
    named = _find(tmp_path, both, kubeconfig=str(second))
    assert named.credentials.headers(fresh=False) == {"Authorization": "Bearer of-second"}


def test_then_the_service_account_of_the_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(kubernetes_config, "_POD", str(tmp_path))
    (tmp_path / "namespace").write_text("workers\n")
    (tmp_path / "token").write_text("of-the-pod")
    found = _find(tmp_path, {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"})
    assert (found.server, found.namespace) == ("https://[fd00::1]:6443", "workers")
    assert found.ca_file == str(tmp_path / "ca.crt")
    assert found.credentials.headers(fresh=False) == {"Authorization": "Bearer of-the-pod"}
    with pytest.raises(Refused, match="names no cluster") as caught:
        _find(tmp_path)
    assert "token_file" in caught.value.hint


def test_files_are_relative_to_their_kubeconfig_and_inline_ones_are_private(tmp_path: Path) -> None:
    data = base64.b64encode(b"PEM").decode()
    user = {"client-certificate": "certs/me.pem", "client-key-data": data}
    config = _write(tmp_path / "a folder" / "config", user, **{"certificate-authority-data": data})
    found = _find(tmp_path, kubeconfig=str(config))
    key = tmp_path / "state" / "client-key.pem"
    assert found.credentials.client() == (str(tmp_path / "a folder" / "certs" / "me.pem"), str(key))
    assert key.read_bytes() == b"PEM"
    assert key.stat().st_mode & 0o777 == 0o600
    assert Path(found.ca_file).read_bytes() == b"PEM"


def test_other_ways_to_say_who_asks(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("renewed")
    config = _write(tmp_path / "config", {"tokenFile": "token"})
    assert _find(tmp_path, kubeconfig=str(config)).credentials.headers(fresh=True) == {
        "Authorization": "Bearer renewed"
    }
    _write(config, {"username": "anna", "password": "p"})
    assert _find(tmp_path, kubeconfig=str(config)).credentials.headers(fresh=True) == {
        "Authorization": "Basic YW5uYTpw"
    }
    _write(config, {})
    nobody = _find(tmp_path, kubeconfig=str(config)).credentials
    assert (nobody.headers(fresh=True), nobody.client()) == ({}, None)


@pytest.mark.parametrize(
    ("user", "cluster", "named"),
    [
        ({"auth-provider": {"name": "gcp"}}, {}, "auth-provider"),
        ({"token": "t", "as": "root"}, {}, "as"),
        ({"token": "t"}, {"insecure-skip-tls-verify": True}, "insecure-skip-tls-verify"),
        ({"token": "t"}, {"proxy-url": "http://p"}, "proxy-url"),
        ({"token": "t"}, {"certificate-authority-data": "ä"}, "is not base64"),
        ({"client-certificate": "c.pem"}, {}, "without a key"),
    ],
)
def test_what_is_not_supported_is_refused_rather_than_left_out(
    tmp_path: Path, user: Mapping[str, Any], cluster: Mapping[str, Any], named: str
) -> None:
    config = _write(tmp_path / "config", user, **cluster)
    with pytest.raises(Refused, match=named) as caught:
        _find(tmp_path, kubeconfig=str(config))
    assert caught.value.hint


def test_mistakes_are_named_and_secrets_are_not(tmp_path: Path) -> None:
    config = _write(tmp_path / "config", {"token": "t"})
    with pytest.raises(Refused, match="no context nope") as caught:
        _find(tmp_path, kubeconfig=str(config), context="nope")
    assert "other, work" in caught.value.hint
    with pytest.raises(Refused, match="there is no file"):
        _find(tmp_path, kubeconfig=str(tmp_path / "none"))
    for text in ("users: [token: hunter2", "- hunter2", "\x00hunter2"):
        config.write_text(text)
        with pytest.raises(Refused) as refused:
            _find(tmp_path, kubeconfig=str(config))
        assert "hunter2" not in f"{refused.value} {refused.value.hint}"
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="it is no text"):
        _find(tmp_path, kubeconfig=str(config))


def test_token_files_that_others_can_read_are_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret-of-mine")
    token.chmod(0o644)
    with pytest.raises(NotAuthorised, match="can be read by other users"):
        TokenFile(str(token)).headers(fresh=False)
    token.chmod(0o600)
    for text in ("", "two words", "with\nline", "schlüssel"):
        token.write_text(text)
        with pytest.raises(NotAuthorised, match="no token") as caught:
            TokenFile(str(token)).headers(fresh=False)
        assert not text or text not in str(caught.value)


_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "cluster", "user", "context", "server", "token", "exec", "client-key-data"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.dictionaries(
        st.sampled_from(["clusters", "users", "contexts", "current-context"]), _TREES, max_size=4
    )
)
def test_any_kubeconfig_is_understood_or_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump(content))
    with pytest.raises(Refused):
        _find(tmp_path, kubeconfig=str(config))


def _plugin(folder: Path, script: str) -> Path:
    file = folder / "plug-in"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def _credential(**status: Any) -> str:
    return json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status})


def test_a_plugin_is_told_what_it_may_know(tmp_path: Path) -> None:
    said = tmp_path / "said"
    answer = shlex.quote(_credential(token="given"))
    plugin = _plugin(
        tmp_path, f'echo "$KUBERNETES_EXEC_INFO $PROFILE $1" > {said}; cat >> {said}; echo {answer}'
    )
    spec = {
        "apiVersion": V1,
        "command": str(plugin),
        "args": ["a b"],
        "env": [{"name": "PROFILE", "value": "x y"}],
        "provideClusterInfo": True,
    }
    cluster = {"server": "https://one.example.org", "secret": "no"}
    given = run(spec, folder=str(tmp_path), cluster=cluster)
    assert given.token == "given"
    assert "given" not in repr(given)
    told, _, rest = said.read_text().partition("} ")
    spec_told = json.loads(told + "}")["spec"]
    assert spec_told == {"interactive": False, "cluster": {"server": "https://one.example.org"}}
    assert rest == "x y a b\n"  # and it got no input


def test_a_plugin_that_hangs_is_ended(tmp_path: Path) -> None:
    spec = {"apiVersion": V1, "command": str(_plugin(tmp_path, "exec sleep 60"))}
    with pytest.raises(ProviderUnavailable, match="took more than"):
        run(spec, folder=str(tmp_path), cluster={}, seconds=0.2)


def test_a_plugin_that_says_no_is_quoted_without_secrets(tmp_path: Path) -> None:
    spec = {
        "apiVersion": V1,
        "command": str(_plugin(tmp_path, "echo first >&2; echo login expired: token=hunter2 >&2; exit 3")),
    }
    with pytest.raises(NotAuthorised, match=r"status 3\): login expired") as caught:
        run(spec, folder=str(tmp_path), cluster={})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "too old or too new"),
        ({"interactiveMode": "Always"}, "wants a person"),
        ({"command": "surely-not-installed"}, "is not there"),
        ({"command": "./not-here"}, "is not there"),
        ({"command": ""}, "is not there"),
    ],
)
def test_plugins_that_cannot_be_used_are_refused(
    tmp_path: Path, change: Mapping[str, Any], named: str
) -> None:
    plugin = _plugin(tmp_path, f"echo {shlex.quote(_credential(token='x'))}")
    spec = {"apiVersion": V1, "command": str(plugin), "installHint": "get\n it", **change}
    with pytest.raises(Refused, match=named) as caught:
        run(spec, folder=str(tmp_path), cluster={})
    assert "is not there" not in named or caught.value.hint == "get it"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "null",
        "[1]",
        '{"status": null}',
        _credential(),
        _credential(token="t").replace("ExecCredential", "Other"),
        _credential(token="t", expirationTimestamp="soon"),
    ],
)
def test_what_is_no_credential_is_refused(tmp_path: Path, said: str) -> None:
    spec = {"apiVersion": V1, "command": str(_plugin(tmp_path, f"echo {shlex.quote(said)}"))}
    with pytest.raises(Refused, match="did not print an ExecCredential"):
        run(spec, folder=str(tmp_path), cluster={})


@pytest.mark.parametrize(("seconds", "calls"), [(3600, 1), (5, 2)])
def test_credentials_are_asked_for_again_before_they_end(tmp_path: Path, seconds: int, calls: int) -> None:
    end = datetime.fromtimestamp(time.time() + seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = shlex.quote(_credential(token="t", expirationTimestamp=end))
    _plugin(tmp_path, f"echo x >> {tmp_path}/calls; echo {answer}")
    config = _write(tmp_path / "config", {"exec": {"apiVersion": V1, "command": "./plug-in"}})
    credentials = _find(tmp_path, kubeconfig=str(config)).credentials
    assert credentials.client() is None
    credentials.headers(fresh=False)
    assert len((tmp_path / "calls").read_text().splitlines()) == calls
    credentials.headers(fresh=True)
    assert len((tmp_path / "calls").read_text().splitlines()) == calls + 1
