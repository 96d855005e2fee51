"""What a server was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it reached a server.

    Attributes:
        method: As ``GET``.
        path: As it was sent, with the query.
        headers: By names in small letters.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def authorization(self) -> str:
        """What it brought as credentials; empty if none."""
        return self.headers.get("authorization", "")
