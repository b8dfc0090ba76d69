"""The bars that a run accepted in order, by symbol, as its strategies and orders saw them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar
from tapeline.streams.outputs.run_bars import BarLine


class SeenBars(NamedTuple):
    """Bars of one symbol by column, ascending by start; prices in quote currency."""

    starts: list[int]
    opens: list[float]
    highs: list[float]
    lows: list[float]
    closes: list[float]

    def position(self, start_ms: int) -> int | None:
        """Position of the bar with that start; None where there is none."""
        at = bisect_left(self.starts, start_ms)
        found = at < len(self.starts) and self.starts[at] == start_ms
        return at if found else None

    def between(self, from_ms: int, to_ms: int) -> int:
        """Number of bars with from <= start < to."""
        return bisect_left(self.starts, to_ms) - bisect_left(self.starts, from_ms)


class BarsOfRun(NamedTuple):
    """What `bars.jsonl` of a run holds.

    Attributes
    ----------
    symbols
        Accepted bars by symbol. A bar that came late or was changed moved no order and no mark.
    behind_clocks
        By symbol, late bars that were the newest of their symbol: a clock had run ahead of them, so
        no hook was called for them and no order filled in them.
    """

    symbols: dict[str, SeenBars]
    behind_clocks: dict[str, int]


def bars_of(lines: Iterable[BarLine]) -> BarsOfRun:
    """The bars of a run in order of arrival, by symbol."""
    symbols: dict[str, SeenBars] = {}
    behind: dict[str, int] = {}
    newest: dict[str, int] = {}
    for line in lines:
        bar = line.record
        if not isinstance(bar, Bar):
            continue
        is_newest = bar.start_ms > newest.get(bar.symbol, FAR_PAST_MS)
        if is_newest:
            newest[bar.symbol] = bar.start_ms
        if line.outcome == "accepted":
            seen = symbols.setdefault(bar.symbol, SeenBars([], [], [], [], []))
            seen.starts.append(bar.start_ms)
            seen.opens.append(bar.open)
            seen.highs.append(bar.high)
            seen.lows.append(bar.low)
            seen.closes.append(bar.close)
        elif line.outcome == "late" and is_newest:
            behind[bar.symbol] = behind.get(bar.symbol, 0) + 1
    return BarsOfRun(symbols, behind)
