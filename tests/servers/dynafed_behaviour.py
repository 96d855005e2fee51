"""How a federation behaves, and what it lies about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Behaviour:
    """How a federation is configured, and what it lies about.  Can be changed while it runs.

    Attributes:
        redirect: Status of its redirects.
        reads_from: Numbers of endpoints, those that are nearest first; the others come behind.
        writes_to: Numbers of endpoints that can be written, the nearest first.
        allow_overwrite: Whether PUT may replace what is there.
        precreate: Whether the parents of what is put are made at the endpoint, if that is deep enough.
        max_list_items: Longer directories are not listed.
        metalink: Whether there are metalinks.
        metalink_version: 3 or 4, if the client does not say.
        tokens: Only requests with one of these pass, the others get 403; ``None`` lets everybody pass.
        signed: Whether it signs the URLs of replicas, which then are secrets.
        failing: A status that everything is answered with; ``None`` for none.
        retry_after: What it says with that.
        drops: It cuts every connection without an answer.
        ghosts: URLs of replicas that are not there, listed before the others, for each path.
        sizes: What it says of the sizes of paths, whatever the endpoints say.
        hashes: What its metalinks say of the checksums of paths, by the names of metalink (``sha-256``).
    """

    redirect: int = 302
    reads_from: tuple[int, ...] = ()
    writes_to: tuple[int, ...] | None = None
    allow_overwrite: bool = True
    precreate: bool = True
    max_list_items: int = 2000
    metalink: bool = True
    metalink_version: int = 3
    tokens: tuple[str, ...] | None = None
    signed: bool = False
    failing: int | None = None
    retry_after: str = ""
    drops: bool = False
    ghosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, Mapping[str, str]] = field(default_factory=dict)
