"""The servers of the tests, and an environment of clients in which they are trusted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_PROJECT / "tests"), str(_PROJECT / "tools")]

from servers.apache import Apache  # noqa: E402 - found where the line above says
from servers.pki import make_pki  # noqa: E402

Server = Apache


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where to measure.

    Attributes:
        home: A directory for local files.
        plain: A server with http.
        encrypted: One with https.
        bundle: The certificates that vouch for it, for curl and others.
        rounds: How often everything is measured.
    """

    home: Path
    plain: Apache
    encrypted: Apache
    bundle: Path
    rounds: int

    @property
    def environment(self) -> dict[str, str]:
        """Variables for all clients; no credentials."""
        trust = {name: str(self.bundle) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
        away = {name: "" for name in ("http_proxy", "https_proxy", "BEARER_TOKEN", "X509_USER_PROXY")}
        return {**os.environ, **trust, **away, "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home)}


@contextmanager
def run(home: Path, rounds: int) -> Iterator[Bench]:
    """Run the servers in a directory, which those who serve can enter."""
    home.chmod(0o755)
    pki = make_pki(home / "pki")
    with ExitStack() as stack:
        plain = stack.enter_context(Apache(home / "plain"))
        encrypted = stack.enter_context(Apache(home / "encrypted", pki=pki))
        yield Bench(home=home, plain=plain, encrypted=encrypted, bundle=pki.bundle, rounds=rounds)
