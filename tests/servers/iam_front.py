"""An issuer behind a proxy that lets happen to its answers what happens in networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from servers.asked import Request
from servers.faulty import Faulty
from servers.issuer import Issuer
from servers.pki import Pki
from servers.site import Site


class _Behind(Site):
    """The issuer as what stands behind a proxy."""

    issuer: Issuer

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(root=folder, daemons=())
        self._runs = False

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._runs

    def start(self) -> None:
        """Start it, or start it again."""
        self.issuer.start()
        self._runs = True

    def stop(self) -> None:
        """End it."""
        self.issuer.stop()
        self._runs = False

    def url(self, path: str = "") -> str:
        """Return the URL of a path."""
        return f"https://localhost:{self.issuer.port}/{path.lstrip('/')}"

    def asked(self) -> Iterator[Request]:
        """Yield nothing: the proxy notes what is asked."""
        return iter(())


class Front(Faulty):
    """What users know as the issuer: ``front.fault(Fault(path="/token", lose_answer=True))``.

    Args:
        folder: Its own.
        pki: Has the certificate that both show.
    """

    def __init__(self, folder: Path, *, pki: Pki) -> None:
        behind = _Behind(folder / "files")
        super().__init__(behind, pki=pki)
        self.issuer = behind.issuer = Issuer(folder / "issuer", pki=pki, public=self.origin)
