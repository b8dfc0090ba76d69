"""Recursive averages of a series of doubles: closes in ticks, or values of another indicator."""

from __future__ import annotations

from typing import Any

from tapeline.streams.core.indicators.model import Value
from tapeline.streams.core.ratio import quotient, ratio

# 2^-30, in the unit of what is averaged (ticks, for prices): an average this near to a value is
# equal to it. Without it a market that stands still would show for ever where its history began.
# As a literal below: a name of the module is looked up at each use.
NEAR = 9.313225746154785e-10


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
            if after == before or -9.313225746154785e-10 < x - after < 9.313225746154785e-10:
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


class Series:
    """Values that follow a series of doubles, one at a time."""

    __slots__ = ()

    def add(self, x: float) -> None:
        """The next double."""

    def value(self, number: int) -> Value:
        """One of its values, by its number in the table; asked for once it is no longer cold."""
        return None

    def snapshot(self) -> list[Any]:
        """Plain data."""
        return []

    def restore(self, data: list[Any]) -> None:
        """Go to a snapshot."""


class Recursive(Series):
    """A series whose values are never null."""

    __slots__ = ()

    def current(self, number: int) -> float:
        """One of its values, as `value`."""
        return 0.0

    def value(self, number: int) -> Value:
        return self.current(number)


class EmaSeries(Recursive):
    """Averages of averages: one (ema), two (dema) or three deep (tema)."""

    __slots__ = ("_depth", "_first", "_second", "_third")

    def __init__(self, n: int, depth: int) -> None:
        self._depth = depth
        self._first = exponential(n)
        self._second = exponential(n)
        self._third = exponential(n)

    def add(self, x: float) -> None:
        first = self._first
        first.add(x)
        if self._depth == 1 or not first.ready:
            return
        second = self._second
        second.add(first.value)
        if self._depth == 3 and second.ready:
            self._third.add(second.value)

    def current(self, number: int) -> float:
        first = self._first.value
        if self._depth == 1:
            return first
        second = self._second.value
        if self._depth == 2:
            return 2.0 * first - second
        return 3.0 * first - 3.0 * second + self._third.value

    def snapshot(self) -> list[Any]:
        found = [self._first.snapshot(), self._second.snapshot(), self._third.snapshot()]
        return found[: self._depth]

    def restore(self, data: list[Any]) -> None:
        self._first.restore(data[0])
        if self._depth > 1:
            self._second.restore(data[1])
        if self._depth > 2:
            self._third.restore(data[2])


class MacdSeries(Recursive):
    """Difference of two averages, and an average of it."""

    __slots__ = ("_fast", "_signal", "_slow")

    def __init__(self, fast: int, slow: int, signal: int) -> None:
        self._fast = exponential(fast)
        self._slow = exponential(slow)
        self._signal = exponential(signal)

    def add(self, x: float) -> None:
        slow = self._slow
        fast = self._fast
        fast.add(x)
        slow.add(x)
        if slow.ready:
            self._signal.add(fast.value - slow.value)

    def current(self, number: int) -> float:
        if number == 1:
            return self._signal.value
        between = self._fast.value - self._slow.value
        return between if number == 0 else between - self._signal.value

    def snapshot(self) -> list[Any]:
        return [self._fast.snapshot(), self._slow.snapshot(), self._signal.snapshot()]

    def restore(self, data: list[Any]) -> None:
        self._fast.restore(data[0])
        self._slow.restore(data[1])
        self._signal.restore(data[2])


class RsiSeries(Recursive):
    """Averages of gains and losses by Wilder."""

    __slots__ = ("_gain", "_last", "_left", "_loss", "_n", "_share")

    def __init__(self, n: int) -> None:
        self._n = n
        self._share = ratio(1, n)
        # Values until the averages are there: a first one, then n moves.
        self._left = n + 1
        self._gain = 0.0
        self._loss = 0.0
        self._last = 0.0

    def add(self, x: float) -> None:
        gain = x - self._last
        loss = 0.0
        if gain < 0.0:
            loss = 0.0 - gain
            gain = 0.0
        self._last = x
        if self._left > 0:
            self._begin(gain, loss)
            return
        # Twice what `Average` does, without its calls.
        before = self._gain
        after = before + self._share * (gain - before)
        if after == before or -9.313225746154785e-10 < gain - after < 9.313225746154785e-10:
            after = gain
        self._gain = after
        before = self._loss
        after = before + self._share * (loss - before)
        if after == before or -9.313225746154785e-10 < loss - after < 9.313225746154785e-10:
            after = loss
        self._loss = after

    def _begin(self, gain: float, loss: float) -> None:
        if self._left <= self._n:
            self._gain += gain
            self._loss += loss
        self._left -= 1
        if self._left == 0:
            self._gain = quotient(self._gain, float(self._n))
            self._loss = quotient(self._loss, float(self._n))

    def current(self, number: int) -> float:
        both = self._gain + self._loss
        return 50.0 if both == 0.0 else quotient(100.0 * self._gain, both)

    def snapshot(self) -> list[Any]:
        return [self._left, self._last, self._gain, self._loss]

    def restore(self, data: list[Any]) -> None:
        self._left = data[0]
        self._last = float(data[1])
        self._gain = float(data[2])
        self._loss = float(data[3])


class KamaSeries(Recursive):
    """The adaptive average of Kaufman.

    Parameters
    ----------
    whole
        Values are whole numbers, so that sums of their differences are exact; otherwise they are
        added anew at each value.
    """

    __slots__ = ("_fast", "_n", "_slow", "_values", "_volatility", "_whole", "average")

    def __init__(self, n: int, fast: int, slow: int, whole: bool) -> None:
        self._n = n
        self._fast = ratio(2, fast + 1)
        self._slow = ratio(2, slow + 1)
        self._whole = whole
        self._values: list[float] = []
        self._volatility = 0.0
        self.average = 0.0

    def add(self, x: float) -> None:
        values = self._values
        n = self._n
        size = len(values)
        values.append(x)
        if self._whole:
            if size > 0:
                self._volatility += abs(x - values[size - 1])
            if size > n:
                self._volatility -= abs(values[size - n] - values[size - n - 1])
        elif size >= n:
            self._volatility = 0.0
            for index in range(size - n + 1, size + 1):
                self._volatility += abs(values[index] - values[index - 1])
        if size < n:
            return
        if size == n:
            self.average = values[size - 1]
        efficiency = 1.0
        if self._volatility != 0.0:
            efficiency = quotient(abs(x - values[size - n]), self._volatility)
        share = efficiency * (self._fast - self._slow) + self._slow
        before = self.average
        after = before + share * share * (x - before)
        if after == before or -9.313225746154785e-10 < x - after < 9.313225746154785e-10:
            after = x
        self.average = after
        if size > 2 * n + 64:
            del values[: size - n]

    def current(self, number: int) -> float:
        return self.average

    def snapshot(self) -> list[Any]:
        return [self.average, self._volatility, self._values[-self._n - 1 :]]

    def restore(self, data: list[Any]) -> None:
        self.average = float(data[0])
        self._volatility = float(data[1])
        self._values = [float(each) for each in data[2]]
