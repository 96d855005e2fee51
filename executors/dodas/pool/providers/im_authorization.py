"""Who asks an Infrastructure Manager, and with whose clouds: its own form of the Authorization header.

The user's file has a line for the Infrastructure Manager and one for each cloud, as other clients have it.
It is read at each request, and a bearer token is put where ``{token}`` stands, so that both may be renewed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dodas.auth import private
from dodas.auth.credentials import Credentials
from dodas.errors import NotAllowed
from dodas.pool.providers.base import NotAuthorised, Refused

_TOKEN = "{token}"  # noqa: S105 - a place for one


def bearer(credentials: Credentials) -> Callable[[bool], str]:
    """Return what finds the user's token, anew if it is told to; it raises :class:`NotAuthorised`."""

    def find(fresh: bool) -> str:
        try:
            found = credentials.token()
            if fresh and found is not None:
                found = credentials.renewed(found) or found
        except NotAllowed as error:
            raise NotAuthorised(str(error), hint=error.hint) from None
        if found is None:
            raise NotAuthorised("there is no token of yours", hint="get one: dodas auth login")
        return found.value

    return find


def headers(path: str, token: Callable[[bool], str]) -> Callable[[bool], Mapping[str, str]]:
    """Return what makes the header from the file at ``path``.

    Args:
        path: The file; nobody else may read it.
        token: Asked if the file wants a token; its argument tells to look for a new one.
    """
    if not path:
        raise Refused(
            "the Infrastructure Manager wants to know who asks, and which clouds are yours",
            hint="name a file with these lines in the setting authorization_file; see docs/pool-im.md",
        )

    def make(fresh: bool) -> Mapping[str, str]:
        try:
            content, _ = private.read(path, "the authorization file")
        except NotAllowed as error:
            raise NotAuthorised(str(error), hint=error.hint or "correct authorization_file") from None
        text = header(content.decode("utf-8", "replace"))
        if _TOKEN in text:
            text = text.replace(_TOKEN, token(fresh))
        return {"Authorization": text}

    return make


def header(text: str) -> str:
    """Return the header that a file's text makes; ``{token}`` stays.

    Raises:
        NotAuthorised: The text is not of that form.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    kinds = [_kind(line) for line in lines]
    if not all(kinds) or "InfrastructureManager" not in kinds:
        bad = kinds.index("") + 1 if "" in kinds else 0
        where = f"line {bad} of what it says has no type" if bad else "no line is for InfrastructureManager"
        raise NotAuthorised(
            f"the authorization file is not of the right form: {where}",
            hint="write lines such as: id = im; type = InfrastructureManager; token = {token}",
        )
    joined = "\\n".join(lines)  # these two characters, which the Infrastructure Manager takes for a new line
    if not joined.isascii() or not joined.isprintable():
        raise NotAuthorised(
            "the authorization file has characters that a header cannot carry",
            hint="use credentials in printable ASCII, such as application credentials or tokens",
        )
    return joined


def _kind(line: str) -> str:
    pairs = (field.partition("=") for field in line.split(";"))
    return next((value.strip() for name, _, value in pairs if name.strip() == "type"), "")
