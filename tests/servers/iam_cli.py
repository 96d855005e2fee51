"""``dodas auth`` as somebody uses it who has nothing but a home, and a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from servers.iam_front import Front
from servers.iam_user import User
from servers.pki import Pki


class Desk:
    """A home of its own, in which commands are given.

    Args:
        folder: Its place.
        pki: Whom programs trust there.
        front: The provider.
        user: Who consents.
    """

    def __init__(self, folder: Path, *, pki: Pki, front: Front, user: str = "anna") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.home, self.pki, self.front = folder, pki, front
        self.user = User(user, issuer=front.issuer, pki=pki)
        self.environ = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "SSL_CERT_FILE": str(pki.bundle),
            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        }
        self.python = sys.executable
        self.said: list[str] = []

    @property
    def logins(self) -> Path:
        """Where logins are kept."""
        return self.home / ".local/state/dodas/logins"

    def kept(self, name: str = "default") -> dict[str, Any]:
        """Return a login as it is on the disk."""
        found: dict[str, Any] = json.loads((self.logins / f"{name}.json").read_text())
        return found

    def let_pass(self, left: float, name: str = "default") -> None:
        """Let the clock go on, as far as tokens of a login are concerned, until so many seconds are left."""
        kept = self.kept(name)
        for token in kept["tokens"]:
            past = token["until"] - left - time.time()
            token.update(got=token["got"] - past, until=token["until"] - past)
        (self.logins / f"{name}.json").write_text(json.dumps(kept))

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Start ``dodas auth WORDS``."""
        return subprocess.Popen(
            [self.python, "-m", "dodas", "auth", *words],
            env={**self.environ, **environ},
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, typed: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.start(*words, **environ)
        out, err = process.communicate(typed, timeout=60)
        self.said += [err] if words[0] == "token" and process.returncode == 0 else [out, err]
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def token(self, *words: str, **environ: str) -> str:
        """Return the token that is printed, alone."""
        done = self.run("token", *words, **environ)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert done.stdout.count("\n") == 1
        return done.stdout.strip()

    def fails(self, *words: str, typed: str = "", **environ: str) -> str:
        """Return what a command says that fails, as it must."""
        done = self.run(*words, typed=typed, **environ)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr.startswith("error: "), done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stderr

    def log_in(self, *words: str, client: str = "laptop", **environ: str) -> dict[str, Any]:
        """Log in with the browser, and return what ``--json`` tells of it."""
        named = ("--client-id", client) if client else ()
        process = self.start("login", self.front.issuer.url, "--json", *named, *words, **environ)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.communicate(timeout=60)[1])
        prompt = json.loads(line)
        self.user.consent(prompt["verification_uri_complete"])
        out, err = process.communicate(timeout=60)
        self.said += [line, out, err]
        assert process.returncode == 0, err
        told: dict[str, Any] = json.loads(out)
        return told
