"""What a REST service refuses, in one sentence of ours with the service's own reason in it.

Services answer with JSON of many shapes, with plain text, with whole tracebacks, and their proxies with web
pages.  Whatever it is, at most two short lines of it are passed on, and nothing that looks like a secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterator, Mapping

from dodas.pool.providers.base import (
    NotAuthorised,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    Refused,
)

_LINES, _LONGEST = 2, 300  # of a reason: lines, and characters of each
_ENOUGH = 200_000  # characters of an answer that are looked at

# Where services keep their reason.
_FIELDS = ("message", "error_description", "detail", "details", "errors", "error", "reason", "msg", "title")

_QUOTA = re.compile(
    r"\bquotas?\b|QuotaExceeded|LimitExceeded\b|InsufficientInstanceCapacity|\bover limit\b"
    r"|insufficient (resources|capacity)|no valid host was found",
    re.IGNORECASE,
)
_WAIT = (408, 425, 429)

# Of a traceback the frames say nothing to whoever asked; its last lines do.
_FRAME = re.compile(r'\s*(Traceback \(|File "?\S.*, line \d+|\^+\s*$|at [\w.$]+\()')
_ERROR_LINE = re.compile(r"\s?<?([\w.]*(?:Error|Exception))>?: ?(.*)")

_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{16,}"), r"\1 ***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?"), "***"),
    (re.compile(r"(?i)(passw(?:or)?d[\"']?\s*[=:]\s*)[^\s;,]+"), r"\1***"),
    (re.compile(r"(?i)((?:token|secret|private_key)(?:\s*=|[\"']\s*:)\s*)[^\s;,]+"), r"\1***"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@]+@"), r"\1***@"),
)
# In lines for an Infrastructure Manager, `\n` in two characters separates them.
_NAMED = re.compile(
    r"(?i)(?:password|passwd|token|secret|private_key|key)[\"']?\s*[=:]\s*[\"']?((?:(?!\\n)[^;\"'])+)"
)


class NotFound(Refused):
    """There is no such thing (any more)."""


_OF_STATUS: dict[int, tuple[type[ProviderError], str, str]] = {
    404: (NotFound, "knows nothing of {what}", "check the address of the service"),
    409: (ProviderUnavailable, "is busy with it (409)", "try again"),
}


def fault(
    who: str,
    what: str,
    status: int,
    text: str,
    *,
    retry_after: float | None = None,
    secrets: Collection[str] = (),
) -> ProviderError:
    """Return the error for an answer that is no success.

    Args:
        who: The service, with its address: ``the Infrastructure Manager at im.example.org``.
        what: What was asked, without anything secret: ``POST /infrastructures``.
        status: Of the answer.
        text: Body of the answer.
        retry_after: Seconds that the answer asks to wait.
        secrets: What must not be passed on, even if the service repeats it.
    """
    why = reason(text, secrets)
    said = f": {why}" if why else ""
    if status in (401, 403) and not _QUOTA.search(why):
        return _not_authorised(who, what, status, said)
    kind, problem, hint = _sort(status, why)
    return kind(f"{who} {problem.format(what=what, status=status)}{said}", hint=hint, retry_after=retry_after)


def _sort(status: int, why: str) -> tuple[type[ProviderError], str, str]:
    """Return the class of an error, what the service does, and what to do about it."""
    if _QUOTA.search(why) and status != 429:
        hint = "wait until something is given back, lower `maximum`, or ask for a larger quota"
        return QuotaExceeded, "gives no more", hint
    if status in _WAIT or status >= 500:
        return ProviderUnavailable, "is in trouble or busy ({status})", "try again later"
    if 300 <= status < 400:
        return Refused, "is elsewhere ({status})", "give the address that it redirects to"
    return _OF_STATUS.get(status, (Refused, "refuses {what} ({status})", "change what it does not accept"))


def _not_authorised(who: str, what: str, status: int, said: str) -> NotAuthorised:
    if status == 401:
        return NotAuthorised(
            f"{who} does not take the credentials{said}",
            hint="get a new token (dodas auth login), or correct the credentials",
        )
    return NotAuthorised(
        f"{who} does not let these credentials do {what}{said}", hint="ask for the right, or use others"
    )


def reason(text: str, secrets: Collection[str] = ()) -> str:
    """Return what an answer says in words: at most two lines, made one by ``;``; empty for a web page."""
    text = text[:_ENOUGH].strip()
    if re.match(r"(?is)<(!doctype|html|\?xml|head|body)", text):
        return ""
    lines = [_clean(line, secrets) for line in _telling(_plain(text))]
    different = list(dict.fromkeys(line for line in lines if line))
    return "; ".join(different[:_LINES])


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """Return ``text`` without ``secrets``, and without what looks like one."""
    for secret in sorted((one for one in secrets if one), key=len, reverse=True):
        text = text.replace(secret, "***")
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def secrets_of(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is secret in headers that say who asks; not the words around it."""
    found: list[str] = []
    for value in headers.values():
        scheme, _, rest = value.partition(" ")
        if scheme.lower() in ("bearer", "basic", "token=") or " " not in value:
            found.append(rest or value)
        if scheme.lower() == "basic":
            found.append(_decoded(rest).partition(":")[2])
        found += _NAMED.findall(value)
    return tuple(one.strip() for one in found if len(one.strip()) >= 3)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _plain(text: str) -> str:
    try:
        return "\n".join(_strings(json.loads(text)))
    except (ValueError, RecursionError):
        return text


def _strings(value: object, depth: int = 0) -> Iterator[str]:
    """Yield what a JSON value says, the field that says most first."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth < 4:
        for one in value:
            yield from _strings(one, depth + 1)
    elif isinstance(value, dict) and depth < 4:
        place = ".".join(str(part) for part in value["loc"]) if isinstance(value.get("loc"), list) else ""
        for name in _FIELDS:
            for found in _strings(value.get(name), depth + 1):
                yield f"{place}: {found}" if place else found


def _telling(text: str) -> list[str]:
    """Return the lines to show: those that name errors, if it is a traceback; else all of them."""
    lines = [line for line in text.splitlines() if line.strip() and not _FRAME.match(line)]
    if len(lines) == len([line for line in text.splitlines() if line.strip()]):
        return lines
    named = [match for line in lines if (match := _ERROR_LINE.match(line))]
    return [match[2] or match[1] for match in named] or lines[-1:]


def _clean(line: str, secrets: Collection[str]) -> str:
    words = " ".join(redact(line, secrets).split()).strip(" .;")
    words = "".join(character for character in words if character.isprintable())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
