"""One symbol inside its group: watermark, roads of a record, and the rooms that follow it.

A bar takes one of two roads with equal results. The smooth road is for the next bar of an unbroken
run (nearly all of them): everything up to its label is settled, so it is one step without calls,
and only `_due` looks at the clockwork. The general road does each step on its own: move all
trackers to the bar's label, hand them the bar, move them to its end.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.events import Event
from schemas.records import Bar, Cancel, Clock
from streams.core.book import BarBook, Row
from streams.core.calendar import Calendar
from streams.core.checks import RecordChecks
from streams.core.derived import NO_END, DerivedBars
from streams.core.pairs import PairTracker
from streams.core.plan import InstrumentPlan
from streams.core.range_events import publish_ranges, publish_touches
from streams.core.ranges import RangeTracker
from streams.core.rejection import RecordRejected
from streams.core.schedule import RangeSchedule
from streams.core.sessions import NOWHERE_MS, SessionTracker
from streams.core.stamp import Stamp
from streams.core.swings import SwingTracker
from streams.core.volume import GREATEST_VOLUME, Volume, written_volume

NO_ROW: Final[Row] = (NOWHERE_MS, 0, 0, 0, 0, None)


class SymbolEngine:
    """State of one symbol.

    Attributes
    ----------
    watermark_ms
        Greatest of all bar ends accepted and of the clock records; `NOWHERE_MS` before the first.
    first_label_ms
        Label of the symbol's first bar; `NOWHERE_MS` before it.
    position
        In-session bars so far.
    """

    def __init__(
        self, plan: InstrumentPlan, schedule: RangeSchedule, number: int, paired: bool, stamp: Stamp
    ) -> None:
        self.symbol = plan.symbol
        self.number = number
        self.calendar: Calendar = plan.calendar
        self.base_ms = plan.base_ms
        self.watermark_ms = NOWHERE_MS
        self.first_label_ms = NOWHERE_MS
        self.position = 0
        self.derived = DerivedBars(plan, stamp)
        self.sessions = SessionTracker(plan, self.derived)
        self.ranges = RangeTracker(plan, schedule, paired)
        self.swings = SwingTracker(plan)
        self.book = BarBook()
        self._plan = plan
        self._base = plan.base
        self._scale = plan.scale
        self._ticks = plan.scale.cache
        self._checks = RecordChecks(plan)
        self._with_swings = plan.swings
        self._stamp = stamp
        self._pairs: PairTracker | None = None
        self._partner: SymbolEngine | None = None
        self._last: Row = NO_ROW
        self._before: Row = NO_ROW
        self._smooth_allowed = plan.max_ahead_ms == 0 or plan.max_ahead_ms >= plan.base_ms
        self._smooth_ms = NOWHERE_MS
        self._due_ms = NOWHERE_MS
        self._first_position = 0
        self._off_session = 0
        self._duplicates = 0
        self._clocks = 0

    def join(self, pairs: PairTracker, partner: SymbolEngine) -> None:
        """The other symbol of the group, and what follows both."""
        self._pairs = pairs
        self._partner = partner

    @property
    def has_watermark(self) -> bool:
        """Whether a bar or a clock record has come."""
        return self.watermark_ms != NOWHERE_MS

    def bar(self, bar: Bar, offset: int) -> list[Event]:
        """Take a bar; see `GroupEngine.apply`."""
        start = bar.start_ms
        volume = bar.volume
        if start != self._smooth_ms or bar.interval != self._base:
            return self._general_bar(bar, offset)
        if volume is not None:
            if not 0 <= volume < GREATEST_VOLUME:
                return self._general_bar(bar, offset)
            if type(volume) is float:
                volume = written_volume(volume)
        ticks = self._ticks
        try:
            open_ = ticks[bar.open]
            high = ticks[bar.high]
            low = ticks[bar.low]
            close = ticks[bar.close]
        except KeyError:
            open_, high, low, close = self._checks.prices(bar)
        if not (low <= open_ <= high and low <= close <= high):
            return self._general_bar(bar, offset)

        end = start + self.base_ms
        last = self._last
        before = self._before
        ranges = self.ranges
        row = (start, open_, high, low, close, volume)
        self.book.open_rows.append(row)
        self.watermark_ms = end
        self._smooth_ms = end
        self._before = last
        self._last = row
        self.position += 1

        derived = self.derived
        window = derived.finest
        if window.end_ms == NO_END or derived.crowded or type(volume) is float:
            derived.add(start, open_, high, low, close, volume)
            if derived.next_end_ms < self._due_ms:
                self._due_ms = derived.next_end_ms
        else:
            if high > window.high:
                window.high = high
            if low < window.low:
                window.low = low
            window.close = close
            window.have += 1
            if volume is not None:
                total = window.volume
                window.volume = volume if total is None else total + volume
        for open_window in ranges.windows:
            if high > open_window.high:
                open_window.high = high
            if low < open_window.low:
                open_window.low = low
        link = ranges.latest_touch
        levels = ranges.levels
        if low <= levels.below or high >= levels.above:
            ranges.touch(start, end, high, low, close, self.sessions.date, self.position)
        if self._with_swings:
            peak = last[2]
            if peak >= high and peak >= before[2]:
                date = self.sessions.date
                self.swings.add(1, peak, last[0], self.position - 1, date, end, link)
            else:
                trough = last[3]
                if trough <= low and trough <= before[3]:
                    date = self.sessions.date
                    self.swings.add(0, -trough, last[0], self.position - 1, date, end, link)
        if end >= self._due_ms:
            return self._due(end, offset)
        if ranges.changed:
            out = self._stamp.begin(offset, end)
            self._publish()
            return out
        swings = self.swings
        if swings.changed:
            out = self._stamp.begin(offset, end)
            swings.publish(self._stamp)
            return out
        return []

    def _due(self, end: int, offset: int) -> list[Event]:
        """The smooth road passes the end of a window, of a session, or a moment of a range."""
        out = self._stamp.begin(offset, end)
        sessions = self.sessions
        ranges = self.ranges
        if end >= ranges.next_ms:
            ranges.last = self._last
            ranges.advance(end, self.position)
        if end >= sessions.last_full_ms:
            self._leave_smooth_road()
            self._settle_sessions(end)
            self._find_road()
        else:
            derived = self.derived
            if end >= derived.next_end_ms:
                derived.close_until(end, self.position)
            self.book.seal()
            self._due_ms = min(sessions.last_full_ms, ranges.next_ms, derived.next_end_ms)
        self._publish()
        return out

    def _settle_sessions(self, instant_ms: int) -> None:
        """Move the sessions on; once a session, forget what nothing can reach any more."""
        sessions = self.sessions
        before = sessions.index
        sessions.advance(instant_ms, self.position)
        if sessions.index == before:
            return
        self.book.forget_before(sessions.index - self._plan.horizon_sessions)
        partner = self._partner
        if self._pairs is not None and partner is not None:
            self._pairs.sweep(self.number, partner.pair_watermark(), sessions.index)

    def _find_road(self) -> None:
        """Whether the next slot's bar may take the smooth road."""
        sessions = self.sessions
        self._smooth_ms = NOWHERE_MS
        if (
            self._smooth_allowed
            and self.book.open_session == sessions.index
            and self._before[0] != NOWHERE_MS
            and sessions.unbroken(self.watermark_ms)
        ):
            self._smooth_ms = self.watermark_ms
            self._due_ms = min(sessions.last_full_ms, self.ranges.next_ms, self.derived.next_end_ms)

    def _general_bar(self, bar: Bar, offset: int) -> list[Event]:
        """Any bar: checked in the order of bars-and-quality section 5."""
        start = bar.start_ms
        checks = self._checks
        checks.interval(bar.interval)
        in_session = checks.label(start)
        open_, high, low, close = checks.prices(bar)
        row = (start, open_, high, low, close, checks.volume(bar.volume))
        self._check_horizon(start)
        end = self.calendar.slot_end(start, self.base_ms)
        self._check_ahead(end)
        if end <= self.watermark_ms:
            return self._repeated(row, end)
        out = self._stamp.begin(offset, end)
        index = self.calendar.session_of(start)
        self._leave_smooth_road()
        if self.first_label_ms == NOWHERE_MS:
            self.first_label_ms = start
            self.sessions.begin(index)
            self.ranges.begin(start)
        if in_session:
            self._move(start)
            self._take(row, end)
        else:
            self._off_session += 1
        self.book.append(index, row)
        self.watermark_ms = end
        self._move(end)
        self._find_road()
        self._publish()
        return out

    def _repeated(self, row: Row, end: int) -> list[Event]:
        """A bar of a slot the watermark has passed: equal content is a duplicate."""
        known = self.book.find(row[0])
        if known is None:
            raise RecordRejected(
                "late_bar", f"the bar ends at {end}, not after the watermark {self.watermark_ms}"
            )
        if known != row:
            raise RecordRejected(
                "changed_bar", f"the bar labelled {row[0]} is there with other content"
            )
        self._duplicates += 1
        return []

    def clock(self, clock: Clock, offset: int) -> list[Event]:
        """Take a clock record; see `GroupEngine.apply`."""
        time_ms = clock.time_ms
        self._checks.clock(time_ms)
        self._check_ahead(time_ms)
        self._clocks += 1
        if time_ms <= self.watermark_ms:
            return []
        self._leave_smooth_road()
        self.watermark_ms = time_ms
        if self.first_label_ms == NOWHERE_MS:
            return []
        out = self._stamp.begin(offset, time_ms)
        self._move(time_ms)
        self._find_road()
        self._publish()
        return out

    def cancel(self, cancel: Cancel) -> list[Event]:
        """Refuse a cancel, after the checks that apply to it."""
        self._checks.interval(cancel.interval)
        self._checks.label(cancel.start_ms)
        self._check_horizon(cancel.start_ms)
        raise RecordRejected("cancel", "cancels are not taken by this version")

    def _leave_smooth_road(self) -> None:
        if self._smooth_ms != NOWHERE_MS:
            self.sessions.all_present(self._smooth_ms)
            self._smooth_ms = NOWHERE_MS

    def _take(self, row: Row, end: int) -> None:
        """Hand an in-session bar to every tracker; all of them stand at its label."""
        start, open_, high, low, close, volume = row
        last, before = self._last, self._before
        ranges = self.ranges
        link = ranges.latest_touch
        date = self.sessions.date
        self.position += 1
        self._before = last
        self._last = row
        self.sessions.bar(end, high, low, volume, self.position)
        self.derived.add(start, open_, high, low, close, volume)
        ranges.bar(row, end, date, self.position)
        if not self._with_swings or before[0] == NOWHERE_MS:
            return
        if last[2] >= high and last[2] >= before[2]:
            side, key = 1, last[2]
        elif last[3] <= low and last[3] <= before[3]:
            side, key = 0, -last[3]
        else:
            return
        session = self.calendar.date(self.calendar.session_of(last[0]))
        self.swings.add(side, key, last[0], self.position - 1, session, end, link)

    def _move(self, instant_ms: int) -> None:
        self.ranges.last = self._last
        self.ranges.advance(instant_ms, self.position)
        self._settle_sessions(instant_ms)

    def pair_watermark(self) -> int | None:
        """Watermark as the partner sees it: None before the first bar."""
        return None if self.first_label_ms == NOWHERE_MS else self.watermark_ms

    def _publish(self) -> None:
        """Events of the record, kind by kind in the order of bars-and-quality section 6."""
        stamp = self._stamp
        sessions = self.sessions
        ranges = self.ranges
        if sessions.pending:
            sessions.publish_sessions(stamp)
        if self.derived.closed:
            self.derived.publish()
        if sessions.pending:
            sessions.publish_quality(stamp)
            sessions.publish_gaps(stamp)
            sessions.pending = False
        if ranges.changed:
            publish_ranges(ranges.changed, self.symbol, self._scale, stamp)
            if ranges.touches:
                publish_touches(ranges.touches, self.symbol, self._scale, stamp)
            self._publish_pairs(stamp)
            ranges.settle()
        if self.swings.changed:
            self.swings.publish(stamp)

    def _publish_pairs(self, stamp: Stamp) -> None:
        pairs = self._pairs
        partner = self._partner
        if pairs is None or partner is None:
            return
        watermark_ms = stamp.watermark_ms
        stamp.watermark_ms = max(watermark_ms, partner.watermark_ms)
        pairs.publish(self.number, self.ranges.touches, stamp)
        stamp.watermark_ms = watermark_ms
        pairs.retire(self.number, partner.pair_watermark())

    def _check_horizon(self, start_ms: int) -> None:
        if self.first_label_ms == NOWHERE_MS:
            return
        sessions = self._plan.horizon_sessions
        if self.calendar.session_of(start_ms) < self.sessions.index - sessions:
            raise RecordRejected(
                "beyond_horizon",
                f"{start_ms} lies more than {sessions} sessions before the watermark"
                f" {self.watermark_ms}",
            )

    def _check_ahead(self, instant_ms: int) -> None:
        limit = self._plan.max_ahead_ms
        if limit == 0 or self.first_label_ms == NOWHERE_MS:
            return
        if instant_ms - self.watermark_ms > limit:
            raise RecordRejected(
                "ahead_of_time",
                f"{instant_ms} is more than {limit} ms after the watermark {self.watermark_ms}",
            )

    def counters(self) -> dict[str, int]:
        """Accepted in-session bars, off-session bars, duplicates and clocks."""
        return {
            "accepted": self.position - self._first_position,
            "off_session": self._off_session,
            "duplicates": self._duplicates,
            "clocks": self._clocks,
        }

    def snapshot(self) -> dict[str, Any]:
        """Plain data between two records."""
        if self.first_label_ms == NOWHERE_MS:
            hot = [self.watermark_ms if self.has_watermark else None]
            return {"hot": hot, "ranges": [[], []], "bars": []}
        if self._smooth_ms != NOWHERE_MS:
            self.sessions.all_present(self._smooth_ms)
        self.book.seal()
        horizon_ms = self._horizon_ms()
        return {
            "hot": [
                self.watermark_ms,
                self.first_label_ms,
                self.position,
                _row_data(self._last),
                _row_data(self._before),
                self.sessions.snapshot(),
                self.derived.snapshot(),
                self.ranges.snapshot(horizon_ms),
                self.swings.snapshot(),
            ],
            "ranges": self.ranges.older(horizon_ms),
            "bars": self.book.snapshot(),
        }

    def _horizon_ms(self) -> int:
        """Open of the oldest session that corrections may reach."""
        oldest = max(self.sessions.index - self._plan.horizon_sessions, 0)
        return self.calendar.open_ms(oldest) if self.calendar.has_session(oldest) else NOWHERE_MS

    def restore(self, data: dict[str, Any]) -> None:
        """Take the values of `snapshot`."""
        hot = data["hot"]
        if hot[0] is not None:
            self.watermark_ms = hot[0]
        if len(hot) == 1:
            return
        self.first_label_ms = hot[1]
        self.position = hot[2]
        self._first_position = self.position
        self._last = _restored_row(hot[3])
        self._before = _restored_row(hot[4])
        self.derived.restore(hot[6])
        self.sessions.restore(hot[5])
        self.ranges.last = self._last
        self.ranges.restore(hot[7], data["ranges"], self.watermark_ms)
        self.swings.restore(hot[8])
        self.book.restore(data["bars"])
        self._find_road()


def _row_data(row: Row) -> list[Volume]:
    return [] if row[0] == NOWHERE_MS else list(row)


def _restored_row(data: list[Any]) -> Row:
    return (data[0], data[1], data[2], data[3], data[4], data[5]) if data else NO_ROW
