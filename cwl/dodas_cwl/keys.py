"""Names for pieces of work that are the same whenever the work is the same.

A name is made of everything that decides on the result: the tool, its input object, size and time of each
input file.  It is keyed, as it is seen where secrets must not be, and a plain digest of a short secret can be
guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dodas_cwl.reference import uri_file_path
from dodas_cwl.remote import is_remote

_LENGTH = 20  # hexadecimal digits
# What cwltool calls things that have no name of their own; another one in each run.
_ANONYMOUS = re.compile(r"_:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Keys:
    """Gives each piece of work its name; one that is asked for again gets a number in addition.

    Args:
        secret: Makes the names of one run different from those of all others.
        remote: Returns what changes when a file at a URL does.
    """

    def __init__(self, secret: bytes, remote: Callable[[str], Any] = str) -> None:
        self._secret = secret
        self._remote = remote
        self._seen: Counter[str] = Counter()
        self._directories: dict[str, str] = {}

    def key(self, *content: Any) -> str:
        """Return the name of the work that ``content`` describes, fit for a file name."""
        text = json.dumps(self._described(content), sort_keys=True, default=str)
        name = hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:_LENGTH]
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name}-{self._seen[name]}"

    def _described(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            described = {str(name): self._described(item) for name, item in value.items()}
            if value.get("class") in ("File", "Directory"):
                described["state"] = self._state(str(value.get("location") or value.get("path") or ""))
            return described
        if isinstance(value, (list, tuple)):
            return [self._described(item) for item in value]
        return "_:" if isinstance(value, str) and _ANONYMOUS.fullmatch(value) else value

    def _state(self, location: str) -> Any:
        if is_remote(location):
            return self._remote(location)
        path = uri_file_path(location) if location.startswith("file:") else location
        if not path.startswith("/"):
            return None
        if not os.path.isdir(path):
            return _times(path)
        # Many steps get the same directory, and looking through it takes a while.
        if path not in self._directories:
            self._directories[path] = hashlib.sha256(json.dumps(sorted(_tree(path))).encode()).hexdigest()
        return self._directories[path]


def _times(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _tree(top: str) -> Iterator[Any]:
    for here, directories, files in os.walk(top):
        inside = os.path.relpath(here, top)
        yield inside, None
        links = [name for name in directories if os.path.islink(os.path.join(here, name))]
        yield from ((os.path.join(inside, name), _times(os.path.join(here, name))) for name in files + links)
