"""The environment of a command in a container, as udocker makes it (``udocker/engine/base.py``)."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator, Mapping

from dodas.errors import SpecError
from dodas.shims.account import Account

_DIGITS = "0123456789"
_NEVER = "VTE_VERSION"
_PATH_OF_ROOT = "/usr/sbin:/sbin:/usr/bin:/bin"
_PATH = "/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def environment(
    *,
    given: Iterable[str],
    files: Iterable[str],
    image: tuple[tuple[str, str], ...],
    account: Account,
    container: Mapping[str, str],
    host: Mapping[str, str],
    whole_host: bool,
) -> tuple[tuple[str, str], ...]:
    """Return the variables: each from the first of the sources that has it.

    Args:
        given: ``NAME=VALUE``, or ``NAME`` for the value that it has here; of several the last counts.
        files: Files with the same, a line each, which come after the image.
        image: Those of the image.
        account: The user.
        container: What is said of the container.
        host: Those of this machine.
        whole_host: Whether all of those are passed on.

    Raises:
        SpecError: A file cannot be read.
    """
    merged = dict(_pairs(given, host))
    user = {name: account.name for name in ("USER", "LOGNAME", "USERNAME")}
    for name, value in user.items():
        merged.setdefault(name, value)
    for name, value in (*image, *_pairs(_lines(files), host)):
        merged.setdefault(name, value)
    merged.setdefault("HOME", account.home)
    merged.setdefault("PATH", _PATH_OF_ROOT if account.is_root else _PATH)
    prompt = container["container_uuid"][:8] + ("# " if account.is_root else "\\$ ")
    for name, value in {"PS1": prompt, "SHLVL": "0", **container}.items():
        merged.setdefault(name, value)
    for name in host if whole_host else ("TERM",):
        if name in host and name != _NEVER:
            merged.setdefault(name, host[name])
    return tuple(merged.items())


def name_here() -> str:
    """Return the name of the user on this machine."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _pairs(texts: Iterable[str], host: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what udocker takes for variables, with their values as they are."""
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if name and " " not in name and name[0] not in _DIGITS:
            yield name, value if sign else host.get(name, "")


def _lines(files: Iterable[str]) -> Iterator[str]:
    for path in files:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                lines = file.read().split("\n")
        except OSError as error:
            raise SpecError(f"cannot read the environment file {path}: {error.strerror}") from error
        for line in lines:
            if not line.startswith("#"):
                yield line.removesuffix("\r")
