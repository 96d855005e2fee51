"""Runs `dodas data` as users and scripts do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# As names of files and of directories.
HOSTILE = (
    *(
        "a b",
        "100%",
        "%41",
        "#1 of 2",
        "plus+and&",
        "é 日本",
        "'\"`",
        "$(x); y",
        "[y]*{z}",
        "-r",
        "~",
        ".hidden",
    ),
    *("back\\slash", "tab\tnew\nline", "=:@,!", "x" * 200),
)
_OURS = ("DODAS_", "X509_", "BEARER_", "OIDC_", "SSL_", "XDG_", "HTTP_", "HTTPS_", "NO_", "ALL_")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a user who has set nothing but ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OURS)}
    home.mkdir(exist_ok=True)
    return {**kept, "HOME": str(home), "DODAS_STORAGE_ATTEMPTS": "2", "DODAS_STORAGE_MAX_WAIT": "0.2", **more}


class Data:
    """Runs `dodas data` in a directory.

    Attributes:
        place: The directory.
    """

    def __init__(self, place: Path, environ: Mapping[str, str]) -> None:
        self.place = place
        self.environ = dict(environ)

    def __call__(self, *words: str, status: int = 0, text: str | None = None) -> str:
        """Return what it prints, on standard error if it is to fail."""
        done = self.whole(*words, text=text)
        assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stderr if status else done.stdout

    def json(self, *words: str, status: int = 0) -> list[Any]:
        """Return the objects that it prints."""
        done = self.whole(*words, "--json")
        assert done.returncode == status, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def whole(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Return all of it."""
        return subprocess.run(
            self.command(words),
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            cwd=self.place,
            env=self.environ,
        )

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start it in a session of its own."""
        return subprocess.Popen(
            self.command(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.place,
            env=self.environ,
            start_new_session=True,
        )

    def command(self, words: Sequence[str]) -> list[str]:
        """Return what is run."""
        return [sys.executable, "-m", "dodas", "data", *words]


def make_tree(root: Path, names: Sequence[str] = HOSTILE) -> dict[str, bytes]:
    """Make files, in directories too, and an empty directory; return the contents by path."""
    contents = {name: name.encode() for name in names}
    contents |= {f"{name}.d/{name}": b"" for name in names if len(name) < 100}
    contents["sub/deep/file"] = bytes(range(256)) * 100
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "empty").mkdir()
    return contents


def tree(root: Path) -> dict[str, bytes]:
    """Return the contents of all files below a directory, by path."""
    return {
        os.fspath(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
