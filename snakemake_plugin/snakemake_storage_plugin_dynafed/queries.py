"""What may stand in ``storage(…)``, and how it is called elsewhere: as a URL, and on this disk.

After ``davs://``, ``dav://`` and ``dynafed://`` names are literal, as everywhere else in a Snakefile: a value
of a wildcard means the same as in the name of a local file.  After ``https://`` and ``http://`` they are as
in browsers, percent-encoded, and a query may follow.  Wildcards are text like any other.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from snakemake_interface_storage_plugins.io import WILDCARD_REGEX, get_constant_prefix

from dodas.errors import SpecError

if TYPE_CHECKING:
    from dodas.staging.urls import Url

LITERAL = ("davs", "dav", "dynafed")
SCHEMES = (*LITERAL, "https", "http")
_ON_DISK = {"dynafed": "davs"}  # two spellings of one storage
_ANY_NAME = "x"  # stands for a wildcard where a complete URL is looked at


def problem(query: str) -> str:
    """Return what is wrong with ``query``, which may have wildcards; empty if nothing is."""
    scheme, mark, rest = query.partition("://")
    if not mark or scheme not in SCHEMES:
        return f"it starts with none of {', '.join(f'{known}://' for known in SCHEMES)}"
    complete = WILDCARD_REGEX.sub(_ANY_NAME, rest)
    path = complete.partition("/")[2]
    if not path.strip("/"):
        return "it names no file on the host"
    if {".", ".."} & set(path.split("/")):
        return "a part of its path is . or .., which would lead elsewhere on this disk"
    try:
        _parse(f"{scheme}://{complete}")
    except SpecError as error:
        return f"{error}; {error.hint}" if error.hint else str(error)
    except UnicodeEncodeError:
        return "it has a character that no name can have"
    return ""


def address(query: str) -> str:
    """Return ``query`` as a URL for the client, without a slash at its end."""
    url = _parse(query)
    return str(url if url.query else url.as_file)


def on_disk(query: str) -> str:
    """Return the relative path of what ``query`` names; wildcards stay wildcards.

    Different names have different paths, and no path holds what signs a URL.
    """
    scheme, _, rest = query.partition("://")
    host, _, path = rest.partition("/")
    # A colon separates paths in many places, and brackets are for patterns.
    place = host.lower().replace("[", "").replace("]", "").replace(":", "_")
    return f"{_ON_DISK.get(scheme, scheme)}/{place}/{_unsigned(scheme, path).strip('/')}"


def folder(query: str) -> str:
    """Return the query for the directory that ``query`` lies in; ends with a slash."""
    return _named(query).rstrip("/").rpartition("/")[0] + "/"


def is_listed(query: str) -> bool:
    """Tell whether a listing of its directory could have it; the answer of a program is in none."""
    return _named(query) == query


def fixed_folder(query: str) -> str:
    """Return the query for the directory below which everything lies that ``query`` matches."""
    return str(get_constant_prefix(_named(query), strip_incomplete_parts=True))


def below(query: str, names: tuple[str, ...]) -> str:
    """Return the query for what the decoded ``names`` lead to from the directory ``query``."""
    from dodas.staging.urls import quoted  # noqa: PLC0415

    literal = query.partition("://")[0] in LITERAL
    return query.rstrip("/") + "".join("/" + (name if literal else quoted(name)) for name in names)


def names_below(base: str, url: str) -> tuple[str, ...]:
    """Return the decoded names that lead from the directory ``base`` to ``url``, as the client writes both.

    Raises:
        ValueError: It does not lie below.
    """
    from dodas.staging.urls import decoded  # noqa: PLC0415

    top, path = (one.partition("://")[2].partition("/")[2].strip("/") for one in (base, url))
    if top and not path.startswith(f"{top}/"):
        raise ValueError(f"{url} is not below {base}")
    return tuple(decoded(part) for part in path[len(top) :].strip("/").split("/"))


def child(url: str, name: str) -> str:
    """Return the URL of the file ``name`` in the directory ``url``, as the client writes both."""
    from dodas.staging.urls import quoted  # noqa: PLC0415

    return f"{url.rstrip('/')}/{quoted(name)}"


def shown(query: str) -> str:
    """Return ``query`` without what may be a secret."""
    from dodas.staging.urls import redacted  # noqa: PLC0415

    return query if query.partition("://")[0] in LITERAL and "@" not in query else redacted(query)


def _named(query: str) -> str:
    """Return ``query`` without what follows a question mark, if that is no part of a name."""
    return query if query.partition("://")[0] in LITERAL else query.partition("?")[0]


def _unsigned(scheme: str, path: str) -> str:
    """Return ``path`` with a digest for its query, unless that has wildcards, which no signature has."""
    name, mark, rest = path.partition("?")
    if scheme in LITERAL or not mark or WILDCARD_REGEX.search(rest):
        return path
    return f"{name}?{hashlib.sha256(rest.encode()).hexdigest()[:16]}"


def _parse(query: str) -> Url:
    # Snakemake starts often, and mostly without a question about storage.
    from dodas.staging.urls import parse  # noqa: PLC0415

    return parse(query, literal=query.partition("://")[0] in LITERAL)
