"""What the next bar of the fast path is compared with."""

from __future__ import annotations

from tapeline.streams.core.bars.derived import DerivedBars
from tapeline.streams.core.history.ring import NOWHERE_MS, RestorePointClock
from tapeline.streams.core.rules import SymbolRules
from tapeline.streams.core.tracker import NO_LEVEL, Tracker


class DueTimes:
    """Two instants and two prices, over all trackers of a symbol.

    The base of `SymbolTracks`: as an object of its own it would cost each bar a look-up.

    Parameters
    ----------
    rules
        The trackers.
    clock
        When the next restore point is due.

    Attributes
    ----------
    due_ms
        A bar that ends here or later is looked at: a window of derived bars ends, or what
        `later_ms` waits for.
    later_ms
        The same, but for derived bars: they end far more often than all else.
    at_once
        Whether every bar is looked at: a tracker publishes for each.
    ceiling, floor
        A bar with floor <= low and high <= ceiling may be handed on later.
    """

    __slots__ = (
        "_added", "_clock", "_waiting", "at_once", "ceiling", "derived", "due_ms", "floor",
        "later_ms",
    )  # fmt: skip

    def __init__(self, rules: SymbolRules, clock: RestorePointClock) -> None:
        self.derived: DerivedBars = rules.derived
        self._added = rules.added
        self._waiting: list[Tracker] = [rules.sessions, *rules.in_run.moved]
        self._clock = clock
        self.at_once = any(each.at_once for each in rules.added)
        self.due_ms = self.later_ms = NOWHERE_MS
        self.ceiling = NO_LEVEL
        self.floor = -NO_LEVEL

    def find_due(self, label_ms: int) -> None:
        """Find all four for a bar of that label, after time has gone on."""
        earliest = self._clock.next_ms
        lowest = NO_LEVEL
        highest = -NO_LEVEL
        for tracker in self._waiting:
            if tracker.next_ms < earliest:
                earliest = tracker.next_ms
            if tracker.ceiling < lowest:
                lowest = tracker.ceiling
            if tracker.floor > highest:
                highest = tracker.floor
        self.later_ms = earliest
        if not self.at_once:
            self.due_ms = min(self.derived.next_grid_ms(label_ms), earliest)
        self.ceiling = lowest
        self.floor = highest

    def leave_prices(self, high: int, low: int, end_ms: int) -> None:
        """A bar left the prices: find them anew; it is due if it left those of an added tracker."""
        for tracker in self._added:
            if high > tracker.ceiling or low < tracker.floor:
                self.due_ms = self.later_ms = end_ms
        lowest = NO_LEVEL
        highest = -NO_LEVEL
        for tracker in self._waiting:
            if tracker.ceiling < lowest:
                lowest = tracker.ceiling
            if tracker.floor > highest:
                highest = tracker.floor
        self.ceiling = lowest
        self.floor = highest
