"""A federation as XRootD makes it: a manager that redirects to the data servers which have a file."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from servers.asked import Request
from servers.daemon import Daemon
from servers.ports import free_port, until
from servers.site import Site
from servers.xrootd import HTTP, read_log, xrootd

_COMMON = """
all.manager 127.0.0.1:{manager}
all.export / r/w
all.adminpath {folder}/admin
all.pidpath {folder}/run
xrd.network nodnr
"""

_MANAGER = "all.role manager\nxrd.port {port}\n"

_MANAGER_CMSD = """
all.role manager
xrd.port {manager}
cms.delay startup 1 servers 1 lookup 1 overload 2 discard 3 suspend 2 qdl 2
"""

_DATA = """
all.role server
oss.localroot {folder}/data
xrd.port {port}
xrootd.chksum max 2 adler32
"""

_DATA_CMSD = """
all.role server
oss.localroot {folder}/data
cms.space min 100m 50m
"""


class DataServer(Site):
    """One of the servers that have the files."""

    def __init__(self, folder: Path, *, manager: int) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "data").mkdir(parents=True)
        common = _COMMON.format(manager=manager, folder=folder)
        data = common + _DATA.format(folder=folder, port=self.port) + HTTP.format(port=self.port)
        cmsd = common + _DATA_CMSD.format(folder=folder)
        daemons = (
            xrootd(folder, cmsd, program="cmsd", place=folder / "admin/.olb/olbd.admin"),
            xrootd(folder, data, place=self.port),
        )
        super().__init__(root=folder / "data", daemons=daemons)

    def url(self, path: str = "") -> str:
        """Return the URL of a path, which is percent-encoded already, at this server."""
        return f"http://127.0.0.1:{self.port}/{path.lstrip('/')}"

    def asked(self) -> Iterator[Request]:
        """Yield all requests to this server."""
        yield from read_log(self.folder / "xrootd.log")


class XrootdFederation:
    """A manager and data servers, which share one name space; http only.

    Attributes:
        sites: The data servers; ``sites[0].root`` is where the first one has its files.
        port: Of the manager.
    """

    def __init__(self, folder: Path, *, servers: int = 2) -> None:
        self.folder, self.port = folder / "manager", free_port()
        manager = free_port()
        self.sites = tuple(DataServer(folder / f"data{number}", manager=manager) for number in range(servers))
        common = _COMMON.format(manager=manager, folder=self.folder)
        self._daemons: tuple[Daemon, ...] = (
            xrootd(
                self.folder,
                common + _MANAGER_CMSD.format(manager=manager),
                program="cmsd",
                place=manager,
            ),
            xrootd(
                self.folder,
                common + _MANAGER.format(port=self.port) + HTTP.format(port=self.port),
                place=self.port,
            ),
        )
        self._running = ExitStack()

    def __enter__(self) -> XrootdFederation:
        with ExitStack() as stack:
            stack.callback(self.stop)
            self.start()
            for site in self.sites:
                stack.enter_context(site)
            until(self._is_active, what="the manager to be done with its start")
            until(self._knows_all, what="data servers that subscribe to their manager")
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def start(self) -> None:
        """Start the manager, or start it again."""
        for daemon in self._daemons:
            daemon.start()

    def stop(self) -> None:
        """End the manager; the data servers go on."""
        for daemon in reversed(self._daemons):
            daemon.stop()

    def url(self, path: str = "") -> str:
        """Return the URL of a path, which is percent-encoded already, at the manager."""
        return f"http://localhost:{self.port}/{path.lstrip('/')}"

    def empty(self) -> None:
        """Make it as new; but its manager remembers where files were, so each test takes its own names."""
        self.start()
        for site in self.sites:
            site.empty()

    def requests(self) -> tuple[Request, ...]:
        """Return what the manager has been asked."""
        return tuple(read_log(self.folder / "xrootd.log"))

    def knows(self, site: DataServer) -> bool:
        """Tell whether the manager finds what a data server has."""
        name = f".here-{free_port()}"
        (site.root / name).touch()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"/{name}")
            return connection.getresponse().getheader("Location") == site.url(name)
        finally:
            connection.close()
            (site.root / name).unlink()

    def _is_active(self) -> bool:
        """Tell whether it looks for files; asked before, it makes clients wait for ten seconds."""
        return "Status changed to active" in (self.folder / "cmsd.log").read_text()

    def _knows_all(self) -> bool:
        return all(self.knows(site) for site in self.sites)
