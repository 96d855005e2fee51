"""The documents that a federation answers with: multistatus, metalink, a page for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from email.utils import formatdate
from html import escape

from servers.endpoints import Found, encoded

_XML = '<?xml version="1.0" encoding="utf-8"?>\n'
METALINK = {3: "application/metalink+xml", 4: "application/metalink4+xml"}


def multistatus(entries: Iterable[tuple[str, Found]]) -> bytes:
    """Return the answer to PROPFIND, of paths and what is there."""
    parts = "".join(_response(path, found) for path, found in entries)
    return f'{_XML}<D:multistatus xmlns:D="DAV:">{parts}</D:multistatus>\n'.encode()


def _response(path: str, found: Found) -> str:
    kind = "<D:collection/>" if found.is_directory else ""
    length = "" if found.is_directory else f"<D:getcontentlength>{found.size}</D:getcontentlength>"
    changed = formatdate(found.modified, usegmt=True)
    return (
        '<D:response xmlns:lcgdm="LCGDM:">'
        f"<D:href>{escape(encoded(path))}</D:href><D:propstat><D:prop>"
        f"<lcgdm:mode>{'040755' if found.is_directory else '0100644'}</lcgdm:mode>"
        f"<D:resourcetype>{kind}</D:resourcetype>{length}<D:getlastmodified>{changed}</D:getlastmodified>"
        f"<D:displayname>{escape(found.name)}</D:displayname><lcgdm:type>0</lcgdm:type>"
        "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n"
    )


def metalink(
    version: int, name: str, size: int, replicas: Sequence[tuple[str, str]], hashes: Mapping[str, str]
) -> bytes:
    """Return a metalink of replicas, the best first: pairs of URL and location."""
    sums = "".join(f'<hash type="{kind}">{value}</hash>' for kind, value in hashes.items())
    start = f'<file name="{escape(name)}"><size>{size}</size>'
    if version == 3:
        checks = f"<verification>{sums}</verification>" if sums else ""
        file = f"{start}{checks}<resources>\n{_urls3(replicas)}</resources></file>"
        kind = 'version="3.0" xmlns="http://www.metalinker.org/" xmlns:lcgdm="LCGDM:" generator="lcgdm-dav"'
        return f"{_XML}<metalink {kind}><files>{file}</files></metalink>\n".encode()
    file = f"{start}{sums}\n{_urls4(replicas)}</file>"
    return f'{_XML}<metalink xmlns="urn:ietf:params:xml:ns:metalink">{file}</metalink>\n'.encode()


def _urls3(replicas: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<url type="{url.partition(":")[0]}" location="{place}" preference="{100 - number}">'
        f"{escape(url)}</url>\n"
        for number, (url, place) in enumerate(replicas)
    )


def _urls4(replicas: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<url location="{place}" priority="{number}">{escape(url)}</url>\n'
        for number, (url, place) in enumerate(replicas, 1)
    )


def page(path: str, names: Iterable[str]) -> bytes:
    """Return a directory for people."""
    links = "".join(f'<li><a href="{escape(encoded(name))}">{escape(name)}</a></li>' for name in names)
    return f"<html><head><title>{escape(path)}</title></head><body><ul>{links}</ul></body></html>".encode()
