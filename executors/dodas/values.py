"""``dataclass`` with ``slots`` and ``kw_only`` also where Python does not know them yet.

What is shipped to nodes runs on Python 3.9, on which values are a little larger and may be made by position;
nothing else differs.  Import ``dataclass`` from here in every module that is shipped.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

__all__ = ["dataclass"]

if not TYPE_CHECKING and sys.version_info < (3, 10):
    from dataclasses import dataclass as _dataclass

    def dataclass(**options: bool):
        """Return the decorator that makes a class a dataclass, as far as this Python can."""
        return _dataclass(**{name: on for name, on in options.items() if name not in ("slots", "kw_only")})
