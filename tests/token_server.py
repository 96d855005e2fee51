"""A token server for a registry, from the distribution token specification; keys are made by openssl."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from needs import need
from registry_server import make_certificate

SERVICE, ISSUER = "registry.test", "tokens.test"


@dataclass
class TokenServer:
    """Gives tokens to ``login``, and to strangers for repositories below ``public/``."""

    root: Path
    login: tuple[str, str]
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    def auth(self) -> dict[str, Any]:
        """Return the section ``auth`` of the configuration of a registry that believes this server."""
        return {
            "token": {
                "realm": f"{self.url}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(self.root / "certificate.pem"),
            }
        }

    def user(self, authorization: str) -> str | None:
        """Return who asks, empty for a stranger, ``None`` for somebody with a wrong password."""
        if not authorization:
            return ""
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        return self.login[0] if given == ":".join(self.login) else None

    def token(self, user: str, scopes: list[str]) -> str:
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            granted = actions.split(",") if user else ["pull"] if name.startswith("public/") else []
            access.append({"type": kind, "name": name, "actions": granted})
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": user, "aud": SERVICE, "nbf": now - 10, "iat": now, "exp": now + 300}
        certificate = (self.root / "certificate.pem").read_text().split("-----")[2].replace("\n", "")
        header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
        signed = f"{_encode(header)}.{_encode({**claims, 'access': access, 'jti': 'one'})}"
        signature = subprocess.run(
            [need("openssl"), "dgst", "-sha256", "-sign", str(self.root / "key.pem")],
            input=signed.encode(),
            capture_output=True,
            check=True,
        ).stdout
        return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


class _Handler(BaseHTTPRequestHandler):
    server_: TokenServer

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        authorization = self.headers.get("Authorization", "")
        self.server_.asked.append({"authorization": authorization, "scope": " ".join(asked.get("scope", []))})
        user = self.server_.user(authorization)
        body = b'{"errors": [{"code": "UNAUTHORIZED"}]}'
        if user is not None:
            body = json.dumps({"token": self.server_.token(user, asked.get("scope", []))}).encode()
        self.send_response(401 if user is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def run_token_server(root: Path, login: tuple[str, str]) -> Iterator[TokenServer]:
    make_certificate(root)
    tokens = TokenServer(root, login)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_": tokens}))
    tokens.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield tokens
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
