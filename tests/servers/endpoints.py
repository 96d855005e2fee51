"""A storage as a federation sees it: asked with WebDAV by a client of a few lines that uses none of ours."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree

from servers.site import Site

_DAV = "{DAV:}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file or directory of an endpoint: name, size (of a directory 0), seconds since 1970."""

    name: str
    is_directory: bool
    size: int
    modified: float


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A directory of a site that a federation has as its root.

    Attributes:
        site: The storage.
        prefix: The directory, with a slash at the end; not at the start.
        location: Two letters for where it is.
        checksums: Whether it tells them.
        token: With which the federation asks it; empty for none.
        tls: What the federation trusts.
    """

    site: Site
    prefix: str
    location: str
    checksums: bool
    token: str = ""
    tls: ssl.SSLContext | None = None

    @property
    def root(self) -> Path:
        """The directory on the disk of the site."""
        return self.site.root / self.prefix

    def url(self, path: str = "") -> str:
        """Return the URL of a path below the directory, which is not encoded."""
        return self.site.url(self.prefix + encoded(path))

    def stat(self, path: str) -> Found | None:
        """Return what is at a path.

        Raises:
            OSError: It does not answer.
        """
        status, body = self._propfind(path, depth=0)
        return next(_entries(body), None) if status == 207 else None

    def entries(self, path: str) -> list[Found] | None:
        """Return what is in a directory; ``None`` if it is not there.

        Raises:
            OSError: It does not answer.
        """
        status, body = self._propfind(path.rstrip("/") + "/" if path else "", depth=1)
        return list(_entries(body))[1:] if status == 207 else None

    def ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Return status and body of an answer.

        Raises:
            OSError: It does not answer.
        """
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
        connection = (
            http.client.HTTPSConnection(host, port, timeout=10, context=self.tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=10)
        )
        try:
            own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            connection.request(method, parts.path, headers={**own, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def _propfind(self, path: str, *, depth: int) -> tuple[int, bytes]:
        status, body = self.ask("PROPFIND", self.url(path), {"Depth": str(depth)})
        if status == 301:  # a directory, which has a slash at the end
            status, body = self.ask("PROPFIND", self.url(path + "/"), {"Depth": str(depth)})
        return status, body


def encoded(path: str) -> str:
    """Return a path percent-encoded."""
    return quote(path, safe="/!$&'()*+,;=:@~")


def _entries(multistatus: bytes) -> Iterator[Found]:
    """Yield what a multistatus lists."""
    for response in ElementTree.fromstring(multistatus).iter(f"{_DAV}response"):
        path = unquote(urlsplit(response.findtext(f"{_DAV}href", "")).path)
        changed = response.findtext(f".//{_DAV}getlastmodified")
        is_directory = response.find(f".//{_DAV}collection") is not None
        yield Found(
            name=path.rstrip("/").rpartition("/")[2],
            is_directory=is_directory,
            size=0 if is_directory else int(response.findtext(f".//{_DAV}getcontentlength") or 0),
            modified=parsedate_to_datetime(changed).timestamp() if changed else 0.0,
        )
