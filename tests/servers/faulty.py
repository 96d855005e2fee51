"""A server that passes requests on to a real one, and lets happen to them what happens in networks."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack

from servers.asked import Request
from servers.faults import HONEST, Fault
from servers.listener import Listener
from servers.passing import Passing
from servers.pki import Pki
from servers.site import Site


class Faulty(Site):
    """Stands before a storage, and passes everything on, except for the faults that it is given.

    Args:
        behind: The storage; if it does not run, it is started and stopped with this.
        pki: Makes it speak https alone, and trust a storage that does.
    """

    def __init__(self, behind: Site, *, pki: Pki | None = None) -> None:
        self.behind = behind
        self.tls = ssl.create_default_context(cafile=str(pki.ca)) if pki else None
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._listener = Listener(Passing, pki=pki, owner=self)
        self._running = ExitStack()
        super().__init__(root=behind.root, daemons=(self._listener,))

    def __enter__(self) -> Faulty:
        with ExitStack() as stack:
            if not self.behind.running:
                stack.enter_context(self.behind)
            stack.callback(self.stop)
            self.start()
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def stop(self) -> None:
        """Listen no more; what hangs goes on, and what is connected is cut.  The storage goes on."""
        self._open_gates()
        super().stop()

    def freeze(self) -> None:
        """Make the storage hang."""
        self.behind.freeze()

    def thaw(self) -> None:
        """Let the storage go on."""
        self.behind.thaw()

    def empty(self) -> None:
        """Make it as new, without faults, and the storage too."""
        self._open_gates()
        self._faults.clear()
        self.behind.empty()
        super().empty()

    def fault(self, fault: Fault) -> Fault:
        """Let a fault happen from now on; of those that match a request, the first given does."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Fault:
        """Return what goes wrong with a request."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(method, path)), HONEST)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self._listener.origin

    @property
    def port(self) -> int:
        """Of 127.0.0.1."""
        return self._listener.port

    def url(self, path: str = "") -> str:
        """Return the URL of a path, which is percent-encoded already."""
        return f"{self.origin}/{path.lstrip('/')}"

    def foreign_url(self, path: str = "") -> str:
        """Return the URL of the same under another host name."""
        return self.url(path).replace("//localhost:", "//127.0.0.1:")

    def asked(self) -> Iterator[Request]:
        """Yield what it was asked, whether or not it passed that on."""
        yield from tuple(self._listener.asked)

    def _open_gates(self) -> None:
        for fault in self._faults:
            fault.gate.set()
