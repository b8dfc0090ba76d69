"""Levels: pivots of the session before, and the highs and lows that stand out."""

from __future__ import annotations

from typing import Any

from tapeline.streams.core.indicators.extremes import Highest
from tapeline.streams.core.indicators.model import NEVER, BarRing, Indicator, Value, Windowed
from tapeline.streams.core.indicators.unit import PriceUnit
from tapeline.streams.core.ratio import ratio


class PivotPoints(Indicator):
    """Levels of the latest session before that had bars."""

    __slots__ = ("_before", "_close", "_down", "_high", "_low", "_up")

    def __init__(self, ring: BarRing, unit: PriceUnit) -> None:
        super().__init__(ring, NEVER, NEVER)
        self._up = unit.numerator
        self._down = 3 * unit.denominator
        self._high = 0
        self._low = 0
        self._close = 0
        # High, low and close of that session.
        self._before = (0, 0, 0)

    def update(self, index: int, seen: int) -> None:
        ring = self.ring
        high = ring.highs[index]
        low = ring.lows[index]
        if ring.session_bars == 1:
            self._before = (self._high, self._low, self._close)
            self._high = high
            self._low = low
            self._look_at_sessions()
        else:
            if high > self._high:
                self._high = high
            if low < self._low:
                self._low = low
        self._close = ring.closes[index]

    def _look_at_sessions(self) -> None:
        """The first session has none before it, the second one that may have been seen in part."""
        self.first = 0 if self.ring.sessions > 1 else NEVER
        self.warm_from = 0 if self.ring.sessions > 2 else NEVER

    def value(self, number: int) -> Value:
        high, low, close = self._before
        # Three times each level.
        pivot = high + low + close
        if number == 0:
            level = pivot
        elif number == 1:
            level = 2 * pivot - 3 * low
        elif number == 2:
            level = pivot + 3 * (high - low)
        elif number == 3:
            level = 3 * high + 2 * (pivot - 3 * low)
        elif number == 4:
            level = 2 * pivot - 3 * high
        elif number == 5:
            level = pivot - 3 * (high - low)
        else:
            level = 3 * low - 2 * (3 * high - pivot)
        return ratio(level * self._up, self._down)

    def snapshot(self) -> list[Any]:
        return [self._high, self._low, self._close, list(self._before)]

    def restore(self, data: list[Any]) -> None:
        self._high, self._low, self._close = data[0], data[1], data[2]
        high, low, close = data[3]
        self._before = (high, low, close)
        self._look_at_sessions()


class SwingLevel(Windowed):
    """The high (or low) of the bar n bars before, if no bar within n of it goes beyond.

    Parameters
    ----------
    high
        Whether highs are looked at.
    """

    __slots__ = ("_extreme", "_high", "_n", "_unit")

    def __init__(self, ring: BarRing, n: int, high: bool, unit: PriceUnit) -> None:
        super().__init__(ring, 2 * n + 1)
        self._n = n
        self._high = high
        self._unit = unit
        self._extreme = Highest(2 * n + 1)

    def update(self, index: int, seen: int) -> None:
        ring = self.ring
        self._extreme.push(ring.highs[index] if self._high else -ring.lows[index])

    def value(self, number: int) -> Value:
        ring = self.ring
        level = ring.highs[-1 - self._n] if self._high else ring.lows[-1 - self._n]
        if (level if self._high else -level) < self._extreme.top:
            return None
        return ratio(level * self._unit.numerator, self._unit.denominator)

    def clear(self) -> None:
        self._extreme.clear()
