"""One repository on one server, as the OCI distribution specification lets it be read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from functools import cached_property

from dodas.containers.credentials import find_login
from dodas.containers.reference import DOCKER_HUB, Reference, is_digest
from dodas.containers.registry.authority import Authority
from dodas.containers.registry.client import requests
from dodas.containers.registry.endpoints import HUB_ADDRESS, Endpoint
from dodas.containers.registry.faults import WebPage, not_allowed, not_available, unreachable
from dodas.containers.registry.manifests import ACCEPT, Index, Manifest, damaged, read, verify
from dodas.containers.registry.wire import Wire, origin
from dodas.errors import ImageError, ImageNotFound

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # anything else is not shown to a terminal


class Repository:
    """Reads manifests and blobs.  Usable from several threads."""

    def __init__(self, wire: Wire, endpoint: Endpoint, reference: Reference) -> None:
        at_hub = endpoint.scheme and endpoint.address == HUB_ADDRESS
        self.host = DOCKER_HUB if at_hub else endpoint.host
        self._wire = wire
        self._endpoint = endpoint
        self._reference = reference
        self._path = endpoint.prefix + reference.repository

    @cached_property
    def _address(self) -> str:
        # Nothing is sent before something is wanted: a mirror that has it all keeps the registry out of it.
        return self._wire.settle(self._endpoint).address

    @cached_property
    def _authority(self) -> Authority:
        return Authority(
            self._wire,
            host=self.host,
            encrypted=self._address.startswith("https:"),
            scope=f"repository:{self._path}:pull",
            find_login=lambda: find_login(self._address, registry=self.host, repository=self._path),
        )

    def manifest(self, identifier: str) -> Manifest | Index:
        """Return what the registry has under a tag or a digest; the latter is verified.

        Raises:
            ImageNotFound: Nothing; the hint names tags that are spelled much like it.
            ImageNotAllowed: The registry wants another login.
            ImageCorrupt: It does not have its digest, or makes no sense.
            RegistryUnreachable: No answer, or one that is none.
        """
        what = f"{self._reference.name}{'@' if ':' in identifier else ':'}{identifier}"
        try:
            answer = self._get(f"manifests/{identifier}", {"Accept": ACCEPT}, ask=self._wire.ask_briefly)
        except ImageNotFound:
            raise self._not_found(identifier) from None
        content, kind = answer.content, answer.headers.get("Content-Type", "")
        if kind.startswith("text/html") or content.lstrip()[:1] == b"<":
            raise WebPage(self.host)
        for digest in (identifier, answer.headers.get("Docker-Content-Digest", "")):
            if is_digest(digest):
                verify(content, digest, what=what)
        if not content:
            raise damaged(what)
        return read(content, kind, what=what)

    def blob(self, digest: str, *, start: int = 0) -> requests.Response:
        """Return the answer whose body is a blob, or the rest of it from byte ``start``.

        The status says which: 206 for the rest, 200 for all of it, 416 when there is no rest.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        fine = (200, 206, 416) if start else (200,)
        return self._get(f"blobs/{digest}", headers, ask=self._wire.ask, fine=fine)

    def _get(
        self,
        path: str,
        headers: Mapping[str, str],
        *,
        ask: Callable[..., requests.Response],
        fine: tuple[int, ...] = (200,),
    ) -> requests.Response:
        url = f"{self._address}/v2/{self._path}/{path}"
        used = self._authority.current
        answer = ask(url, authorization=used, headers=headers)
        if answer.status_code == 401 and origin(answer.url) == origin(url):
            answer.close()
            used = self._authority.renew(answer.headers.get("WWW-Authenticate", ""), used=used)
            answer = ask(url, authorization=used, headers=headers)
        if answer.status_code not in fine:
            raise self._failure(answer, elsewhere=origin(answer.url) != origin(url))
        return answer

    def _failure(self, answer: requests.Response, *, elsewhere: bool) -> ImageError:
        status = answer.status_code
        answer.close()
        if elsewhere:
            # The store that a registry redirects to knows nothing of users.
            return unreachable(self.host, f"redirects to a store that answers with status {status}")
        if status in (401, 403) and self._authority.login:
            return not_allowed(self._reference, self.host, known=True)
        return not_available(status, self._reference, self.host)

    def _not_found(self, tag: str) -> ImageNotFound:
        """Say what is missing, and what there is that the user may have meant."""
        missing = f"{self.host} has no image {self._reference}"
        if ":" in tag:
            return ImageNotFound(missing, hint="check the digest, or use a tag")
        try:
            listed = self._get("tags/list?n=1000", {}, ask=self._wire.ask_briefly).json()["tags"]
            tags = sorted(filter(_TAG.fullmatch, map(str, listed)))
        except ImageNotFound:
            return ImageNotFound(missing, hint=f"check the spelling of {self._reference.name}")
        except (ImageError, ValueError, KeyError, TypeError):
            tags = []
        known = difflib.get_close_matches(tag, tags, n=3, cutoff=0.5) or tags[:5]
        return ImageNotFound(missing, hint=f"check the tag; there is {', '.join(known) or 'none'}")
