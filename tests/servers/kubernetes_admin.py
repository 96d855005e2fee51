"""The administrator of a cluster of a test."""

from __future__ import annotations

import json
import threading
from typing import Any

import requests

Object = dict[str, Any]

_SECONDS = 20


class Admin:
    """Who may do everything.

    Args:
        server: Address of the API server.
        ca: File with the certificate of its authority.
        token: Proves who asks.
    """

    def __init__(self, server: str, ca: str, token: str) -> None:
        self.server = server
        self._ca = ca
        self._headers = {"Authorization": f"Bearer {token}"}
        self._lock = threading.Lock()
        self._session = requests.Session()
        self._session.trust_env = False

    def another(self) -> Admin:
        """Return the same for another thread."""
        return Admin(self.server, self._ca, self._headers["Authorization"].removeprefix("Bearer "))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def get(self, path: str) -> Object:
        """Return an object that is there."""
        found = self._ask("GET", path)
        assert found is not None, path
        return found

    def find(self, path: str) -> Object | None:
        """Return an object, ``None`` if there is none."""
        return self._ask("GET", path)

    def post(self, path: str, given: Object) -> Object | None:
        """Make an object; nothing happens if it is there."""
        return self._ask("POST", path, given, fine=(409,))

    def patch(self, path: str, given: Object) -> None:
        """Change an object, unless it is gone."""
        self._ask("PATCH", path, given, kind="application/strategic-merge-patch+json")

    def delete(self, path: str, options: Object | None = None) -> None:
        """Delete an object, unless it is gone."""
        self._ask("DELETE", path, options)

    def _ask(
        self,
        method: str,
        path: str,
        given: Object | None = None,
        *,
        fine: tuple[int, ...] = (),
        kind: str = "application/json",
    ) -> Object | None:
        with self._lock:
            answer = self._session.request(
                method,
                f"{self.server}{path}",
                data=None if given is None else json.dumps(given),
                headers={**self._headers, "Content-Type": kind},
                verify=self._ca,
                timeout=_SECONDS,
            )
        if answer.status_code in (404, *fine):
            return None
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
        content: Object = answer.json()
        return content
