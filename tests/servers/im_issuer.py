"""Just enough of an issuer for an Infrastructure Manager, which does not look at signatures."""

from __future__ import annotations

import base64
import json
import time

from servers.answering import Answering
from servers.listener import Listener


class Issuer:
    """Says whose a token is; a context manager."""

    def __init__(self) -> None:
        self._listener = Listener(_Handler, owner=self)

    def __enter__(self) -> Issuer:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()

    @property
    def url(self) -> str:
        """What tokens have as ``iss``."""
        return f"http://127.0.0.1:{self._listener.port}/"

    def token(self, *, seconds: float = 3600) -> str:
        """Return a token of alice that is good for so long."""
        claims = {"iss": self.url, "sub": "alice", "exp": int(time.time() + seconds), "jti": str(time.time())}
        parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)] + [b"nothing"]
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class _Handler(Answering):
    def on_get(self) -> None:
        issuer: Issuer = self.owner
        if self.path.endswith("openid-configuration"):
            places = {name: f"{issuer.url}{name}" for name in ("userinfo", "introspection")}
            found = {f"{name}_endpoint": place for name, place in places.items()}
        else:
            found = {"sub": "alice", "preferred_username": "alice"}
        self.answer(200, json.dumps(found).encode(), {"Content-Type": "application/json"})
