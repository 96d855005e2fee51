"""XRootD, the storage of the grid: http and https on one port, checksums, third-party copies, tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from needs import need
from servers.asked import Request
from servers.daemon import Daemon
from servers.issuer import ANY, Issuer
from servers.pki import Pki
from servers.ports import free_port
from servers.site import Site

HTTP = """
xrd.protocol http:{port} libXrdHttp.so
http.desthttps no
http.selfhttps2http no
http.listingdeny no
http.trace debug
"""

# One checksum: with two, release 5.5 dies when several are asked for at once.
_ALONE = """
xrd.port {port}
all.adminpath {folder}/admin
all.pidpath {folder}/run
all.export / r/w
oss.localroot {folder}/data
xrootd.chksum max 2 adler32
"""

_TLS = """
xrd.tls {pki.host} {pki.host_key}
xrd.tlsca certdir {pki.directory}
http.exthandler xrdtpc libXrdHttpTPC.so
"""


_TOKENS = """
ofs.authorize 1
ofs.authlib libXrdAccSciTokens.so config={folder}/scitokens.cfg
http.header2cgi Authorization authz
"""

_ISSUERS = """
[Global]
audience = {audience}, https://localhost:{port}
[Issuer dodas]
issuer = {issuer}
base_path = /
default_user = nobody
"""


class Xrootd(Site):
    """One XRootD without a manager.

    Args:
        folder: Its own, without blanks in its path; made if it is not there.
        pki: Makes it speak https too, and copy from and to other servers on COPY.
        issuer: Given, it does what a token of this issuer permits, and answers the rest with 403.
    """

    def __init__(self, folder: Path, *, pki: Pki | None = None, issuer: Issuer | None = None) -> None:
        self.folder, self.pki, self.port = folder, pki, free_port()
        (folder / "data").mkdir(parents=True)
        text = _ALONE.format(folder=folder, port=self.port) + HTTP.format(port=self.port)
        text += _TLS.format(pki=pki) if pki else ""
        environ = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
        if issuer:
            text += _TOKENS.format(folder=folder)
            permits = _ISSUERS.format(audience=ANY, port=self.port, issuer=issuer.url)
            (folder / "scitokens.cfg").write_text(permits)
            environ["DODAS_TEST_BUNDLE"] = str(issuer.pki.bundle)
        daemon = xrootd(folder, text, place=self.port, environ=environ)
        super().__init__(root=folder / "data", daemons=(daemon,))

    def empty(self) -> None:
        """Make it as new, which includes the process: release 5.5 may die of what it was asked before."""
        self.stop()
        super().empty()

    def url(self, path: str = "") -> str:
        """Return the URL of a path, https if it speaks that."""
        return f"{'https' if self.pki else 'http'}://localhost:{self.port}/{path.lstrip('/')}"

    def plain_url(self, path: str = "") -> str:
        """Return the same with http."""
        return f"http://localhost:{self.port}/{path.lstrip('/')}"

    def asked(self) -> Iterator[Request]:
        """Yield all requests; credentials are those that it writes into its log."""
        yield from read_log(self.folder / "xrootd.log")


def xrootd(
    folder: Path,
    configuration: str,
    *,
    place: int | Path,
    program: str = "xrootd",
    environ: Mapping[str, str] | None = None,
) -> Daemon:
    """Return XRootD, or its cmsd, with a configuration, to be started.

    It reads from, and writes into, ``folder``.
    """
    for name in ("admin", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    file = folder / f"{program}.conf"
    file.write_text(configuration)
    log = folder / f"{program}.log"
    run = folder / "run"
    command = [need(program), "-c", str(file), "-w", str(run), "-s", str(run / f"{program}.identity")]
    # Release 5.5 may answer a request, and take the next one of the connection, before the thread that had
    # it has let go of it; with threads that run together it dies of that every few thousand requests.
    return Daemon(command, place=place, log=log, environ=environ, in_turn=True)


def read_log(log: Path) -> Iterator[Request]:
    """Yield the requests that the log of an XRootD tells of, whose threads write it together."""
    open_ones: dict[str, tuple[str, dict[str, str]]] = {}
    for line in log.read_text(errors="surrogateescape").splitlines() if log.exists() else ():
        found = re.match(
            r"\d+ [\d:]+ (\d+) .*http_Protocol: .*?(?:got hdr line: |detected (header end))(.*)", line
        )
        if not found:
            continue
        thread, end, text = found[1], found[2], found[3]
        if end:
            yield from _closed(open_ones.pop(thread, None))
        elif thread not in open_ones:
            open_ones[thread] = (text, {})
        else:
            name, _, value = text.partition(":")
            open_ones[thread][1][name.lower()] = value.strip()


def _closed(request: tuple[str, dict[str, str]] | None) -> Iterator[Request]:
    """Yield a request whose headers have all come."""
    if request is not None:
        method, path, *_ = [*request[0].split(" "), ""]
        yield Request(method=method, path=path, headers=MappingProxyType(request[1]))
