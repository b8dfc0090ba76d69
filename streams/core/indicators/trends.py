"""Trends: direction, and stops that turn."""

from __future__ import annotations

from typing import Any, Final

from tapeline.streams.core.indicators.extremes import Channel
from tapeline.streams.core.indicators.model import NEVER, BarRing, Indicator, Value, Windowed
from tapeline.streams.core.indicators.series import wilder
from tapeline.streams.core.indicators.true_range import range_at
from tapeline.streams.core.indicators.unit import PriceUnit
from tapeline.streams.core.ratio import quotient, ratio

PSAR_TURNS: Final = 25
"""Stops that began apart were equal after 18 turns at most; some more are waited for."""


class Adx(Indicator):
    """Strength of a trend, by Wilder.

    Sums of movements lose an n-th at each bar; below 2^-30 tick they are 0.
    """

    __slots__ = ("_down", "_index", "_left", "_n", "_reach", "_up")

    def __init__(self, ring: BarRing, counts: tuple[int, int], n: int) -> None:
        super().__init__(ring, counts[0], counts[1])
        self._n = float(n)
        # Movements that are summed whole, before the sums lose an n-th at each.
        self._left = n - 1
        self._up = 0.0
        self._down = 0.0
        self._reach = 0.0
        self._index = wilder(n)

    def update(self, index: int, seen: int) -> None:
        if seen == 1:
            return
        ring = self.ring
        up = ring.highs[index] - ring.highs[index - 1]
        down = ring.lows[index - 1] - ring.lows[index]
        rise = float(up) if up > down and up > 0 else 0.0
        fall = float(down) if down > up and down > 0 else 0.0
        reach = float(range_at(ring, index))
        if self._left > 0:
            self._left -= 1
            self._up += rise
            self._down += fall
            self._reach += reach
            return
        n = self._n
        self._up = _faded(self._up, n, rise)
        self._down = _faded(self._down, n, fall)
        self._reach = _faded(self._reach, n, reach)
        self._index.add(self._directional())

    def _directional(self) -> float:
        if self._reach == 0.0:
            return 0.0
        up = quotient(100.0 * self._up, self._reach)
        down = quotient(100.0 * self._down, self._reach)
        both = up + down
        return 0.0 if both == 0.0 else quotient(100.0 * abs(up - down), both)

    def value(self, number: int) -> Value:
        return self._index.value

    def snapshot(self) -> list[Any]:
        return [self._left, self._up, self._down, self._reach, self._index.snapshot()]

    def restore(self, data: list[Any]) -> None:
        self._left = data[0]
        self._up = float(data[1])
        self._down = float(data[2])
        self._reach = float(data[3])
        self._index.restore(data[4])


def _faded(total: float, n: float, x: float) -> float:
    after = total - quotient(total, n) + x
    return 0.0 if after < 9.313225746154785e-10 else after


class Psar(Indicator):
    """Parabolic stop of Wilder: it closes in on the price faster at each new extreme."""

    __slots__ = (
        "_extreme", "_factor", "_long", "_maximum", "_next", "_step", "_stop", "_turns", "_unit",
    )  # fmt: skip

    def __init__(self, ring: BarRing, step: float, maximum: float, unit: PriceUnit) -> None:
        super().__init__(ring, 2, NEVER)
        self._step = step
        self._maximum = maximum
        self._unit = unit
        self._long = True
        self._stop = 0.0
        self._next = 0.0
        self._extreme = 0.0
        self._factor = step
        self._turns = 0

    def update(self, index: int, seen: int) -> None:
        if seen == 1:
            return
        ring = self.ring
        high = float(ring.highs[index])
        low = float(ring.lows[index])
        high_before = float(ring.highs[index - 1])
        low_before = float(ring.lows[index - 1])
        if seen == 2:
            self._begin(high, low, high_before, low_before)
            # The first stop is held back by the second bar alone.
            high_before = high
            low_before = low
        touched = low <= self._next if self._long else high >= self._next
        if touched:
            self._turn(high, low, high_before, low_before)
        else:
            self._stop = self._next
            if self._long and high > self._extreme:
                self._extreme = high
                self._quicken()
            elif not self._long and low < self._extreme:
                self._extreme = low
                self._quicken()
        self._next = self._held_back(
            self._stop + self._factor * (self._extreme - self._stop),
            high, low, high_before, low_before,
        )  # fmt: skip

    def _begin(self, high: float, low: float, high_before: float, low_before: float) -> None:
        fall = low_before - low
        self._long = not (fall > 0.0 and fall > high - high_before)
        self._extreme = high if self._long else low
        self._next = low_before if self._long else high_before

    def _quicken(self) -> None:
        factor = self._factor + self._step
        self._factor = factor if factor < self._maximum else self._maximum

    def _turn(self, high: float, low: float, high_before: float, low_before: float) -> None:
        self._long = not self._long
        self._stop = self._held_back(self._extreme, high, low, high_before, low_before)
        self._factor = self._step
        self._extreme = high if self._long else low
        self._turns += 1
        if self._turns == PSAR_TURNS:
            self.warm_from = 0

    def _held_back(
        self, stop: float, high: float, low: float, high_before: float, low_before: float
    ) -> float:
        """A stop that lies beyond both bars: below their lows, or above their highs."""
        if self._long:
            if stop > low_before:
                stop = low_before
            return low if stop > low else stop
        if stop < high_before:
            stop = high_before
        return high if stop < high else stop

    def value(self, number: int) -> Value:
        return self._unit.price(self._stop)

    def snapshot(self) -> list[Any]:
        # Beyond that number turns no longer matter.
        turns = self._turns if self._turns < PSAR_TURNS else PSAR_TURNS
        return [self._long, self._stop, self._next, self._extreme, self._factor, turns]

    def restore(self, data: list[Any]) -> None:
        self._long = data[0]
        self._stop = float(data[1])
        self._next = float(data[2])
        self._extreme = float(data[3])
        self._factor = float(data[4])
        self._turns = data[5]
        self.warm_from = 0 if self._turns >= PSAR_TURNS else NEVER


