"""Storage objects as Snakemake makes them, without a Snakemake around them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from snakemake_storage_plugin_dynafed import StorageObject, StorageProvider, StorageProviderSettings


def make_provider(place: Path, **settings: Any) -> StorageProvider:
    """Return a provider whose local copies are below ``place``."""
    return StorageProvider(
        local_prefix=place / "local",
        logger=logging.getLogger("tests.storage"),
        settings=StorageProviderSettings(**settings),
    )


def literal(url: str) -> str:
    """Return the URL of a server with the scheme that takes names as they are."""
    scheme, _, rest = url.partition("://")
    return f"{'davs' if scheme == 'https' else 'dav'}://{rest}"


def make_local(one: StorageObject, content: bytes = b"some content\n") -> Path:
    """Write the local copy of a file."""
    path: Path = one.local_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
