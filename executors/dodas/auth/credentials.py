"""All that a user has to show, and whom the user believes: the one thing that clients are handed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dodas.auth import anchors
from dodas.auth.agent import Agent
from dodas.auth.anchors import Trust
from dodas.auth.certificates import Certificate, CertificateFinder
from dodas.auth.discovery import TokenFinder
from dodas.auth.tokens import Token

if TYPE_CHECKING:
    from dodas.auth.login.door import CachedLogin


class Credentials:
    """Looks each time it is asked, so that renewed credentials are taken; usable from several threads.

    Args:
        environ: Where the variables are.
        tokens: What finds bearer tokens.
        certificates: What finds certificates.
        login: Asked for tokens where there is none.
        agent: Asked for tokens where there is no login either.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        tokens: TokenFinder | None = None,
        certificates: CertificateFinder | None = None,
        login: CachedLogin | None = None,
        agent: Agent | None = None,
    ) -> None:
        self._environ = environ
        self._tokens = tokens or TokenFinder(environ)
        self._certificates = certificates or CertificateFinder(environ)
        self._login = login
        self._agent = agent

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Credentials:
        """Return those of ``environ``, of this process if there is none.

        Raises:
            SpecError: A variable has a value that nothing can be done with.
        """
        environ = os.environ if environ is None else environ
        account = environ.get("OIDC_AGENT_ACCOUNT", "").strip()
        return cls(environ, login=_cached(environ), agent=Agent(account, environ) if account else None)

    @classmethod
    def none(cls) -> Credentials:
        """Return those of somebody who has nothing to show, and believes whom the system believes."""
        return cls({}, tokens=_Nobody({}), certificates=_Uncertified({}))

    def token(self) -> Token | None:
        """Return the bearer token to send, ``None`` if the user has none.

        Raises:
            NotAllowed: One is named and useless, or others can read it.
        """
        found = self._tokens.find()
        if found is None and self._login is not None:
            found = self._login.token()
        if found is None and self._agent is not None:
            found = self._agent.token()
        return found

    def renewed(self, old: Token) -> Token | None:
        """Return the token to try after ``old`` was refused: a different one, or ``None``.

        Raises:
            NotAllowed: As :meth:`token`.
        """
        self._tokens.forget()
        found = self._tokens.find()
        if found is None and self._login is not None:
            found = self._login.token(refused=old.value)
        if found is None and self._agent is not None:
            found = self._agent.token()
            if found is not None and found.value == old.value:
                found = self._agent.token(fresh=True)
        return found if found is not None and found.value != old.value else None

    def certificate(self) -> Certificate | None:
        """Return the certificate or proxy to show, ``None`` if the user has none.

        Raises:
            NotAllowed: One is named and useless, or others can read its key.
        """
        return self._certificates.find()

    def trust(self) -> Trust:
        """Return whose signatures under the certificates of servers are believed."""
        return anchors.trust(self._environ)


def _cached(environ: Mapping[str, str]) -> CachedLogin | None:
    """Return the user's login; ``None`` on a node, where the package of logins is not."""
    try:
        from dodas.auth.login.door import CachedLogin  # noqa: PLC0415
    except ImportError:
        return None
    return CachedLogin(environ)


class _Nobody(TokenFinder):
    def find(self) -> Token | None:
        return None


class _Uncertified(CertificateFinder):
    def find(self) -> Certificate | None:
        return None
