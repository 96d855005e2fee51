"""Whose signatures under the certificates of servers are believed."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dodas.values import dataclass

_GRID = "/etc/grid-security/certificates"

# A Python that was built elsewhere does not know where this system has them.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Files and directories of certificate authorities.

    Attributes:
        bundles: PEM files, each with any number of them.
        directories: Directories with one file for each, named by hash.
        grid: Directories as grid tools keep them, besides.
    """

    bundles: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    grid: tuple[str, ...] = ()


def trust(environ: Mapping[str, str], *, bundles: tuple[str, ...] = _BUNDLES, grid: str = _GRID) -> Trust:
    """Return what to believe: the system's authorities, or those named instead, and those of the grid.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` stand for the system's, as for every program with OpenSSL;
    ``X509_CERT_DIR`` stands for ``/etc/grid-security/certificates``.
    """
    file, directories = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    named = tuple(place for place in (directories or "").split(os.pathsep) if place)
    if file:
        files: tuple[str, ...] = (file,)
    else:
        files = () if named else tuple(path for path in bundles if os.path.isfile(path))[:1]
    place = environ.get("X509_CERT_DIR") or (grid if os.path.isdir(grid) else "")
    return Trust(bundles=files, directories=named, grid=(place,) if place else ())
