"""Indicators that follow the published values of another one instead of closes.

What an exact indicator sums of integers is here added anew from the oldest on: a running sum of
doubles would never forget where it began.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

from tapeline.streams.core.indicators.logarithm import log_quotient
from tapeline.streams.core.indicators.model import NEVER, Indicator, Value
from tapeline.streams.core.indicators.series import Series
from tapeline.streams.core.indicators.volatility import deviation_of
from tapeline.streams.core.ratio import quotient


class Following(Indicator):
    """A series of the values of another indicator of the same interval.

    Parameters
    ----------
    inner, number
        What it follows, and which of its values.
    counts
        Values until its first, and the value, from 1 for the first warm one, at which it is warm.
    """

    __slots__ = ("_blank", "_inner", "_number", "_own_first", "_own_warm", "_series", "_taken")

    def __init__(
        self, inner: Indicator, number: int, counts: tuple[int, int], series: Series
    ) -> None:
        super().__init__(inner.ring, NEVER, NEVER)
        self._inner = inner
        self._number = number
        self._own_first = counts[0]
        self._own_warm = counts[1]
        self._series = series
        self._taken = 0
        self._blank = False

    def update(self, index: int, seen: int) -> None:
        inner = self._inner
        if seen < inner.first:
            return
        counted = self.ring.counted
        if self.warm_from == NEVER and counted >= inner.warm_from:
            self.warm_from = counted + self._own_warm - 1
        x = inner.value(self._number)
        self._blank = x is None
        if x is None:
            return
        self._series.add(float(x))
        if self._taken < self._own_first:
            self._taken += 1
            if self._taken == self._own_first:
                self.first = 0

    def value(self, number: int) -> Value:
        return None if self._blank else self._series.value(number)

    def snapshot(self) -> list[Any]:
        return [self._taken, self.warm_from, self._blank, self._series.snapshot()]

    def restore(self, data: list[Any]) -> None:
        self._taken = data[0]
        self.first = 0 if self._taken == self._own_first else NEVER
        self.warm_from = data[1]
        self._blank = data[2]
        self._series.restore(data[3])


class DoubleWindow(Series):
    """A series whose values hold the last ones alone.

    Parameters
    ----------
    depth
        How many.
    """

    __slots__ = ("_depth", "values")

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self.values: list[float] = []

    def add(self, x: float) -> None:
        values = self.values
        values.append(x)
        if len(values) > 2 * self._depth + 64:
            del values[: len(values) - self._depth]

    def snapshot(self) -> list[Any]:
        return self.values[-self._depth :]

    def restore(self, data: list[Any]) -> None:
        self.values = [float(each) for each in data]


def weighted_mean(values: list[float], n: int) -> float:
    """Mean of the last n values, the later the heavier."""
    size = len(values)
    total = 0.0
    for position in range(1, n + 1):
        total += float(position) * values[size - n + position - 1]
    return quotient(total, float(n * (n + 1) // 2))


def mean(values: list[float], n: int) -> float:
    """Mean of the last n values."""
    size = len(values)
    total = 0.0
    for index in range(size - n, size):
        total += values[index]
    return quotient(total, float(n))


class SmaSeries(DoubleWindow):
    """Mean of the last n values."""

    __slots__ = ("_n",)

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self._n = n

    def value(self, number: int) -> Value:
        return mean(self.values, self._n)


class WmaSeries(DoubleWindow):
    """Mean of the last n values, the later the heavier."""

    __slots__ = ("_n",)

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self._n = n

    def value(self, number: int) -> Value:
        return weighted_mean(self.values, self._n)


class HmaSeries(DoubleWindow):
    """The average of Hull."""

    __slots__ = ("_n", "_root")

    def __init__(self, n: int) -> None:
        self._root = isqrt(n)
        super().__init__(n + self._root - 1)
        self._n = n

    def value(self, number: int) -> Value:
        size = len(self.values)
        found: list[float] = []
        for back in range(self._root - 1, -1, -1):
            until = self.values[size - back - self._n : size - back]
            found.append(2.0 * weighted_mean(until, self._n // 2) - weighted_mean(until, self._n))
        return weighted_mean(found, self._root)


class ChangeSeries(DoubleWindow):
    """Change over n values, or that in per cent of the earlier one."""

    __slots__ = ("_n", "_per_cent")

    def __init__(self, n: int, per_cent: bool) -> None:
        super().__init__(n + 1)
        self._n = n
        self._per_cent = per_cent

    def value(self, number: int) -> Value:
        before = self.values[-1 - self._n]
        change = self.values[-1] - before
        if not self._per_cent:
            return change
        if before == 0.0:
            return None
        # Never -0.0.
        return 0.0 if change == 0.0 else quotient(100.0 * change, before)


class DeviationSeries(DoubleWindow):
    """Deviation of the last n values, and bands around their mean."""

    __slots__ = ("_alone", "_n", "_times")

    def __init__(self, n: int, times: float, alone: bool) -> None:
        super().__init__(n)
        self._n = n
        self._times = times
        self._alone = alone

    def value(self, number: int) -> Value:
        deviation = deviation_of(self.values, self._n)
        if self._alone:
            return deviation
        middle = mean(self.values, self._n)
        if number == 1:
            return middle
        band = self._times * deviation
        if number == 3:
            return 0.0 if middle == 0.0 or band == 0.0 else quotient(2.0 * band, middle)
        return middle + band if number == 0 else middle - band


class MovesSeries(DoubleWindow):
    """Gains and losses of the last n moves: simple rsi, and cmo."""

    __slots__ = ("_n", "_net")

    def __init__(self, n: int, net: bool) -> None:
        super().__init__(n + 1)
        self._n = n
        self._net = net

    def value(self, number: int) -> Value:
        values = self.values
        size = len(values)
        gain = 0.0
        loss = 0.0
        for index in range(size - self._n, size):
            move = values[index] - values[index - 1]
            if move > 0.0:
                gain += move
            else:
                loss -= move
        both = gain + loss
        if self._net:
            return 0.0 if gain == loss else quotient(100.0 * (gain - loss), both)
        return 50.0 if both == 0.0 else quotient(100.0 * gain, both)


class HistvolSeries(DoubleWindow):
    """Deviation of the logarithms of n moves, for a year, in per cent."""

    __slots__ = ("_n", "_year")

    def __init__(self, n: int, year: float) -> None:
        super().__init__(n + 1)
        self._n = n
        self._year = year

    def value(self, number: int) -> Value:
        size = len(self.values)
        logs: list[float] = []
        for index in range(size - self._n, size):
            later, earlier = self.values[index], self.values[index - 1]
            if later <= 0.0 or earlier <= 0.0:
                return None
            logs.append(log_quotient(later, earlier))
        return deviation_of(logs, self._n) * self._year * 100.0
