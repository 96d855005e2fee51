"""What servers answer to PROPFIND, read while it comes: a million entries take no more memory than one."""

from __future__ import annotations

from dodas.staging.dates import http_date
from dodas.staging.digests import parse_digest
from dodas.staging.values import Checksum
from dodas.staging.xmlreader import Reader
from dodas.values import dataclass

_HREF, _STATUS, _COLLECTION = "DAV:|href", "DAV:|status", "DAV:|collection"
_SIZE, _MODIFIED, _ETAG = "DAV:|getcontentlength", "DAV:|getlastmodified", "DAV:|getetag"
_CHECKSUMS = ("http://owncloud.org/ns|checksum", "http://www.dcache.org/2013/webdav|Checksums")
_TEXTS = frozenset((_HREF, _STATUS, _SIZE, _MODIFIED, _ETAG, *_CHECKSUMS))
_MOST_BYTES = 256 * 1024  # of one entry; names have 255, paths 4096, and each may be written as %XX

_REQUEST = (
    '<?xml version="1.0" encoding="utf-8"?>\n<propfind xmlns="DAV:"><prop>'
    "<resourcetype/><getcontentlength/><getlastmodified/><getetag/>{}</prop></propfind>\n"
)
# Of each member of a directory, and of one thing: what a server does not have makes its answer longer.
LISTING = _REQUEST.format("").encode()
ONE = _REQUEST.format(
    '<checksums xmlns="http://owncloud.org/ns"/><Checksums xmlns="http://www.dcache.org/2013/webdav"/>'
).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing of which a server tells.

    Attributes:
        href: What the server calls it, as it came.
        status: Of the thing itself, 200 if nothing is said of it.
        is_directory: Whether it is one.
        size: Bytes; ``None`` for a directory or if it is not said.
        modified: Seconds since 1970; ``None`` if it is not said.
        etag: As it came, empty if it is not said.
        checksums: Those that are said.
    """

    href: str
    status: int = 200
    is_directory: bool = False
    size: int | None = None
    modified: float | None = None
    etag: str = ""
    checksums: tuple[Checksum, ...] = ()


class Multistatus:
    """Reads one answer."""

    def __init__(self, what: str, *, bytewise: bool = False) -> None:
        """Begin.

        Args:
            what: The answer, for errors.
            bytewise: Its texts are bytes in no certain encoding, returned as :func:`os.fsdecode` would.
        """
        encoding = "iso-8859-1" if bytewise else None
        self._bytewise = bytewise
        self._reader = Reader(what, start=self._start, end=self._end, most=_MOST_BYTES, encoding=encoding)
        self._found: list[Resource] = []
        self._begun = False
        self._clear()

    def feed(self, data: bytes) -> list[Resource]:
        """Return what the next bytes complete.

        Raises:
            Corrupt: It is no such answer.
        """
        self._reader.feed(data)
        found, self._found = self._found, []
        return found

    def close(self) -> list[Resource]:
        """Return what was left; the answer must be complete.

        Raises:
            Corrupt: It is not.
        """
        self._reader.feed(b"", last=True)
        return self._found

    def _clear(self) -> None:
        self._scope: dict[str, str] = {}
        self._outer = self._scope
        self._properties: dict[str, str] = {}

    def _start(self, name: str, _: dict[str, str]) -> None:
        if name in _TEXTS:
            self._reader.collect()
        elif name == _COLLECTION:
            self._scope[name] = ""
        elif name == "DAV:|propstat":
            self._scope = {}
        elif name == "DAV:|response":
            self._clear()
        elif not self._begun:
            self._begin(name)

    def _begin(self, name: str) -> None:
        if name != "DAV:|multistatus":
            self._reader.refuse("is XML, but no answer of WebDAV")
        self._begun = True

    def _end(self, name: str) -> None:
        if name in _TEXTS:
            self._scope.setdefault(name, self._reader.text())
        elif name == "DAV:|propstat":
            if _code(self._scope.get(_STATUS, "")) // 100 == 2:
                self._properties.update(self._scope)
            self._scope = self._outer
        elif name == "DAV:|response":
            self._complete()

    def _complete(self) -> None:
        self._reader.quiet = 0
        if _HREF not in self._outer or not self._begun:
            self._reader.refuse("has an entry without a name")
        href, found = self._outer[_HREF], self._properties
        is_directory = _COLLECTION in found
        self._found.append(
            Resource(
                href=href.encode("iso-8859-1").decode(errors="surrogateescape") if self._bytewise else href,
                status=_code(self._outer.get(_STATUS, "")),
                is_directory=is_directory,
                size=None if is_directory else _size(found.get(_SIZE, "")),
                modified=http_date(found[_MODIFIED]) if _MODIFIED in found else None,
                etag=found.get(_ETAG, ""),
                checksums=_checksums(found),
            )
        )


def _code(status: str) -> int:
    """Return the number in ``HTTP/1.1 200 OK``; 200 where there is none, since a failure has one."""
    number = status.lstrip()[:64].partition(" ")[2][:3] if status else ""
    return int(number) if len(number) == 3 and number.isascii() and number.isdigit() else 200


def _size(text: str) -> int | None:
    plain = text.strip()
    return int(plain) if len(plain) < 20 and plain.isascii() and plain.isdigit() else None


def _checksums(found: dict[str, str]) -> tuple[Checksum, ...]:
    return tuple(one for name in _CHECKSUMS if name in found for one in parse_digest(found[name]))
