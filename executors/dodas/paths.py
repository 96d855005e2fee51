"""Where dodas keeps things, and the environment variables that move them.

================  ========================  ==================================
what              default                   moved by
================  ========================  ==================================
image store       ``~/.udocker``            ``DODAS_STORE``, ``UDOCKER_DIR``
programs          ``~/.local/share/dodas``  ``DODAS_DATA``, ``XDG_DATA_HOME``
verdicts, caches  ``~/.cache/dodas``        ``DODAS_CACHE``, ``XDG_CACHE_HOME``
pools             ``~/.local/state/dodas``  ``DODAS_STATE``, ``XDG_STATE_HOME``
scratch of steps  ``/tmp``                  ``DODAS_SCRATCH``, ``TMPDIR``
================  ========================  ==================================
"""

from __future__ import annotations

import os


def store_dir() -> str:
    """Return the directory of the image store, which is udocker's repository."""
    return _absolute(_set("DODAS_STORE") or _set("UDOCKER_DIR") or "~/.udocker")


def data_dir() -> str:
    """Return the directory for programs that dodas uses, such as PRoot."""
    return _absolute(_set("DODAS_DATA") or _below("XDG_DATA_HOME", "~/.local/share"))


def state_dir() -> str:
    """Return the directory for what must outlive a process and is of this machine, such as pools."""
    return _absolute(_set("DODAS_STATE") or _below("XDG_STATE_HOME", "~/.local/state"))


def cache_dir() -> str:
    """Return the directory for what can be made again at any time."""
    return _absolute(_set("DODAS_CACHE") or _below("XDG_CACHE_HOME", "~/.cache"))


def scratch_dir() -> str:
    """Return the directory below which steps get their private writable places; on a local disk."""
    return _absolute(_set("DODAS_SCRATCH") or _set("TMPDIR") or "/tmp")  # noqa: S108 - private below it


def _set(name: str) -> str:
    return os.environ.get(name, "")


def _below(variable: str, default: str) -> str:
    # The XDG base directory specification says that a relative path is to be ignored.
    base = _set(variable)
    return os.path.join(base if base.startswith("/") else default, "dodas")


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))
