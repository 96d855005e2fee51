"""What ``--bind``, ``--mount`` and ``--home`` show of this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from dodas.errors import SpecError
from dodas.shims.apptainer.options import Unknown
from dodas.shims.volumes import Mount, parts

_COMMA, _COLON = re.compile(r"(?<!\\),"), re.compile(r"(?<!\\):")
_ESCAPED = re.compile(r"\\([,:\\])")
_KEYS = {"src": "source", "dst": "destination", "target": "destination", "readonly": "ro"}


def binds(texts: Iterable[str]) -> Iterator[Mount]:
    """Yield the mounts of ``SRC[:DST[:ro|rw]],…``; commas and colons of what is there belong to it.

    Raises:
        SpecError: There is nothing of that name, or it cannot be where it is wanted.
    """
    for text in texts:
        pieces = _COMMA.split(text)
        while pieces:
            count = next((many for many in range(len(pieces), 1, -1) if _is_one(pieces[:many])), 1)
            yield _checked(*_read(",".join(pieces[:count])))
            del pieces[:count]


def mounts(texts: Iterable[str]) -> Iterator[Mount]:
    """Yield the mounts of ``type=bind,source=SRC,destination=DST[,ro]``.

    Raises:
        SpecError: One of them cannot be read, or there is nothing of that name.
        Unknown: Something of an image is to be mounted.
    """
    for text in texts:
        yield _mount(text)


def home(text: str) -> tuple[str, str]:
    """Return where the home directory is, here and in the container, of ``SRC[:DST]``.

    Raises:
        SpecError: There is no such directory.
    """
    source, target, _ = _checked(*_read(text))
    if not os.path.isdir(source):
        raise SpecError(f"--home {text}: {source} is no directory", hint="name a directory that is there")
    return source, target


def is_below(path: str, folder: str) -> bool:
    """Return whether a path is that of a directory or of something in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_one(pieces: list[str]) -> bool:
    source = parts(",".join(pieces))[0]
    return source.count(",") >= len(pieces) - 1 and os.path.exists(source)


def _mount(text: str) -> Mount:
    import csv  # noqa: PLC0415 - seldom needed

    fields = next(csv.reader([text]), [])
    pairs = (field.partition("=") for field in fields)
    values = {_KEYS.get(key, key): value for key, _, value in pairs}
    if values.get("type") != "bind" or not values.get("source") or not values.get("destination"):
        raise SpecError(f"--mount {text!r} cannot be read", hint="write type=bind,source=SRC,destination=DST")
    if not values.keys() <= {"type", "source", "destination", "ro", "bind-propagation"}:
        raise Unknown(f"option --mount {text}")
    return _checked(values["source"], values["destination"], "ro" not in values)


def _read(text: str) -> Mount:
    if "\\" not in text or os.path.exists(parts(text)[0]):
        return parts(text)
    source, target, mode = [*(_ESCAPED.sub(r"\1", field) for field in _COLON.split(text)), "", ""][:3]
    return source, target or source, mode != "ro"


def _checked(source: str, target: str, writable: bool) -> Mount:
    here = os.path.join(os.getcwd(), source)
    if not source or not os.path.exists(here):
        raise SpecError(
            f"cannot bind {source}: there is no such file or directory",
            hint="write SRC, SRC:DST or SRC:DST:ro",
        )
    there = here if target == source else target
    if not there.startswith("/") or there.strip("/") == "":
        raise SpecError(
            f"cannot bind {source} to {target}: that is no absolute path below the root",
            hint="write SRC:DST, the second an absolute path",
        )
    return here, there, writable
