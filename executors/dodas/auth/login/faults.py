"""What a login may fail with, and how refusals of providers are told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dodas.errors import NotAllowed, StorageUnreachable

_LONGEST = 200  # characters of what a provider says


class LoginNeeded(NotAllowed):
    """There is no login, or it is over: only the user can help, with a new one."""


class IssuerUnreachable(StorageUnreachable):
    """The provider does not answer, or has a failure of its own."""


class AnswerLost(IssuerUnreachable):
    """A request was sent, and nobody knows whether the provider did what it said."""


class Refused(NotAllowed):
    """The provider said no.

    Attributes:
        code: The error of RFC 6749, section 5.2, such as ``invalid_grant``.
    """

    def __init__(self, problem: str, *, code: str, hint: str = "") -> None:
        super().__init__(problem, hint=hint)
        self.code = code


def refused(
    status: int, body: Mapping[str, Any], *, what: str, issuer: str, secrets: Iterable[str] = ()
) -> Refused:
    """Return the error for an answer that is a refusal.

    Args:
        status: Of the answer.
        body: Of the answer.
        what: What was asked for, for the message.
        issuer: Who refused it.
        secrets: What was sent; a provider that repeats it is not quoted.
    """
    code = plain(body.get("error"), 60)
    words = plain(body.get("error_description"))
    if any(secret in words for secret in secrets if secret):
        words = ""
    reason = ": ".join(part for part in (code, words) if part) or f"status {status}"
    told = code or ("invalid_client" if status in (401, 404) else "")
    return Refused(f"{issuer} refuses {what} ({reason})", code=code, hint=_HINTS.get(told, ""))


def plain(value: object, longest: int = _LONGEST) -> str:
    """Return what others wrote as one short line that a terminal can be shown."""
    text = value if isinstance(value, str) else ""
    return re.sub(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]", " ", text).strip()[:longest]


_HINTS = {
    "invalid_client": (
        "check --client-id and the file of --client-secret-file; the client may have been removed there"
    ),
    "unauthorized_client": "let the provider's administrator permit the client this kind of grant",
    "unsupported_grant_type": "choose another --flow",
    "invalid_scope": "ask for what the login has, which `dodas auth status` shows, or log in for more",
    "invalid_target": "ask for another --audience",
}