class Supertrend(Indicator):
    """A stop at a distance of true ranges, that moves with the trend alone.

    Parameters
    ----------
    range_warm
        The counted bar at which its average of true ranges is warm.
    """

    __slots__ = (
        "_average",
        "_direction",
        "_lower",
        "_multiplier",
        "_range_warm",
        "_unit",
        "_upper",
    )

    def __init__(
        self, ring: BarRing, n: int, range_warm: int, multiplier: float, unit: PriceUnit
    ) -> None:
        super().__init__(ring, n + 1, NEVER)
        self._average = wilder(n)
        self._range_warm = range_warm
        self._multiplier = multiplier
        self._unit = unit
        self._direction = 0
        self._upper = 0.0
        self._lower = 0.0

    def update(self, index: int, seen: int) -> None:
        if seen == 1:
            return
        ring = self.ring
        self._average.add(float(range_at(ring, index)))
        if not self._average.ready:
            return
        middle = 0.5 * float(ring.highs[index] + ring.lows[index])
        band = self._multiplier * self._average.value
        upper = middle + band
        lower = middle - band
        if self._direction == 0:
            # The first bar with a band is up, whatever its close.
            self._direction = 1
            self._upper = upper
            self._lower = lower
            return
        before = float(ring.closes[index - 1])
        if upper >= self._upper and before <= self._upper:
            upper = self._upper
        if lower <= self._lower and before >= self._lower:
            lower = self._lower
        self._upper = upper
        self._lower = lower
        close = float(ring.closes[index])
        turned = close < lower if self._direction == 1 else close > upper
        if turned:
            self._direction = -self._direction
            if ring.counted >= self._range_warm:
                self.warm_from = 0

    def value(self, number: int) -> Value:
        if number == 1:
            return self._direction
        return self._unit.price(self._lower if self._direction == 1 else self._upper)

    def snapshot(self) -> list[Any]:
        warm = self.warm_from == 0
        return [self._average.snapshot(), self._direction, self._upper, self._lower, warm]

    def restore(self, data: list[Any]) -> None:
        self._average.restore(data[0])
        self._direction = data[1]
        self._upper = float(data[2])
        self._lower = float(data[3])
        self.warm_from = 0 if data[4] else NEVER


class Ichimoku(Windowed):
    """Midpoints of the extremes of three windows."""

    __slots__ = ("_base", "_conversion", "_down", "_span", "_up")

    def __init__(self, ring: BarRing, periods: tuple[int, int, int], unit: PriceUnit) -> None:
        super().__init__(ring, periods[2])
        self._conversion = Channel(ring, periods[0])
        self._base = Channel(ring, periods[1])
        self._span = Channel(ring, periods[2])
        self._up = unit.numerator
        self._down = 2 * unit.denominator

    def update(self, index: int, seen: int) -> None:
        self._conversion.update(index)
        self._base.update(index)
        self._span.update(index)

    def value(self, number: int) -> Value:
        conversion = self._conversion
        base = self._base
        if number == 0:
            return ratio((conversion.high + conversion.low) * self._up, self._down)
        if number == 1:
            return ratio((base.high + base.low) * self._up, self._down)
        if number == 2:
            total = conversion.high + conversion.low + base.high + base.low
            return ratio(total * self._up, 2 * self._down)
        return ratio((self._span.high + self._span.low) * self._up, self._down)

    def clear(self) -> None:
        self._conversion.clear()
        self._base.clear()
        self._span.clear()
