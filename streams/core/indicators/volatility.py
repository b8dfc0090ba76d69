"""Volatility: ranges, channels and deviations of the last bars."""

from __future__ import annotations

from math import sqrt
from typing import Any

from tapeline.streams.core.indicators.extremes import Channel
from tapeline.streams.core.indicators.logarithm import log_ratio
from tapeline.streams.core.indicators.model import BarRing, Indicator, Value, Windowed
from tapeline.streams.core.indicators.series import wilder
from tapeline.streams.core.indicators.true_range import range_at
from tapeline.streams.core.indicators.unit import PriceUnit
from tapeline.streams.core.ratio import quotient, ratio, scaled


class Atr(Indicator):
    """Average of true ranges by Wilder."""

    __slots__ = ("_average", "_down", "_up")

    def __init__(self, ring: BarRing, counts: tuple[int, int], n: int, unit: PriceUnit) -> None:
        super().__init__(ring, counts[0], counts[1])
        self._average = wilder(n)
        self._up = unit.up
        self._down = unit.down

    def update(self, index: int, seen: int) -> None:
        if seen > 1:
            self._average.add(float(range_at(self.ring, index)))

    def value(self, number: int) -> Value:
        return scaled(self._average.value, self._up, self._down)

    def snapshot(self) -> list[Any]:
        return self._average.snapshot()

    def restore(self, data: list[Any]) -> None:
        self._average.restore(data)


class SimpleAtr(Windowed):
    """Mean of the last n true ranges."""

    __slots__ = ("_down", "_n", "_sum", "_up")

    def __init__(self, ring: BarRing, n: int, unit: PriceUnit) -> None:
        super().__init__(ring, n + 1)
        self._n = n
        self._up = unit.numerator
        self._down = n * unit.denominator
        self._sum = 0

    def update(self, index: int, seen: int) -> None:
        if seen == 1:
            return
        self._sum += range_at(self.ring, index)
        if seen > self._n + 1:
            self._sum -= range_at(self.ring, index - self._n)

    def value(self, number: int) -> Value:
        return ratio(self._sum * self._up, self._down)

    def clear(self) -> None:
        self._sum = 0


class Deviation(Windowed):
    """Deviation of the last n closes (population), and bands around their mean.

    Sums of squares are of differences from one close: small numbers, with the same deviation.
    """

    __slots__ = (
        "_alone", "_base", "_closes", "_down", "_n", "_root", "_squares", "_sum", "_times", "_up",
        "_whole_down", "_whole_up",
    )  # fmt: skip

    def __init__(self, ring: BarRing, n: int, times: float, alone: bool, unit: PriceUnit) -> None:
        super().__init__(ring, n)
        self._closes = ring.closes
        self._n = n
        self._times = times
        self._alone = alone
        self._whole_up = unit.numerator
        self._whole_down = n * unit.denominator
        self._up = float(self._whole_up)
        self._down = float(self._whole_down)
        self._base = 0
        self._sum = 0
        self._squares = 0
        # Of the present bar; below 0 until a value asks for it.
        self._root = -1.0

    def update(self, index: int, seen: int) -> None:
        self._root = -1.0
        closes = self._closes
        if seen == 1:
            self._base = closes[index]
        base = self._base
        far = closes[index] - base
        total = self._sum + far
        squares = self._squares + far * far
        n = self._n
        if seen > n:
            far = closes[index - n] - base
            total -= far
            squares -= far * far
        self._sum = total
        self._squares = squares

    def value(self, number: int) -> Value:
        n = self._n
        total = self._sum
        whole = total + n * self._base
        if number == 1:
            return ratio(whole * self._whole_up, self._whole_down)
        root = self._root
        if root < 0.0:
            root = self._root = sqrt(float(n * self._squares - total * total))
        if self._alone:
            return scaled(root, self._up, self._down)
        if number == 3:
            return 0.0 if whole == 0 else quotient(2.0 * self._times * root, float(whole))
        band = self._times * root
        edge = float(whole) + band if number == 0 else float(whole) - band
        return scaled(edge, self._up, self._down)

    def clear(self) -> None:
        self._sum = 0
        self._squares = 0


class Extremes(Windowed):
    """Highest high and lowest low of the last n bars.

    Parameters
    ----------
    middle
        Whether its second value is their midpoint, and the lowest low the third.
    """

    __slots__ = ("_channel", "_down", "_middle", "_up")

    def __init__(self, ring: BarRing, n: int, middle: bool, unit: PriceUnit) -> None:
        super().__init__(ring, n)
        self._channel = Channel(ring, n)
        self._middle = middle
        self._up = unit.numerator
        self._down = unit.denominator

    def update(self, index: int, seen: int) -> None:
        self._channel.update(index)

    def value(self, number: int) -> Value:
        channel = self._channel
        if number == 0:
            return ratio(channel.high * self._up, self._down)
        if number == 1 and self._middle:
            return ratio((channel.high + channel.low) * self._up, 2 * self._down)
        return ratio(channel.low * self._up, self._down)

    def clear(self) -> None:
        self._channel.clear()


