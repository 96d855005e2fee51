"""A web proxy, as sites have one between their machines and the world: Apache again."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from servers.asked import Request
from servers.httpd import httpd, read_log
from servers.ports import free_port
from servers.site import Site

_MODULES = ("proxy", "proxy_http", "proxy_connect", "authn_file", "auth_basic", "authz_user", "authz_host")

_PROXY = """
ProxyRequests On
ProxyVia On
AllowCONNECT 1-65535
<Proxy "*">
{who}
</Proxy>
"""

_LOGIN = """
AuthType Basic
AuthName "proxy"
AuthBasicProvider file
AuthUserFile "{folder}/users"
Require valid-user
"""


class WebProxy(Site):
    """A proxy for http, and with CONNECT for https; it has no files.

    Args:
        folder: Its own; made if it is not there.
        login: Name and password that it wants; the others get 407.
    """

    def __init__(self, folder: Path, *, login: tuple[str, str] | None = None) -> None:
        self.folder, self.login, self.port = folder, login, free_port()
        (folder / "data").mkdir(parents=True, exist_ok=True)
        if login:
            digest = base64.b64encode(hashlib.sha1(login[1].encode()).digest()).decode()
            (folder / "users").write_text(f"{login[0]}:{{SHA}}{digest}\n")
        text = _PROXY.format(who=_LOGIN.format(folder=folder) if login else "Require all granted")
        daemon = httpd(folder, text, port=self.port, modules=_MODULES)
        super().__init__(root=folder / "data", daemons=(daemon,))

    def url(self, path: str = "") -> str:
        """Return its URL as it is in ``HTTPS_PROXY``, with the login."""
        login = ":".join(quote(part, safe="") for part in self.login) + "@" if self.login else ""
        return f"http://{login}localhost:{self.port}/{path}"

    def asked(self) -> Iterator[Request]:
        """Yield every request, those to proxy and those to connect."""
        yield from read_log(self.folder)
