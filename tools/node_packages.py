"""Packages of Node that the tests use, exactly those of a lock file; they live in the user's cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "executors"))

from dodas import paths

ISSUER = Path(__file__).resolve().parent.parent / "tests" / "servers" / "issuer"
"""The folder whose ``package-lock.json`` says what an OpenID Connect provider needs."""


def place(folder: Path = ISSUER) -> Path:
    """Return where the packages of ``folder`` are, or will be: a directory with ``node_modules`` in it."""
    key = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]
    return Path(paths.cache_dir(), "node", key)


def bring(folder: Path = ISSUER) -> bool:
    """Install the packages of ``folder`` unless they are there; tell whether they are now."""
    target = place(folder)
    if target.exists():
        return True
    if not shutil.which("npm"):
        return False
    print(f"installing the packages of {folder.name} below {target.parent}", file=sys.stderr, flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        part = Path(scratch, "part")
        part.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, part)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=part, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            print(f"warning: {' '.join(command)} failed:\n{done.stderr.strip()}", file=sys.stderr)
            return False
        with suppress(OSError):  # somebody else was faster
            part.replace(target)
    return target.exists()
