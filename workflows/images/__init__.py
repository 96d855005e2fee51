"""Images made of Debian packages: no root, no registry, no container engine."""

import sys
from pathlib import Path

# The fetcher of packages is a tool of the set-up too, which runs before anything is installed.
_TOOLS = str(Path(__file__).resolve().parents[2] / "tools")
if _TOOLS not in sys.path:
    sys.path.append(_TOOLS)
