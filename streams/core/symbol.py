"""One symbol inside its group: checks, watermark, and the rooms that follow it.

A record takes one of two roads with equal results: `_smooth_bar` for the next bar of an unbroken run
(nearly all of them), `_general_bar` for everything else. Both move every tracker to the bar's label,
hand it the bar, and move it to the bar's end.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.events import Event
from schemas.intervals import parse_interval
from schemas.records import Bar, Cancel, Clock
from streams.core.book import BarBook
from streams.core.calendar import Calendar
from streams.core.derived import DerivedBars
from streams.core.pairs import PairTracker
from streams.core.plan import InstrumentPlan
from streams.core.range_events import publish_ranges, publish_touches
from streams.core.ranges import RangeTracker
from streams.core.rejection import RecordRejected
from streams.core.schedule import RangeSchedule
from streams.core.sessions import SessionTracker
from streams.core.stamp import Stamp
from streams.core.swings import SwingTracker
from streams.core.volume import Volume, written_volume

UNSET_MS: Final = -(1 << 62)
MINUTE_MS: Final = 60_000
SECOND_MS: Final = 1_000
GREATEST_VOLUME: Final = 1e300


class SymbolEngine:
    """State of one symbol.

    Attributes
    ----------
    watermark_ms
        Greatest of all bar ends accepted and of the clock records; `UNSET_MS` before the first.
    first_label_ms
        Label of the symbol's first bar; `UNSET_MS` before it.
    """

    def __init__(
        self,
        plan: InstrumentPlan,
        schedule: RangeSchedule,
        number: int,
        paired: bool,
        stamp: Stamp,
    ) -> None:
        self.symbol = plan.symbol
        self.number = number
        self.calendar: Calendar = plan.calendar
        self.base_ms = plan.base_ms
        self.watermark_ms = UNSET_MS
        self.first_label_ms = UNSET_MS
        self.derived = DerivedBars(plan)
        self.sessions = SessionTracker(plan, self.derived)
        self.ranges = RangeTracker(plan, schedule, paired)
        self.swings = SwingTracker(plan)
        self.book = BarBook()
        self._plan = plan
        self._base = plan.base
        self._scale = plan.scale
        self._ticks = plan.scale.cache
        self._with_swings = plan.swings
        self._label_grid_ms = SECOND_MS if plan.base_ms < MINUTE_MS else MINUTE_MS
        self._stamp = stamp
        self._pairs: PairTracker | None = None
        self._partner: SymbolEngine | None = None
        self._smooth = plan.max_ahead_ms == 0 or plan.max_ahead_ms >= plan.base_ms
        self._accepted = 0
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
        return self.watermark_ms != UNSET_MS

    def bar(self, bar: Bar, offset: int) -> list[Event]:
        """Take a bar; see `GroupEngine.apply`."""
        if bar.start_ms != self.sessions.next_start_ms or not self._smooth:
            return self._general_bar(bar, offset)
        ticks = self._ticks
        try:
            open_ = ticks[bar.open]
            high = ticks[bar.high]
            low = ticks[bar.low]
            close = ticks[bar.close]
        except KeyError:
            return self._general_bar(bar, offset)
        volume = bar.volume
        if volume is not None:
            if not 0 <= volume < GREATEST_VOLUME:
                return self._general_bar(bar, offset)
            if type(volume) is float:
                volume = written_volume(volume)
        if bar.interval != self._base or not (low <= open_ <= high and low <= close <= high):
            return self._general_bar(bar, offset)
        start = bar.start_ms
        end = start + self.base_ms
        sessions = self.sessions
        if end > sessions.segment_close_ms:
            return self._general_bar(bar, offset)
        return self._smooth_bar(start, end, open_, high, low, close, volume, offset)

    def _smooth_bar(
        self,
        start: int,
        end: int,
        open_: int,
        high: int,
        low: int,
        close: int,
        volume: Volume,
        offset: int,
    ) -> list[Event]:
        """The watermark is at the bar's label and nothing else is due before its end."""
        sessions = self.sessions
        ranges = self.ranges
        derived = self.derived
        out = self._stamp.begin(offset, end)
        self._accepted += 1
        self.watermark_ms = end
        self.book.append(sessions.index, start, open_, high, low, close, volume)
        sessions.due += 1
        sessions.position += 1
        link = ranges.latest_touch
        date = sessions.date
        derived.add(start, open_, high, low, close, volume)
        ranges.bar(start, end, open_, high, low, close, date, sessions.position)
        if end >= ranges.next_ms:
            ranges.advance(end, sessions.position)
        if end == sessions.segment_close_ms:
            sessions.advance(end)
            self._session_closed()
        else:
            sessions.next_start_ms = end
            if end >= derived.next_end_ms:
                derived.close_until(end, sessions.position)
        if self._with_swings:
            self.swings.bar(start, end, high, low, date, link)
        self._publish()
        return out

    def _general_bar(self, bar: Bar, offset: int) -> list[Event]:
        """Any bar: checked in the order of bars-and-quality section 5."""
        start = bar.start_ms
        self._check_interval(bar.interval)
        in_session = self._check_label(start)
        open_, high, low, close = self._check_prices(bar)
        volume = self._check_volume(bar.volume)
        self._check_horizon(start)
        end = self.calendar.slot_end(start, self.base_ms)
        self._check_ahead(end)
        if end <= self.watermark_ms:
            known = self.book.find(start)
            if known == (open_, high, low, close, volume) and _same_kind(known[4], volume):
                self._duplicates += 1
                return []
            if known is not None:
                raise RecordRejected("changed_bar", f"the bar at {start} is there with other content")
            raise RecordRejected(
                "late_bar", f"the bar ends at {end}, not after the watermark {self.watermark_ms}"
            )
        out = self._stamp.begin(offset, end)
        index = self.calendar.session_of(start)
        before = self.sessions.index
        if self.first_label_ms == UNSET_MS:
            self.first_label_ms = start
            self.sessions.begin(index)
            self.ranges.begin(start)
        self.watermark_ms = end
        self.book.append(index, start, open_, high, low, close, volume)
        if in_session:
            self._accepted += 1
            self._move(start)
            self._take(start, end, open_, high, low, close, volume)
        else:
            self._off_session += 1
        self._move(end)
        if self.sessions.index != before:
            self._session_closed()
        self._publish()
        return out

    def clock(self, clock: Clock, offset: int) -> list[Event]:
        """Take a clock record; see `GroupEngine.apply`."""
        time_ms = clock.time_ms
        if not self.calendar.covers(time_ms) and time_ms != self.calendar.last_ms:
            raise RecordRejected(
                "outside_calendar", f"{time_ms} is outside calendar {self.calendar.calendar_id}"
            )
        self._check_ahead(time_ms)
        self._clocks += 1
        if time_ms <= self.watermark_ms:
            return []
        self.watermark_ms = time_ms
        if self.first_label_ms == UNSET_MS:
            return []
        out = self._stamp.begin(offset, time_ms)
        before = self.sessions.index
        self._move(time_ms)
        if self.sessions.index != before:
            self._session_closed()
        self._publish()
        return out

    def cancel(self, cancel: Cancel) -> list[Event]:
        """Refuse a cancel, after the checks that apply to it."""
        self._check_interval(cancel.interval)
        self._check_label(cancel.start_ms)
        self._check_horizon(cancel.start_ms)
        raise RecordRejected("cancel", "cancels are not taken by this version")

    def _take(
        self, start: int, end: int, open_: int, high: int, low: int, close: int, volume: Volume
    ) -> None:
        sessions = self.sessions
        link = self.ranges.latest_touch
        date = sessions.date
        sessions.bar(end, high, low, volume)
        self.derived.add(start, open_, high, low, close, volume)
        self.ranges.bar(start, end, open_, high, low, close, date, sessions.position)
        if self._with_swings:
            self.swings.bar(start, end, high, low, date, link)

    def _move(self, instant_ms: int) -> None:
        self.ranges.advance(instant_ms, self.sessions.position)
        self.sessions.advance(instant_ms)

    def _session_closed(self) -> None:
        """Once a session: forget what the horizon no longer reaches, and what no partner waits for."""
        self.book.forget_before(self.sessions.index - self._plan.horizon_sessions)
        partner = self._partner
        if self._pairs is not None and partner is not None:
            self._pairs.sweep(self.number, self._partner_watermark(partner), self.sessions.index)

    def _partner_watermark(self, partner: SymbolEngine) -> int | None:
        return None if partner.first_label_ms == UNSET_MS else partner.watermark_ms

    def _publish(self) -> None:
        """Events of the record, kind by kind in the order of bars-and-quality section 6."""
        stamp = self._stamp
        sessions = self.sessions
        ranges = self.ranges
        if sessions.pending:
            sessions.publish_sessions(stamp)
        if self.derived.closed:
            self.derived.publish(stamp)
        if sessions.pending:
            sessions.publish_quality(stamp)
            sessions.publish_gaps(stamp)
            sessions.pending = False
        if ranges.changed:
            publish_ranges(ranges.changed, self.symbol, self._scale, stamp)
            touches = ranges.touches
            if touches:
                publish_touches(touches, self.symbol, self._scale, stamp)
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
        pairs.retire(self.number, self._partner_watermark(partner))

    def _check_interval(self, interval: str) -> None:
        if interval == self._base:
            return
        try:
            name = parse_interval(interval).name
        except ValueError:
            name = ""
        if name != self._base:
            raise RecordRejected(
                "unknown_interval", f"interval {interval!r} is not the base {self._base}"
            )

    def _check_label(self, start_ms: int) -> bool:
        """Whether the label lies in a session; refuse it off the grid or outside the calendar."""
        calendar = self.calendar
        index = calendar.session_of(start_ms)
        if calendar.has_session(index):
            segment = calendar.segment_of(index, start_ms)
            if segment >= 0:
                if (start_ms - calendar.segment_opens(index)[segment]) % self.base_ms:
                    raise RecordRejected(
                        "misaligned_start", f"{start_ms} is not on the session's {self._base} grid"
                    )
                return True
        if start_ms % self._label_grid_ms:
            raise RecordRejected("misaligned_start", f"{start_ms} is not on a whole minute or second")
        if not calendar.covers(start_ms) or not calendar.has_session(index):
            raise RecordRejected(
                "outside_calendar", f"{start_ms} is outside calendar {calendar.calendar_id}"
            )
        return False

    def _check_prices(self, bar: Bar) -> tuple[int, int, int, int]:
        scale = self._scale
        for price in (bar.open, bar.high, bar.low, bar.close):
            scale.check_sign(price)
        open_ = scale.ticks(bar.open)
        high = scale.ticks(bar.high)
        low = scale.ticks(bar.low)
        close = scale.ticks(bar.close)
        if not (low <= open_ <= high and low <= close <= high):
            raise RecordRejected(
                "inconsistent_ohlc",
                f"open {bar.open!r} and close {bar.close!r} are not within low {bar.low!r}"
                f" and high {bar.high!r}",
            )
        return open_, high, low, close

    def _check_volume(self, volume: Volume) -> Volume:
        if volume is None:
            return None
        if not 0 <= volume < GREATEST_VOLUME:
            raise RecordRejected("bad_volume", f"volume {volume!r} is negative or not finite")
        return written_volume(volume)

    def _check_horizon(self, start_ms: int) -> None:
        if self.first_label_ms == UNSET_MS:
            return
        oldest = self.sessions.index - self._plan.horizon_sessions
        if self.calendar.session_of(start_ms) < oldest:
            raise RecordRejected(
                "beyond_horizon",
                f"{start_ms} is more than {self._plan.horizon_sessions} sessions before the watermark"
                " (tapeline run LOG --as-corrected rebuilds)",
            )

    def _check_ahead(self, instant_ms: int) -> None:
        limit = self._plan.max_ahead_ms
        if limit == 0 or self.first_label_ms == UNSET_MS:
            return
        if instant_ms - self.watermark_ms > limit:
            raise RecordRejected(
                "ahead_of_time",
                f"{instant_ms} is more than {limit} ms after the watermark {self.watermark_ms}",
            )

    def counters(self) -> dict[str, int]:
        """Accepted in-session bars, off-session bars, duplicates and clocks."""
        return {
            "accepted": self._accepted,
            "off_session": self._off_session,
            "duplicates": self._duplicates,
            "clocks": self._clocks,
        }

    def snapshot(self) -> dict[str, Any]:
        """Plain data between two records."""
        if self.first_label_ms == UNSET_MS:
            return {"hot": [self.watermark_ms if self.has_watermark else None], "bars": []}
        return {
            "hot": [
                self.watermark_ms,
                self.first_label_ms,
                self.sessions.snapshot(),
                self.derived.snapshot(),
                self.ranges.snapshot(),
                self.swings.snapshot(),
            ],
            "bars": self.book.snapshot(),
        }

    def restore(self, data: dict[str, Any]) -> None:
        """Take the values of `snapshot`."""
        hot = data["hot"]
        self.watermark_ms = UNSET_MS if hot[0] is None else hot[0]
        if len(hot) == 1:
            return
        self.first_label_ms = hot[1]
        self.derived.restore(hot[3])
        self.sessions.restore(hot[2], self.watermark_ms)
        self.ranges.restore(hot[4], self.watermark_ms)
        self.swings.restore(hot[5])
        self.book.restore(data["bars"])


def _same_kind(known: Volume, volume: Volume) -> bool:
    """Null and 0 differ."""
    return (known is None) == (volume is None)
