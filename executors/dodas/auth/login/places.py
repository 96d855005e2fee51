"""Where logins are kept, and what they may be called; light, as it is always asked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from dodas.errors import SpecError

VARIABLE = "DODAS_LOGIN"
DEFAULT = "default"
NONE = "none"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def folder(environ: Mapping[str, str]) -> str:
    """Return the directory of logins, below that of :func:`dodas.paths.state_dir`; empty if there is none."""
    named = environ.get("DODAS_STATE", "")
    if not named:
        base = environ.get("XDG_STATE_HOME", "")
        home = environ.get("HOME", "")
        if not base.startswith("/"):
            base = os.path.join(home, ".local", "state") if home else ""
        named = os.path.join(base, "dodas") if base else ""
    if named.startswith("~/"):
        named = os.path.join(environ.get("HOME", ""), named[2:])
    return os.path.join(os.path.abspath(named), "logins") if named else ""


def chosen(environ: Mapping[str, str]) -> str:
    """Return the name of the login to use: that of ``DODAS_LOGIN``, else ``default``; ``none`` for none.

    Raises:
        SpecError: It cannot be a name.
    """
    return checked(environ.get("DODAS_LOGIN", "").strip() or DEFAULT, "DODAS_LOGIN")


def checked(name: str, what: str) -> str:
    """Return a name that can be that of a login, or ``none``.

    Raises:
        SpecError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{what} is {name!r}, which cannot be the name of a login",
            hint="use at most 64 letters, digits, '.', '_', '@' and '-', a letter or digit first",
        )
    return name


def file(directory: str, name: str) -> str:
    """Return the file of a login."""
    return os.path.join(directory, f"{name}.json")
