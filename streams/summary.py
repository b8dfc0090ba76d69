"""What a run was about, counted while its events pass: bounded memory, exact numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from schemas.events import (
    DerivedBar,
    Event,
    Gap,
    Pair,
    Quality,
    Range,
    Reject,
    Session,
    Swing,
    Touch,
)

FIRST_GAPS = 10
BEFORE_ALL = -(1 << 62)
FINISHED = ("resolved", "incomplete")


class SymbolSummary:
    """Counts of one symbol.

    Attributes
    ----------
    ranges
        Ranges by state; an expired one counts as ``expired`` whatever its state.
    swings
        Swings by class.
    """

    def __init__(self) -> None:
        self.derived: dict[str, int] = {}
        self.sessions = 0
        self.gaps = 0
        self.missing = 0
        self.touches = 0
        self.expired = 0
        self.ranges: dict[str, int] = {}
        self.swings: dict[int, int] = {}
        self._worst: float | None = None
        self._sum = 0.0
        self._measured = 0
        self._running: Quality | None = None
        self._open_gap: Gap | None = None
        self._live: dict[str, str] = {}
        self._entered: dict[tuple[str, int], int] = {}

    def derived_bar(self, event: DerivedBar) -> None:
        """One bar more of its interval."""
        self.derived[event.interval] = self.derived.get(event.interval, 0) + 1

    def session(self, event: Session) -> None:
        """Sessions count when they close."""
        if event.state == "closed":
            self.sessions += 1

    def quality(self, event: Quality) -> None:
        """The last version of each session counts."""
        if self._running is not None and self._running.id != event.id:
            self._settle_quality()
        self._running = event

    def _settle_quality(self) -> None:
        if self._running is None:
            return
        quality = self._running.quality
        self._worst = quality if self._worst is None else min(self._worst, quality)
        self._sum += quality
        self._measured += 1
        self._running = None

    def gap(self, event: Gap) -> None:
        """A gap counts once, with its last extent."""
        known = self._open_gap
        if known is not None and known.id == event.id:
            self.missing -= known.missing
        else:
            self.gaps += 1
        self.missing += event.missing
        self._open_gap = event if event.state == "open" else None

    def range(self, event: Range) -> None:
        """A range counts under its last state."""
        before = self._live.pop(event.id, None)
        if before is not None:
            self.ranges[before] -= 1
        state = "expired" if event.expired else event.state
        self.ranges[state] = self.ranges.get(state, 0) + 1
        if not event.expired and event.state not in FINISHED:
            self._live[event.id] = event.state

    def touch(self, event: Touch) -> None:
        """Expiries are no touches."""
        if event.event == "expired":
            self.expired += 1
        else:
            self.touches += 1

    def swing(self, event: Swing) -> None:
        """A swing counts under its last class.

        Swings of one side enter a class in order of time, and one class at a time: what is not
        newer than the newest of its class was there before, and only its prior changed.
        """
        place = (event.side, event.class_)
        if event.start_ms <= self._entered.get(place, BEFORE_ALL):
            return
        self._entered[place] = event.start_ms
        self.swings[event.class_] = self.swings.get(event.class_, 0) + 1
        if event.class_ > 1:
            self.swings[event.class_ - 1] -= 1

    def totals(self) -> dict[str, Any]:
        """Plain data for tables and JSON."""
        self._settle_quality()
        return {
            "derived_bars": self.derived,
            "sessions": self.sessions,
            "quality_mean": self._sum / self._measured if self._measured else None,
            "quality_worst": self._worst,
            "gaps": self.gaps,
            "missing_slots": self.missing,
            "ranges": {state: count for state, count in sorted(self.ranges.items()) if count},
            "touches": self.touches,
            "expired": self.expired,
            "swings": {str(number): self.swings[number] for number in sorted(self.swings)},
        }


class FirstLetter(NamedTuple):
    """Where the first dead letter of a code came from, and why it is one."""

    source: str
    reason: str


class RunSummary:
    """Counts of a whole run.

    Attributes
    ----------
    first_gaps
        The first gaps of the run, with their last extent.
    rejects
        Dead letters by code.
    first_reject
        The first dead letter of each code.
    """

    def __init__(self) -> None:
        self.symbols: dict[str, SymbolSummary] = {}
        self.pairs: dict[str, int] = {}
        self.first_gaps: dict[str, Gap] = {}
        self.rejects: dict[str, int] = {}
        self.first_reject: dict[str, FirstLetter] = {}

    def add(self, events: Sequence[Any]) -> None:
        """Count events of one type, in their order; types may be counted one before the other."""
        kind = type(events[0]) if events else None
        if kind is Swing:
            for event in events:
                self._symbol(event.symbol).swing(event)
        elif kind is DerivedBar:
            for event in events:
                self._symbol(event.symbol).derived_bar(event)
        else:
            for event in events:
                self._add_rare(event)

    def _add_rare(self, event: Event | Reject) -> None:
        if isinstance(event, Reject):
            self.rejects[event.code] = self.rejects.get(event.code, 0) + 1
            if event.code not in self.first_reject:
                self.first_reject[event.code] = FirstLetter(event.source, event.reason)
        elif isinstance(event, Pair):
            if event.delta_min is None:
                self.pairs[event.group] = self.pairs.get(event.group, 0) + 1
        elif isinstance(event, Range):
            self._symbol(event.symbol).range(event)
        elif isinstance(event, Touch):
            self._symbol(event.symbol).touch(event)
        elif isinstance(event, Session):
            self._symbol(event.symbol).session(event)
        elif isinstance(event, Quality):
            self._symbol(event.symbol).quality(event)
        elif isinstance(event, Gap):
            self._symbol(event.symbol).gap(event)
            if event.id in self.first_gaps or len(self.first_gaps) < FIRST_GAPS:
                self.first_gaps[event.id] = event

    def totals(self, symbol: str) -> dict[str, Any]:
        """Plain data of one symbol."""
        return self._symbol(symbol).totals()

    def _symbol(self, symbol: str) -> SymbolSummary:
        found = self.symbols.get(symbol)
        if found is None:
            found = SymbolSummary()
            self.symbols[symbol] = found
        return found
