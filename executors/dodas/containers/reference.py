"""Names of images, read exactly as Docker reads them.

The grammar is that of https://github.com/distribution/reference; udocker's ``name:sha256:…`` and the
``docker://`` that Singularity and Snakemake put in front are understood as well.  The host in a name is
never guessed away: ``127.0.0.1:5000/debian`` is that registry and no other.
"""

from __future__ import annotations

import re

from dodas.errors import SpecError
from dodas.values import dataclass

DOCKER_HUB = "docker.io"

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_WORD}(?:/{_WORD})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST = 255  # of host and repository together

_ALIASES_OF_HUB = frozenset(
    {DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What names one image.  ``str()`` gives its usual short form, which ``parse`` reads back.

    Attributes:
        host: Registry, with its port if one was given; ``docker.io`` for Docker Hub.
        repository: Path in that registry, complete: ``library/debian``.
        tag: Empty when only a digest was given; ``latest`` when nothing was.
        digest: ``sha256:…`` or empty.  Where there is one, the tag is decoration.
    """

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a name as a user writes it.

        Raises:
            SpecError: It is not the name of an image; the hint says what is wrong with it.
        """
        name, tag, digest = _split(text)
        host, repository = _at_home(name)
        _check(text, host, repository, tag, digest)
        return cls(host=host, repository=repository, tag=tag or ("" if digest else "latest"), digest=digest)

    @classmethod
    def filed(cls, repository: str, tag: str) -> Reference:
        """Return what is filed under ``repos/REPOSITORY/TAG`` in udocker's store; undoes ``store_name``.

        Raises:
            SpecError: udocker filed something there whose name is not the name of an image.
        """
        if ":" in tag and not is_digest(tag):
            parts = repository.split("/")
            return cls.parse(f"{':'.join(parts[:2])}/{'/'.join([*parts[2:], tag])}")
        return cls.parse(f"{repository}:{tag}")

    @property
    def identifier(self) -> str:
        """What to ask the registry for: the digest where there is one, else the tag."""
        return self.digest or self.tag

    @property
    def name(self) -> str:
        """The name without tag and digest, in its usual short form."""
        if self.host != DOCKER_HUB:
            return f"{self.host}/{self.repository}"
        short = self.repository.removeprefix("library/")
        if "/" not in short and not _is_id(short):
            return short
        if _names_a_host(self.repository.partition("/")[0]) or "/" not in self.repository:
            return f"{DOCKER_HUB}/{self.repository}"
        return self.repository

    @property
    def store_name(self) -> tuple[str, str]:
        """Where dodas files the image in udocker's store: the directory below ``repos``, and the tag.

        That is where udocker itself looks for the name in its own, colon, form.  udocker cuts at the
        first colon, so ``localhost:5000/a/b:1`` lies in ``repos/localhost/5000/a/b:1``.
        """
        return _filed_by_udocker(self.name, self.identifier)

    @property
    def store_names(self) -> tuple[tuple[str, str], ...]:
        """All places where the image may be, ``store_name`` first: udocker files names as typed."""
        names = [self.name]
        if self.host == DOCKER_HUB:
            short = self.repository.removeprefix("library/")
            names += [self.repository, f"{DOCKER_HUB}/{self.repository}", f"{DOCKER_HUB}/{short}"]
            # A name that would be taken for another registry belongs to that registry.
            names = [name for name in names if _at_home(name) == (self.host, self.repository)]
        return tuple(dict.fromkeys(_filed_by_udocker(name, self.identifier) for name in names))

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def is_digest(text: str) -> bool:
    """Return whether ``text`` is a digest; sha256 is the only kind that registries in use have."""
    return _DIGEST.fullmatch(text) is not None


def _split(text: str) -> tuple[str, str, str]:
    """Cut a name into what is before the tag, the tag, and the digest; udocker's colon form too."""
    rest = text.removeprefix("docker://")
    rest, _, digest = rest.partition("@")
    if not digest:
        colon_form = re.fullmatch(rf"(.+):({_DIGEST.pattern})", rest)
        if colon_form:
            return colon_form[1], "", colon_form[2]
    head, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag, digest


def _at_home(name: str) -> tuple[str, str]:
    """Return host and repository of a name without tag; the defaults are those of Docker Hub."""
    host, slash, repository = name.partition("/")
    if not slash or not _names_a_host(host):
        host, repository = DOCKER_HUB, name
    if host in _ALIASES_OF_HUB:
        host = DOCKER_HUB
        repository = repository if "/" in repository else f"library/{repository}"
    return host, repository


def _names_a_host(first: str) -> bool:
    return first == "localhost" or "." in first or ":" in first or first != first.lower()


def _is_id(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _filed_by_udocker(name: str, identifier: str) -> tuple[str, str]:
    if name.startswith("["):  # an IPv6 address; udocker has no way to say it
        return name, identifier
    repository, _, tag = f"{name}:{identifier}".partition(":")
    port, slash, rest = tag.partition("/")
    if not slash:
        return repository, tag
    path, slash, last = rest.rpartition("/")
    return f"{repository}/{port}{slash}{path}", last


def _check(text: str, host: str, repository: str, tag: str, digest: str) -> None:
    hint = _fault(text, host, repository, tag, digest)
    if hint:
        raise SpecError(f"{text!r} is not the name of an image", hint=hint)


def _fault(text: str, host: str, repository: str, tag: str, digest: str) -> str:  # noqa: PLR0911
    if (digest and not is_digest(digest)) or text.endswith("@"):
        return "write a digest as sha256: and 64 hexadecimal digits"
    if text.endswith(":") or (tag and not _TAG.fullmatch(tag)):
        return "write a tag of letters, digits, `_`, `.` and `-`, at most 128"
    if not _HOST.fullmatch(host):
        return "write the registry as HOST or HOST:PORT"
    if repository != repository.lower():
        return "write the name of the repository in lower case"
    if not _REPOSITORY.fullmatch(repository) or len(host) + len(repository) > _LONGEST:
        return "write it as [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST], for example debian:bookworm"
    if (host == DOCKER_HUB and _is_id(text)) or is_digest(f"{repository.rpartition('/')[2]}:{tag}"):
        return "put a name before the digest: NAME@sha256:DIGEST"
    return ""
