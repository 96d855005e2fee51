"""What a failure means: the one place where answers and broken connections become errors."""

from __future__ import annotations

import html
import re

from dodas.errors import (
    AlreadyThere,
    NotAllowed,
    NotThere,
    StorageUnreachable,
    TransferError,
)
from dodas.staging import patience
from dodas.staging.cuts import Cut
from dodas.staging.response import Response
from dodas.staging.urls import Url, redacted

PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))  # the same may work in a while
_OF_ANY_SERVER = ("GET", "HEAD", "PUT", "DELETE", "PROPFIND")
_WORDS = 200  # characters
_READ = 8 << 10  # bytes of an answer in which words are looked for

_DOING = {
    "GET": "fetched",
    "HEAD": "looked at",
    "PUT": "uploaded",
    "DELETE": "removed",
    "PROPFIND": "listed",
    "MKCOL": "made",
    "COPY": "copied",
    "MOVE": "renamed",
}


class Unanswered(StorageUnreachable):
    """An endpoint failed, where another one may do.

    Attributes:
        endpoint: The one.
        retry_after: How long it wants to be left alone, in seconds; 0 if it does not say.
    """

    def __init__(self, problem: str, *, hint: str, endpoint: Url, retry_after: float = 0.0) -> None:
        super().__init__(problem, hint=hint)
        self.endpoint = endpoint
        self.retry_after = retry_after


def broken(method: str, url: Url, cut: Cut) -> Unanswered:
    """Return the error for a connection that broke."""
    endpoint = cut.url or url
    return Unanswered(
        f"{url.redacted} cannot be {_doing(method)}: {endpoint.authority} {cut.reason}",
        hint="see whether the storage is up and reachable from here, and try again",
        endpoint=endpoint,
    )


def refused(response: Response, *, access: str) -> TransferError:
    """Return the error for an answer that is none of those wanted; reads what little it says.

    Args:
        response: The answer; its body has not been read.
        access: What the user can do if it is about credentials.
    """
    status, url = response.status, response.url
    words = _shortened(_words_of(response))
    said = f"{status} {response.reason}".strip() + (f", {words}" if words else "")
    origin = response.hops[0] if response.hops else url
    problem = f"{origin.redacted} cannot be {_doing(response.method)}: {url.authority} answered {said}"
    if status in (401, 403):
        return NotAllowed(problem, hint=access)
    if (status in (404, 410) and not _is_stuck(response)) or _is_below_a_file(response):
        return NotThere(problem, hint="see whether the name is right, and what is there: dodas data ls")
    if may_pass(response) or status == 423 or (status >= 500 and status not in (501, 505, 507)):
        hint = "the storage has a problem of its own; try again later"
        asked = patience.seconds_asked(response.headers.get("Retry-After"))
        return Unanswered(problem, hint=hint, endpoint=url, retry_after=asked)
    return _special(response.method, status, problem) or TransferError(problem)


def may_pass(response: Response) -> bool:
    """Tell whether the same may be answered in another way in a while."""
    # A manager of XRootD does not know yet which of its servers has the file.
    undecided = response.status == 405 and response.headers.get("Server", "").startswith("XrootD")
    passes = response.status in PASSING or (undecided and response.method in _OF_ANY_SERVER)
    return (passes and not _is_below_a_file(response)) or _is_stuck(response)


def _is_below_a_file(response: Response) -> bool:
    """Tell whether XRootD calls it a failure of its own that what would be above the name is a file."""
    is_failure = response.status == 500 and response.headers.get("Server", "").startswith("XrootD")
    return is_failure and _words_of(response).endswith("not a directory")


def _is_stuck(response: Response) -> bool:
    """Tell whether XRootD says that a file is not there because it could not go on itself."""
    is_absent = response.status == 404 and response.headers.get("Server", "").startswith("XrootD")
    return is_absent and _words_of(response).startswith("Could not run ")


def _special(method: str, status: int, problem: str) -> TransferError | None:
    if status == 412 or (status == 405 and method == "MKCOL"):
        return AlreadyThere(problem, hint="take another name, or ask for it to be replaced")
    if status == 409:
        return NotThere(problem, hint="make the directory that it is to be in first")
    if status == 507:
        return TransferError(problem, hint="the storage is full: remove something there, or take another one")
    if status == 413:
        return TransferError(problem, hint="the storage takes no file of that size")
    if status in (405, 501):
        return TransferError(problem, hint="the storage does not do this")
    return None


def circle(method: str, hops: tuple[Url, ...], why: str) -> Unanswered:
    """Return the error for redirections that do not end."""
    return Unanswered(
        f"{hops[0].redacted} cannot be {_doing(method)}: {why}",
        hint="the federation is not set up right; tell its operators",
        endpoint=hops[-1],
    )


def lost(response: Response, why: str) -> Unanswered:
    """Return the error for a redirection that leads nowhere."""
    return circle(response.method, (*response.hops, response.url), f"{response.url.authority} {why}")


def unencrypted(method: str, hops: tuple[Url, ...], target: Url) -> NotAllowed:
    """Return the error for a redirection out of TLS."""
    return NotAllowed(
        f"{hops[0].redacted} cannot be {_doing(method)}: {hops[-1].authority} redirects to "
        f"{target.redacted}, which is not encrypted",
        hint="what was asked with credentials is not asked in clear; tell the operators of the storage",
    )


def _doing(method: str) -> str:
    return _DOING.get(method, f"asked for {method}")


def _words_of(response: Response) -> str:
    """Return what the answer says in its body, one line, no secrets."""
    if response.words is None:
        response.words = _read_words(response)
    return response.words


def _read_words(response: Response) -> str:
    try:
        text = response.read(_READ).decode("utf-8", "replace")
        response.drain()
    except StorageUnreachable:
        return ""
    if "<" in text:
        text = re.sub(r"(?is)<(head|style|script)\b.*?</\1\s*>", " ", text)
        text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    return redacted(" ".join("".join(one if one.isprintable() else " " for one in text).split()))


def _shortened(text: str) -> str:
    return text if len(text) <= _WORDS else text[: _WORDS - 1] + "…"