class Histvol(Windowed):
    """Deviation of the logarithms of n moves, for a year, in per cent."""

    __slots__ = ("_logs", "_missing", "_n", "_year")

    def __init__(self, ring: BarRing, n: int, periods_a_year: float) -> None:
        super().__init__(ring, n + 1)
        self._n = n
        self._year = sqrt(periods_a_year)
        self._logs: list[float] = []
        self._missing = 0

    def update(self, index: int, seen: int) -> None:
        if seen == 1:
            return
        close = self.ring.closes[index]
        before = self.ring.closes[index - 1]
        logs = self._logs
        if close > 0 and before > 0:
            logs.append(log_ratio(close, before))
            if self._missing > 0:
                self._missing -= 1
        else:
            logs.append(0.0)
            # As long as one of the last n moves has no logarithm.
            self._missing = self._n
        if len(logs) > 2 * self._n + 64:
            del logs[: len(logs) - self._n]

    def value(self, number: int) -> Value:
        if self._missing > 0:
            return None
        return deviation_of(self._logs, self._n) * self._year * 100.0

    def clear(self) -> None:
        self._logs.clear()
        self._missing = 0


def deviation_of(values: list[float], n: int) -> float:
    """Deviation (population) of the last n values, in two passes from the oldest on."""
    size = len(values)
    total = 0.0
    for index in range(size - n, size):
        total += values[index]
    mean = quotient(total, float(n))
    squares = 0.0
    for index in range(size - n, size):
        apart = values[index] - mean
        squares += apart * apart
    return sqrt(quotient(squares, float(n)))


class BarRange(Windowed):
    """Ranges h - l of the last n bars: their mean, or the last in proportion to it.

    Parameters
    ----------
    proportion
        Whether the value is the proportion.
    """

    __slots__ = ("_n", "_proportion", "_sum", "_unit")

    def __init__(self, ring: BarRing, n: int, proportion: bool, unit: PriceUnit) -> None:
        super().__init__(ring, n)
        self._n = n
        self._proportion = proportion
        self._unit = unit
        self._sum = 0

    def update(self, index: int, seen: int) -> None:
        ring = self.ring
        self._sum += ring.highs[index] - ring.lows[index]
        if seen > self._n:
            gone = index - self._n
            self._sum -= ring.highs[gone] - ring.lows[gone]

    def value(self, number: int) -> Value:
        if not self._proportion:
            return ratio(self._sum * self._unit.numerator, self._n * self._unit.denominator)
        ring = self.ring
        return (
            1.0 if self._sum == 0 else ratio((ring.highs[-1] - ring.lows[-1]) * self._n, self._sum)
        )

    def clear(self) -> None:
        self._sum = 0


class GapStats(Windowed):
    """Gaps between the close before and the open of the last n bars.

    Parameters
    ----------
    threshold
        A price as a fraction: numerator and denominator.
    """

    __slots__ = ("_downs", "_great", "_n", "_sum", "_threshold", "_threshold_unit", "_unit", "_ups")

    def __init__(self, ring: BarRing, n: int, threshold: tuple[int, int], unit: PriceUnit) -> None:
        super().__init__(ring, n + 1)
        self._n = n
        self._unit = unit
        # abs(gap) * numerator / denominator > threshold, without a division.
        self._threshold = threshold[0] * unit.denominator
        self._threshold_unit = threshold[1] * unit.numerator
        self._sum = 0
        self._great = 0
        self._ups = 0
        self._downs = 0

    def update(self, index: int, seen: int) -> None:
        if seen > 1:
            self._add(index, 1)
            if seen > self._n + 1:
                self._add(index - self._n, -1)

    def _add(self, index: int, times: int) -> None:
        gap = self.ring.opens[index] - self.ring.closes[index - 1]
        self._sum += times * gap
        if gap > 0:
            self._ups += times
        elif gap < 0:
            self._downs += times
            gap = -gap
        if gap * self._threshold_unit > self._threshold:
            self._great += times

    def value(self, number: int) -> Value:
        if number == 0:
            return ratio(self._sum * self._unit.numerator, self._n * self._unit.denominator)
        if number == 1:
            return self._great
        return self._ups if number == 2 else self._downs

    def clear(self) -> None:
        self._sum = 0
        self._great = 0
        self._ups = 0
        self._downs = 0
