"""What is known of transfers while they go on: which are under way, how many are over.  No output."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from dodas.staging.values import Verified

_SPAN = 5.0  # seconds over which a pace is measured


@dataclass(slots=True, eq=False)
class Bar:
    """A transfer under way; whoever moves its bytes calls :meth:`move`, which takes no time."""

    name: str
    check: Callable[[], None]
    total: int | None = None
    done: int = 0
    began: float = field(default_factory=time.monotonic)

    def move(self, done: int, total: int | None) -> None:
        """Learn how far it is; raises if the command was interrupted."""
        self.check()
        self.done = done
        if total is not None:
            self.total = total


@dataclass(slots=True)
class Board:
    """All transfers of a command.

    Attributes:
        expected: Files known of so far, more while ``looking``.
        moved: Bytes of the files that are over.
        by_size: Files of which only the size could be compared.
        same: Files that were there already.
    """

    mutex: threading.Lock = field(default_factory=threading.Lock)
    bars: dict[Bar, None] = field(default_factory=dict)
    looking: bool = True
    expected: int = 0
    expected_bytes: int = 0
    over: int = 0
    moved: int = 0
    same: int = 0
    failed: int = 0
    by_size: int = 0
    began: float = field(default_factory=time.monotonic)
    _passed: deque[tuple[float, int]] = field(default_factory=deque)

    def expect(self, size: int | None) -> None:
        """Learn of a file that will be transferred."""
        with self.mutex:
            self.expected += 1
            self.expected_bytes += size or 0

    def begin(self, bar: Bar) -> None:
        """Learn that a transfer begins."""
        with self.mutex:
            self.bars[bar] = None

    def end(self, bar: Bar) -> None:
        """Learn that a transfer is over, well or not."""
        with self.mutex:
            self.bars.pop(bar, None)

    def count(self, size: int, *, same: bool, verified: Verified) -> None:
        """Count a file that is where it should be."""
        with self.mutex:
            self.over += 1
            self.moved += 0 if same else size
            self.same += same
            self.by_size += verified is not Verified.CHECKSUM
            self.expected_bytes -= size if same else 0

    def count_failure(self) -> None:
        """Count a file that is not."""
        with self.mutex:
            self.over += 1
            self.failed += 1

    def passed(self) -> int:
        """Return the bytes so far."""
        return self.moved + sum(bar.done for bar in self.bars)

    def pace(self) -> float:
        """Return bytes per second of late; to be called now and then."""
        now, passed = time.monotonic(), self.passed()
        self._passed.append((now, passed))
        while len(self._passed) > 2 and self._passed[0][0] < now - _SPAN:
            self._passed.popleft()
        since, before = self._passed[0]
        if now - since < 0.5:
            since, before = self.began, 0
        return max(0, passed - before) / max(now - since, 0.001)
