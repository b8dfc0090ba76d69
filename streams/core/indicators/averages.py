"""Averages of closes: of a window, and those that move by a share of each new close."""

from __future__ import annotations

from typing import Any, Final

from tapeline.streams.core.indicators.model import BarRing, Indicator, Value
from tapeline.streams.core.indicators.unit import PriceUnit
from tapeline.streams.core.ratio import quotient, ratio
from tapeline.streams.core.tracker import ClosedBar

NEAR: Final = 2.0**-30
"""In ticks: an average this near to what it follows is equal to it.

Without it the beginning of history shows for ever in a market that stands still.
"""


def last_total(values: list[int], n: int) -> int:
    """Sum of the last n values, of all where there are fewer."""
    total = 0
    for value in values[-n:]:
        total += value
    return total


class Average:
    """The mean of the first n values, then a step by a share towards each new one.

    Attributes
    ----------
    ready
        Whether n values were there.
    value
        The average once ready, before that the sum.
    """

    __slots__ = ("_left", "_n", "_share", "ready", "value")

    def __init__(self, n: int, share: float) -> None:
        self._n = n
        self._share = share
        self._left = n
        self.value = 0.0
        self.ready = False

    def add(self, x: float) -> None:
        """The next value."""
        if self.ready:
            before = self.value
            after = before + self._share * (x - before)
            apart = x - after
            if after == before or (-9.313225746154785e-10 < apart < 9.313225746154785e-10):
                after = x
            self.value = after
            return
        self.value += x
        self._left -= 1
        if self._left == 0:
            self.value = quotient(self.value, float(self._n))
            self.ready = True

    def snapshot(self) -> list[Any]:
        """Plain data."""
        return [self._left, self.value]

    def restore(self, data: list[Any]) -> None:
        """Go to a snapshot."""
        self._left = data[0]
        self.value = float(data[1])
        self.ready = self._left == 0


def exponential(n: int) -> Average:
    """Average whose share is 2 / (n + 1)."""
    return Average(n, ratio(2, n + 1))


def wilder(n: int) -> Average:
    """Average whose share is 1 / n."""
    return Average(n, ratio(1, n))


class Sma(Indicator):
    """Mean of the last n closes."""

    __slots__ = ("_closes", "_down", "_n", "_sum", "_up")

    def __init__(self, ring: BarRing, n: int, unit: PriceUnit) -> None:
        super().__init__(ring, n, n)
        ring.keep(n + 1)
        self._closes = ring.closes
        self._n = n
        self._up = unit.numerator
        self._down = n * unit.denominator
        self._sum = 0

    def update(self, bar: ClosedBar) -> None:
        self._sum += bar.close
        if self.ring.count > self._n:
            self._sum -= self._closes[-1 - self._n]

    def value(self, number: int) -> Value:
        return ratio(self._sum * self._up, self._down)

    def restore(self, data: list[Any]) -> None:
        self._sum = last_total(self._closes, self._n)


class Ema(Indicator):
    """Exponential average of closes."""

    __slots__ = ("_average", "_unit")

    def __init__(self, ring: BarRing, n: int, warm_from: int, unit: PriceUnit) -> None:
        super().__init__(ring, n, warm_from)
        self._average = exponential(n)
        self._unit = unit

    def update(self, bar: ClosedBar) -> None:
        self._average.add(float(bar.close))

    def value(self, number: int) -> Value:
        return self._unit.price(self._average.value)

    def snapshot(self) -> list[Any]:
        return self._average.snapshot()

    def restore(self, data: list[Any]) -> None:
        self._average.restore(data)
