"""Averages of closes, of a window and recursive ones."""

from __future__ import annotations

from math import isqrt
from typing import Any

from tapeline.streams.core.indicators.model import BarRing, Indicator, Value, Windowed
from tapeline.streams.core.indicators.series import Recursive, exponential, wilder
from tapeline.streams.core.indicators.true_range import range_at, range_total
from tapeline.streams.core.indicators.unit import PriceUnit
from tapeline.streams.core.ratio import quotient, ratio, scaled


class Sma(Windowed):
    """Mean of the last n closes."""

    __slots__ = ("_closes", "_down", "_n", "_sum", "_up")

    def __init__(self, ring: BarRing, n: int, unit: PriceUnit) -> None:
        super().__init__(ring, n)
        self._closes = ring.closes
        self._n = n
        self._up = unit.numerator
        self._down = n * unit.denominator
        self._sum = 0

    def update(self, index: int, seen: int) -> None:
        n = self._n
        self._sum += self._closes[index]
        if seen > n:
            self._sum -= self._closes[index - n]

    def value(self, number: int) -> Value:
        return ratio(self._sum * self._up, self._down)

    def clear(self) -> None:
        self._sum = 0


class WeightedSum:
    """Sum of the last n whole numbers, each times its position from 1 for the oldest."""

    __slots__ = ("_n", "_seen", "_sum", "value")

    def __init__(self, n: int) -> None:
        self._n = n
        self._seen = 0
        self._sum = 0
        self.value = 0

    def add(self, x: int, gone: int) -> None:
        """The next number, and the one that n others follow now, 0 while there is none."""
        if self._seen < self._n:
            self._seen += 1
            self.value += self._seen * x
        else:
            self.value += self._n * x - self._sum
        self._sum += x - gone

    def clear(self) -> None:
        """Before the first number."""
        self._seen = 0
        self._sum = 0
        self.value = 0


class Wma(Windowed):
    """Mean of the last n closes, the later the heavier."""

    __slots__ = ("_closes", "_down", "_n", "_sum", "_up")

    def __init__(self, ring: BarRing, n: int, unit: PriceUnit) -> None:
        super().__init__(ring, n)
        self._closes = ring.closes
        self._n = n
        self._sum = WeightedSum(n)
        self._up = unit.numerator
        self._down = n * (n + 1) // 2 * unit.denominator

    def update(self, index: int, seen: int) -> None:
        n = self._n
        self._sum.add(self._closes[index], self._closes[index - n] if seen > n else 0)

    def value(self, number: int) -> Value:
        return ratio(self._sum.value * self._up, self._down)

    def clear(self) -> None:
        self._sum.clear()


