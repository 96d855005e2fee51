"""What servers call the members of a directory, read into names.

Servers write ``/dir/a%20b``, ``https://host/dir/a%20b``, ``a%20b``, or the bare ``/dir/a b``, and one behind
a proxy may know the directory by another path.  All that is ever taken from them is the last part: a URL is
that of the directory with a name after it, whatever an answer says.
"""

from __future__ import annotations

import re

from dodas.errors import Corrupt
from dodas.staging.urls import Url, decoded

# Whoever encodes anything encodes these: where they are seen, nothing is.
_BARE = re.compile(r'[ "<>]')
_PLAIN = re.compile(r"(?!\.\.?$)[\w.,:=@+~-]+", re.ASCII)  # the same encoded and not, and no directory's
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/]*)")
_PORT = re.compile(r":[0-9]*$")
_HINT = "such a name cannot be used here; whoever runs the storage may rename or remove it"


class Members:
    """The directory that an answer is about, which tells its members from what is not in it."""

    def __init__(self, *directories: Url, bare: bool = False) -> None:
        """Take the directory by all names that the server may know it by.

        Args:
            directories: As it was asked for, and as it was in the end, after redirects.
            bare: The server writes paths without encoding them.
        """
        self._bare = bare
        self._hosts = {one.host for one in directories}
        self._paths = {tuple(decoded(part) for part in one.path.split("/") if part) for one in directories}
        # What members begin with as the server writes it, known from the first one.
        self._prefix = "\0"
        self._base = directories[0].path.rstrip("/") + "/"

    def adopt(self, href: str) -> None:
        """Take what the server calls ``href`` for the directory as well."""
        path = self._path(href)
        if path is not None:
            self._paths.add(tuple(self._parts(path)))

    def name(self, href: str) -> str | None:
        """Return the name of the member ``href``.

        Returns:
            Empty if it is the directory itself, ``None`` if it is something that is not in it.

        Raises:
            Corrupt: It is in the directory, but nothing can have its name.
        """
        path = self._path(href)
        if path is None:
            return None
        if path.startswith(self._prefix) and _PLAIN.fullmatch(path, len(self._prefix)):  # nearly always
            return path[len(self._prefix) :]
        parts = self._parts(path)
        if tuple(parts) in self._paths:
            return ""
        if tuple(parts[:-1]) not in self._paths:
            return None
        if "/" in parts[-1] or "\0" in parts[-1] or parts[-1] in (".", ".."):
            raise Corrupt(f"a directory lists {parts[-1][:100]!r}, which is no name of a file", hint=_HINT)
        self._prefix = path.rstrip("/").rpartition("/")[0] + "/"
        return parts[-1]

    def _path(self, href: str) -> str | None:
        """Return the path of ``href``, encoded as it was; ``None`` if it is on another host."""
        if self._bare:
            return href
        text = href.strip()
        if text.startswith("/") and not text.startswith("//"):
            return text
        found = _AUTHORITY.match(text)
        if found is None:
            return self._base + text
        host = _PORT.sub("", found[1].rpartition("@")[2]).lower()
        if host in self._hosts:
            return text[found.end() :]
        return text if text.startswith("/") else None  # a slash too many, or another host

    def _parts(self, path: str) -> list[str]:
        parts = [part for part in path.split("/") if part]
        return parts if self._bare or _BARE.search(path) else list(map(decoded, parts))
