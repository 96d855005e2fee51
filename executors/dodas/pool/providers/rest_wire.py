"""The one place where providers open connections."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from dodas import __version__
from dodas.auth import anchors
from dodas.containers.registry.endpoints import is_loopback
from dodas.pool.providers.base import ProviderError, ProviderUnavailable, Refused
from dodas.pool.providers.rest_answer import Answer, Patience

_LARGEST = 64 << 20  # bytes of an answer; the state of the largest pools is a tenth of it
_BLOCK = 65536
# A proxy's loopback is not ours.  requests takes None for "none, whatever the environment says".
_NO_PROXY: dict[str, Any] = {"http": None, "https": None, "all": None}
_ACCEPT = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request without what says who asks."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Wire:
    """Connections to one service.

    Args:
        who: The service, for messages.
        url: Where paths begin.
        ca_file: Whom to believe; empty for those of the environment and the system.
        client: Files with a certificate to show and its key.
    """

    def __init__(
        self, *, who: str, url: str, ca_file: str = "", client: tuple[str, str] | None = None
    ) -> None:
        self._who, self._url, self._client = who, url, client
        # Given at each request: what a session has gives way to REQUESTS_CA_BUNDLE.
        self._verify = ca_file or _authorities()
        self._proxies = _NO_PROXY if is_loopback(urlsplit(url).netloc) else None
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"dodas/{__version__}"

    def close(self) -> None:
        """Close them."""
        self._session.close()

    def send(
        self, call: Call, proof: Mapping[str, str], patience: Patience, *, end: float, slow: bool
    ) -> Answer | ProviderError:
        """Send a request once; return the answer, or what was in its way and may be gone the next time.

        Args:
            call: What is asked.
            proof: Headers that say who asks.
            patience: Limits.
            end: When, by the clock of ``patience``, all must be over.
            slow: Whether the service may be silent until then.

        Raises:
            ProviderError: It did not work, and will not the next time.
        """
        left = max(0.1, end - patience.clock())
        try:
            with self._session.request(
                call.method,
                f"{self._url}{call.path}",
                params=call.params,
                data=call.body,
                headers={**_ACCEPT, **call.headers, **proof},
                auth=_as_it_is,
                verify=self._verify,
                cert=self._client,
                proxies=self._proxies,
                timeout=(min(patience.connect, left), left if slow else min(patience.read, left)),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = self._whole(answer, patience, end)
                return Answer(status=answer.status_code, headers=answer.headers, body=body, who=self._who)
        # `from None`: the texts of these errors hold whole addresses, queries included.
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            if "CERTIFICATE" in repr(error).upper():
                raise self._distrust() from None
            return ProviderUnavailable(
                f"{self._who} {_why(error)}", hint="check the address and the network, or try again later"
            )
        except OSError as error:
            raise Refused(
                f"a file with certificates for {self._who} is of no use: {error.strerror or 'not found'}",
                hint="check the setting ca_file and REQUESTS_CA_BUNDLE",
            ) from None

    def _whole(self, answer: requests.Response, patience: Patience, end: float) -> bytes:
        blocks: list[bytes] = []
        size = 0
        while block := _some(answer):
            size += len(block)
            if size > _LARGEST:
                raise Refused(f"{self._who} sends an answer without end", hint="ask who runs it")
            if patience.clock() > end:
                raise requests.exceptions.ReadTimeout
            blocks.append(block)
        return b"".join(blocks)

    def _distrust(self) -> ProviderUnavailable:
        return ProviderUnavailable(
            f"{self._who} shows a certificate that is not trusted, or does not take ours",
            hint="name the file with the certificates of its authority in the setting ca_file",
        )


def checked(name: str, url: str) -> str:
    """Return the host, and port, of the address of a service.

    Raises:
        Refused: It is none, or has a password in it.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        parts, good = urlsplit(""), False
    if "@" in url:
        raise Refused(
            f"the address of {name} has a user or password in it",
            hint="take them out, and put credentials into the file that the settings name",
        )
    if not good or parts.query or parts.fragment:
        raise Refused(f"the address of {name} is not one", hint="write it as https://HOST[:PORT][/PATH]")
    return parts.netloc


def _authorities() -> str | bool:
    """Return whom to believe if nobody says: whom the environment names, the system, or certifi."""
    if os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return True  # requests looks there
    return next(iter(anchors.trust(os.environ).bundles), True)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the headers alone.  Without this requests would take a password from ``~/.netrc``."""
    return request


def _some(answer: requests.Response) -> bytes:
    """Return what has come, at least a byte; nothing at the end."""
    read1 = getattr(answer.raw, "read1", None)  # since urllib3 2.1; without it a slow trickle takes longer
    block: bytes = read1(_BLOCK) if read1 else answer.raw.read(1024)
    return block


def _why(error: BaseException) -> str:
    text = repr(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return "is behind a proxy that does not answer"
    if "NameResolutionError" in text or "gaierror" in text:
        return "is not known to the name service"
    if "refused" in text:
        return "refuses connections"
    if isinstance(error, requests.exceptions.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
        return "fell silent"
    if isinstance(error, requests.exceptions.Timeout):
        return "does not answer"
    return "broke off the connection"
