"""What follows the bars of one symbol: its trackers, and the paths a bar takes through them.

The fast path is for the next bar of an unbroken run (nearly all of them): all trackers stand at its
label, so it is one step without calls, and only `_due` looks at what waits for time. The slow path
moves them to the bar's label, hands them the bar, moves them to its end, with equal results.

`capture` and `install` go back in time, for corrections.
"""

from __future__ import annotations

from typing import Any

from tapeline.schemas.events import Event
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.book import MOST_OPEN_ROWS, BarBook, PackedRow
from tapeline.streams.core.history.ring import (
    HOUR,
    NO_ROW,
    NOWHERE_MS,
    SESSION,
    RestorePoint,
    RestorePointClock,
    RestorePoints,
)
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ranges.pairs import PairTracker
from tapeline.streams.core.ranges.windows import TouchRank
from tapeline.streams.core.rules import SymbolRules
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.swings.sides import SwingSide
from tapeline.streams.core.tracker import NO_LEVEL


class SymbolTracks:
    """Trackers of one symbol.

    Attributes
    ----------
    base, base_ms
        Name and length of the base interval.
    ticks
        Prices seen lately, in ticks.
    first_label_ms
        Label of the symbol's first bar; `NOWHERE_MS` before it.
    position
        In-session bars so far, but for those of the fast path that are not flushed yet.
    fast_path_ms
        Label that takes the fast path; `NOWHERE_MS` when none does.
    whole
        Whether the bars of the fast path that are not flushed all had volumes, and whole ones.
    ring
        Restore points to go back to.
    remembering
        Whether restore points are added to the ring.
    rules
        All trackers; those that a bar of the fast path meets are attributes, too.
    """

    __slots__ = (
        "_before", "_book", "_books", "_ceiling", "_clock", "_due_ms", "_fast_path_allowed",
        "_floor", "_fresh", "_has_added", "_highs", "_later_ms", "_lows", "_partner", "_passed_ms",
        "_plan", "_stamp", "_sweep_due", "added", "base", "base_ms", "calendar", "derived",
        "fast_path_ms", "first_label_ms", "last", "number", "position", "ranges", "remembering",
        "ring", "rules", "session_begun", "sessions", "swings", "symbol", "ticks", "whole",
    )  # fmt: skip

    def __init__(
        self,
        plan: InstrumentPlan,
        rules: SymbolRules,
        number: int,
        books: list[BarBook],
        stamp: Stamp,
    ) -> None:
        self.symbol = plan.symbol
        self.number = number
        self.calendar: Calendar = plan.calendar
        self.base = plan.base
        self.base_ms = plan.base_ms
        self.ticks: dict[Any, Any] = plan.scale.cache
        self._passed_ms = self.fast_path_ms = self.first_label_ms = NOWHERE_MS
        self.position = 0
        self.whole = True
        self.rules = rules
        self.derived = rules.derived
        self.sessions = rules.sessions
        self.ranges = rules.ranges
        self.swings = rules.swings
        self.added = rules.added
        self._has_added = rules.has_added
        self.ring = RestorePoints()
        self._clock = RestorePointClock(plan.calendar, plan.base_ms)
        self.session_begun = False
        self.last: PackedRow = NO_ROW
        self._books = books
        self._book = books[0]
        self._plan = plan
        self._highs = self.swings.highs if plan.swings else None
        self._lows = self.swings.lows if plan.swings else None
        self._stamp = stamp
        self._partner: SymbolTracks | None = None
        self._before: PackedRow = NO_ROW
        self._fast_path_allowed = self.added.all_take_runs and (
            plan.max_ahead_ms == 0 or plan.max_ahead_ms >= plan.base_ms
        )
        self._ceiling = NO_LEVEL
        self._floor = -NO_LEVEL
        self._sweep_due = False
        self._due_ms = self._later_ms = NOWHERE_MS
        self._fresh: list[PackedRow] = []
        self.remembering = True

    @property
    def watermark_ms(self) -> int:
        """Greatest of all bar ends and clock records; `NOWHERE_MS` before the first."""
        return self._passed_ms if self.fast_path_ms == NOWHERE_MS else self.fast_path_ms

    @watermark_ms.setter
    def watermark_ms(self, instant_ms: int) -> None:
        self._passed_ms = instant_ms

    def join(self, pairs: PairTracker, partner: SymbolTracks) -> None:
        """The other symbol of the group, and what follows both."""
        self.rules.pairs = pairs
        self._partner = partner

    def begin(self, label_ms: int) -> None:
        """The symbol's history starts with a bar of that label."""
        self.first_label_ms = label_ms
        self.rules.begin(label_ms)
        self._clock.session = self.sessions.index
        self._clock.find(self.sessions.index, self.watermark_ms)

    def apply_next(self, row: PackedRow, high: int, low: int, end: int, offset: int) -> list[Event]:
        """The fast path: the bar labelled `fast_path_ms`."""
        last = self.last
        before = self._before
        fresh = self._fresh
        fresh.append(row)
        self.fast_path_ms = end
        self._before = last
        self.last = row
        side: SwingSide | None = None
        price: int = last[2]
        edge: int = before[2]
        if price >= high and price >= edge:
            side = self._highs
        else:
            price, edge = last[3], before[3]
            if price <= low and price <= edge:
                side = self._lows
        ranges = self.ranges
        if high > self._ceiling or low < self._floor:
            link = ranges.latest_touch
            if high > ranges.ceiling or low < ranges.floor:
                ranges.reach(row, high, low, end, self.sessions.date, self.position + len(fresh))
            if self._has_added:
                self._bound(high, low, end)
            else:
                self._ceiling = ranges.ceiling
                self._floor = ranges.floor
            if ranges.altered or end >= self._due_ms:
                return self._due(end, offset, side, price, link)
        elif end >= self._due_ms:
            return self._due(end, offset, side, price, ranges.latest_touch)
        out: list[Event] = []
        if side is not None:
            self.swings.add(
                side,
                price,
                last[0],
                self.position + len(fresh) - 1,
                self.sessions.date,
                end,
                ranges.latest_touch,
                offset * OUTPUTS_PER_RECORD,
                out,
            )
        return out

    def flush(self) -> None:
        """Hand the bars of the fast path on: no window of theirs has ended before now."""
        fresh = self._fresh
        if fresh:
            self.position += len(fresh)
            if self._has_added:
                self.added.take(fresh)
            self.derived.take(fresh, self.whole)
            self._keep(fresh)

    def _bound(self, high: int, low: int, end: int) -> None:
        """Find what the next bar may leave; for added trackers that this one left, now is due."""
        if high > self.added.ceiling() or low < self.added.floor():
            self._due_ms = self._later_ms = end
        self.rules.find_due()
        self._ceiling = self.rules.ceiling
        self._floor = self.rules.floor

    def _due(
        self, end: int, offset: int, side: SwingSide | None, price: int, link: TouchRank | None
    ) -> list[Event]:
        """The fast path comes to the end of a window or session, or what waits for time."""
        stamp = self._stamp
        out = stamp.begin(offset, end)
        date = self.sessions.date
        # What an added tracker does with a derived bar may move what it waits for.
        later = end >= self._later_ms or (self._has_added and end >= self._due_ms)
        if later:
            self._turn(end)
        else:
            if end >= self._due_ms:
                self._roll(end)
            if self.ranges.altered:
                self.rules.publish_ranges(stamp, self._partner_ms())
        if side is not None:
            number = self.position + len(self._fresh) - 1
            self.swings.add(
                side, price, self._before[0], number, date, end, link, stamp.first_seq, out
            )
        if later and end >= self._clock.next_ms:
            self._remember_boundary()
        return out

    def _roll(self, end: int) -> None:
        """`flush`, and close the windows of derived bars that end: nothing was published yet."""
        fresh = self._fresh
        self.position += len(fresh)
        if self._has_added:
            self.added.take(fresh)
        due_ms = self.derived.roll(fresh, self.whole, end, self.position)
        self._due_ms = due_ms if due_ms < self._later_ms else self._later_ms
        self._keep(fresh)

    def _keep(self, fresh: list[PackedRow]) -> None:
        if not self._stamp.muted:
            rows = self._book.open_rows
            rows.extend(fresh)
            if len(rows) >= MOST_OPEN_ROWS:
                self._book.pack()
        self.whole = True
        fresh.clear()

    def _turn(self, end: int) -> None:
        """What waits for an instant on the fast path, in order."""
        sessions = self.sessions
        ranges = self.ranges
        if end >= sessions.last_full_ms:
            self.flush()
            self._advance_ranges(end)
            self._leave_fast_path()
            self._settle_sessions(end)
            self.added.on_time(end)
            self._find_path()
        else:
            self._roll(end)
            if end >= ranges.next_ms:
                self._advance_ranges(end)
            if self._has_added:
                self.added.on_time(end)
            if not self._stamp.muted:
                self._book.seal()
            self._find_due()
        self._publish()

    def _advance_ranges(self, instant_ms: int) -> None:
        self.ranges.last = self.last
        self.ranges.advance(instant_ms, self.position)

    def _find_due(self) -> None:
        rules = self.rules
        rules.find_due()
        self._later_ms = later_ms = min(rules.next_ms, self._clock.next_ms)
        self._due_ms = min(self.derived.next_grid_ms(self.fast_path_ms), later_ms)
        self._ceiling = rules.ceiling
        self._floor = rules.floor

    def _settle_sessions(self, instant_ms: int) -> None:
        """Move the sessions on; once a session, forget what nothing can reach any more."""
        sessions = self.sessions
        before = sessions.index
        sessions.advance(instant_ms, self.position)
        if sessions.index == before or self._stamp.muted:
            return
        self.session_begun = True
        self._sweep_due = True
        self._forget_bars()

    def _forget_bars(self) -> None:
        for book in self._books:
            book.forget_before(self.sessions.index - self._plan.horizon_sessions)

    def tidy(self) -> None:
        """After bars were run again: keep no more than the horizon asks for."""
        if self.first_label_ms != NOWHERE_MS:
            self._forget_bars()
            self.prune()

    def open_ids(self) -> list[str]:
        """Ids, and beginnings of ids, that bars and corrections may still change."""
        return self.rules.open_ids(self.last, self.ring.oldest())

    def horizon_ms(self) -> int:
        """Open of the oldest session that corrections reach; `NOWHERE_MS` before the first bar."""
        if self.first_label_ms == NOWHERE_MS:
            return NOWHERE_MS
        oldest = self.sessions.index - self._plan.horizon_sessions
        known = self.calendar.has_session(oldest)
        return self.calendar.open_ms(oldest) if known else self.calendar.first_ms

    def _find_path(self) -> None:
        """Off the fast path: whether the next slot's bar may take it."""
        if (
            self._fast_path_allowed
            and self._before[0] != NOWHERE_MS
            and self.sessions.unbroken(self._passed_ms)
        ):
            self.fast_path_ms = self._passed_ms
            self._find_due()

    def apply_any(self, row: PackedRow, end: int, in_session: bool, offset: int) -> list[Event]:
        """The slow path: a bar in order, by its end."""
        start: int = row[0]
        stamp = self._stamp
        if self.first_label_ms != NOWHERE_MS and start > self.watermark_ms:
            self._remember_gap(start)
        out = stamp.begin(offset, end)
        self._leave_fast_path()
        if self.first_label_ms == NOWHERE_MS:
            self.begin(start)
        side: SwingSide | None = None
        last = self.last
        link = self.ranges.latest_touch
        if in_session:
            self._move(start)
            link = self.ranges.latest_touch
            side = self._take(row, end)
            if not stamp.muted:
                self._book.open_rows.append(row)
                self._book.seal()
        if end > self.watermark_ms:
            self.watermark_ms = end
        self._move(end)
        self._find_path()
        self._publish()
        if side is not None:
            session = self.calendar.date(self.calendar.session_of(last[0]))
            price = last[2] if side is self._highs else last[3]
            self.swings.add(
                side, price, last[0], self.position - 1, session, end, link, stamp.first_seq, out
            )
        if self.watermark_ms >= self._clock.next_ms:
            self._remember_boundary()
        return out

    def pass_time(self, time_ms: int, offset: int) -> list[Event]:
        """Every bar up to an instant later than the watermark is in, or missing."""
        self.flush()
        if self.first_label_ms != NOWHERE_MS:
            self._remember_gap(time_ms)
        self._leave_fast_path()
        self.watermark_ms = time_ms
        if self.first_label_ms == NOWHERE_MS:
            return []
        out = self._stamp.begin(offset, time_ms)
        self._move(time_ms)
        self._find_path()
        self._publish()
        if time_ms >= self._clock.next_ms:
            self._remember_boundary()
        return out

    def _leave_fast_path(self) -> None:
        if self.fast_path_ms != NOWHERE_MS:
            self.sessions.all_present(self.fast_path_ms)
            self._passed_ms = self.fast_path_ms
            self.fast_path_ms = NOWHERE_MS

    def _take(self, row: PackedRow, end: int) -> SwingSide | None:
        """Hand an in-session bar to every tracker; all of them stand at its label.

        Returns the side of which the bar before it is a swing now.
        """
        last, before = self.last, self._before
        self.position += 1
        self._before = last
        self.last = row
        self.rules.on_bar(row, end, self.position)
        if before[0] == NOWHERE_MS:
            return None
        if last[2] >= row[2] and last[2] >= before[2]:
            self.added.on_edge(last, True, end)
            return self._highs
        if last[3] <= row[3] and last[3] <= before[3]:
            self.added.on_edge(last, False, end)
            return self._lows
        return None

    def _move(self, instant_ms: int) -> None:
        self._advance_ranges(instant_ms)
        self._settle_sessions(instant_ms)
        self.added.on_time(instant_ms)

    def _publish(self) -> None:
        self.rules.publish(self._stamp, self._partner_ms())
        if self._sweep_due:
            self._sweep_due = False
            if self._partner is not None:
                self.rules.sweep(self.horizon_ms(), self._partner.horizon_ms())

    def _partner_ms(self) -> int:
        return NOWHERE_MS if self._partner is None else self._partner.watermark_ms

    def _remember_boundary(self) -> None:
        """The watermark has reached an hour or a session: keep a restore point."""
        session = self.sessions.index
        if self.remembering:
            if session != self._clock.session:
                self.ring.add(self.capture(SESSION))
                self._clock.session = session
                if not self._stamp.muted:
                    self.prune()
            else:
                self.ring.add(self.capture(HOUR))
        self._clock.find(session, self.watermark_ms)
        if self.fast_path_ms != NOWHERE_MS:
            self._find_due()

    def prune(self) -> None:
        """Forget the points that nothing goes back to any more."""
        recent_ms = self._clock.recent_ms(self.sessions.index, self.watermark_ms)
        self.ring.prune(self.horizon_ms(), recent_ms)
        oldest = self.ring.oldest()
        if oldest is not None:
            self.rules.release(oldest)

    def _remember_gap(self, instant_ms: int) -> None:
        """Before slots go by without a bar: keep a restore point, for the bars that come late."""
        if not self.remembering or self.watermark_ms == NOWHERE_MS:
            # A history that is run again begins with a label, and knows nothing before its bar.
            return
        kind = self._clock.kind_before(instant_ms)
        if self.ring.prepare_gap(kind, self.watermark_ms, self.position):
            self.ring.add(self.capture(kind))

    def capture(self, kind: int) -> RestorePoint:
        """The present restore point, between two records."""
        self.flush()
        if self.fast_path_ms != NOWHERE_MS:
            self.sessions.all_present(self.fast_path_ms)
        point = RestorePoint(kind, self.watermark_ms, self.position)
        point.last, point.before = self.last, self._before
        point.points = self.rules.all.restore_point()
        return point

    def install(self, point: RestorePoint) -> None:
        """Go to a restore point, which stays as it is; the first label does not change."""
        point.unpack(self.rules.all)
        self._fresh.clear()
        self.whole = True
        self.fast_path_ms = NOWHERE_MS
        self.watermark_ms = point.watermark_ms
        self.position = point.position
        self.last, self._before = point.last, point.before
        self.rules.rewind(point)
        self._clock.session = self.sessions.index
        self._clock.find(self.sessions.index, self.watermark_ms)
        self._find_path()

    def reset(self) -> None:
        """Before the first bar and the first clock."""
        self._fresh.clear()
        self.whole = True
        self.fast_path_ms = NOWHERE_MS
        self.watermark_ms = NOWHERE_MS
        self.first_label_ms = NOWHERE_MS
        self.position = 0
        self.last = self._before = NO_ROW
        self.rules.all.reset()
        self._clock.reset()
