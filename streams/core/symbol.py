"""One symbol inside its group: watermark, roads of a record, and the rooms that follow it.

A bar takes one of two roads with equal results. The smooth road is for the next bar of an unbroken
run (nearly all of them): everything up to its label is settled, so it is one step without calls,
and only `_due` looks at the clockwork. The general road does each step on its own: move all
trackers to the bar's label, hand them the bar, move them to its end.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.events import Event
from schemas.records import Bar, Cancel, Clock, field_values
from streams.core.book import BarBook, PackedRow
from streams.core.calendar import Calendar
from streams.core.checks import RecordChecks
from streams.core.derived import DerivedBars
from streams.core.pairs import PairTracker
from streams.core.plan import InstrumentPlan
from streams.core.range_events import publish_ranges, publish_touches
from streams.core.ranges import RangeTracker, TouchRank
from streams.core.rejection import RecordRejected
from streams.core.schedule import RangeSchedule
from streams.core.sessions import NOWHERE_MS, SessionTracker
from streams.core.stamp import Stamp
from streams.core.swings import SwingTracker
from streams.core.volume import GREATEST_VOLUME, GREATEST_WHOLE, Volume, written_volume

NO_ROW: Final[PackedRow] = (NOWHERE_MS, 0, 0, 0, 0, None)


class SymbolEngine:
    """State of one symbol.

    Attributes
    ----------
    watermark_ms
        Greatest of all bar ends accepted and of the clock records; `NOWHERE_MS` before the first.
    first_label_ms
        Label of the symbol's first bar; `NOWHERE_MS` before it.
    position
        In-session bars so far, but for those of the smooth road that are not settled yet.
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
        self._ticks: dict[Any, Any] = plan.scale.cache
        self._checks = RecordChecks(plan)
        self._with_swings = plan.swings
        self._stamp = stamp
        self._pairs: PairTracker | None = None
        self._partner: SymbolEngine | None = None
        self._last: PackedRow = NO_ROW
        self._before: PackedRow = NO_ROW
        self._smooth_allowed = plan.max_ahead_ms == 0 or plan.max_ahead_ms >= plan.base_ms
        self._smooth_ms = NOWHERE_MS
        self._due_ms = NOWHERE_MS
        self._fresh: list[PackedRow] = []
        self._whole = True
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
        _, interval, label, open_price, high_price, low_price, close_price, volume, _ = (
            field_values(bar)
        )
        start: int = label
        if start != self._smooth_ms or interval != self._base:
            return self._general_bar(bar, offset)
        if type(volume) is int:
            amount: int = volume
            if not 0 <= amount < GREATEST_WHOLE:
                return self._general_bar(bar, offset)
        elif volume is not None:
            if not 0 <= volume < GREATEST_VOLUME:
                return self._general_bar(bar, offset)
            volume = written_volume(volume)
            self._whole = False
        ticks = self._ticks
        try:
            row: PackedRow = (
                label,
                ticks[open_price],
                ticks[high_price],
                ticks[low_price],
                ticks[close_price],
                volume,
            )
        except KeyError:
            row = (label, *self._checks.prices(bar), volume)
        high: int = row[2]
        low: int = row[3]
        if not (low <= row[1] <= high and low <= row[4] <= high):
            return self._general_bar(bar, offset)

        end = start + self.base_ms
        last = self._last
        before = self._before
        fresh = self._fresh
        fresh.append(row)
        self.watermark_ms = end
        self._smooth_ms = end
        self._before = last
        self._last = row
        side = -1
        if self._with_swings:
            peak: int = last[2]
            if peak >= high and peak >= before[2]:
                side = 1
            else:
                trough: int = last[3]
                if trough <= low and trough <= before[3]:
                    side = 0
        ranges = self.ranges
        link = ranges.latest_touch
        if high > ranges.ceiling or low < ranges.floor:
            ranges.reach(row, end, self.sessions.date, self.position + len(fresh))
            if ranges.changed:
                return self._due(end, offset, side, link)
        if end >= self._due_ms:
            return self._due(end, offset, side, link)
        if side < 0:
            return []
        stamp = self._stamp
        out = stamp.begin(offset, end)
        number = self.position + len(fresh) - 1
        self.swings.add(side, last, number, self.sessions.date, end, link, stamp)
        return out

    def _settle(self) -> None:
        """Hand the bars of the smooth road on: no window of theirs has ended before now."""
        fresh = self._fresh
        if not fresh:
            return
        self.position += len(fresh)
        self.derived.take(fresh, self._whole)
        self.book.open_rows.extend(fresh)
        self._whole = True
        fresh.clear()

    def _due(self, end: int, offset: int, side: int, link: TouchRank | None) -> list[Event]:
        """The smooth road comes to the end of a window, of a session, or a moment of a range."""
        stamp = self._stamp
        out = stamp.begin(offset, end)
        sessions = self.sessions
        ranges = self.ranges
        derived = self.derived
        date = sessions.date
        self._settle()
        if end >= ranges.next_ms:
            ranges.last = self._last
            ranges.advance(end, self.position)
        if end >= sessions.last_full_ms:
            self._leave_smooth_road()
            self._settle_sessions(end)
            self._find_road()
        elif end >= self._due_ms:
            if end >= derived.next_end_ms:
                derived.close_until(end, self.position)
            self.book.seal()
            self._find_due()
        self._publish()
        if side >= 0:
            self.swings.add(side, self._before, self.position - 1, date, end, link, stamp)
        return out

    def _find_due(self) -> None:
        due_ms = self.derived.next_grid_ms(self.watermark_ms)
        if self.ranges.next_ms < due_ms:
            due_ms = self.ranges.next_ms
        if self.sessions.last_full_ms < due_ms:
            due_ms = self.sessions.last_full_ms
        self._due_ms = due_ms

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
            self._find_due()

    def _general_bar(self, bar: Bar, offset: int) -> list[Event]:
        """Any bar: checked in the order of bars-and-quality section 5."""
        self._settle()
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
        stamp = self._stamp
        out = stamp.begin(offset, end)
        index = self.calendar.session_of(start)
        self._leave_smooth_road()
        if self.first_label_ms == NOWHERE_MS:
            self.first_label_ms = start
            self.sessions.begin(index)
            self.ranges.begin(start)
        swing_side = -1
        last = self._last
        link = self.ranges.latest_touch
        if in_session:
            self._move(start)
            link = self.ranges.latest_touch
            swing_side = self._take(row, end)
        else:
            self._off_session += 1
        position = self.position - 1
        self.book.append(index, row)
        self.watermark_ms = end
        self._move(end)
        self._find_road()
        self._publish()
        if swing_side >= 0:
            session = self.calendar.date(self.calendar.session_of(last[0]))
            self.swings.add(swing_side, last, position, session, end, link, stamp)
        return out

    def _repeated(self, row: PackedRow, end: int) -> list[Event]:
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
        self._settle()
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

    def _take(self, row: PackedRow, end: int) -> int:
        """Hand an in-session bar to every tracker; all of them stand at its label.

        Returns 1 or 0 when it makes the bar before a swing high or low, otherwise -1.
        """
        start, open_, high, low, close, volume = row
        last, before = self._last, self._before
        self.position += 1
        self._before = last
        self._last = row
        self.sessions.bar(end, high, low, volume, self.position)
        self.derived.add(start, open_, high, low, close, volume)
        self.ranges.bar(row, end, self.sessions.date, self.position)
        if not self._with_swings or before[0] == NOWHERE_MS:
            return -1
        if last[2] >= high and last[2] >= before[2]:
            return 1
        return 0 if last[3] <= low and last[3] <= before[3] else -1

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
        self._settle()
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
        self._settle()
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


def _row_data(row: PackedRow) -> list[Volume]:
    return [] if row[0] == NOWHERE_MS else list(row)


def _restored_row(data: list[Any]) -> PackedRow:
    return (data[0], data[1], data[2], data[3], data[4], data[5]) if data else NO_ROW
