"""What an unquoted word of YAML means; words that mean different things to different readers are refused.

YAML 1.1, which most programs read, takes ``no`` for false, ``1:30`` for 90 and ``012`` for 10; YAML 1.2 does
not.  A file that can be misread is one that somebody will misread.
"""

from __future__ import annotations

import re

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,24})", re.ASCII)
_REAL = re.compile(r"[-+]?([0-9]{1,25}\.[0-9]{0,25}|\.[0-9]{1,25})", re.ASCII)
_TRAPS = (
    (
        re.compile(r"yes|no|on|off|y|n", re.IGNORECASE),
        "means true or false to some readers of YAML: write true or false, or quote it",
    ),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?", re.ASCII),
        "is a number to base 60 to some readers of YAML: quote it, or write a duration like 90s",
    ),
    (
        re.compile(r"[-+]?0[0-9_]+|0o[0-7_]+", re.ASCII),
        "is an octal number to some readers of YAML: write it without the leading 0, or quote it",
    ),
    (
        re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0b[01_]+|[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?)", re.ASCII),
        "is a number to some readers of YAML and text to others: write plain digits, or quote it",
    ),
    (
        re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)e[-+]?[0-9]+|[-+]?\.inf|\.nan", re.ASCII | re.IGNORECASE),
        "is a number to some readers of YAML and text to others: write plain digits, or quote it",
    ),
    (re.compile(r"[-+]?[0-9]{25,}", re.ASCII), "is too large a number: quote it if it is a text"),
)

Scalar = str | int | float | bool | None


def plain(text: str) -> Scalar:
    """Return the value of an unquoted word.

    Raises:
        ValueError: Readers of YAML differ about it; the message follows the word.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    for pattern, sentence in _TRAPS:
        if pattern.fullmatch(text):
            raise ValueError(sentence)
    return float(text) if _REAL.fullmatch(text) else text
