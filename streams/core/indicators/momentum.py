"""Momentum: exact ratios of moves over a window."""

from __future__ import annotations

from tapeline.streams.core.indicators.extremes import Channel, Highest
from tapeline.streams.core.indicators.model import BarRing, Value, Windowed
from tapeline.streams.core.indicators.unit import PriceUnit
from tapeline.streams.core.ratio import quotient, ratio


class Moves(Windowed):
    """Sums of the gains and losses of the last n moves of closes: simple rsi, and cmo.

    Parameters
    ----------
    net
        Whether the value is of gains less losses (cmo) instead of gains alone (rsi).
    """

    __slots__ = ("_closes", "_gain", "_loss", "_n", "_net")

    def __init__(self, ring: BarRing, n: int, net: bool) -> None:
        super().__init__(ring, n + 1)
        self._closes = ring.closes
        self._n = n
        self._net = net
        self._gain = 0
        self._loss = 0

    def update(self, index: int, seen: int) -> None:
        if seen == 1:
            return
        closes = self._closes
        move = closes[index] - closes[index - 1]
        if move > 0:
            self._gain += move
        else:
            self._loss -= move
        n = self._n
        if seen > n + 1:
            move = closes[index - n] - closes[index - n - 1]
            if move > 0:
                self._gain -= move
            else:
                self._loss += move

    def value(self, number: int) -> Value:
        both = self._gain + self._loss
        if self._net:
            return 0.0 if both == 0 else ratio(100 * (self._gain - self._loss), both)
        return 50.0 if both == 0 else ratio(100 * self._gain, both)

    def clear(self) -> None:
        self._gain = 0
        self._loss = 0


class Stochastic(Windowed):
    """Position of the close between the extremes of the last n bars, and a mean of it."""

    __slots__ = ("_channel", "_closes", "_n", "_positions", "_smooth")

    def __init__(self, ring: BarRing, n: int, smooth: int) -> None:
        super().__init__(ring, n + smooth - 1)
        self._closes = ring.closes
        self._channel = Channel(ring, n)
        self._n = n
        self._smooth = smooth
        self._positions: list[float] = []

    def update(self, index: int, seen: int) -> None:
        channel = self._channel
        channel.update(index)
        if seen < self._n:
            return
        low = channel.low
        span = channel.high - low
        positions = self._positions
        positions.append(50.0 if span == 0 else ratio(100 * (self._closes[index] - low), span))
        if len(positions) > self._smooth + 64:
            del positions[:64]

    def value(self, number: int) -> Value:
        positions = self._positions
        if number == 0:
            return positions[-1]
        total = 0.0
        for index in range(len(positions) - self._smooth, len(positions)):
            total += positions[index]
        return quotient(total, float(self._smooth))

    def clear(self) -> None:
        self._channel.clear()
        self._positions.clear()


class Cci(Windowed):
    """Distance of the typical price from its mean, in mean distances."""

    __slots__ = ("_n", "_sum", "_typical")

    def __init__(self, ring: BarRing, n: int) -> None:
        super().__init__(ring, n)
        self._n = n
        self._sum = 0
        self._typical: list[int] = []

    def update(self, index: int, seen: int) -> None:
        ring = self.ring
        typical = self._typical
        each = ring.highs[index] + ring.lows[index] + ring.closes[index]
        typical.append(each)
        self._sum += each
        n = self._n
        size = len(typical)
        if size > n:
            self._sum -= typical[size - n - 1]
            if size > 2 * n + 64:
                del typical[: size - n]

    def value(self, number: int) -> Value:
        # Three times the typical price, n times over: all are whole.
        n = self._n
        typical = self._typical
        total = self._sum
        distances = 0
        for index in range(len(typical) - n, len(typical)):
            distances += abs(n * typical[index] - total)
        if distances == 0:
            return 0.0
        return ratio(200 * n * (n * typical[-1] - total), 3 * distances)

    def clear(self) -> None:
        self._sum = 0
        self._typical.clear()


class Roc(Windowed):
    """Change of the close over n bars, in per cent."""

    __slots__ = ("_closes", "_n")

    def __init__(self, ring: BarRing, n: int) -> None:
        super().__init__(ring, n + 1)
        self._closes = ring.closes
        self._n = n

    def value(self, number: int) -> Value:
        before = self._closes[-1 - self._n]
        if before == 0:
            return None
        moved = 100 * (self._closes[-1] - before)
        return ratio(moved, before) if before > 0 else ratio(-moved, -before)


class Mom(Windowed):
    """Change of the close over n bars."""

    __slots__ = ("_closes", "_n", "_unit")

    def __init__(self, ring: BarRing, n: int, unit: PriceUnit) -> None:
        super().__init__(ring, n + 1)
        self._closes = ring.closes
        self._n = n
        self._unit = unit

    def value(self, number: int) -> Value:
        moved = self._closes[-1] - self._closes[-1 - self._n]
        return ratio(moved * self._unit.numerator, self._unit.denominator)


