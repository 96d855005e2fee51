"""Starts an Infrastructure Manager with settings of a test.

Run by the Python of its own environment, never imported: it uses code under the GNU General Public License,
version 3, and is, with the connectors beside it, under that licence as well.  No part of dodas uses it.

Usage: im_launcher.py SETTINGS.json   (names of IM.config.Config; "connectors": a directory)
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Apply the settings, and serve."""
    file = Path(sys.argv.pop(1))
    settings = json.loads(file.read_text())
    file.with_name("im.pid").write_text(str(os.getpid()))
    import IM.connectors

    IM.connectors.__path__.append(settings.pop("connectors"))
    from IM.config import Config

    for name, value in settings.items():
        if not hasattr(Config, name):
            raise SystemExit(f"IM has no setting {name}")
        setattr(Config, name, value)
    from IM.im_service import main as serve  # which looks at the settings when it is imported

    serve()


if __name__ == "__main__":
    main()
