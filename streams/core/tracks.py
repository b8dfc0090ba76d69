"""The two paths of a bar through the trackers of its symbol.

The fast path is for the next bar of an unbroken run (nearly all of them): all trackers stand at its
label, so it is one step without calls, and only `_due` looks at what waits for time. The slow path
moves them to the bar's label, hands them the bar, moves them to its end, with equal results.
"""

from __future__ import annotations

from typing import Any

from tapeline.schemas.events import Event
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.due_times import DueTimes
from tapeline.streams.core.history.book import MOST_OPEN_ROWS, BarBook, PackedRow
from tapeline.streams.core.history.ring import NOWHERE_MS, RestorePoint
from tapeline.streams.core.history.symbol_history import SymbolHistory
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ranges.windows import TouchRank
from tapeline.streams.core.rules import SymbolRules
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.swings.sides import SwingSide
from tapeline.streams.core.tracker_list import TrackerList


class SymbolTracks(DueTimes):
    """Trackers of one symbol, and the bars on their way to them.

    Attributes
    ----------
    base, base_ms
        Name and length of the base interval.
    ticks
        Prices seen lately, in ticks.
    first_label_ms
        Label of the symbol's first bar; `NOWHERE_MS` before it.
    fast_path_ms
        Label that takes the fast path; `NOWHERE_MS` when none does.
    whole
        Whether the bars of the fast path that are not flushed all had volumes, and whole ones.
    history
        Restore points to go back to.
    rules, bars
        All trackers, and the last bars; of the trackers those that a bar of the fast path meets are
        attributes, too.
    """

    __slots__ = (
        "_book", "_books", "_fast_path_allowed", "_fresh", "_has_added", "_highs",
        "_lows", "_movable", "_partner", "_passed_ms", "_plan", "_stamp", "bars", "base", "base_ms",
        "calendar", "fast_path_ms", "first_label_ms", "history", "ranges", "rules", "session_begun",
        "sessions", "swings", "symbol", "ticks", "whole",
    )  # fmt: skip

    def __init__(
        self, plan: InstrumentPlan, rules: SymbolRules, books: list[BarBook], stamp: Stamp
    ) -> None:
        history = SymbolHistory(plan, rules)
        super().__init__(rules, history.clock)
        self.symbol = plan.symbol
        self.calendar: Calendar = plan.calendar
        self.base = plan.base
        self.base_ms = plan.base_ms
        self.ticks: dict[Any, Any] = plan.scale.cache
        self._passed_ms = self.fast_path_ms = self.first_label_ms = NOWHERE_MS
        self.whole = True
        self.rules = rules
        self.bars = rules.bars
        self.sessions = rules.sessions
        self.ranges = rules.ranges
        self.swings = rules.swings
        self.history = history
        self.session_begun = False
        self._books = books
        self._book = books[0]
        self._plan = plan
        self._highs = self.swings.highs if plan.swings else None
        self._lows = self.swings.lows if plan.swings else None
        self._stamp = stamp
        self._partner: SymbolTracks | None = None
        self._has_added = bool(rules.added)
        self._movable = rules.movable
        self._fast_path_allowed = all(
            each.takes_runs and not each.edge for each in rules.added
        ) and (plan.max_ahead_ms == 0 or plan.max_ahead_ms >= plan.base_ms)
        self._fresh: list[PackedRow] = []

    @property
    def watermark_ms(self) -> int:
        """Greatest of all bar ends and clock records; `NOWHERE_MS` before the first."""
        return self._passed_ms if self.fast_path_ms == NOWHERE_MS else self.fast_path_ms

    @watermark_ms.setter
    def watermark_ms(self, instant_ms: int) -> None:
        self._passed_ms = instant_ms

    @property
    def position(self) -> int:
        """In-session bars so far, but for those of the fast path that are not flushed yet."""
        return self.bars.position

    def join(self, partner: SymbolTracks) -> None:
        """The other symbol of the group."""
        self._partner = partner
        self.rules.join(partner.rules)

    def begin(self, label_ms: int) -> None:
        """The symbol's history starts with a bar of that label."""
        self.first_label_ms = label_ms
        self.rules.all.begin(label_ms)
        self.history.start(self.watermark_ms)

    def apply_next(self, row: PackedRow, high: int, low: int, end: int, offset: int) -> list[Event]:
        """The fast path: the bar labelled `fast_path_ms`."""
        bars = self.bars
        last = bars.last
        before = bars.before
        fresh = self._fresh
        fresh.append(row)
        self.fast_path_ms = end
        bars.before = last
        bars.last = row
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
        if high > self.ceiling or low < self.floor:
            link = ranges.latest_touch
            if high > ranges.ceiling or low < ranges.floor:
                ranges.reach(row, high, low, end, bars.position + len(fresh))
            if self._has_added:
                self.leave_prices(high, low, end)
            else:
                self.ceiling = ranges.ceiling
                self.floor = ranges.floor
            if ranges.pending or end >= self.due_ms:
                return self._due(end, offset, side, price, link)
        elif end >= self.due_ms:
            return self._due(end, offset, side, price, ranges.latest_touch)
        out: list[Event] = []
        if side is not None:
            self.swings.add(
                side,
                price,
                last[0],
                bars.position + len(fresh) - 1,
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
            self.bars.position += len(fresh)
            for tracker in self.rules.added:
                tracker.take(fresh)
            self.derived.take(fresh, self.whole)
            self._keep(fresh)

    def _due(
        self, end: int, offset: int, side: SwingSide | None, price: int, link: TouchRank | None
    ) -> list[Event]:
        """The fast path comes to the end of a window or session, or what waits for time."""
        stamp = self._stamp
        out = stamp.begin(offset, end)
        date = self.sessions.date
        # What a tracker of the plan does with a derived bar may move what it waits for.
        later = end >= self.later_ms or (self._movable and end >= self.due_ms)
        if later:
            self._turn(end)
        else:
            if end >= self.due_ms:
                self._roll(end)
            if self.ranges.pending or self._has_added:
                self._publish(self.rules.in_run)
        if side is not None:
            bars = self.bars
            number = bars.position + len(self._fresh) - 1
            self.swings.add(
                side, price, bars.before[0], number, date, end, link, stamp.first_seq, out
            )
        if later and end >= self.history.clock.next_ms:
            self._pass_boundary()
        return out

    def _roll(self, end: int) -> None:
        """`flush`, and close the windows of derived bars that end: nothing was published yet."""
        fresh = self._fresh
        self.bars.position += len(fresh)
        if self._has_added:
            for tracker in self.rules.added:
                tracker.take(fresh)
        due_ms = self.derived.roll(fresh, self.whole, end)
        if not self.at_once:
            self.due_ms = due_ms if due_ms < self.later_ms else self.later_ms
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
        if end >= self.sessions.next_ms:
            self.flush()
            self._leave_fast_path()
            self._move(end)
            self._find_path()
            self._publish(self.rules.all)
        else:
            in_run = self.rules.in_run
            self._roll(end)
            in_run.on_time(end)
            if not self._stamp.muted:
                self._book.seal()
            self.find_due(end)
            self._publish(in_run)

    def _forget_bars(self) -> None:
        for book in self._books:
            book.forget_before(self.sessions.index - self._plan.horizon_sessions)

    def tidy(self) -> None:
        """After bars were run again: keep no more than the horizon asks for."""
        if self.first_label_ms != NOWHERE_MS:
            self._forget_bars()
            self.history.prune(self.watermark_ms, self.horizon_ms())

    def open_ids(self) -> list[str]:
        """Ids, and beginnings of ids, that bars and corrections may still change."""
        return self.rules.open_ids(self.history.ring.oldest())

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
            and self.bars.before[0] != NOWHERE_MS
            and self.sessions.enter_run(self._passed_ms)
        ):
            self.fast_path_ms = self._passed_ms
            self.find_due(self.fast_path_ms)

    def apply_any(self, row: PackedRow, end: int, in_session: bool, offset: int) -> list[Event]:
        """The slow path: a bar in order, by its end."""
        start: int = row[0]
        stamp = self._stamp
        self._leave_fast_path()
        if self.first_label_ms != NOWHERE_MS and start > self.watermark_ms:
            self.history.pass_gap(self.watermark_ms, start)
        out = stamp.begin(offset, end)
        if self.first_label_ms == NOWHERE_MS:
            self.begin(start)
        if in_session:
            self._move(start)
            self._take(row, end)
            if not stamp.muted:
                self._book.open_rows.append(row)
                self._book.seal()
        if end > self.watermark_ms:
            self.watermark_ms = end
        self._move(end)
        self._find_path()
        self._publish(self.rules.all)
        if self.watermark_ms >= self.history.clock.next_ms:
            self._pass_boundary()
        return out

    def pass_time(self, time_ms: int, offset: int) -> list[Event]:
        """Every bar up to an instant later than the watermark is in, or missing."""
        self.flush()
        self._leave_fast_path()
        if self.first_label_ms != NOWHERE_MS:
            self.history.pass_gap(self.watermark_ms, time_ms)
        self.watermark_ms = time_ms
        if self.first_label_ms == NOWHERE_MS:
            return []
        out = self._stamp.begin(offset, time_ms)
        self._move(time_ms)
        self._find_path()
        self._publish(self.rules.all)
        if time_ms >= self.history.clock.next_ms:
            self._pass_boundary()
        return out

    def _leave_fast_path(self) -> None:
        if self.fast_path_ms != NOWHERE_MS:
            self.sessions.leave_run(self.fast_path_ms)
            self._passed_ms = self.fast_path_ms
            self.fast_path_ms = NOWHERE_MS

    def _take(self, row: PackedRow, end: int) -> None:
        """Hand an in-session bar to every tracker; all of them stand at its label."""
        bars = self.bars
        last, before = bars.last, bars.before
        bars.position += 1
        bars.before = last
        bars.last = row
        trackers = self.rules.all
        trackers.on_bar(row, end)
        if before[0] == NOWHERE_MS:
            return
        if last[2] >= row[2] and last[2] >= before[2]:
            trackers.on_edge(last, True, end)
        elif last[3] <= row[3] and last[3] <= before[3]:
            trackers.on_edge(last, False, end)

    def _move(self, instant_ms: int) -> None:
        """Time goes on; once a session, forget bars that nothing can reach any more."""
        sessions = self.sessions
        before = sessions.index
        self.rules.all.on_time(instant_ms)
        if sessions.index != before and not self._stamp.muted:
            self.session_begun = True
            self._forget_bars()

    def _publish(self, trackers: TrackerList) -> None:
        if self._partner is not None:
            self._stamp.partner_ms = self._partner.watermark_ms
        trackers.publish(self._stamp)

    def _pass_boundary(self) -> None:
        """A restore point is due."""
        self._count_run()
        horizon_ms = NOWHERE_MS if self._stamp.muted else self.horizon_ms()
        self.history.pass_boundary(self.watermark_ms, horizon_ms)
        if self.fast_path_ms != NOWHERE_MS:
            self.find_due(self.fast_path_ms)

    def _count_run(self) -> None:
        """Hand on what the fast path keeps back, and let the sessions know how far it came."""
        self.flush()
        if self.fast_path_ms != NOWHERE_MS:
            self.sessions.all_present(self.fast_path_ms)

    def capture(self, kind: int) -> RestorePoint:
        """The present restore point, between two records."""
        self._count_run()
        return self.history.capture(kind, self.watermark_ms)

    def install(self, point: RestorePoint) -> None:
        """Go to a restore point, which stays as it is; the first label does not change."""
        self._fresh.clear()
        self.whole = True
        self.fast_path_ms = NOWHERE_MS
        self.watermark_ms = point.watermark_ms
        self.history.install(point)
        self._find_path()

    def reset(self) -> None:
        """Before the first bar and the first clock."""
        self._fresh.clear()
        self.whole = True
        self.fast_path_ms = NOWHERE_MS
        self.watermark_ms = NOWHERE_MS
        self.first_label_ms = NOWHERE_MS
        self.rules.reset()
        self.history.clock.reset()
