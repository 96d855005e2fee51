"""An issuer of WLCG tokens: an OpenID Connect provider, and tokens that no provider would issue."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import node_packages
from needs import need
from servers.daemon import Daemon
from servers.pki import Pki
from servers.ports import free_port

ANY = "https://wlcg.cern.ch/jwt/v1/any"
_PROGRAM = Path(__file__).with_name("issuer") / "issuer.mjs"
_SCOPES = [
    *(f"storage.{verb}:/" for verb in ("read", "create", "modify", "stage")),
    *("wlcg", "wlcg.groups", "compute.read", "compute.create", "compute.modify", "compute.cancel"),
]
LIFETIMES = {"dodas": 3600, "hasty": 5}
"""Clients, and for how many seconds the tokens are good that they get."""


class Issuer:
    """An issuer on a port of loopback, over https.

    Args:
        folder: Its own; made if it is not there.
        pki: Has the certificate that it shows.
    """

    def __init__(self, folder: Path, *, pki: Pki) -> None:
        self.folder, self.pki, self.port = folder, pki, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._key = folder / "signing.key"
        subprocess.run(
            [need("openssl"), "genrsa", "-out", str(self._key), "2048"], check=True, capture_output=True
        )
        self._key.chmod(0o600)
        (folder / "issuer.json").write_text(json.dumps(self._configuration()))
        command = [need("node"), "--no-warnings", str(_PROGRAM), str(folder / "issuer.json")]
        self._daemon = Daemon(command, place=self.port, log=folder / "issuer.log")

    def __enter__(self) -> Issuer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, or start it again."""
        self._daemon.start()

    def stop(self) -> None:
        """End it."""
        self._daemon.stop()

    @property
    def url(self) -> str:
        """What tokens have as ``iss``."""
        return f"https://localhost:{self.port}"

    def token(self, scope: str = "storage.read:/", *, audience: str = ANY, client: str = "dodas") -> str:
        """Return a token as the provider gives it to a client; see `LIFETIMES`."""
        asked = {"grant_type": "client_credentials", "scope": scope, "resource": audience}
        login = base64.b64encode(f"{client}:secret".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/token", data=urlencode(asked).encode(), headers={"Authorization": f"Basic {login}"}
        )
        trust = ssl.create_default_context(cafile=str(self.pki.ca))
        with urllib.request.urlopen(request, context=trust, timeout=30) as answer:
            token: str = json.load(answer)["access_token"]
        return token

    def odd_token(self, **claims: Any) -> str:
        """Return a signed token with any claims; those that are ``None`` are missing."""
        now = int(time.time())
        times = {"iat": now - 7200, "nbf": now - 7200, "exp": now + 3600}
        who = {"iss": self.url, "sub": "dodas", "aud": ANY, "scope": "storage.read:/", "jti": "odd"}
        usual: dict[str, Any] = {**who, **times, "wlcg.ver": "1.0"}
        said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        text = f"{_encode({'alg': 'RS256', 'kid': 'test', 'typ': 'at+jwt'})}.{_encode(said)}"
        command = [need("openssl"), "dgst", "-sha256", "-sign", str(self._key)]
        signature = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
        return f"{text}.{_base64(signature)}"

    def expired_token(self, scope: str = "storage.read:/") -> str:
        """Return a token whose time is over."""
        return self.odd_token(scope=scope, exp=int(time.time()) - 600)

    def _configuration(self) -> dict[str, Any]:
        modules = node_packages.place()
        if not modules.is_dir():
            need("oidc-provider")  # which is no program, and so is said to be missing
        clients = [
            {"id": name, "secret": "secret", "lifetime": seconds} for name, seconds in LIFETIMES.items()
        ]
        return {
            "modules": str(modules),
            "port": self.port,
            "certificate": str(self.pki.host),
            "key": str(self.pki.host_key),
            "signing": str(self._key),
            "audience": ANY,
            "scopes": _SCOPES,
            "clients": clients,
        }


def _encode(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
