"""One symbol inside its group: what its records are, and what becomes of them.

A bar after the watermark goes to the tracks in order. One before it is a duplicate, or it is late
or changed: then the bars from the last restore point before it are run again, as they were and as
they are.
"""

from __future__ import annotations

from typing import Any

from tapeline.schemas.events import Output
from tapeline.schemas.instants import MINUTE_MS, OUTPUTS_PER_RECORD, SECOND_MS
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.core.checks import RecordChecks
from tapeline.streams.core.correct.corrections import (
    Correction,
    Revisions,
    in_order,
)
from tapeline.streams.core.correct.rebuild import Rebuild
from tapeline.streams.core.history.book import BarBook, PackedRow
from tapeline.streams.core.history.ring import NOWHERE_MS, RestorePoint
from tapeline.streams.core.outcome import ACCEPTED, OUTCOMES, Outcome
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ranges.schedule import RangeSchedule
from tapeline.streams.core.ratio import ratio
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.core.rules import SymbolRules
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import Tracker
from tapeline.streams.core.tracks import SymbolTracks


class SymbolEngine:
    """Records of one symbol; bars of the fast path go past it (`GroupEngine.apply`).

    Every method that takes a record returns its events, and says the rest in the group's outcome.

    Attributes
    ----------
    checks
        What records must pass.
    tracks
        What follows its bars.
    book, off_book
        In-session and off-session bars inside the horizon.
    had_bar
        Whether there ever was a bar; the horizon counts from then on.
    """

    def __init__(
        self,
        plan: InstrumentPlan,
        schedule: RangeSchedule,
        pair: tuple[str, int] | None,
        number: int,
        stamp: Stamp,
        revisions: Revisions,
        outcome: Outcome,
        added: list[Tracker],
    ) -> None:
        self.symbol = plan.symbol
        self.number = number
        grid_ms = SECOND_MS if plan.base_ms < MINUTE_MS else MINUTE_MS
        self.book = BarBook(plan.calendar, grid_ms)
        self.off_book = BarBook(plan.calendar, grid_ms)
        books = [self.book, self.off_book]
        rules = SymbolRules(plan, schedule, pair, stamp, added, revisions.registry)
        self.tracks = SymbolTracks(plan, rules, books, stamp)
        self.had_bar = False
        self._plan = plan
        self._calendar = plan.calendar
        self._base = plan.base
        self._base_ms = plan.base_ms
        self.checks = RecordChecks(plan)
        self._stamp = stamp
        self._revisions = revisions
        self._outcome = outcome
        self._rebuild = Rebuild(self.tracks, stamp, plan.scale)
        self._partner: SymbolEngine | None = None
        self._first_position = 0
        self._counts = dict.fromkeys(OUTCOMES[1:], 0)
        self._rebuilds = 0
        self._bars_again = 0

    def join(self, partner: SymbolEngine) -> None:
        """The other symbol of the group."""
        self._partner = partner
        self.tracks.join(partner.tracks)

    def watermark_ms(self) -> int | None:
        """Watermark, None before the first bar or clock."""
        watermark_ms = self.tracks.watermark_ms
        return None if watermark_ms == NOWHERE_MS else watermark_ms

    def bar(self, bar: Bar, offset: int) -> list[Any]:
        """Take any bar, checked in the order of docs/rules.md 6."""
        tracks = self.tracks
        tracks.flush()
        start = bar.start_ms
        checks = self.checks
        checks.interval(bar.interval)
        in_session = checks.label(start)
        open_, high, low, close = checks.prices(bar)
        row = (start, open_, high, low, close, checks.volume(bar.volume))
        self._check_horizon(start)
        end = self._calendar.slot_end(start, self._base_ms)
        self._check_ahead(end)
        book = self.book if in_session else self.off_book
        if end <= tracks.watermark_ms:
            known = book.find(start)
            if known == row:
                return self._count("duplicates")
            self._count("late" if known is None else "changed")
            return self._correct(start, end, in_session, known, row, offset)
        self.had_bar = True
        if in_session:
            self._outcome.kind = ACCEPTED
        else:
            self._count("off_session")
            book.open_rows.append(row)
            book.seal()
        return tracks.apply_any(row, end, in_session, offset)

    def clock(self, clock: Clock, offset: int) -> list[Any]:
        """Take a clock record; see `GroupEngine.apply`."""
        tracks = self.tracks
        tracks.flush()
        time_ms = clock.time_ms
        self.checks.clock(time_ms)
        self._check_ahead(time_ms)
        if time_ms <= tracks.watermark_ms:
            self._count("idle")
            return []
        self._count("clocks")
        return tracks.pass_time(time_ms, offset)

    def cancel(self, cancel: Cancel, offset: int) -> list[Any]:
        """Take a cancel; see `GroupEngine.apply`."""
        tracks = self.tracks
        tracks.flush()
        start = cancel.start_ms
        self.checks.interval(cancel.interval)
        in_session = self.checks.label(start)
        self._check_horizon(start)
        known = (self.book if in_session else self.off_book).find(start)
        if known is None:
            self._count("idle")
            return []
        self._count("cancelled")
        end = self._calendar.slot_end(start, self._base_ms)
        return self._correct(start, end, in_session, known, None, offset)

    def check(self, record: LogRecord) -> None:
        """Check a record for all that does not depend on the state."""
        checks = self.checks
        if isinstance(record, Clock):
            checks.clock(record.time_ms)
            return
        checks.interval(record.interval)
        checks.label(record.start_ms)
        if isinstance(record, Bar):
            checks.prices(record)
            checks.volume(record.volume)

    def _count(self, kind: str) -> list[Any]:
        self._outcome.kind = kind
        self._counts[kind] += 1
        return []

    def _correct(
        self,
        start: int,
        end: int,
        in_session: bool,
        known: PackedRow | None,
        row: PackedRow | None,
        offset: int,
    ) -> list[Output]:
        """Replace a bar by another one; None is the absence of a bar."""
        tracks = self.tracks
        correction = Correction(self.symbol, start, self._as_bar(known), self._as_bar(row))
        self._outcome.correction = correction
        old_first = tracks.first_label_ms
        # A history that may begin elsewhere is run from its start: all of it is in the books.
        base = tracks.history.ring.latest_before(end) if start > old_first else None
        old_rows = self._rows_after(base)
        self._edit(start, in_session, known, row)
        new_first = self._first_label(start, row is not None)
        if not in_session and new_first == old_first:
            # The view is blind to it, and the symbol's history starts where it did.
            return []
        assert base is None or new_first == old_first
        correction.changes = in_order(
            self._rebuild.run(
                correction, base, end, (old_first, new_first), (known, row), in_session, old_rows
            ),
            self._revisions.registry,
        )
        tracks.tidy()
        self._rebuilds += 1
        self._bars_again += correction.bars_again
        group_mark_ms = tracks.watermark_ms
        if self._partner is not None:
            group_mark_ms = max(group_mark_ms, self._partner.tracks.watermark_ms)
        return self._revisions.publish(
            correction.changes,
            offset * OUTPUTS_PER_RECORD,
            start,
            self.number,
            tracks.watermark_ms,
            group_mark_ms,
        )

    def _edit(
        self, start: int, in_session: bool, known: PackedRow | None, row: PackedRow | None
    ) -> None:
        book = self.book if in_session else self.off_book
        if row is None:
            book.remove(start)
        else:
            book.put(row)
        self.had_bar = True
        if in_session:
            # In-session bars in order are what the position grew by, but for these.
            if known is None:
                self._first_position += 1
            if row is None:
                self._first_position -= 1

    def _first_label(self, start: int, present: bool) -> int:
        """Label of the symbol's first bar after the books were edited at `start`."""
        first = self.tracks.first_label_ms
        if present:
            return start if first == NOWHERE_MS else min(first, start)
        if start != first:
            return first
        # It was inside the horizon, so everything after it still is in the books.
        found = [
            label for label in (self.book.first_ms(), self.off_book.first_ms()) if label is not None
        ]
        return min(found) if found else NOWHERE_MS

    def _rows_after(self, base: RestorePoint | None) -> list[PackedRow]:
        """In-session bars that a restore point does not know, in order."""
        if base is None:
            return self.book.all_rows()
        known_ms = base.watermark_ms
        rows = self.book.rows_from(known_ms - self._base_ms)
        at = 0
        while at < len(rows) and self._calendar.slot_end(rows[at][0], self._base_ms) <= known_ms:
            at += 1
        return rows[at:]

    def _as_bar(self, row: PackedRow | None) -> Bar | None:
        if row is None:
            return None
        price = self._plan.scale.price
        return Bar(
            self.symbol,
            self._base,
            row[0],
            price(row[1]),
            price(row[2]),
            price(row[3]),
            price(row[4]),
            row[5],
        )

    def _check_horizon(self, start_ms: int) -> None:
        if not self.had_bar:
            return
        sessions = self._plan.horizon_sessions
        index = self._calendar.session_of(self.tracks.watermark_ms)
        if self._calendar.session_of(start_ms) < index - sessions:
            raise RecordRejected(
                "beyond_horizon",
                f"{start_ms} lies more than {sessions} sessions before the watermark"
                f" {self.tracks.watermark_ms}; `tapeline replay --as-corrected` over the whole log"
                " takes it, and so does a store (`tapeline run --store`)",
            )

    def _check_ahead(self, instant_ms: int) -> None:
        limit = self._plan.max_ahead_ms
        if limit == 0 or not self.had_bar:
            return
        watermark_ms = self.tracks.watermark_ms
        if instant_ms - watermark_ms > limit:
            raise RecordRejected(
                "ahead_of_time",
                f"{instant_ms} is more than {limit} ms after the watermark {watermark_ms}",
            )

    def quality(self) -> float | None:
        """Quality of the session of the watermark; see `GroupEngine.quality`."""
        if not self._plan.quality:
            return 100.0
        tracks = self.tracks
        tracks.flush()
        watermark_ms = tracks.watermark_ms
        if watermark_ms == NOWHERE_MS:
            return None
        calendar = self._calendar
        index = calendar.session_of(watermark_ms - 1)
        if not calendar.has_session(index) or watermark_ms <= calendar.open_ms(index):
            return None
        due = calendar.slots_started(index, watermark_ms, self._base_ms)
        if calendar.end_around(watermark_ms, self._base_ms) != watermark_ms:
            due -= 1
        if index == tracks.sessions.index:
            actual = tracks.sessions.present()
        elif self._plan.horizon_sessions == 0:
            return None
        else:
            actual = len(self.book.rows_from(calendar.open_ms(index)))
        return ratio(100 * actual, due) if due > 0 else None

    def counters(self) -> dict[str, int]:
        """Records by outcome, rebuilds, and bars run again."""
        self.tracks.flush()
        return {
            "accepted": self.tracks.position - self._first_position,
            **self._counts,
            "rebuilds": self._rebuilds,
            "bars_again": self._bars_again,
        }

    def count_from_here(self) -> None:
        """Start counting at the present position."""
        self._first_position = self.tracks.position
