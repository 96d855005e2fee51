"""What cwltool logs, beside the progress display."""

from __future__ import annotations

import logging
import sys


class CurrentStderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what ``sys.stderr`` is at the moment.

    The display replaces it while it draws, so that lines appear above the drawing and not through it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.stream = sys.stderr
        super().emit(record)