class Hma(Windowed):
    """The average of Hull: a weighted mean of the difference of two others, as one fraction."""

    __slots__ = (
        "_closes", "_down", "_half", "_long", "_long_weight", "_n", "_numerators", "_outer",
        "_root", "_short", "_short_weight", "_up",
    )  # fmt: skip

    def __init__(self, ring: BarRing, n: int, unit: PriceUnit) -> None:
        root = isqrt(n)
        super().__init__(ring, n + root - 1)
        self._closes = ring.closes
        self._n = n
        self._half = n // 2
        self._root = root
        self._short = WeightedSum(self._half)
        self._long = WeightedSum(n)
        self._outer = WeightedSum(root)
        self._numerators: list[int] = []
        self._short_weight = self._half * (self._half + 1) // 2
        self._long_weight = n * (n + 1) // 2
        self._up = unit.numerator
        self._down = (
            self._short_weight * self._long_weight * (root * (root + 1) // 2) * unit.denominator
        )

    def update(self, index: int, seen: int) -> None:
        closes = self._closes
        close = closes[index]
        n = self._n
        half = self._half
        self._short.add(close, closes[index - half] if seen > half else 0)
        self._long.add(close, closes[index - n] if seen > n else 0)
        if seen < n:
            return
        numerators = self._numerators
        root = self._root
        numerator = (
            2 * self._short.value * self._long_weight - self._long.value * self._short_weight
        )
        size = len(numerators)
        self._outer.add(numerator, numerators[size - root] if size >= root else 0)
        numerators.append(numerator)
        if size > 2 * root + 64:
            del numerators[: size - root]

    def value(self, number: int) -> Value:
        return ratio(self._outer.value * self._up, self._down)

    def clear(self) -> None:
        self._short.clear()
        self._long.clear()
        self._outer.clear()
        self._numerators.clear()


class Closes(Indicator):
    """A recursive series of closes.

    Parameters
    ----------
    priced
        Whether its values are prices.
    """

    __slots__ = ("_closes", "_down", "_priced", "_series", "_up")

    def __init__(
        self,
        ring: BarRing,
        counts: tuple[int, int],
        series: Recursive,
        unit: PriceUnit,
        priced: bool,
    ) -> None:
        super().__init__(ring, counts[0], counts[1])
        self._closes = ring.closes
        self._series = series
        self._up = unit.up
        self._down = unit.down
        self._priced = priced

    def update(self, index: int, seen: int) -> None:
        self._series.add(float(self._closes[index]))

    def value(self, number: int) -> Value:
        found = self._series.current(number)
        return scaled(found, self._up, self._down) if self._priced else found

    def snapshot(self) -> list[Any]:
        return self._series.snapshot()

    def restore(self, data: list[Any]) -> None:
        self._series.restore(data)


class Ema(Indicator):
    """Exponential average of closes: what `Average` does, without its calls."""

    __slots__ = ("_closes", "_down", "_left", "_n", "_share", "_up", "_value")

    def __init__(self, ring: BarRing, counts: tuple[int, int], n: int, unit: PriceUnit) -> None:
        super().__init__(ring, counts[0], counts[1])
        self._closes = ring.closes
        self._n = n
        self._left = n
        self._share = ratio(2, n + 1)
        self._value = 0.0
        self._up = unit.up
        self._down = unit.down

    def update(self, index: int, seen: int) -> None:
        x = float(self._closes[index])
        if self._left == 0:
            before = self._value
            after = before + self._share * (x - before)
            if after == before or -9.313225746154785e-10 < x - after < 9.313225746154785e-10:
                after = x
            self._value = after
            return
        self._value += x
        self._left -= 1
        if self._left == 0:
            self._value = quotient(self._value, float(self._n))

    def value(self, number: int) -> Value:
        return scaled(self._value, self._up, self._down)

    def snapshot(self) -> list[Any]:
        return [self._left, self._value]

    def restore(self, data: list[Any]) -> None:
        self._left = data[0]
        self._value = float(data[1])


class Keltner(Indicator):
    """A band of average true ranges around an exponential average."""

    __slots__ = ("_middle", "_multiplier", "_n", "_range", "_range_sum", "_simple", "_unit")

    def __init__(
        self,
        ring: BarRing,
        counts: tuple[int, int],
        periods: tuple[int, int],
        multiplier: float,
        simple: bool,
        unit: PriceUnit,
    ) -> None:
        super().__init__(ring, counts[0], counts[1])
        self._n = periods[1]
        ring.keep(self._n + 2)
        self._middle = exponential(periods[0])
        self._range = wilder(self._n)
        self._range_sum = 0
        self._simple = simple
        self._multiplier = multiplier
        self._unit = unit

    def update(self, index: int, seen: int) -> None:
        ring = self.ring
        self._middle.add(float(ring.closes[index]))
        if seen == 1:
            return
        reach = range_at(ring, index)
        if not self._simple:
            self._range.add(float(reach))
            return
        self._range_sum += reach
        if seen > self._n + 1:
            self._range_sum -= range_at(ring, index - self._n)

    def value(self, number: int) -> Value:
        middle = self._middle.value
        if number == 1:
            return self._unit.price(middle)
        average = self._range.value
        if self._simple:
            average = ratio(self._range_sum, self._n)
        band = self._multiplier * average
        return self._unit.price(middle + band if number == 0 else middle - band)

    def snapshot(self) -> list[Any]:
        return [self._middle.snapshot(), self._range.snapshot()]

    def restore(self, data: list[Any]) -> None:
        self._middle.restore(data[0])
        self._range.restore(data[1])
        if self._simple:
            self._range_sum = range_total(self.ring, self._n)


class Vwma(Windowed):
    """Mean of the last n closes, each as heavy as its volume."""

    __slots__ = ("_down", "_n", "_sum", "_up", "_volume")

    def __init__(self, ring: BarRing, n: int, unit: PriceUnit) -> None:
        super().__init__(ring, n)
        self.look_back = n
        self._n = n
        self._up = unit.numerator
        self._down = unit.denominator
        self._sum = 0
        self._volume = 0

    def update(self, index: int, seen: int) -> None:
        ring = self.ring
        volume = ring.volumes[index]
        self._sum += ring.closes[index] * volume
        self._volume += volume
        n = self._n
        if seen > n:
            gone = ring.volumes[index - n]
            self._sum -= ring.closes[index - n] * gone
            self._volume -= gone

    def value(self, number: int) -> Value:
        ring = self.ring
        if ring.has_fraction(self._n):
            total = 0.0
            volume = 0.0
            for index in range(len(ring.closes) - self._n, len(ring.closes)):
                total += float(ring.closes[index]) * ring.doubles[index]
                volume += ring.doubles[index]
            if volume == 0.0:
                return ratio(ring.closes[-1] * self._up, self._down)
            return quotient(total * float(self._up), volume * float(self._down))
        if self._volume == 0:
            return ratio(ring.closes[-1] * self._up, self._down)
        return ratio(self._sum * self._up, self._volume * self._down)

    def clear(self) -> None:
        self._sum = 0
        self._volume = 0
