"""URLs of files on storage: what users write, what goes over the wire, and what may be shown.

``davs://``, ``dav://`` and ``dynafed://`` are spellings of ``https://``, ``http://`` and ``https://``.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote, unquote

from dodas.errors import SpecError
from dodas.values import dataclass

# Kept as they are in paths, besides letters, digits and "-._~".  "+" is a blank to some servers, "&" and ";"
# begin something else for others: those are always encoded.
_PLAIN = "!$'()*,:=@"
_ENCRYPTED = {"https": True, "davs": True, "dynafed": True, "http": False, "dav": False}
_URL = re.compile(r"(https?|davs?|dynafed)://", re.IGNORECASE)
# What nearly all URLs are: in their final form already.
_USUAL = re.compile(
    r"(https?|davs?|dynafed)://([a-z0-9][a-z0-9.-]*)(?::([1-9][0-9]{0,3}|[1-5][0-9]{4}))?(/[A-Za-z0-9._~!$'()*,:=@/-]*)"
)
_SECRET_QUERY = re.compile(
    r"(?:^|&)(?:x-amz-signature|x-amz-credential|x-goog-signature|signature|sig|authz|access_token)=",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """One file or directory on a storage.

    ``str`` gives it as users write it, with the scheme that it came with; :func:`parse` takes that again.

    Attributes:
        scheme: ``https``, ``http``, ``davs``, ``dav`` or ``dynafed``.
        host: In small letters; an IPv6 address in brackets.
        port: Always there.
        path: Percent-encoded, begins with a slash; that of a directory may end with one.
        query: As it was given, without the question mark; may be a secret.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.site}{self.target}"

    def __repr__(self) -> str:
        return f"Url({self.redacted!r})"

    @property
    def secure(self) -> bool:
        """Whether it is spoken to through TLS."""
        return _ENCRYPTED[self.scheme]

    @property
    def wire(self) -> str:
        """The URL in the form that servers know: ``https`` or ``http``, percent-encoded."""
        return f"{'https' if self.secure else 'http'}://{self.site}{self.target}"

    @property
    def redacted(self) -> str:
        """The URL as it may be shown to anybody: without its query."""
        return f"{self.scheme}://{self.site}{self.path}{'?…' if self.query else ''}"

    @property
    def authority(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    @property
    def site(self) -> str:
        """The host, with the port unless it is the usual one; what the ``Host`` header says."""
        return self.host if self.port == (443 if self.secure else 80) else self.authority

    @property
    def target(self) -> str:
        """What a request asks its server for: path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def name(self) -> str:
        """The last part of the path, decoded, without slash; empty for the root."""
        return decoded(posixpath.basename(self.path.rstrip("/")))

    @property
    def parent(self) -> Url:
        """The directory that it is in; the root is in itself."""
        above = posixpath.dirname(self.path.rstrip("/"))
        return self.with_path(above if above.endswith("/") else above + "/")

    @property
    def is_signed(self) -> bool:
        """Whether it proves by itself who may use it, so that nothing else is to be shown along with it."""
        return bool(self.query) and _SECRET_QUERY.search(self.query) is not None

    @property
    def as_directory(self) -> Url:
        """The same with a slash at the end."""
        return self if self.path.endswith("/") else self.with_path(self.path + "/")

    @property
    def as_file(self) -> Url:
        """The same without slashes at the end."""
        return self.with_path(self.path.rstrip("/") or "/")

    def with_path(self, path: str) -> Url:
        """Return another path on the same server, percent-encoded already; no query."""
        return Url(scheme=self.scheme, host=self.host, port=self.port, path=path)


def is_url(text: str) -> bool:
    """Tell whether ``text`` is meant as a URL of storage, valid or not."""
    return _URL.match(text) is not None


def parse(text: str, *, literal: bool = False) -> Url:
    """Return the URL that a user wrote; two spellings of one URL give the same.

    Characters that a URL cannot hold, such as blanks and letters of other alphabets, are encoded; what is
    percent-encoded already is left so.  ``?`` and ``#`` are part of names after ``davs``, ``dav`` and
    ``dynafed``; after ``http`` and ``https`` a ``?`` begins a query.

    Args:
        text: The URL.
        literal: The path is not encoded at all: ``%20`` in it is a name of three characters.

    Raises:
        SpecError: It is no such URL, or holds what must not be in one.
    """
    usual = _USUAL.fullmatch(text)
    if usual is not None and "/." not in text:
        scheme, host, digits, path = usual.groups()
        return Url(
            scheme=scheme, host=host, port=int(digits or (443 if _ENCRYPTED[scheme] else 80)), path=path
        )
    found = _URL.match(text)
    if found is None:
        raise SpecError(
            f"{redacted(text)!r} is no URL of storage",
            hint="write davs://host/path, or begin with dav://, dynafed://, https:// or http://",
        )
    scheme = found[1].lower()
    site, slash, rest = _divided(text[found.end() :])
    host, port = _host_and_port(site, text, 443 if _ENCRYPTED[scheme] else 80)
    path, query = slash + rest, ""
    if scheme.startswith("http") and not literal:
        path, _, query = path.partition("?")
        _refuse_fragment(path + query, text)
    if "\0" in path:
        raise SpecError(f"{redacted(text)!r} has a zero byte in its path", hint="no file can be named so")
    path = quoted(path) if literal else canonical(path)
    return Url(scheme=scheme, host=host, port=port, path=_without_dots(path or "/"), query=_legal(query))


def join(base: Url, name: str) -> Url:
    """Return the file ``name``, not encoded, in the directory ``base``; ``name`` may have several parts."""
    return base.with_path(_without_dots(base.path.rstrip("/") + "/" + quoted(name)))


def from_href(base: Url, href: str) -> Url:
    """Return what a server calls ``href`` in its answer about ``base``, in our spelling.

    It may be on another host or outside of ``base``: whoever asks has to look.

    Raises:
        SpecError: It is nothing that could be on a storage.
    """
    url = redirected(base, href)
    same = url.secure == base.secure
    scheme = base.scheme if same else url.scheme
    path = _without_dots(canonical(url.path))
    return Url(scheme=scheme, host=url.host, port=url.port, path=path, query=url.query)


def redirected(base: Url, location: str) -> Url:
    """Return what a ``Location`` header means; its path and query are kept to the letter, as may be signed.

    Raises:
        SpecError: It is nothing that we could follow.
    """
    text = location.strip().partition("#")[0]
    if text.startswith("//"):
        text = f"{'https' if base.secure else 'http'}:{text}"
    found = _URL.match(text)
    if found is None:
        return _relative(base, text)
    scheme = found[1].lower()
    site, slash, rest = _divided(text[found.end() :])
    path, _, query = (slash + rest).partition("?")
    host, port = _host_and_port(site, location, 443 if _ENCRYPTED[scheme] else 80)
    path = _without_dots(_legal(path or "/"))
    return Url(scheme=scheme, host=host, port=port, path=path, query=_legal(query))


def quoted(path: str) -> str:
    """Percent-encode a path that is not; bytes that are no UTF-8 are given as ``os.fsdecode`` gives them."""
    return quote(path, safe="/" + _PLAIN, errors="surrogateescape")


def decoded(path: str) -> str:
    """Undo :func:`quoted`, and any other valid way of encoding."""
    return unquote(path, errors="surrogateescape")


def canonical(path: str) -> str:
    """Return the one way in which we encode ``path``, which may be encoded, partly or wholly."""
    return "/".join(
        quote(unquote(part, errors="surrogateescape"), safe=_PLAIN, errors="surrogateescape")
        for part in path.split("/")
    )


def redacted(text: str) -> str:
    """Return a URL, valid or not, or words with URLs in them, without what may be a secret."""
    text = re.sub(r"(://)[^/\s@]*@", r"\1", text)
    text = re.sub(r"(\?)[^\s\"'<>]+", r"\1…", text)
    text = re.sub(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+", r"\1 …", text)
    return re.sub(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*", "…", text)


def _relative(base: Url, text: str) -> Url:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        raise SpecError(f"{redacted(text)!r} is no URL of storage")
    path, _, query = text.partition("?")
    if not path:
        path = base.path
    elif not path.startswith("/"):
        path = base.path.rpartition("/")[0] + "/" + path
    return Url(
        scheme=base.scheme,
        host=base.host,
        port=base.port,
        path=_without_dots(_legal(path)),
        query=_legal(query),
    )


def _divided(text: str) -> tuple[str, str, str]:
    site = re.split(r"[/?#]", text, maxsplit=1)[0]
    rest = text[len(site) :]
    return (site, "/", rest[1:]) if rest.startswith("/") else (site, "/" if rest else "", rest)


_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s\[\]:@/\\%]+)(?::(?P<port>[0-9]*))?")


def _host_and_port(site: str, text: str, usual: int) -> tuple[str, int]:
    if "@" in site:
        raise SpecError(
            f"{redacted(text)!r} has a user name in it",
            hint="leave it out: credentials come from bearer tokens and certificates",
        )
    found = _HOST.fullmatch(site)
    port = int(found["port"] or usual) if found else 0
    host = _ascii(found["host"]) if found else ""
    if not host or not 0 < port < 65_536:
        # A password may have a slash in it, and is then no part of what we took for the server.
        shown = redacted(re.sub("://.*@", "://", text, flags=re.DOTALL))
        raise SpecError(f"{shown!r} names no server", hint="write davs://host:port/path")
    return host, port


def _ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""


def _refuse_fragment(rest: str, text: str) -> None:
    if "#" in rest:
        raise SpecError(
            f"{redacted(text)!r} has a # in it, which is no part of an http URL's path",
            hint="write %23 for a # in a name, or begin with davs:// or dav://",
        )


def _legal(text: str) -> str:
    """Encode what cannot stand in a request, and nothing else."""
    return re.sub(r"[^!-~]", lambda one: quote(one[0], safe="", errors="surrogateescape"), text)


def _without_dots(path: str) -> str:
    """Resolve ``.`` and ``..`` (RFC 3986, section 5.2.4); empty parts stay, some storages mean them."""
    if "/." not in path:
        return path
    kept: list[str] = []
    parts = path.split("/")[1:]
    for part in parts:
        if part == ".." and kept:
            kept.pop()
        elif part not in (".", ".."):
            kept.append(part)
    if parts[-1] in (".", "..") and (not kept or kept[-1]):
        kept.append("")
    return "/" + "/".join(kept)
