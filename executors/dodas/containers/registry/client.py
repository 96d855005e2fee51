"""What requests are made with: ``requests`` where it is installed, else, on nodes, the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests
    import urllib3
else:
    try:
        import requests
        import urllib3
    except ImportError:
        from dodas.containers.registry import bare as requests
        from dodas.containers.registry import bare as urllib3

__all__ = ["requests", "urllib3"]
