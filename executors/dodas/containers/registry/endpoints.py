"""Which servers may hold an image, in the order to ask them, and which of them may be spoken to in clear.

``DODAS_REGISTRY_MIRRORS``
    ``docker.io=https://mirror.example.org/prefix, quay.io=…``: asked before the registry itself.  The path is
    put before the name of the repository, as Harbor, GitLab and Podman's ``location`` want it.  A registry
    named twice has two mirrors.
``UDOCKER_REGISTRY``
    Address that stands for Docker Hub, exactly as udocker reads it: instead of it, ``/v2/`` after the path.
``DODAS_INSECURE_REGISTRIES``
    ``host:port, …``: may be spoken to without encryption, as loopback may.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

from dodas.containers.reference import DOCKER_HUB, Reference
from dodas.errors import SpecError
from dodas.values import dataclass

HUB_ADDRESS = "https://registry-1.docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server that speaks the registry protocol.

    Attributes:
        host: Host and port.
        scheme: ``https``, ``http``, or empty: to be found out, https first.
        root: Path before ``/v2/``; empty for nearly all.
        prefix: Path before the name of a repository, with a slash at its end; empty for nearly all.
    """

    host: str
    scheme: str = ""
    root: str = ""
    prefix: str = ""

    @property
    def address(self) -> str:
        """The URL before ``/v2/``; credentials are filed under it."""
        return f"{self.scheme}://{self.host}{self.root}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the user's environment says about registries."""

    environ: Mapping[str, str]

    def endpoints(self, reference: Reference) -> tuple[Endpoint, ...]:
        """Return the servers to ask for an image: mirrors first, then the registry itself.

        Raises:
            SpecError: An environment variable cannot be read.
        """
        mirrors = [mirror for registry, mirror in self._mirrors() if registry == reference.host]
        return (*mirrors, self.origin(reference.host))

    def origin(self, host: str) -> Endpoint:
        """Return the server of a registry itself."""
        if host != DOCKER_HUB:
            return Endpoint(host=host, scheme="" if self.may_be_plain(host) else "https")
        address = self.environ.get("UDOCKER_REGISTRY") or HUB_ADDRESS
        parts = _address(address, "UDOCKER_REGISTRY")
        return Endpoint(host=parts.netloc, scheme=parts.scheme, root=parts.path.rstrip("/"))

    def may_be_plain(self, host: str) -> bool:
        """Return whether ``host`` (with its port) may be spoken to without encryption."""
        return is_loopback(host) or host in self._plain()

    def _plain(self) -> set[str]:
        # Whoever writes http:// in an address of a mirror has said so as well.
        listed = set(_words(self.environ.get("DODAS_INSECURE_REGISTRIES", "")))
        written = [mirror for _, mirror in self._mirrors()] + [self.origin(DOCKER_HUB)]
        return listed | {endpoint.host for endpoint in written if endpoint.scheme == "http"}

    def _mirrors(self) -> Iterator[tuple[str, Endpoint]]:
        name = "DODAS_REGISTRY_MIRRORS"
        for entry in _words(self.environ.get(name, "")):
            registry, equals, address = (word.strip() for word in entry.partition("="))
            if not (registry and equals):
                raise SpecError(
                    f"{name} has an entry without a registry: {entry!r}",
                    hint=f"write it as {name}='docker.io=https://mirror.example.org'",
                )
            parts = _address(address, name)
            prefix = parts.path.strip("/")
            yield (
                registry,
                Endpoint(host=parts.netloc, scheme=parts.scheme, prefix=prefix and f"{prefix}/"),
            )


def is_loopback(host: str) -> bool:
    """Return whether ``host`` (with or without port) is this machine, whatever the name service says."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _address(text: str, variable: str) -> SplitResult:
    parts = urlsplit(text if "://" in text else f"https://{text}")
    # A password in an address would end up in messages; a query has no place before /v2/.
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise SpecError(
            f"{variable} has something that is not the address of a registry",
            hint="write addresses as https://HOST[:PORT][/PATH], without user or password",
        )
    return parts


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
