"""Who may see the user's credentials."""

from __future__ import annotations

import time
from collections.abc import Mapping

from dodas.auth.certificates import Certificate
from dodas.auth.credentials import Credentials
from dodas.auth.tokens import Token
from dodas.staging.settings import Settings
from dodas.staging.urls import Url
from dodas.values import dataclass

# The last one begins the names of what a third party gets to see.
_SENSITIVE = ("authorization", "proxy-authorization", "cookie", "x-auth-token", "transferheader")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a server gets to see.

    Attributes:
        token: In the ``Authorization`` header.
        certificate: In the TLS handshake.
    """

    token: Token | None = None
    certificate: Certificate | None = None

    def __bool__(self) -> bool:
        return self.token is not None or self.certificate is not None


NOTHING = Shown()


class Permission:
    """Decides for one request, whose redirections lead to other servers.

    Args:
        origin: What the user asked for.
        settings: Who else may see credentials.
        credentials: What there is.
    """

    def __init__(self, origin: Url, settings: Settings, credentials: Credentials) -> None:
        self._origin = origin
        self._settings = settings
        self._credentials = credentials

    def allows(self, url: Url) -> bool:
        """Tell whether ``url`` may see credentials: the user named its server, and it is encrypted."""
        # What is signed shows all that is needed; more of it makes some servers refuse both.
        if not url.secure or url.is_signed:
            return False
        return url.authority == self._origin.authority or self._settings.may_see_credentials(url)

    def shown(self, url: Url) -> Shown:
        """Return what ``url`` gets to see.

        Raises:
            NotAllowed: There are credentials that cannot be used.
        """
        if not self.allows(url):
            return NOTHING
        return Shown(token=self._credentials.token(), certificate=self._credentials.certificate())

    def advice(self, url: Url) -> str:
        """Return what the user can do when ``url`` refuses what it got to see."""
        if not url.secure:
            return "credentials are not shown in clear: use davs:// or https://"
        if not self.allows(url):
            return f"if {url.authority} may see your credentials, add it to DODAS_STORAGE_TOKEN_HOSTS"
        token = self._credentials.token()
        if token is None:
            return "see whether your certificate is the right one, or set BEARER_TOKEN_FILE"
        if token.expires is not None and token.expires <= time.time():
            return f"the token of {token.source} expired at {time.ctime(token.expires)}: get a new one"
        return f"see whether the token of {token.source} is meant for this storage, and for this path"

    def fields(self, url: Url, fields: Mapping[str, str]) -> dict[str, str]:
        """Return those of the header fields that ``url`` may see."""
        if self.allows(url):
            return dict(fields)
        return {name: value for name, value in fields.items() if not _is_secret(name)}


def _is_secret(name: str) -> bool:
    return name.lower().startswith(_SENSITIVE)
