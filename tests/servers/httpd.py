"""Apache as a program: what all that it is used for have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

from needs import need
from servers.asked import Request
from servers.daemon import Daemon, installation

_CONFIGURATION = """
ServerRoot "{folder}"
PidFile "{folder}/httpd.pid"
DefaultRuntimeDir "{folder}"
Listen 127.0.0.1:{port}
ServerName localhost:{port}
{modules}
ServerLimit 1
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ErrorLog "{folder}/error.log"
ForensicLog "{folder}/forensic.log"
LogFormat "%t \\"%r\\" %>s %b" plain
CustomLog "{folder}/access.log" plain
"""

_MODULES = ("mpm_event", "authn_core", "authz_core", "log_forensic")


def httpd(folder: Path, configuration: str, *, port: int, modules: Sequence[str]) -> Daemon:
    """Return an Apache with modules and a configuration, to be started; it writes into ``folder``."""
    place = installation("apache2") / "lib" / "apache2" / "modules"
    lines = [f"LoadModule {name}_module {place}/mod_{name}.so" for name in (*_MODULES, *modules)]
    file = folder / "apache.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, port=port, modules="\n".join(lines)) + configuration)
    command = [need("apache2"), "-d", str(folder), "-f", str(file), "-DFOREGROUND"]
    return Daemon(command, place=port, log=folder / "output.log")


def read_log(folder: Path) -> Iterator[Request]:
    """Yield the requests that an Apache noted, each before it answered: ``+ID|line|name:value|…``."""
    log = folder / "forensic.log"
    if not log.exists():
        return
    for line in log.read_text(errors="surrogateescape").splitlines():
        if not line.startswith("+"):
            continue
        _, first, *fields = line.split("|")
        method, _, rest = first.partition(" ")
        pairs = (field.partition(":") for field in fields)
        headers = {name.lower(): unquote(value) for name, _, value in pairs}
        path = unquote(rest.rsplit(" ", 1)[0])
        yield Request(method=method, path=path, headers=MappingProxyType(headers))
