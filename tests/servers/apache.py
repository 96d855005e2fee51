"""Apache with WebDAV, http or https: the storage that answers as the standards say, without checksums."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from servers.asked import Request
from servers.httpd import httpd, read_log
from servers.pki import Pki
from servers.ports import free_port
from servers.site import Site

_MODULES = ("authz_host", "dir", "mime", "dav", "dav_fs", "headers", "rewrite")
_TLS_MODULES = ("ssl", "socache_shmcb", "gridsite")  # the last one takes proxies of users

_STORAGE = """
TypesConfig /dev/null
DavLockDB "{folder}/lock/DavLock"
DocumentRoot "{root}"
EnableSendfile On
<Directory "{root}">
  Dav On
  DavDepthInfinity On
  Options FollowSymLinks
  AllowOverride None
  {who}
</Directory>
"""

_TLS = """
SSLEngine On
SSLCertificateFile "{pki.host}"
SSLCertificateKeyFile "{pki.host_key}"
SSLCACertificatePath "{pki.directory}"
SSLVerifyClient optional
SSLVerifyDepth 10
SSLSessionCache "shmcb:{folder}/sessions(512000)"
"""

_TOKENS = """
RewriteEngine On
RewriteMap tokens "txt:{folder}/tokens"
RewriteCond %{{HTTP:Authorization}} "^Bearer +([^ ]+)$"
RewriteCond ${{tokens:%1|no}} =yes
RewriteRule ^ - [L]
RewriteRule ^ - [R=401,L]
Header always set WWW-Authenticate "Bearer" "expr=%{{REQUEST_STATUS}} == 401"
"""


class Apache(Site):
    """One Apache; many can run at once.

    Args:
        folder: Its own; made if it is not there.
        pki: Makes it speak https alone, with the host's certificate; clients may show one of theirs.
        tokens: Given, only requests with one of these pass, the others get 401; see `accept`.
        certificates: Only clients that show a certificate, or a proxy, pass; the others get 403.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pki: Pki | None = None,
        tokens: tuple[str, ...] | None = None,
        certificates: bool = False,
    ) -> None:
        self.folder, self.pki, self.port = folder, pki, free_port()
        self.root = folder / "data"
        for directory in (self.root, folder / "lock"):
            directory.mkdir(parents=True, exist_ok=True)
        who = "Require ssl-verify-client" if certificates else "Require all granted"
        text = _STORAGE.format(folder=folder, root=self.root, who=who)
        text += _TLS.format(folder=folder, pki=pki) if pki else ""
        if tokens is not None:
            self.accept(*tokens)
            text += _TOKENS.format(folder=folder)
        modules = (*_MODULES, *(_TLS_MODULES if pki else ()))
        super().__init__(root=self.root, daemons=(httpd(folder, text, port=self.port, modules=modules),))

    def url(self, path: str = "") -> str:
        """Return the URL of a path, which is percent-encoded already."""
        return f"{'https' if self.pki else 'http'}://localhost:{self.port}/{path.lstrip('/')}"

    def accept(self, *tokens: str) -> None:
        """Let these tokens pass from now on, and no others."""
        part = self.folder / "tokens.part"
        part.write_text("".join(f"{token} yes\n" for token in tokens))
        part.replace(self.folder / "tokens")

    def asked(self) -> Iterator[Request]:
        """Yield every request, in the order they came; it notes one before it answers."""
        yield from read_log(self.folder)
