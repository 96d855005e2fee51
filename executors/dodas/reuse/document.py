"""What a result is made of: a JSON value of named parts, its key, and the difference of two in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

# What stands for a directory that has another name in each run.  No argument can hold a zero byte.
_MARK = "\0"
_LONGEST = 70

_WORDS = {
    "command": "command",
    "environment": "environment variable",
    "inputs": "input",
    "workdir": "initial working directory",
    "outputs": "description of the outputs",
    "codes": "meaning of exit codes",
    "scripts": "library of expressions",
    "streams": "standard stream",
    "image": "image digest",
    "runtime": "resource",
}
_FIELDS = {"content": "checksum", "tree": "checksum of the directory", "files": "file"}


def placeholder(name: str) -> str:
    """Return what stands for a directory of a step that is another one in each run."""
    return f"{_MARK}{name}{_MARK}"


def key_of(document: Any) -> str:
    """Return the key of a document: equal documents have equal keys, others do not."""
    return hashlib.sha256(_text(document).encode()).hexdigest()


def differences(before: Any, now: Any) -> list[str]:
    """Return a sentence on each part in which two documents differ."""
    return list(_compare((), before, now))


def _text(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _compare(where: tuple[Any, ...], before: Any, now: Any) -> Iterator[str]:
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        told = "tree" if before.get("files") != now.get("files") else ""  # each file says more
        for name in sorted(before.keys() | now.keys()):
            if name != told:
                yield from _compare((*where, name), before.get(name, _NOTHING), now.get(name, _NOTHING))
    elif isinstance(before, list) and isinstance(now, list):
        if len(before) != len(now):
            yield f"{_name(where)}: had {len(before)} items, has {len(now)}"
        for number, (old, new) in enumerate(zip(before, now)):  # noqa: B905 - the shorter one
            yield from _compare((*where, number), old, new)
    elif before is _NOTHING:
        yield f"{_name(where)}: is new, {_short(now)}"
    elif now is _NOTHING:
        yield f"{_name(where)}: was {_short(before)}, is gone"
    else:
        yield f"{_name(where)}: was {_short(before)}, is {_short(now)}"


class _Nothing:
    """Stands for a part that is not there."""


_NOTHING = _Nothing()


def _name(where: tuple[Any, ...]) -> str:
    first, rest = str(where[0]) if where else "document", list(where[1:])
    words = _WORDS.get(first, first)
    if first == "command" and rest:
        number = rest.pop(0)
        words = f"command argument {number}" if number else "program of the command"
    elif first in ("environment", "inputs", "streams", "runtime") and rest:
        words += f" {rest.pop(0)}"
    for part in rest:
        words += f", item {part + 1}" if isinstance(part, int) else f", {_FIELDS.get(part, part)}"
    return words


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else _text(value)
    for number, part in enumerate(parts := text.split(_MARK)):
        parts[number] = f"<{part}>" if number % 2 else part
    text = "".join(parts)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return repr(text) if isinstance(value, str) and not text.startswith("sha256:") else text
