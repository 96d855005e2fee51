"""What the rest of dodas asks for tokens: one function, and a source for :mod:`dodas.auth.credentials`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from dodas.auth.login import places
from dodas.auth.login.faults import LoginNeeded
from dodas.auth.tokens import Token

_PAUSE = 60.0  # seconds between two tokens in place of ones that a service refused


def access_token(
    name: str | None = None, audience: str | None = None, *, refused: str = "", scope: str = ""
) -> str:
    """Return an access token that is good for a while; usable from several threads and processes.

    Args:
        name: Of the login; ``None`` for that of ``DODAS_LOGIN``, else ``default``.
        audience: For whom; ``None`` for whom the login says.
        refused: A token that was given before and that a service did not take: another one is wanted.
        scope: What it is to be good for; empty for all of the login.

    Raises:
        LoginNeeded: There is no login, or it is over.
        NotAllowed: The provider does not give such a token.
        IssuerUnreachable: The provider does not answer.
        NotKept: The disk does not take what renews the login.
        SpecError: The name cannot be one.
    """
    environ = os.environ
    chosen = places.chosen(environ) if name is None else places.checked(name, "the name")
    return given(environ, chosen, audience=audience or "", scope=scope, refused=refused).value


def given(
    environ: Mapping[str, str],
    name: str,
    *,
    audience: str = "",
    scope: str = "",
    refused: str = "",
    fresh: bool = False,
) -> Token:
    """Return a token of a login of ``environ``; see :func:`access_token`.

    Args:
        environ: Says where logins are, whom to believe, and where oidc-agent is.
        name: Of the login.
        audience: For whom.
        scope: What it is to be good for.
        refused: A token that a service did not take.
        fresh: Have a new one in any case.
    """
    # What speaks to providers is loaded only where there is a login.
    from dodas.auth.login.agents import agent_token  # noqa: PLC0415
    from dodas.auth.login.asking import joined  # noqa: PLC0415
    from dodas.auth.login.renewing import Renewing  # noqa: PLC0415
    from dodas.auth.login.store import Store  # noqa: PLC0415
    from dodas.auth.login.wire import Wire  # noqa: PLC0415

    if name == places.NONE:
        raise LoginNeeded("DODAS_LOGIN is none, so no login is used", hint="unset it, or name a login")
    folder = places.folder(environ)
    if not folder:
        raise LoginNeeded("there is no place for logins without HOME", hint="set HOME or DODAS_STATE")
    scope = joined([scope])
    login = Renewing(Store(folder), name, Wire(environ))
    record = login.record()
    if record.account:
        audience, scope = audience or record.audience, scope or record.scope
        token = agent_token(record.account, environ, audience=audience, scope=scope)
    else:
        if fresh:
            old = record.token(audience, scope)
            refused = old.value if old is not None else ""
        token = login.token(audience=audience, scope=scope, refused=refused)
    return Token(value=token.value, expires=token.until, source=f"the login {name}")


class CachedLogin:
    """The login that is used where no token is given otherwise; usable from several threads.

    Args:
        environ: Looked at anew each time.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._asked_anew = -_PAUSE

    def token(self, *, refused: str = "") -> Token | None:
        """Return a token, ``None`` if there is no login.

        Args:
            refused: One that a service did not take; it is not replaced again and again, since a service that
                does not let the user in refuses every token.

        Raises:
            LoginNeeded: One is named and not there, or it is over.
            IssuerUnreachable: Its provider does not answer.
            NotKept: The disk does not take what renews it.
            SpecError: ``DODAS_LOGIN`` cannot be a name.
        """
        name = places.chosen(self._environ)
        folder = places.folder(self._environ)
        is_named = bool(self._environ.get("DODAS_LOGIN", "").strip())
        if name == places.NONE or not folder:
            return None
        if not is_named and not os.path.lexists(places.file(folder, name)):
            return None
        if refused and time.monotonic() - self._asked_anew < _PAUSE:
            return given(self._environ, name)
        token = given(self._environ, name, refused=refused)
        if refused:
            self._asked_anew = time.monotonic()
        return token
