"""What has failed so far, and whether it makes sense to go on."""

from __future__ import annotations

import time
from collections.abc import Callable

from dodas.errors import Corrupt, DodasError, NotAllowed, NotThere, StorageUnreachable
from dodas.staging.patience import pause
from dodas.staging.settings import Settings

# A copy that is damaged twice is damaged.
_LIES = 2
# The one that says most, if servers say different things.
_TELLING = (Corrupt, NotAllowed, StorageUnreachable, NotThere)


class Failures:
    """The failures of one transfer.  A round has been through all servers that could do it.

    Attributes:
        rounds: Those that are over.
    """

    def __init__(self, settings: Settings, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self.rounds = 0
        self._settings, self._sleep = settings, sleep
        self._errors: list[DodasError] = []

    def add(self, error: DodasError) -> None:
        """Take a failure."""
        self._errors.append(error)

    def rest_or_raise(self) -> None:
        """End the round: wait before the next one, or raise what tells most if there is none to be."""
        self.rounds += 1
        errors, self._errors = self._errors, []
        asked = max((float(getattr(error, "retry_after", 0.0) or 0.0) for error in errors), default=0.0)
        passing = [error for error in errors if error.retryable]
        lies = any(isinstance(error, Corrupt) for error in errors) and self.rounds >= _LIES
        if lies or not passing or self.rounds >= self._settings.attempts or asked > self._settings.max_wait:
            raise min(errors, key=_how_telling)
        self._sleep(pause(self.rounds, longest=self._settings.max_wait, asked=asked))


def _how_telling(error: DodasError) -> int:
    return next((at for at, kind in enumerate(_TELLING) if isinstance(error, kind)), len(_TELLING))
