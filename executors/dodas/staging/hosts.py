"""Patterns of hosts, as users write them: ``host``, ``host:port``, ``*.domain``, ``*.domain:port``."""

from __future__ import annotations

import re

from dodas.errors import SpecError
from dodas.staging.urls import Url

_PATTERN = re.compile(
    r"(?:\*\.)?(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+\.?(?::[0-9]{1,5})?|\[[0-9a-fA-F:.]+\](?::[0-9]{1,5})?"
)


def patterns(text: str, where: str) -> tuple[str, ...]:
    """Return the patterns in ``text``, divided by blanks or commas.

    Args:
        text: What the user wrote.
        where: Where, for the message.

    Raises:
        SpecError: One is no pattern; ``*`` alone is none.
    """
    found = tuple(one.lower() for one in re.split(r"[\s,]+", text) if one)
    for one in found:
        if not is_pattern(one):
            raise SpecError(
                f"{where} has {one!r}, which is no host",
                hint="name hosts as host, host:port or *.domain, divided by blanks",
            )
    return found


def is_pattern(text: str) -> bool:
    """Tell whether ``text`` could match a host."""
    return _PATTERN.fullmatch(text) is not None


def matches(pattern: str, url: Url) -> bool:
    """Tell whether ``url`` is on a host of ``pattern``; without a port, any port is meant."""
    host, port = _divided(pattern)
    if port and port != str(url.port):
        return False
    if host.startswith("*."):
        return url.host.endswith(host[1:])
    return url.host == host


def _divided(pattern: str) -> tuple[str, str]:
    if pattern.endswith("]"):
        return pattern, ""
    host, colon, port = pattern.rpartition(":")
    return (host, port) if colon else (pattern, "")
