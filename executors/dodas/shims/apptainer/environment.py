"""The environment of a command in a container, as apptainer makes it (``internal/pkg/util/env``)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from dodas.errors import SpecError
from dodas.shims.apptainer.words import PREFIXES

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OF_CONTAINERS = ("APPTAINERENV_", "SINGULARITYENV_")
_NEVER = frozenset(
    (
        *("HOME", "PATH", "LD_LIBRARY_PATH", "APPTAINER_SHELL", "APPTAINER_APPNAME"),
        *("SINGULARITY_SHELL", "SINGULARITY_APPNAME"),
    )
)
_ALWAYS = frozenset(
    (
        "TERM",
        *(f"{name}_proxy" for name in ("http", "https", "no", "all", "ftp")),
        *(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "NO", "ALL", "FTP")),
    )
)
_OF_SHELLS = frozenset(("_", "PWD", "OLDPWD", "SHLVL"))
_BEFORE, _AFTER = "PREPEND_PATH", "APPEND_PATH"


def environment(
    *,
    asked: Mapping[str, str],
    image: tuple[tuple[str, str], ...],
    container: Mapping[str, str],
    host: Mapping[str, str],
    clean: bool,
) -> tuple[tuple[str, str], ...]:
    """Return the variables.

    Args:
        asked: What the user asks for, :func:`asked_for`: it counts most, but for what ``container`` has.
        image: Those of the image: its ``PATH``, and what the host does not have.
        container: What is so in any case, such as ``HOME``.
        host: Those of this machine.
        clean: Whether those are left out.
    """
    merged = {
        name: value
        for name, value in host.items()
        if (name in _ALWAYS or not clean) and name not in _NEVER and not name.startswith(_NOT_PASSED)
    }
    if clean:
        merged["LANG"] = "C"
    for name, value in image:
        merged[name] = value if name == "PATH" else merged.get(name) or value
    merged.setdefault("PATH", _PATH)
    merged.update((name, value) for name, value in asked.items() if name not in (_BEFORE, _AFTER))
    places = (asked.get(_BEFORE), merged["PATH"], asked.get(_AFTER))
    merged["PATH"] = ":".join(filter(None, places))
    merged.update(container)
    return tuple(merged.items())


_NOT_PASSED = (*PREFIXES, *_OF_CONTAINERS)


def asked_for(pairs: Iterable[str], files: Iterable[str], host: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the user asks for, on the command line, in a file, in the environment.

    Args:
        pairs: ``NAME=VALUE,…``; of several values of one name the last counts.
        files: Files with assignments, as a shell reads them; the command line counts more.
        host: The environment: ``APPTAINERENV_NAME`` asks for ``NAME``, and counts least.

    Raises:
        SpecError: Something cannot be read.
    """
    found: dict[str, str] = {}
    for prefix in reversed(_OF_CONTAINERS):
        for name, value in host.items():
            if name.startswith(prefix) and name != prefix:
                found[name.removeprefix(prefix)] = value
    for path in files:
        found.update(_assigned(path, host))
    for text in pairs:
        found.update(_split(text))
    return {name: value for name, value in found.items() if name != "HOME"}


def _split(text: str) -> list[tuple[str, str]]:
    """Return the variables of one ``--env``; a comma with no variable after it is part of a value."""
    found: list[tuple[str, str]] = []
    for piece in text.split(","):
        name, equals, value = piece.partition("=")
        if equals and ((name and not found) or _is_name(name)):
            found.append((name.strip(), value))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]},{piece}")
        else:
            raise SpecError(f"--env {text!r} is no variable", hint="write NAME=VALUE")
    return found


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier()


def _assigned(path: str, host: Mapping[str, str]) -> dict[str, str]:
    """Return what a shell has assigned after it has read a file."""
    import subprocess  # noqa: PLC0415 - seldom needed

    script = 'set -a; . "$1" >&2; exec env -0'
    # A name without a slash would be looked for on PATH.
    command = ["/bin/sh", "-ec", script, "sh", os.path.abspath(path)]
    done = subprocess.run(command, env=dict(host), stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SpecError(f"cannot read the environment file {path}", hint="write a line NAME=VALUE for each")
    variables = (os.fsdecode(entry).partition("=") for entry in done.stdout.split(b"\0"))
    return {
        name: value
        for name, _, value in variables
        if name and name not in _OF_SHELLS and host.get(name) != value
    }
