"""The ``WWW-Authenticate`` header: what a server wants to see (RFC 9110, section 11.6.1)."""

from __future__ import annotations

import re

from dodas.values import dataclass

_PARAMETER = re.compile(
    r"""(?:(?P<scheme>[A-Za-z][\w-]*)[ ]+)?     # a new challenge begins
        (?P<key>[\w-]+)[ ]*=[ ]*
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One way to prove who we are.

    Attributes:
        scheme: In lower case: ``bearer``, ``basic``.
        parameters: Names in lower case, and values.
    """

    scheme: str
    parameters: tuple[tuple[str, str], ...]

    def __getitem__(self, key: str) -> str:
        return dict(self.parameters).get(key, "")


def read_challenges(header: str) -> dict[str, Challenge]:
    """Return the challenges of a header by their scheme; one without parameters is left out."""
    found: dict[str, list[tuple[str, str]]] = {}
    scheme = ""
    for match in _PARAMETER.finditer(header):
        scheme = (match["scheme"] or scheme).lower()
        quoted = match["quoted"]
        value = match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        found.setdefault(scheme, []).append((match["key"].lower(), value))
    return {scheme: Challenge(scheme=scheme, parameters=tuple(pairs)) for scheme, pairs in found.items()}
