"""The device flow (RFC 8628): the user consents in a browser, on any machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field

from dodas.auth.login.asking import Asking, aimed_at
from dodas.auth.login.faults import AnswerLost, IssuerUnreachable, LoginNeeded, Refused, plain, refused
from dodas.auth.login.granted import Granted, number
from dodas.errors import NotAllowed
from dodas.values import dataclass

_INTERVAL = 5.0  # seconds, if the provider asks for nothing else; also what `slow_down` adds
_LONGEST = 3600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the user has to do.

    Attributes:
        code: What tokens are asked for with, a secret.
        user_code: What the user types.
        url: Where.
        complete: Where nothing has to be typed; empty if there is no such place.
        seconds: How long there is time.
        interval: Seconds between two questions.
    """

    code: str = field(repr=False)
    user_code: str
    url: str
    complete: str
    seconds: float
    interval: float


def begin(asking: Asking, *, scope: str, audience: str) -> Prompt:
    """Ask for a code that the user can consent with.

    Raises:
        NotAllowed: The provider has no device flow, or not for this client.
        IssuerUnreachable: It does not answer.
    """
    provider, client = asking.provider, asking.client
    if not provider.device:
        raise NotAllowed(
            f"{provider.issuer} has no device flow",
            hint="choose --flow refresh, with a refresh token that you got there, or client-credentials",
        )
    form = {**client.fields, **({"scope": scope} if scope else {}), **aimed_at(audience)}
    answer = asking.wire.post(provider.device, form, authorization=client.authorization)
    body = answer.body
    texts = [body.get(name) for name in ("device_code", "user_code", "verification_uri")]
    if not answer.good or not all(isinstance(text, str) and text for text in texts):
        raise refused(
            answer.status, body, what="to begin a login", issuer=provider.issuer, secrets=[client.secret]
        )
    seconds, interval = number(body.get("expires_in")), number(body.get("interval"))
    return Prompt(
        code=str(texts[0]),
        user_code=plain(texts[1], 60),
        url=plain(texts[2], 2000),
        complete=plain(body.get("verification_uri_complete"), 2000),
        seconds=min(_LONGEST, 600.0 if seconds is None else seconds),
        interval=_INTERVAL if interval is None else min(max(interval, 0.2), 60.0),
    )


def wait(
    asking: Asking,
    prompt: Prompt,
    *,
    audience: str,
    again: str,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Granted:
    """Wait until the user has consented.

    Args:
        asking: Asks the provider.
        prompt: What the user was told.
        audience: For whom the token is to be.
        again: The command to begin again with, for messages.
        sleep: Waits.
        clock: The time, in seconds.

    Raises:
        LoginNeeded: The user refused, or there was no time left.
        NotAllowed: The provider refuses it.
    """
    deadline, interval = clock() + prompt.seconds, prompt.interval
    while True:
        sleep(interval)
        try:
            return asking.by_device(prompt.code, audience=audience)
        except Refused as error:
            if error.code == "slow_down":
                interval += _INTERVAL
            elif error.code != "authorization_pending":
                raise _ended(error, again) from None
        except AnswerLost:
            interval = min(interval * 2, 60.0)  # section 3.5; asking again is what it is for
        except IssuerUnreachable as error:
            if not error.retryable:
                raise
            interval = min(interval * 2, 60.0)
        if clock() >= deadline:
            raise LoginNeeded("nobody consented in time", hint=f"begin again: {again}")


def _ended(error: Refused, again: str) -> NotAllowed:
    if error.code == "access_denied":
        return LoginNeeded("the login was refused in the browser", hint=f"begin again: {again}")
    if error.code == "expired_token":
        return LoginNeeded("nobody consented in time", hint=f"begin again: {again}")
    if error.code == "invalid_grant":  # used up: an answer with tokens was lost
        return LoginNeeded(f"{error}", hint=f"begin again: {again}")
    return error
