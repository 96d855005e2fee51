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
SECRET = "s3cret of/the+server"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_OF_USERS: list[dict[str, Any]] = [
    {"id": "laptop", "grants": [_DEVICE, "refresh_token"]},
    {
        "id": "server",
        "secret": SECRET,
        "grants": [_DEVICE, "refresh_token", "client_credentials", _EXCHANGE],
    },
]


class Issuer:
    """An issuer on a port of loopback, over https.

    Args:
        folder: Its own; made if it is not there.
        pki: Has the certificate that it shows.
        public: What it calls itself, if something stands before it.
    """

    def __init__(self, folder: Path, *, pki: Pki, public: str = "") -> None:
        self.folder, self.pki, self.port = folder, pki, free_port()
        self._public = public
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
        return self._public or f"https://localhost:{self.port}"

    def live(self, client: str, **seconds: float) -> None:
        """Let what a client gets from now on live so long: ``access``, ``refresh``, ``device``."""
        file = self.folder / "lifetimes.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        part = file.with_suffix(".part")
        part.write_text(json.dumps({**known, client: {**known.get(client, {}), **seconds}}))
        part.replace(file)

    def grants(self, kind: str = "", client: str = "") -> list[dict[str, str]]:
        """Return what tokens were asked for with: ``grant``, ``client``, ``error`` if they were refused."""
        file = self.folder / "grants"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if kind in ("", line["grant"]) and client in ("", line.get("client"))]

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
            {"id": name, "secret": "secret", "lifetime": seconds, "grants": ["client_credentials"]}
            for name, seconds in LIFETIMES.items()
        ]
        return {
            "modules": str(modules),
            "port": self.port,
            "certificate": str(self.pki.host),
            "key": str(self.pki.host_key),
            "signing": str(self._key),
            "audience": ANY,
            "scopes": _SCOPES,
            "clients": [*clients, *_OF_USERS],
            "lifetimes": str(self.folder / "lifetimes.json"),
            "grants": str(self.folder / "grants"),
            **({"url": self._public} if self._public else {}),
        }


def _encode(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
