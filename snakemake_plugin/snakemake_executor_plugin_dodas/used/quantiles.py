"""The spread of many values in little memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_STEP = math.log(1.02)  # values in one bin differ by at most 2 %, so its middle is at most 1 % off


@dataclass(slots=True)
class Spread:
    """Counts values in bins that grow with them: a value of any size is known to 1 %.

    All values between a byte and a terabyte fit into 1,400 bins, and those of one rule are rarely in more
    than a few dozen.

    Attributes:
        count: How many values there were.
        total: Their sum.
        least: The smallest; 0 before the first.
        most: The largest, exactly; 0 before the first.
    """

    count: int = 0
    total: float = 0.0
    least: float = 0.0
    most: float = 0.0
    _bins: dict[int, int] = field(default_factory=dict)

    def add(self, value: float) -> None:
        """Take one more value; what is below 0.000001 counts as that."""
        self.least = value if self.count == 0 else min(self.least, value)
        self.most = max(self.most, value)
        self.count += 1
        self.total += value
        place = math.floor(math.log(max(value, 1e-6)) / _STEP)
        self._bins[place] = self._bins.get(place, 0) + 1

    def quantile(self, share: float) -> float | None:
        """Return the value that ``share`` of all, from 0 to 1, do not exceed; ``None`` without any."""
        if self.count == 0:
            return None
        rank, seen = max(1, math.ceil(share * self.count)), 0
        for place in sorted(self._bins):
            seen += self._bins[place]
            if seen >= rank:
                return min(max(math.exp((place + 0.5) * _STEP), self.least), self.most)
        return self.most
