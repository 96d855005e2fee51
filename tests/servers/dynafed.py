"""A stand-in for a Dynafed: a federation that stores nothing, and sends clients to real storages.

It does what Dynafed 1.4 does, as far as a client can see: redirects reads to a replica it believes in and
writes to the first endpoint, serves metalinks, lists the union of its endpoints, deletes everywhere it can.
Like the real one it does not notice at once when an endpoint dies: see `Dynafed.check`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from servers.asked import Request
from servers.dynafed_behaviour import Behaviour
from servers.dynafed_catalogue import Catalogue
from servers.dynafed_handler import PREFIX, Handler
from servers.endpoints import Endpoint
from servers.faulty import Faulty
from servers.listener import Listener
from servers.pki import Pki
from servers.site import Site
from servers.xrootd import Xrootd

_LOCATIONS = ("IT", "CH", "DE", "FR", "UK", "ES")


class Dynafed:
    """A federation of sites, which it starts and stops too.

    Args:
        sites: Storages, of one kind or mixed.
        pki: Makes it speak https alone, and trust sites that do.
        token: What it brings to its sites itself.
        shallow: Its endpoints are the roots of the sites, where Dynafed makes no parents, so that PUT may end
            in 409 there; else they are directories far enough down.

    Attributes:
        sites: The storages.
        endpoints: The directories of them that are merged; ``endpoints[0].root`` is the first one's on disk.
        catalogue: What it believes, and for how long: by default it remembers nothing.
        behaviour: What it does, and how it lies.
    """

    def __init__(
        self, sites: Sequence[Site], *, pki: Pki | None = None, token: str = "", shallow: bool = False
    ) -> None:
        self.sites = tuple(sites)
        tls = ssl.create_default_context(cafile=str(pki.ca)) if pki else None
        self.endpoints = tuple(
            Endpoint(
                site=site,
                prefix="" if shallow else "dav/vo/data/",
                location=_LOCATIONS[number % len(_LOCATIONS)],
                checksums=isinstance(site, Xrootd),
                token=token,
                tls=tls,
            )
            for number, site in enumerate(self.sites)
        )
        self.catalogue = Catalogue(endpoints=self.endpoints)
        self.behaviour = Behaviour()
        self._listener = Listener(Handler, pki=pki, owner=self)
        self._running = ExitStack()

    def __enter__(self) -> Dynafed:
        with ExitStack() as stack:
            for site in self.sites:
                stack.enter_context(site)
            stack.callback(self.stop)
            self.empty()
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def faulty(self, number: int) -> Faulty:
        """Return a site that can be given faults."""
        site = self.sites[number]
        assert isinstance(site, Faulty), "this federation is not one of faulty sites"
        return site

    def start(self) -> None:
        """Start the federation itself, or start it again."""
        self._listener.start()

    def stop(self) -> None:
        """End the federation itself; the sites go on."""
        self._listener.stop()

    def empty(self) -> None:
        """Make it as new: it and its sites are running, empty, asked nothing, and honest."""
        for site, endpoint in zip(self.sites, self.endpoints, strict=True):
            site.empty()
            endpoint.root.mkdir(parents=True, exist_ok=True)
        self.catalogue = Catalogue(endpoints=self.endpoints)
        self.behaviour = Behaviour()
        self.start()
        self.forget()

    def url(self, path: str = "") -> str:
        """Return the URL of a path, which is percent-encoded already."""
        return f"{self._listener.origin}{PREFIX}{path.lstrip('/')}"

    def dynafed_url(self, path: str = "") -> str:
        """Return the same as users write it; it means https."""
        return f"dynafed://localhost:{self._listener.port}{PREFIX}{path.lstrip('/')}"

    @property
    def port(self) -> int:
        """Of 127.0.0.1."""
        return self._listener.port

    def place(self, path: str, content: bytes, *, at: Sequence[int] = (0,)) -> None:
        """Put a file behind its back onto sites, by their numbers."""
        for number in at:
            file = self.endpoints[number].root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def copies(self, path: str) -> list[bytes | None]:
        """Return what each site has of a file, also a site that is down."""
        files = [endpoint.root / path for endpoint in self.endpoints]
        return [file.read_bytes() if file.is_file() else None for file in files]

    def everything(self) -> list[set[str]]:
        """Return the names of all files that each site has, whatever they are."""
        return [set(_files(endpoint.root)) for endpoint in self.endpoints]

    def check(self) -> None:
        """Let it look which endpoints answer.  Until then it believes in all that answered the last time."""
        self.catalogue.check()

    def expire(self) -> None:
        """Let it forget what it remembers of its endpoints, as it does when time has passed."""
        self.catalogue.forget()

    def requests(self) -> tuple[Request, ...]:
        """Return what the federation itself was asked since `forget`."""
        return tuple(self._listener.asked)

    def forget(self) -> None:
        """Let `requests`, also of the sites, begin from here."""
        self._listener.asked.clear()
        for site in self.sites:
            site.forget()


def _files(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        if not path.is_dir():
            yield path.relative_to(root).as_posix()
