"""Bring an SSH server for the hosts that tests make: Debian's, unpacked into the user's cache."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "executors"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import debs
import unpacked
from dodas import paths

PACKAGE = "openssh-server"
RECIPE = "1"


def bring() -> Path | None:
    """Return the tree with ``usr/sbin/sshd``, unpacked unless it is there; nothing where it cannot be had."""
    if not unpacked.possible():
        return None
    suite = unpacked.suite()
    key = hashlib.sha256(f"{RECIPE} {PACKAGE} {suite}".encode()).hexdigest()[:16]
    target = Path(paths.cache_dir(), "im", f"sshd-{key}")
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sshd-", dir=target.parent) as scratch:
        part = Path(scratch, "part")
        try:
            debs.unpack(debs.closure([PACKAGE], suite=suite), part)
        except debs.DebsError as error:
            print(f"warning: no SSH server: {error}", file=sys.stderr)
            return None
        part.replace(target)
    return target
