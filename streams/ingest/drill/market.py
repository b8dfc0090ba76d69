"""What the provider of a drill has: bars in versions, and when each of them is stated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from tapeline.schemas.records import Bar
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.feeds.live.engine.slots import SlotGrid

QUIET_OF_HUNDRED: Final = 25
"""Slots of a symbol, the first one left out, in which nothing is traded."""
_PRICE_TICKS: Final = 20_000


class DrillVersion(NamedTuple):
    """A state of a slot: the bar (None: taken back), when it is stated, and by which way.

    Attributes
    ----------
    final
        Whether the provider means it to be the last one, for now.
    stream
        Whether the stream has it; the history has every final one.
    """

    bar: Bar | None
    at_ms: int
    final: bool = True
    stream: bool = True
    empty: bool = False


class DrillMarket:
    """All slots of all symbols of a drill.

    Parameters
    ----------
    plans
        By symbol.
    flagged
        Whether messages say that a bar is final; else the last state before the end of a slot is.
    open_bars
        Whether bars in progress are sent.
    empty_bars
        Whether slots without a trade have candles.

    Attributes
    ----------
    versions
        By symbol and label, in order of time.
    """

    def __init__(
        self,
        plans: dict[str, InstrumentPlan],
        *,
        flagged: bool,
        open_bars: bool,
        empty_bars: bool,
    ) -> None:
        self.plans = plans
        self.grids = {name: SlotGrid(plan.calendar, plan.base_ms) for name, plan in plans.items()}
        self.versions: dict[str, dict[int, list[DrillVersion]]] = {name: {} for name in plans}
        self._flagged = flagged
        self._open_bars = open_bars
        self._empty_bars = empty_bars
        self._first = next(iter(plans))
        self._hidden: dict[tuple[str, int], int] = {}

    def trade(self, from_ms: int, until_ms: int, silent: frozenset[str] = frozenset()) -> None:
        """Bars of all slots with from_ms <= label < until_ms; of silent symbols there is none."""
        for symbol, grid in self.grids.items():
            for label in grid.labels(from_ms, until_ms):
                if label not in self.versions[symbol]:
                    quiet = symbol in silent or self._is_quiet(symbol, label)
                    self._make(symbol, label, quiet)

    def _is_quiet(self, symbol: str, label: int) -> bool:
        several = len(self.plans) > 1
        return (
            several
            and symbol != self._first
            and self._dice(symbol, label)[0] % 100 < QUIET_OF_HUNDRED
        )

    def _make(self, symbol: str, label: int, quiet: bool) -> None:
        if quiet and not self._empty_bars:
            return
        end_ms = self.grids[symbol].end(label)
        bar = self.bar(symbol, label, empty=quiet)
        found = self.versions[symbol].setdefault(label, [])
        middle_ms = label + (end_ms - label) // 2
        if self._open_bars and not quiet:
            found.append(DrillVersion(replace(bar, volume=1), middle_ms, final=False))
        # Without a word for the end, the last state is sent just before it.
        spread_ms = self._dice(symbol, label)[1]
        at_ms = end_ms + 200 + spread_ms if self._flagged else end_ms - 100 - spread_ms
        found.append(DrillVersion(bar, at_ms, empty=quiet))

    def bar(self, symbol: str, label: int, *, empty: bool = False, other: int = 0) -> Bar:
        """The bar of a slot; ``other`` numbers its further versions."""
        dice = self._dice(symbol, label)
        tick = Decimal(self.plans[symbol].scale.tick)
        opened = _PRICE_TICKS + dice[2] % 50
        closed = opened if empty else _PRICE_TICKS + dice[3] % 50
        high, low = max(opened, closed), min(opened, closed)
        if not empty:
            high, low = high + dice[4] % 5, low - dice[5] % 5
        prices = (float(tick * ticks) for ticks in (opened, high, low, closed))
        first, most, least, last = prices
        volume = 0 if empty else 100 + dice[6] + other
        return Bar(symbol, self.plans[symbol].base, label, first, most, least, last, volume)

    def _dice(self, symbol: str, label: int) -> bytes:
        return hashlib.blake2b(f"{symbol} {label}".encode(), digest_size=8).digest()

    # What scripts do.

    def revise(self, symbol: str, label: int, at_ms: int, *, stream: bool = True) -> None:
        """State another version of a bar."""
        versions = self.versions[symbol][label]
        bar = self.bar(symbol, label, other=1_000 * len(versions))
        versions.append(DrillVersion(bar, at_ms, stream=stream))

    def delay(self, symbol: str, label: int, by_ms: int) -> None:
        """State the final version of a slot later."""
        versions = self.versions[symbol].get(label)
        if versions:
            last = versions[-1]
            versions[-1] = last._replace(at_ms=last.at_ms + by_ms)

    def remove(self, symbol: str, label: int, at_ms: int) -> None:
        """Take a bar back."""
        self.versions[symbol][label].append(DrillVersion(None, at_ms))

    def hide(self, symbol: str, label: int, until_ms: int) -> None:
        """Have the history lack a slot until an instant."""
        self._hidden[symbol, label] = until_ms

    def final(self, symbol: str) -> dict[int, Bar]:
        """Bars that stay, by label."""
        found = {}
        for label, versions in sorted(self.versions[symbol].items()):
            last = versions[-1].bar
            if last is not None and versions[-1].final:
                found[label] = last
        return found

    def states(self, symbol: str, label: int) -> Iterator[Bar]:
        """Bars that may stand in the log: final ones, of unflagged feeds all."""
        for version in self.versions[symbol].get(label, ()):
            if version.bar is not None and (version.final or not self._flagged):
                yield version.bar

    def in_progress(self, symbol: str, at_ms: int) -> DrillVersion:
        """The bar of the slot that is not over."""
        label = self.grids[symbol].at(at_ms)
        return DrillVersion(replace(self.bar(symbol, label), volume=1), at_ms, final=False)

    def known(self, symbol: str, label: int, at_ms: int, lag_ms: int) -> DrillVersion | None:
        """The version of a slot that the history has at a time; None: it has none."""
        ready_ms = self.grids[symbol].end(label) + lag_ms
        ready_ms = max(ready_ms, self._hidden.get((symbol, label), ready_ms))
        found = None
        for version in self.versions[symbol].get(label, ()):
            if version.final and max(version.at_ms, ready_ms) <= at_ms:
                found = version
        return None if found is None or found.bar is None else found
