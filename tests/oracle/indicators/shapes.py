"""What the naive indicators are made of: bars, values that are exact or near, averages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

NEAR = Fraction(1, 2**30)


@dataclass(frozen=True)
class PlainBar:
    """A bar of an interval, prices in ticks."""

    start_ms: int
    session: str
    open: int
    high: int
    low: int
    close: int
    volume: int | float | None = 0

    @property
    def amount(self) -> Fraction:
        """Volume, 0 where it is not known."""
        return Fraction(self.volume or 0)

    @property
    def typical(self) -> int:
        """Three times the typical price."""
        return self.high + self.low + self.close


@dataclass(frozen=True)
class Near:
    """A value that is reached but for a share of a size."""

    value: float
    size: float
    published: float | int | None = None

    @property
    def fed(self) -> float:
        """What others follow: the value that was published, if it is known."""
        return self.value if self.published is None else self.published


Number = float | int | Near | None
Cell = tuple[Number, ...] | None
"""Values of one bar; None while it is cold."""
Bars = Sequence[PlainBar]


@dataclass(frozen=True)
class Market:
    """What formulas need beside bars."""

    tick: Fraction
    periods_a_year: float = 252.0

    def price(self, ticks: Fraction | int) -> float:
        """Nearest double of a price."""
        return float(ticks * self.tick)


def reach(bars: Bars, t: int) -> int:
    """True range of the bar t, from the second on."""
    return max(bars[t].high, bars[t - 1].close) - min(bars[t].low, bars[t - 1].close)


def shorter(x: Fraction) -> Fraction:
    """A fraction to 2^-200, which is nothing here: those of a thousand bars would not end."""
    return Fraction(round(x * 2**200), 2**200)


def step(e: Fraction, x: Fraction, share: Fraction) -> Fraction:
    """An average's step towards a value, which it reaches once it is near."""
    after = shorter(e + share * (x - e))
    return x if after == e or abs(x - after) < NEAR else after


def average(values: Sequence[Fraction], n: int, share: Fraction) -> list[Fraction | None]:
    """The mean of the first n, then a step towards each value."""
    found: list[Fraction | None] = []
    e = Fraction(0)
    for position, x in enumerate(values):
        if position < n - 1:
            found.append(None)
            continue
        e = sum(values[:n], Fraction(0)) / n if position == n - 1 else step(e, x, share)
        found.append(e)
    return found


def ema(values: Sequence[Fraction], n: int) -> list[Fraction | None]:
    """Exponential average."""
    return average(values, n, Fraction(2, n + 1))


def of_known(
    values: Sequence[Fraction | None], follow: Callable[[list[Fraction]], list[Fraction | None]]
) -> list[Fraction | None]:
    """What follows a list from its first known value on."""
    known = [each for each in values if each is not None]
    return [None] * (len(values) - len(known)) + follow(known)


def wma(values: Sequence[Fraction], t: int, n: int) -> Fraction:
    """Weighted mean of the n values up to t."""
    return sum((i * values[t - n + i] for i in range(1, n + 1)), Fraction(0)) / (n * (n + 1) // 2)


def near(value: Fraction | float, size: Fraction | float) -> Near:
    """A value, and the size that it is near to it by."""
    return Near(float(value), abs(float(size)))
