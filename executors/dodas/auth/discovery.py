"""Bearer tokens where WLCG Bearer Token Discovery says they are; a file is read again when it has changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from dodas.auth import private
from dodas.auth.tokens import Token, token
from dodas.errors import NotAllowed

_TMP = "/tmp"  # noqa: S108 - the specification names it; only what is ours is taken from there


class TokenFinder:
    """Finds the token of this user; usable from several threads.

    Args:
        environ: Looked at anew each time.
        tmp: Where the last of the four places is.
    """

    def __init__(self, environ: Mapping[str, str], *, tmp: str = _TMP) -> None:
        self._environ = environ
        self._tmp = tmp
        self._read: dict[str, tuple[private.Stamp, Token | None]] = {}
        self._lock = threading.Lock()

    def find(self) -> Token | None:
        """Return the token of the first place that has one.

        Raises:
            NotAllowed: A place is named and useless, or others can read it.
        """
        value = self._environ.get("BEARER_TOKEN", "").strip()
        if value:
            return token(value, "BEARER_TOKEN")
        named = self._environ.get("BEARER_TOKEN_FILE")
        if named:
            return self._of_file(named, "the token file of BEARER_TOKEN_FILE")
        for path in self._usual_files():
            if private.is_own(path):
                found = self._of_file(path, "the token file")
                if found is not None:
                    return found
        return None

    def forget(self) -> None:
        """Read files again, also those that look unchanged."""
        with self._lock:
            self._read.clear()

    def _usual_files(self) -> list[str]:
        name = f"bt_u{os.geteuid()}"
        runtime = self._environ.get("XDG_RUNTIME_DIR")
        return [os.path.join(place, name) for place in (runtime, self._tmp) if place]

    def _of_file(self, path: str, what: str) -> Token | None:
        stamp = private.stamp_of(path)
        with self._lock:
            known = self._read.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        content, read_stamp = private.read(path, what)
        try:
            found = token(content.decode("ascii"), f"{what}, {path},")
        except UnicodeDecodeError:
            raise NotAllowed(f"{what}, {path}, does not hold a bearer token") from None
        with self._lock:
            self._read[path] = (read_stamp, found)
        return found
