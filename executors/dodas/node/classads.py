"""ClassAds as HTCondor and its file transfer plugins exchange them.  Pure.

``[ Url = "davs://host/x"; LocalFileName = "/sandbox/x" ]``, one after the other
(https://htcondor.readthedocs.io/en/latest/classads/classad-mechanism.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Union

Value = Union[str, int, bool]  # noqa: UP007 - evaluated, and nodes may have 3.9

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}();=]|[^\s"\[\]{}();=]+', re.DOTALL)
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)
_MEANT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_OPENS, _CLOSES = frozenset("[{("), frozenset("]})")


def strings(text: str) -> Iterator[dict[str, str]]:
    """Yield, of each ad, those attributes that are literal strings, by their names in small letters.

    What else is in an ad, nested ads and expressions too, is left out.
    """
    depth = 0
    found: dict[str, str] = {}
    said: list[str] = []  # of one attribute
    for word in _TOKEN.findall(text):
        if depth == 1 and word in (";", "]"):
            if len(said) == 3 and said[1] == "=" and said[2].startswith('"'):
                found[said[0].lower()] = _unquoted(said[2])
            said = []
        elif depth:
            said.append(word)
        depth += (word in _OPENS) - (word in _CLOSES)
        if word == "]" and depth == 0:
            yield found
            found = {}


def ad(values: Mapping[str, Value]) -> str:
    """Return an ad in one line."""
    said = "; ".join(f"{name} = {literal(value)}" for name, value in values.items())
    return f"[ {said} ]"


def literal(value: Value) -> str:
    """Return a value as ads have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _quoted(value)


def _quoted(text: str) -> str:
    # Whatever reads it takes lines: none may end in the middle of a string.
    plain = text.encode(errors="replace").decode().replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\0-\x1f]+", " ", plain) + '"'


def _unquoted(token: str) -> str:
    def meant(found: re.Match[str]) -> str:
        one = found[1]
        return chr(int(one, 8)) if one[0] in "01234567" else _MEANT.get(one, one)

    return _ESCAPE.sub(meant, token[1:-1])
