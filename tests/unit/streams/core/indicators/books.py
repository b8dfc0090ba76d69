"""Bars of an interval for tests of indicators, and indicators over them."""

from __future__ import annotations

from collections.abc import Sequence

from tapeline.schemas.indicators.sets import read_set
from tapeline.streams.core.indicators.making import IndicatorInputs, make_all
from tapeline.streams.core.indicators.model import BarRing, Indicator, Value
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.core.tracker import ClosedBar
from tapeline.streams.core.volume import Volume

MINUTE_MS = 60_000
QUARTERS = TickScale("0.25", False)
UNITS = TickScale("1", True)


def bar(
    number: int,
    prices: tuple[int, int, int, int],
    volume: Volume = 1,
    session: str = "2025-07-02",
) -> ClosedBar:
    """The bar of a minute: open, high, low and close in ticks."""
    start_ms = number * MINUTE_MS
    return ClosedBar("1m", session, (start_ms, start_ms + MINUTE_MS, *prices), volume, 1, 1)


def closes(*values: int) -> list[ClosedBar]:
    """Bars without extent, one a minute."""
    return [bar(number, (c, c, c, c)) for number, c in enumerate(values)]


class Indicators:
    """A set of indicators over the bars of one interval."""

    def __init__(self, *texts: str, scale: TickScale = UNITS) -> None:
        self.made = read_set(texts)
        self.ring = BarRing()
        self.all: list[Indicator] = make_all(self.made, self.ring, IndicatorInputs(scale, 252.0))

    def push(self, each: ClosedBar) -> None:
        """The next bar."""
        self.ring.push(each)
        index = len(self.ring.closes) - 1
        for indicator in self.all:
            indicator.update(index, self.ring.count)

    def values(self, position: int = -1) -> list[Value]:
        """Values of one of the set, by default of the last; null while it is cold."""
        indicator = self.all[position]
        count = len(self.made[position].kind.values) or 1
        if self.ring.count < indicator.first:
            return [None] * count
        return [indicator.value(number) for number in range(count)]


def run(text: str, bars: Sequence[ClosedBar], scale: TickScale = UNITS) -> list[Value]:
    """First value of an indicator after each bar."""
    indicators = Indicators(text, scale=scale)
    found = []
    for each in bars:
        indicators.push(each)
        found.append(indicators.values()[0])
    return found
