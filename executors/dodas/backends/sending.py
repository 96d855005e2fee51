"""The outputs of one step on their way to URLs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Lock

from dodas.backends import publishing
from dodas.backends.crew import Crew
from dodas.backends.depot import Depot
from dodas.backends.publishing import Parcel
from dodas.backends.transfernews import Published, Told, TransferNews, fail, name_of
from dodas.errors import DodasError
from dodas.step import OutputFile, Step


class Sending:
    """Looks at what a step made, and has a crew bring it to its places.

    Args:
        step: The step, as it saw this machine.
        depot: Knows the storage.
        crew: Does it.
        tell: Is given the news, in the crew's threads; must not block.

    Attributes:
        over: Whether nobody waits for it any more.
        silent_until: When the next word of its progress is due.
    """

    def __init__(self, step: Step, depot: Depot, crew: Crew, tell: Callable[[TransferNews], None]) -> None:
        self.over = False
        self.silent_until = 0.0
        self._step = step
        self._depot = depot
        self._crew = crew
        self._tell = tell
        self._mutex = Lock()
        self._parcels: list[Parcel] = []
        self._files: dict[int, OutputFile] = {}
        self._left = 0

    def begin(self) -> None:
        """Look at what there is, and give it to the crew."""
        try:
            self._parcels = list(publishing.parcels(self._step))
        except (DodasError, OSError) as error:
            fail(self, self._step.id, error, self._tell)
            return
        self._left = len(self._parcels)
        if not self._parcels:
            self._end()
        for number, parcel in enumerate(self._parcels):
            self._crew.do(partial(self._send, number, parcel))

    def _send(self, number: int, parcel: Parcel) -> None:
        if self.over:
            return
        try:
            told = Told(self._step.id, f"output {name_of(parcel.url)}", self._tell, self)
            file = publishing.send(self._depot, parcel, told)
        except Exception as error:  # whatever it is, the step must hear of it
            fail(self, self._step.id, error, self._tell)
            return
        with self._mutex:
            self._left -= 1
            if file is not None:
                self._files[number] = file
            done = self._left == 0 and not self.over
        if done:
            self._end()

    def _end(self) -> None:
        try:
            for parcel in self._parcels:
                publishing.leave_link(parcel)
        except OSError as error:
            fail(self, self._step.id, error, self._tell)
            return
        files = tuple(self._files[number] for number in sorted(self._files))
        self._tell(Published(self._step.id, files))
