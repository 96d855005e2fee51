"""Failures of registries, in words.

The texts of requests and urllib3 are not passed on: they hold whole addresses, and those to which registries
redirect carry signatures that open the door to whoever reads them.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

from dodas.containers.reference import Reference
from dodas.containers.registry.client import requests, urllib3
from dodas.errors import ImageError, ImageNotAllowed, ImageNotFound, RegistryUnreachable

_OFFLINE = (
    "check the network and the proxy; without a network bring the image as a file: dodas image load ARCHIVE"
)


def unreachable(host: str, problem: str, *, hint: str = _OFFLINE) -> RegistryUnreachable:
    """Return the error for a registry that did not do what it should."""
    return RegistryUnreachable(f"the registry {host} {problem}", hint=hint)


def refused(status: int, host: str, *, asked: float = 0) -> RegistryUnreachable:
    """Return the error for an answer that says the server is busy or in trouble."""
    if status != 429:
        return unreachable(host, f"is in trouble (it answers with status {status})", hint="try again later")
    pause = f" and asks to wait for {asked:.0f} s" if asked else ""
    return unreachable(
        host,
        f"says that it was asked too often (429){pause}",
        hint="wait, log in for a higher limit (dodas image login), or set DODAS_REGISTRY_MIRRORS",
    )


def fault_of(error: BaseException, host: str) -> RegistryUnreachable:
    """Return the error for a connection that failed."""
    chain = list(_chain(error))
    certificate = next((one for one in chain if isinstance(one, ssl.SSLCertVerificationError)), None)
    if certificate:
        return unreachable(
            host,
            f"cannot be trusted: {certificate.verify_message}",
            hint="name the file with your site's certificates in REQUESTS_CA_BUNDLE",
        )
    return unreachable(host, _why(chain))


def is_distrust(error: BaseException) -> bool:
    """Return whether a server's certificate was not accepted: asking again gives nothing else."""
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in _chain(error))


def is_absence(error: BaseException) -> bool:
    """Return whether nobody is there at all, as without a network: few attempts tell that too."""
    return any(isinstance(one, (socket.gaierror, ConnectionRefusedError)) for one in _chain(error))


def not_available(status: int, reference: Reference, host: str) -> ImageError:
    """Return the error for an image that a registry does not give."""
    if status in (401, 403):
        return not_allowed(reference, host)
    if status == 404:
        return ImageNotFound(f"{host} has no image {reference}", hint="check the spelling of the name")
    return unreachable(host, f"refuses to give {reference} (status {status})", hint="check the name")


def not_allowed(reference: Reference, host: str, *, known: bool = False) -> ImageNotAllowed:
    """Return the error for an image that wants another login, or any (``known``: one was sent)."""
    if known:
        return ImageNotAllowed(
            f"{host} does not give {reference} to the login that is kept for it",
            hint=f"check the spelling and what the account may read, or: dodas image login {host}",
        )
    # Docker Hub does not tell a stranger whether a private image exists.
    return ImageNotAllowed(
        f"{host} does not give {reference} without a login, or there is no such image",
        hint=f"check the spelling, or: dodas image login {host}",
    )


class WebPage(RegistryUnreachable):
    """HTML where there should be an image; asking again at once would give the same page."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"the registry {host} answered with a web page instead of an image",
            hint="log in at the network's sign-in page, or set HTTPS_PROXY as your site wants it",
        )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what lies beneath, which requests keeps in arguments and ``reason``."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        one = todo.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


# In this order: urllib3 calls a refused connection a kind of time-out.
_WORDS = (
    (
        (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError),
        "is behind a proxy that does not answer",
    ),
    ((socket.gaierror,), "is not known to the name service"),
    ((ConnectionRefusedError,), "refuses connections"),
    ((requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError), "does not answer"),
    ((requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError), "fell silent"),
    ((urllib3.exceptions.ProtocolError, ConnectionError), "broke off the connection"),
)


def _why(chain: list[BaseException]) -> str:
    for kinds, words in _WORDS:
        if any(isinstance(one, kinds) for one in chain):
            return words
    system = next((one.strerror for one in chain if isinstance(one, OSError) and one.strerror), "")
    return (
        f"cannot be reached: {system}" if re.fullmatch(r"[A-Za-z ]+", system or "") else "cannot be reached"
    )
