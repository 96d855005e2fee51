"""curl, to see how a server answers without any code of ours between; it follows nothing by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from needs import need
from servers.pki import Pki


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server said; the status is 0 if it said nothing.  Names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Curl:
    """Asks servers that have their certificates from ``pki``; ``folder`` is for its files."""

    pki: Pki
    folder: Path

    def __call__(
        self, method: str, url: str, *headers: str, body: bytes | None = None, options: Sequence[str] = ()
    ) -> Answer:
        """Return the last answer to a request; ``options`` are curl's."""
        self.folder.mkdir(exist_ok=True)
        request, head, answer = (self.folder / name for name in ("request", "head", "answer"))
        head.write_text("")
        answer.write_bytes(b"")
        words = [need("curl"), "--disable", "--silent", "--noproxy", "*", "--cacert", str(self.pki.ca)]
        words += ["--head"] if method == "HEAD" else ["--request", method]
        words += [word for header in headers for word in ("--header", header)]
        if body is not None:
            request.write_bytes(body)
            words += ["--upload-file", str(request)]
        words += ["--dump-header", str(head), "--output", str(answer), *options, "--globoff", "--", url]
        subprocess.run(words, check=False, capture_output=True, timeout=60)
        status, fields = _read(head.read_text(errors="replace"))
        return Answer(status=status, headers=fields, body=answer.read_bytes())


def _read(text: str) -> tuple[int, dict[str, str]]:
    """Return status and headers of the last of the answers, each of which begins with a status line."""
    status = 0
    headers: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("HTTP/"):
            status, headers = int(line.split()[1]), {}
        elif ":" in line:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
    return status, headers
