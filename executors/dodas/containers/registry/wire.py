"""The one place that opens connections to registries.

It follows redirections by itself, because a registry sends its clients to stores of other people: what proves
who the user is never goes there, nor over an unencrypted connection that the user did not allow.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

from dodas import __version__
from dodas.containers.registry.client import requests, urllib3
from dodas.containers.registry.endpoints import Endpoint, Surroundings, is_loopback
from dodas.containers.registry.faults import fault_of, is_absence, is_distrust, refused, unreachable
from dodas.containers.registry.patience import Patience, seconds_asked
from dodas.errors import RegistryUnreachable

_REDIRECTIONS = 5
_OF_NOBODY = 3  # attempts
# A proxy's loopback is not ours.  requests takes None for "whatever the environment says, none".
_NO_PROXY: dict[str, Any] = {"http": None, "https": None, "all": None}
_SMALL = 4 << 20  # bytes; the limit that the OCI distribution specification sets for manifests


class _Authorization:
    """Puts in the header that we want.  Without it requests would take a password from ``~/.netrc``."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


class Wire:
    """Connections to registries, usable from several threads; a context manager that closes them."""

    def __init__(self, surroundings: Surroundings, patience: Patience | None = None) -> None:
        self.surroundings = surroundings
        self.patience = patience or Patience()
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for session in self._sessions:
            session.close()

    def settle(self, endpoint: Endpoint) -> Endpoint:
        """Find out how to speak to a server that may be spoken to in clear: encrypted if it can do that."""
        if endpoint.scheme:
            return endpoint
        for scheme in ("https", "http"):
            candidate = Endpoint(
                host=endpoint.host, scheme=scheme, root=endpoint.root, prefix=endpoint.prefix
            )
            try:
                self._request("GET", f"{candidate.address}/v2/").close()
            except requests.exceptions.RequestException as error:
                # A wrong certificate is no reason to go on without one.
                if is_distrust(error):
                    raise fault_of(error, endpoint.host) from None
            else:
                return candidate
        return Endpoint(host=endpoint.host, scheme="http", root=endpoint.root, prefix=endpoint.prefix)

    def ask(
        self,
        url: str,
        *,
        authorization: str = "",
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request, again where that may help, and return the answer with its body still to be read.

        Args:
            url: Where to.
            authorization: Goes to the host in ``url`` only, not where that redirects to.
            headers: Further headers.
            form: Makes it a POST of these fields.

        Raises:
            RegistryUnreachable: No answer, or again and again one that says the server is in trouble.
        """
        return self._persist(url, lambda: self._follow(url, authorization, headers or {}, form))

    def ask_briefly(
        self,
        url: str,
        *,
        authorization: str = "",
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request like `ask`, and read the body, which ought to be short, into ``content``.

        Raises:
            RegistryUnreachable: As for `ask`; or the body is far longer than a manifest may be.
        """
        return self._persist(url, lambda: _whole(self._follow(url, authorization, headers or {}, form)))

    def _persist(self, url: str, send: Callable[[], requests.Response]) -> requests.Response:
        attempt, attempts = 0, self.patience.attempts
        while True:
            try:
                answer = send()
            # `from None`: the texts of these errors hold addresses, and signed addresses are secrets.
            except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                fault, asked = fault_of(error, _host(url)), 0.0
                if is_distrust(error):
                    raise fault from None
                if is_absence(error):
                    attempts = min(attempts, _OF_NOBODY)
            else:
                if answer.status_code != 429 and answer.status_code < 500:
                    return answer
                asked = seconds_asked(answer.headers.get("Retry-After"))
                fault = refused(answer.status_code, _host(url), asked=asked)
                answer.close()
            attempt += 1
            if attempt >= attempts or asked > self.patience.longest:
                raise fault from None
            self.patience.pause(attempt - 1, asked=asked)

    def _follow(
        self, url: str, authorization: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> requests.Response:
        for _ in range(_REDIRECTIONS + 1):
            self._permit(url)
            answer = self._request(
                "POST" if form else "GET", url, authorization=authorization, headers=headers, form=form
            )
            location = answer.headers.get("Location") if answer.is_redirect else None
            if location is None or form:
                return answer
            answer.close()
            target = urljoin(url, location)
            if url.startswith("https:") and not target.lower().startswith("https:"):
                raise unreachable(_host(url), "wants to go on without encryption")
            if origin(target) != origin(url):
                authorization = ""
            url = target
        raise unreachable(_host(url), "redirects without end")

    def _permit(self, url: str) -> None:
        scheme, host = urlsplit(url).scheme, _host(url)
        if scheme != "https" and not (scheme == "http" and self.surroundings.may_be_plain(host)):
            raise RegistryUnreachable(
                f"{host} is not spoken to without encryption",
                hint=f"if you trust the network, set DODAS_INSECURE_REGISTRIES={host}",
            )

    def _request(
        self,
        method: str,
        url: str,
        *,
        authorization: str = "",
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> requests.Response:
        return self._session().request(
            method,
            url,
            headers={**(headers or {}), "Accept-Encoding": "identity"},
            auth=_Authorization(authorization),
            data=dict(form) if form else None,
            proxies=_NO_PROXY if is_loopback(_host(url)) else None,
            timeout=self.patience.timeout,
            allow_redirects=False,
            stream=True,
        )

    def _session(self) -> requests.Session:
        # requests does not promise that a session can be shared by threads.
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.headers["User-Agent"] = f"dodas/{__version__}"
            self._sessions.append(session)
        return session


def _whole(answer: requests.Response) -> requests.Response:
    """Read the body of an answer, up to a limit that requests does not have, and close it."""
    try:
        body: bytes = answer.raw.read(_SMALL + 1, decode_content=True)
    finally:
        answer.close()
    if len(body) > _SMALL:
        raise unreachable(_host(answer.url), "sent far more than a manifest")
    promised = answer.headers.get("Content-Length", "")
    if promised.isdecimal() and len(body) < int(promised) and "Content-Encoding" not in answer.headers:
        raise urllib3.exceptions.ProtocolError("the body broke off")
    answer.raw = io.BytesIO(body)  # what `content` reads from
    return answer


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def origin(url: str) -> tuple[str, str]:
    """Return what two URLs have in common when they lead to the same server: scheme, host and port."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return parts.scheme, f"{parts.hostname}:{port}"
