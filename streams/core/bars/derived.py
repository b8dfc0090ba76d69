"""Derived bars: windows of coarser intervals, anchored at the segment's open.

Rules: docs/rules.md 4. Windows form a cascade: base bars feed the finest interval, a
closed window feeds the next one its length divides, so a base bar costs the same however many
intervals there are. Whole volumes travel up the cascade; from the first fractional one on, every
interval adds each bar's volume itself, because sums of doubles depend on their order.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.events import DerivedBar, Event, renumbered
from tapeline.schemas.instants import DAY_MS
from tapeline.schemas.intervals import Interval
from tapeline.streams.core.bars.windows import NO_END, Window
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.last_bars import LastBars
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ratio import bar_ratios, ratio
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import Tracker
from tapeline.streams.core.volume import Volume, add_volume, written_volume

VERSION: Final = 1
# Final names of a module are variables of C once compiled; imported ones are looked up.
_new_bar: Final = DerivedBar


class DerivedBars(Tracker):
    """Windows of all intervals of one symbol.

    Beyond the contract, for the fast path: `take` knows that volumes are whole, `roll` takes bars,
    closes what they end and publishes it at once, and `next_grid_ms` sees the windows, too, that
    bars not taken yet will open. `next_ms` is the end of the first window that is open.

    Attributes
    ----------
    closed
        What closed since the last `publish`.
    """

    __slots__ = (
        "_bars", "_base_ms", "_calendar", "_chain", "_denominator", "_measured", "_numerator",
        "_present_base", "_publish_incomplete", "_roots", "_segment_close_ms", "_segment_open_ms",
        "_session", "_session_date", "_slots_before", "_stamp", "_symbol", "closed", "finest",
        "fractional", "windows",
    )  # fmt: skip

    def __init__(self, plan: InstrumentPlan, bars: LastBars, stamp: Stamp) -> None:
        super().__init__("bars", VERSION, ("derived_bar",), takes_runs=True)
        self._bars = bars
        self._measured = plan.quality
        self._publish_incomplete = plan.publish_incomplete
        self._symbol = plan.symbol
        self._numerator = plan.scale.numerator
        self._denominator = plan.scale.denominator
        self._stamp = stamp
        self._calendar: Calendar = plan.calendar
        self._base_ms = plan.base_ms
        self.windows: list[Window] = []
        self._roots: list[Window] = []
        self._build(plan.intervals, plan.computed)
        self.finest = self._roots[0]
        # The common case: every interval divides the next one.
        self._chain = len(self._roots) == 1 and not self.finest.is_day
        for window in self.windows:
            if len(window.fed) > 1:
                self._chain = False
        self.next_ms = NO_END
        self.fractional = False
        self.closed: list[Event] = []
        self._session = 0
        self._session_date = ""
        self._segment_open_ms = 0
        self._segment_close_ms = 0
        self._slots_before = 0
        self._present_base = 0

    def _build(self, intervals: list[Interval], computed: list[Interval]) -> None:
        """Link every interval to the coarsest finer one that divides it; a day is always there."""
        names = [interval.name for interval in intervals]
        listed = [*intervals, *computed]
        if "1d" not in [interval.name for interval in listed]:
            listed.append(Interval(DAY_MS, "1d"))
        listed.sort()
        for interval in listed:
            window = Window(self._symbol, interval, interval.name in names, self._base_ms)
            source: Window | None = None
            for finer in self.windows:
                if finer.is_week or (finer.is_day and not window.is_week):
                    continue
                if window.is_day or window.is_week or window.length_ms % finer.length_ms == 0:
                    source = finer
            self.windows.append(window)
            if source is None:
                self._roots.append(window)
            else:
                source.fed.append(window)

    def follow(self, tracker: Tracker) -> None:
        """From now on notify a tracker of the bars of its intervals."""
        for window in self.windows:
            if window.name in tracker.intervals:
                window.followers.append(tracker)

    def on_session(self, index: int, date: str) -> None:
        """Windows that open belong to this session."""
        self._session = index
        self._session_date = date

    def on_segment(self, index: int, segment: int, slots_before: int, position: int) -> None:
        """Windows that open are anchored at the open of this segment."""
        self._segment_open_ms = self._calendar.segment_opens(index)[segment]
        self._segment_close_ms = self._calendar.segment_closes(index)[segment]
        self._slots_before = slots_before
        self._present_base = position

    def on_bar(self, row: PackedRow, end_ms: int) -> None:
        """One in-session bar of the current segment."""
        start_ms, open_, high, low, close, volume = row
        if volume is not None and (self.fractional or isinstance(volume, float)):
            self._add_fractional(volume)
            volume = None
        for window in self._roots:
            self._feed(window, start_ms, open_, high, low, close, 1, volume)

    def take(self, rows: list[PackedRow], whole: bool = False) -> None:
        """Bars of the current segment, of one window of every root.

        Parameters
        ----------
        whole
            Every bar has a volume, and none a fraction.
        """
        if not whole or self.fractional or not self._chain:
            for row in rows:
                self.on_bar(row, row[0] + self._base_ms)
            return
        window = self.finest
        if window.end_ms == NO_END:
            first = rows[0]
            self._open_window(window, first[0], first[1], first[2], first[3])
        highest = window.high
        lowest = window.low
        total: Any = window.volume
        if total is None:
            total = 0
        high: int
        low: int
        for row in rows:
            _, _, high, low, _, volume = row
            if high > highest:
                highest = high
            if low < lowest:
                lowest = low
            total += volume
        window.high = highest
        window.low = lowest
        window.close = rows[-1][4]
        window.have += len(rows)
        window.volume = total

    def roll(self, rows: list[PackedRow], whole: bool, end_ms: int) -> int:
        """`take` bars, then `on_time` at the end of the last one, where a window ends; publish.

        Nothing may have been published for the record. Returns the next `next_grid_ms`.
        """
        window = self.finest
        first_ms: int = rows[0][0]
        if (
            window.end_ms != NO_END
            or end_ms - first_ms != window.length_ms
            or not self._chain
            or not whole
            or self.fractional
        ):
            self.take(rows, whole)
            self.on_time(end_ms)
            self.publish("derived_bar", self._stamp)
            self.pending = False
            return self.next_grid_ms(end_ms)
        self.closed = self._stamp.out
        quality = 100.0
        if self._measured:
            due = self._slots_before - ((self._segment_open_ms - end_ms) // self._base_ms)
            quality = ratio(100 * (self._bars.position - self._present_base), due)
        self._close_whole(window, rows, end_ms, quality)
        # Windows of a chain end in each other: the next one is open, or the last one is gone.
        while window.fed:
            window = window.fed[0]
            if window.end_ms != end_ms:
                break
            self._close(window, quality)
        self.next_ms = window.end_ms
        self.closed = []
        return end_ms + self.finest.length_ms

    def _close_whole(
        self, window: Window, rows: list[PackedRow], end_ms: int, quality: float
    ) -> None:
        """What `_close` does, for a window that was never opened: these are all its bars."""
        high: int
        low: int
        other_high: int
        other_low: int
        start_ms, opened, high, low, close, total = rows[0]
        for row in rows[1:]:
            _, _, other_high, other_low, close, volume = row
            if other_high > high:
                high = other_high
            if other_low < low:
                low = other_low
            total += volume
        have = len(rows)
        if window.fed:
            self._feed(window.fed[0], start_ms, opened, high, low, close, have, total)
        bar = (start_ms, end_ms, opened, high, low, close)
        if window.followers:
            window.notify(self._session_date, bar, total, have, have)
        if window.published:
            self._publish(window, self._session_date, bar, total, have, have, False, quality)

    def _publish(
        self,
        window: Window,
        session: str,
        bar: tuple[int, int, int, int, int, int],
        total: Volume,
        have: int,
        need: int,
        truncated: bool,
        quality: float,
    ) -> None:
        """Say a window's bar: its start, end and prices in ticks, its volume, its slots."""
        start_ms, end_ms, opened, high, low, close = bar
        stamp = self._stamp
        closed = self.closed
        opened_price, high_price, low_price, close_price = bar_ratios(
            opened, high, low, close, self._numerator, self._denominator
        )
        # One object for all fields that hold it.
        end: Any = end_ms
        closed.append(
            _new_bar(
                f"{window.prefix}{start_ms}",
                "upsert",
                stamp.first_seq + len(closed),
                0,
                self._symbol,
                session,
                end,
                stamp.watermark_ms,
                None,
                window.name,
                start_ms,
                end,
                opened_price,
                high_price,
                low_price,
                close_price,
                written_volume(total),
                have,
                need,
                have == need,
                truncated,
                quality,
            )
        )

    def next_grid_ms(self, label_ms: int) -> int:
        """Where the first window ends that is open, or that a bar of that label would open."""
        earliest = self.next_ms
        for root in self._roots:
            if root.end_ms == NO_END and not root.is_long:
                end = (
                    label_ms + root.length_ms - (label_ms - self._segment_open_ms) % root.length_ms
                )
                if end < earliest:
                    earliest = end
        return earliest

    def on_time(self, instant_ms: int) -> None:
        """Close every window that ends at or before the instant, by end, then length."""
        while self.next_ms <= instant_ms:
            end = self.next_ms
            following = NO_END
            quality = self._running_quality(end)
            # Ascending by length: a window closes after those that feed it, and may open here.
            for window in self.windows:
                window_end = window.end_ms
                if window_end == end:
                    self._close(window, quality)
                elif window_end < following:
                    following = window_end
            self.next_ms = following
        if self.closed:
            self.pending = True

    def _running_quality(self, end_ms: int) -> float:
        """Quality of the session as of the end of a window that lies in it."""
        if not self._measured:
            return 100.0
        if end_ms > self._segment_close_ms:
            end_ms = self._segment_close_ms
        due = self._slots_before - ((self._segment_open_ms - end_ms) // self._base_ms)
        return ratio(100 * (self._bars.position - self._present_base), due)

    def _close(self, window: Window, quality: float) -> None:
        start_ms, end_ms = window.start_ms, window.end_ms
        opened, high, low, close = window.open, window.high, window.low, window.close
        have, need = window.have, window.need
        total = window.volume
        for coarser in window.fed:
            volume = None if self.fractional else total
            self._feed(coarser, start_ms, opened, high, low, close, have, volume)
        window.end_ms = NO_END
        window.have = 0
        window.volume = None
        bar = (start_ms, end_ms, opened, high, low, close)
        if window.followers:
            window.notify(window.session, bar, total, have, need)
        if not window.published or (have < need and not self._publish_incomplete):
            return
        if window.is_week and self._measured:
            quality = ratio(100 * have, need)
        self._publish(
            window, window.session, bar, total, have, need, window.truncated, quality
        )  # fmt: skip

    def _feed(
        self,
        window: Window,
        start_ms: int,
        open_: int,
        high: int,
        low: int,
        close: int,
        have: int,
        volume: Volume,
    ) -> None:
        """Bars that follow one another become part of a window."""
        window.close = close
        if window.end_ms == NO_END:
            self._open_window(window, start_ms, open_, high, low)
            window.have = have
        else:
            if high > window.high:
                window.high = high
            if low < window.low:
                window.low = low
            window.have += have
        if volume is not None:
            total = window.volume
            window.volume = volume if total is None else total + volume

    def _open_window(self, window: Window, start_ms: int, open_: int, high: int, low: int) -> None:
        window.open = open_
        window.high = high
        window.low = low
        if window.is_long:
            self._open_long(window)
        else:
            length = window.length_ms
            start = start_ms - (start_ms - self._segment_open_ms) % length
            end = start + length
            if end <= self._segment_close_ms:
                window.need = window.nominal
                window.truncated = False
            else:
                end = self._segment_close_ms
                window.need = -((start - end) // self._base_ms)
                window.truncated = window.need < window.nominal
            window.start_ms = start
            window.end_ms = end
            window.session = self._session_date
        end = window.end_ms
        if end < self.next_ms:
            self.next_ms = end

    def _open_long(self, window: Window) -> None:
        calendar = self._calendar
        first, last = self._session, self._session
        if window.is_week:
            first, last = calendar.week_bounds(self._session)
        window.start_ms = calendar.open_ms(first)
        window.end_ms = calendar.close_ms(last)
        window.need = 0
        for index in range(first, last + 1):
            window.need += calendar.slot_count(index, self._base_ms)
        window.truncated = False
        window.session = calendar.date(first)

    def _add_fractional(self, volume: int | float) -> None:
        """Add to every interval; the first time, give each the whole volumes still below it."""
        if not self.fractional:
            self.fractional = True
            for window in self.windows:
                for coarser in window.fed:
                    coarser.volume = add_volume(coarser.volume, window.volume)
        for window in self.windows:
            total = window.volume
            window.volume = volume if total is None else total + volume

    def publish(self, part: str, stamp: Stamp) -> None:
        """Append the events of `closed` to the outputs of the record."""
        out = stamp.out
        before = len(out)
        if before == 0:
            out.extend(self.closed)
        else:
            out.extend(renumbered(bar, bar.seq + before) for bar in self.closed)
        self.closed.clear()

    def restore_point(self) -> list[Any]:
        """Plain data: mode of volumes, then the open windows."""
        return [self.fractional, [window.snapshot() for window in self.windows]]

    def rewind(self, data: list[Any]) -> None:
        """Go to a restore point."""
        self.fractional = data[0]
        self.next_ms = NO_END
        for window, values in zip(self.windows, data[1], strict=True):
            window.restore(values)
            self.next_ms = min(self.next_ms, window.end_ms)

    def reset(self) -> None:
        """Before the first bar."""
        self.rewind([False, [[] for _ in self.windows]])
