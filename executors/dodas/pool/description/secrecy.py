"""Secrets have no place in a description: it is shown, rendered and kept in repositories."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dodas.pool.description.problems import Path

_NAME = re.compile(
    r"passwo?r?d|passwd|passphrase|secret|token|credential|private_?key|api_?key", re.IGNORECASE
)
_FILE = re.compile(r"_(file|path|dir|directory)$", re.IGNORECASE)
# A JSON Web Token, a private key, a user and password in an address.
_VALUE = re.compile(
    r"eyJ[\w-]{10,}\.[\w-]+\.|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@]+:[^/\s@]+@|\bBearer +[\w.~+/-]{16,}",
    re.ASCII,
)
# Names of Kubernetes' own things, and of files.
_NAMED = frozenset(("image_pull_secrets", "secret_inputs", "token_file", "password_file"))
_WHERE = ("environment", "inputs", "submit", "labels", "node_selector", "attributes")


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name would hold a secret, and not the name of a file."""
    return bool(_NAME.search(name)) and not _FILE.search(name) and name not in _NAMED


def hides(path: Path, value: object) -> bool:
    """Return whether a value must not be shown."""
    names = [part for part in path if isinstance(part, str)]
    return any(map(is_secret_name, names)) or bool(_VALUE.search(str(value)))


def secrets(value: Any, path: Path = ()) -> Iterator[tuple[Path, str, bool]]:
    """Yield the fields that hold a secret, with what to do about it."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from secrets(child, (*path, key))
    elif isinstance(value, list):
        for position, child in enumerate(value):
            yield from secrets(child, (*path, position))
    elif isinstance(value, str) and _VALUE.search(value):
        yield path, "looks like a secret, which has no place here; name the file that holds it", False
    elif _is_secret_entry(path):
        yield path, f"a secret has no place here; {_instead(path)}", False


def _is_secret_entry(path: Path) -> bool:
    name = path[-1] if path else ""
    return len(path) > 1 and path[-2] in _WHERE and isinstance(name, str) and is_secret_name(name)


def _instead(path: Path) -> str:
    if path[-2] == "inputs":
        return "give secret_inputs of the provider the file that holds it"
    return f"name the file that holds it, as in {path[-1]}_FILE"
