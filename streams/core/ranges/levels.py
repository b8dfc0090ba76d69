"""Price-ordered index of the levels that the next bars may touch.

Only levels whose touch would change a range are in it, so a bar costs the same however many ranges
history left behind: two comparisons with the nearest levels around the last close, and a bisection
when one of them is reached.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from tapeline.streams.core.ranges.live_range import LiveRange

FAR: Final = 1 << 62


class LevelIndex:
    """Levels in ticks, ascending, each with the range it belongs to.

    Attributes
    ----------
    below, above
        Nearest levels below, and at or above, the last close: a bar with low > below and
        high < above touches nothing.
    """

    __slots__ = ("_levels", "_owners", "above", "below")

    def __init__(self) -> None:
        self.below = -FAR
        self.above = FAR
        self._levels: list[int] = []
        self._owners: list[LiveRange] = []

    def insert(self, level: int, owner: LiveRange) -> None:
        """Add a level; `refresh` follows before the next bar."""
        at = bisect_left(self._levels, level)
        self._levels.insert(at, level)
        self._owners.insert(at, owner)

    def remove(self, level: int, owner: LiveRange) -> None:
        """Take a level of a range out; it must be there."""
        at = bisect_left(self._levels, level)
        while self._owners[at] is not owner:
            at += 1
        del self._levels[at]
        del self._owners[at]

    def touched(self, low: int, high: int) -> list[LiveRange]:
        """Ranges with a level in [low, high], each once."""
        levels = self._levels
        found: list[LiveRange] = []
        at = bisect_left(levels, low)
        count = len(levels)
        while at < count and levels[at] <= high:
            owner = self._owners[at]
            if owner not in found:
                found.append(owner)
            at += 1
        return found

    def refresh(self, close: int) -> None:
        """Find the nearest levels around a close again."""
        levels = self._levels
        at = bisect_left(levels, close)
        self.above = levels[at] if at < len(levels) else FAR
        self.below = levels[at - 1] if at > 0 else -FAR

    def __len__(self) -> int:
        return len(self._levels)
