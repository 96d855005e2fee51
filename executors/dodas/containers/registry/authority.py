"""Proving to a registry who the user is (https://distribution.github.io/distribution/spec/auth/token/)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import urlencode

from dodas.containers import keystore
from dodas.containers.credentials import Login
from dodas.containers.registry.challenge import Challenge, read_challenges
from dodas.containers.registry.faults import unreachable
from dodas.containers.registry.wire import Wire
from dodas.errors import ImageError, ImageNotAllowed

FindLogin = Callable[[], "Login | None"]


class Authority:
    """The authorization for one thing on one server; made when first asked for, renewed when it ran out.

    Attributes:
        current: Value of the ``Authorization`` header; empty as long as the server did not want any.
        login: What it was made from; ``None`` for a stranger's.
    """

    def __init__(self, wire: Wire, *, host: str, encrypted: bool, scope: str, find_login: FindLogin) -> None:
        self.current = ""
        self.login: Login | None = None
        self._wire = wire
        self._host = host
        self._encrypted = encrypted
        self._scope = scope
        self._find_login = find_login
        self._lock = threading.Lock()

    def renew(self, header: str, *, used: str) -> str:
        """Return an authorization that answers a 401.

        Args:
            header: ``WWW-Authenticate`` of the answer.
            used: Authorization that the server did not accept.  If another thread has replaced it in the
                meantime, that one is returned.

        Raises:
            ImageNotAllowed: There is nothing better to offer.
        """
        with self._lock:
            if self.current != used:
                return self.current
            self.login = self.login or self._find_login()
            challenges = read_challenges(header)
            if "bearer" in challenges:
                self.current = f"Bearer {self._token(challenges['bearer'])}"
            elif "basic" in challenges:
                self.current = self._basic()
                if self.current == used:
                    raise self._refusal()
            else:
                raise unreachable(self._host, "wants a kind of login that dodas does not know", hint="")
            return self.current

    def _basic(self) -> str:
        if self.login is None or self.login.identity_token:
            raise self._refusal()
        return f"Basic {keystore.encode(self.login.user, self.login.secret)}"

    def _token(self, challenge: Challenge) -> str:
        realm = challenge["realm"]
        if self._encrypted and not realm.lower().startswith("https://"):
            raise ImageError(
                f"the registry {self._host} sends logins to an unencrypted address",
                hint="tell those who run the registry; nothing was sent",
            )
        query = {"service": challenge["service"], "scope": challenge["scope"] or self._scope}
        query = {key: value for key, value in query.items() if value}
        if self.login and self.login.identity_token:
            form = {"grant_type": "refresh_token", "client_id": "dodas", "refresh_token": self.login.secret}
            answer = self._wire.ask_briefly(realm, form={**form, **query})
        else:
            joint = "&" if "?" in realm else "?"
            answer = self._wire.ask_briefly(
                f"{realm}{joint}{urlencode(query)}", authorization=self._basic() if self.login else ""
            )
        if answer.status_code in (400, 401, 403):
            raise self._refusal()
        return self._read(answer.content) if answer.ok else self._broken()

    def _read(self, body: bytes) -> str:
        try:
            answer = json.loads(body)
            token = answer.get("token") or answer.get("access_token")
        except (ValueError, AttributeError):
            token = None
        # A token that could end the header line would let the token server write further headers.
        return token if isinstance(token, str) and token.isascii() and token.isprintable() else self._broken()

    def _broken(self) -> NoReturn:
        raise unreachable(self._host, "has a token server that gives no tokens", hint="try again later")

    def _refusal(self) -> ImageNotAllowed:
        if self.login is None:
            return ImageNotAllowed(
                f"the registry {self._host} wants a login", hint=f"dodas image login {self._host}"
            )
        return ImageNotAllowed(
            f"the registry {self._host} does not accept the login kept for {self.login.user!r}",
            hint=f"log in again: dodas image login {self._host}",
        )
