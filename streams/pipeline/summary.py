"""What a run was about, counted while its events pass: bounded memory, exact numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import to_builtins

from tapeline.schemas.event_rows.ranges import FINISHED
from tapeline.schemas.events import (
    DerivedBar,
    Event,
    Gap,
    Indicators,
    Pair,
    Quality,
    Range,
    Reject,
    Retract,
    Session,
    Swing,
    Touch,
    type_of,
)
from tapeline.streams.core.correct.corrections import Change
from tapeline.streams.pipeline.host_summary import HostSummary
from tapeline.streams.pipeline.refusals import RowReport
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.status import SessionSoFar

FIRST_GAPS = 10


class SymbolSummary:
    """Counts of one symbol.

    Attributes
    ----------
    derived, indicators
        Bars, and bars with a row of indicators, by interval.
    ranges
        Ranges by state; an expired one counts as ``expired`` whatever its state.
    """

    def __init__(self) -> None:
        self.derived: dict[str, int] = {}
        self.indicators: dict[str, int] = {}
        self.sessions = 0
        self.gaps = 0
        self.missing = 0
        self.touches = 0
        self.expired = 0
        self.ranges: dict[str, int] = {}
        self._quality: dict[str, float] = {}
        self._open_gap: Gap | None = None
        self._live: dict[str, str] = {}

    def derived_bar(self, event: DerivedBar, count: int = 1) -> None:
        """One bar more or less of its interval."""
        self.derived[event.interval] = self.derived.get(event.interval, 0) + count

    def indicators_row(self, event: Indicators, count: int = 1) -> None:
        """One row more or less of its interval."""
        self.indicators[event.interval] = self.indicators.get(event.interval, 0) + count

    def session(self, event: Session, count: int = 1) -> None:
        """Sessions count when they close."""
        if event.state == "closed":
            self.sessions += count

    def quality(self, event: Quality) -> None:
        """The last version of each session counts."""
        self._quality[event.session] = event.quality

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

    def touch(self, event: Touch, count: int = 1) -> None:
        """Expiries are no touches."""
        if event.event == "expired":
            self.expired += count
        else:
            self.touches += count

    def take_back(self, event: Event) -> bool:
        """A correction replaced this version by another one, or by none.

        Returns
        -------
        bool
            False of a type that is not counted here.
        """
        if isinstance(event, DerivedBar):
            self.derived_bar(event, -1)
        elif isinstance(event, Indicators):
            self.indicators_row(event, -1)
        elif isinstance(event, Session):
            self.session(event, -1)
        elif isinstance(event, Quality):
            self._quality.pop(event.session, None)
        elif isinstance(event, Touch):
            self.touch(event, -1)
        elif isinstance(event, Gap):
            self.gaps -= 1
            self.missing -= event.missing
            if self._open_gap is not None and self._open_gap.id == event.id:
                self._open_gap = None
        elif isinstance(event, Range):
            self._live.pop(event.id, None)
            state = "expired" if event.expired else event.state
            # What a run that began in the middle of a log did not see come is not there to go.
            self.ranges[state] = max(self.ranges.get(state, 0) - 1, 0)
        else:
            return False
        return True

    def running(self, session: SessionSoFar) -> None:
        """The session that is not over: its quality was published with its first slot, or a gap."""
        if session.session in self._quality and session.quality is not None:
            self._quality[session.session] = session.quality

    def totals(self) -> dict[str, Any]:
        """Plain data for tables and JSON."""
        measured = self._quality.values()
        return {
            "derived_bars": {name: count for name, count in self.derived.items() if count},
            "indicators": {name: count for name, count in self.indicators.items() if count},
            "sessions": self.sessions,
            "quality_mean": fsum(measured) / len(measured) if measured else None,
            "quality_worst": min(measured, default=None),
            "gaps": self.gaps,
            "missing_slots": self.missing,
            "ranges": {state: count for state, count in sorted(self.ranges.items()) if count},
            "touches": self.touches,
            "expired": self.expired,
        }


class ChangedIds:
    """Ids of one type that corrections changed."""

    def __init__(self) -> None:
        self.new = 0
        self.changed = 0
        self.retracted = 0

    def add(self, change: Change) -> None:
        """One fact more."""
        if change.old is None:
            self.new += 1
        elif change.new is None:
            self.retracted += 1
        else:
            self.changed += 1

    def totals(self) -> dict[str, int]:
        """Plain data."""
        return {"new": self.new, "changed": self.changed, "retracted": self.retracted}


class FirstLetter(NamedTuple):
    """Where the first dead letter of a code came from, and why it is one."""

    source: str
    reason: str


class RunSummary:
    """Counts of a whole run.

    No view: that of a whole run does not fit into memory, so versions are kept only of facts that
    may still change.

    Attributes
    ----------
    first_gaps
        The first gaps of the run, with their last extent.
    rejects
        Dead letters by code.
    first_reject
        The first dead letter of each code.
    others
        By type without a counter here its events: all versions of a fact, less one for each that
        a correction replaced or took back.
    ids_changed
        By type what corrections changed.
    swings
        Of each symbol the swings by class; the engines count them, the run takes the counts over.
        They are those of a whole history: the run of a stretch has none.
    running
        Of each symbol the session that its last record left open, as of that.
    """

    def __init__(self) -> None:
        self.symbols: dict[str, SymbolSummary] = {}
        self.pairs: dict[str, int] = {}
        self.first_gaps: dict[str, Gap] = {}
        self.rejects: dict[str, int] = {}
        self.first_reject: dict[str, FirstLetter] = {}
        self.others: dict[str, int] = {}
        self.ids_changed: dict[str, ChangedIds] = {}
        self.swings: dict[str, dict[int, int]] = {}
        self.running: dict[str, SessionSoFar] = {}

    def add(self, events: Sequence[Any]) -> None:
        """Count events of one topic, in their order; topics may be counted one before the other.

        What corrections published is left to `corrected`, which knows what it replaced.
        """
        for event in events:
            kind = type(event)
            # Most events first.
            if kind is Swing or kind is Retract:
                continue
            if kind is DerivedBar:
                if event.corrects is None:
                    self._symbol(event.symbol).derived_bar(event)
            elif kind is Reject:
                self._reject(event)
            elif event.corrects is None:
                self._add_rare(event)

    def corrected(self, changes: Sequence[Change]) -> None:
        """Count what one correction changed; all events before it are counted."""
        for change in changes:
            kind = type_of(change.fact)
            self.ids_changed.setdefault(kind, ChangedIds()).add(change)
            if change.old is not None:
                self._take_back(change.old)
            if isinstance(change.new, DerivedBar):
                self._symbol(change.new.symbol).derived_bar(change.new)
            elif isinstance(change.new, Pair):
                if change.old is None:
                    self._pair(change.new, 1)
            elif change.new is not None:
                self._add_rare(change.new)
            elif isinstance(change.old, Pair):
                self._pair(change.old, -1)

    def _take_back(self, event: Event) -> None:
        if isinstance(event, Pair | Swing):
            return
        if isinstance(event, Gap):
            self.first_gaps.pop(event.id, None)
        if not self._symbol(event.symbol).take_back(event):
            self._other(event, -1)

    def _pair(self, event: Pair, count: int) -> None:
        self.pairs[event.group] = self.pairs.get(event.group, 0) + count

    def _reject(self, event: Reject) -> None:
        self.rejects[event.code] = self.rejects.get(event.code, 0) + 1
        if event.code not in self.first_reject:
            self.first_reject[event.code] = FirstLetter(event.source, event.reason)

    def _add_rare(self, event: Event) -> None:
        if isinstance(event, Pair):
            if event.delta_min is None:
                self._pair(event, 1)
        elif isinstance(event, Range):
            self._symbol(event.symbol).range(event)
        elif isinstance(event, Touch):
            self._symbol(event.symbol).touch(event)
        elif isinstance(event, Indicators):
            self._symbol(event.symbol).indicators_row(event)
        elif isinstance(event, Session):
            self._symbol(event.symbol).session(event)
        elif isinstance(event, Quality):
            self._symbol(event.symbol).quality(event)
        elif isinstance(event, Gap):
            self._symbol(event.symbol).gap(event)
            if event.id in self.first_gaps or len(self.first_gaps) < FIRST_GAPS:
                self.first_gaps[event.id] = event
        elif not isinstance(event, DerivedBar | Swing):
            self._other(event, 1)

    def _other(self, event: Event, count: int) -> None:
        """A type that this version of the summary does not know."""
        kind = type_of(event)
        self.others[kind] = self.others.get(kind, 0) + count

    def totals(self, symbol: str) -> dict[str, Any]:
        """Plain data of one symbol.

        ``swings`` is None where they were not counted, ``running`` where no session is open.
        """
        counts = self.swings.get(symbol)
        swings = None if counts is None else {str(each): found for each, found in counts.items()}
        running = self.running.get(symbol)
        return {
            **self._symbol(symbol).totals(),
            "swings": swings,
            "running": None if running is None else to_builtins(running),
        }

    def end(self, router: Router) -> None:
        """Take what the engines have at the end of a run."""
        for symbol in router.symbols():
            self.swings[symbol] = router.swings_by_class(symbol)
            session = router.session_so_far(symbol)
            if session is not None and session.as_of_ms < session.close_ms:
                self.running[symbol] = session
                self._symbol(symbol).running(session)

    def _symbol(self, symbol: str) -> SymbolSummary:
        found = self.symbols.get(symbol)
        if found is None:
            found = SymbolSummary()
            self.symbols[symbol] = found
        return found


@dataclass
class RunResult:
    """What a run leaves: the manifest it wrote, and counts for people.

    Attributes
    ----------
    kept
        Its folder; None when the results went elsewhere.
    report
        How many rows of its inputs are dead letters; None of a replay.
    hosted
        What strategies and accounts did; None where none ran.
    """

    manifest: dict[str, Any]
    summary: RunSummary
    kept: Path | None
    ignored_columns: dict[str, tuple[str, ...]]
    report: RowReport | None = None
    hosted: HostSummary | None = None

    @property
    def folder(self) -> Path:
        """Its folder, of a run that has one."""
        assert self.kept is not None, "the results were not kept in a folder"
        return self.kept