class WilliamsR(Windowed):
    """Distance of the close from the highest high of the last n bars, below 0."""

    __slots__ = ("_channel", "_closes")

    def __init__(self, ring: BarRing, n: int) -> None:
        super().__init__(ring, n)
        self._closes = ring.closes
        self._channel = Channel(ring, n)

    def update(self, index: int, seen: int) -> None:
        self._channel.update(index)

    def value(self, number: int) -> Value:
        high = self._channel.high
        span = high - self._channel.low
        return -50.0 if span == 0 else ratio(-100 * (high - self._closes[-1]), span)

    def clear(self) -> None:
        self._channel.clear()


class PressureSum:
    """Sums of buying pressure and of true range over the last n bars."""

    __slots__ = ("_n", "_ring", "pressure", "reach")

    def __init__(self, ring: BarRing, n: int) -> None:
        self._ring = ring
        self._n = n
        self.pressure = 0
        self.reach = 0

    def update(self, index: int, seen: int) -> None:
        """The next bar from the second on."""
        self._add(index, 1)
        if seen > self._n + 1:
            self._add(index - self._n, -1)

    def _add(self, index: int, times: int) -> None:
        ring = self._ring
        before = ring.closes[index - 1]
        low = ring.lows[index]
        if before < low:
            low = before
        high = ring.highs[index]
        if before > high:
            high = before
        self.pressure += times * (ring.closes[index] - low)
        self.reach += times * (high - low)

    def share(self) -> float:
        """Pressure over range, rounded."""
        return ratio(self.pressure, self.reach)

    def clear(self) -> None:
        """Before the first bar."""
        self.pressure = 0
        self.reach = 0


class UltimateOsc(Windowed):
    """Buying pressure over three windows, the shorter the heavier."""

    __slots__ = ("_long", "_medium", "_short")

    def __init__(self, ring: BarRing, short: int, medium: int, long: int) -> None:
        super().__init__(ring, long + 1)
        self._short = PressureSum(ring, short)
        self._medium = PressureSum(ring, medium)
        self._long = PressureSum(ring, long)

    def update(self, index: int, seen: int) -> None:
        if seen > 1:
            self._short.update(index, seen)
            self._medium.update(index, seen)
            self._long.update(index, seen)

    def value(self, number: int) -> Value:
        if self._short.reach == 0 or self._medium.reach == 0 or self._long.reach == 0:
            return 50.0
        short, medium, long = self._short.share(), self._medium.share(), self._long.share()
        return quotient(100.0 * (4.0 * short + 2.0 * medium + long), 7.0)

    def clear(self) -> None:
        self._short.clear()
        self._medium.clear()
        self._long.clear()


class Mfi(Windowed):
    """Share of the money that flowed on bars that rose."""

    __slots__ = ("_fell", "_n", "_rose")

    def __init__(self, ring: BarRing, n: int) -> None:
        super().__init__(ring, n + 1)
        self.look_back = n
        self._n = n
        self._rose = 0
        self._fell = 0

    def update(self, index: int, seen: int) -> None:
        if seen > 1:
            self._add(index, 1)
            if seen > self._n + 1:
                self._add(index - self._n, -1)

    def _typical(self, index: int) -> int:
        ring = self.ring
        return ring.highs[index] + ring.lows[index] + ring.closes[index]

    def _add(self, index: int, times: int) -> None:
        typical = self._typical(index)
        before = self._typical(index - 1)
        if typical > before:
            self._rose += times * typical * self.ring.volumes[index]
        elif typical < before:
            self._fell += times * typical * self.ring.volumes[index]

    def value(self, number: int) -> Value:
        if self.ring.has_fraction(self._n):
            return self._of_fractions()
        both = self._rose + self._fell
        return 50.0 if both == 0 else _share(self._rose, both)

    def _of_fractions(self) -> float:
        rose = 0.0
        fell = 0.0
        size = len(self.ring.closes)
        for index in range(size - self._n, size):
            typical = self._typical(index)
            before = self._typical(index - 1)
            if typical > before:
                rose += float(typical) * self.ring.doubles[index]
            elif typical < before:
                fell += float(typical) * self.ring.doubles[index]
        both = rose + fell
        return 50.0 if both == 0.0 else quotient(100.0 * rose, both)

    def clear(self) -> None:
        self._rose = 0
        self._fell = 0


def _share(part: int, whole: int) -> float:
    """Per cent of a whole that is not 0; it is below 0 where prices are."""
    return ratio(100 * part, whole) if whole > 0 else ratio(-100 * part, -whole)


class Aroon(Windowed):
    """How long ago the extremes of the last n + 1 bars were."""

    __slots__ = ("_highest", "_n", "_negated_lowest")

    def __init__(self, ring: BarRing, n: int) -> None:
        super().__init__(ring, n + 1)
        self._highest = Highest(n + 1)
        self._negated_lowest = Highest(n + 1)
        self._n = n

    def update(self, index: int, seen: int) -> None:
        self._highest.push(self.ring.highs[index])
        self._negated_lowest.push(-self.ring.lows[index])

    def value(self, number: int) -> Value:
        extreme = self._highest if number == 0 else self._negated_lowest
        return ratio(100 * (self._n - extreme.age()), self._n)

    def clear(self) -> None:
        self._highest.clear()
        self._negated_lowest.clear()
