"""Session ranges of one symbol: windows, publication, touches and expiry.

Rules: market-structure sections 1 to 3. `RangeTracker` follows the watermark; the machine of one
range is in `live_range`, the calendar's part in `schedule`.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.events import Event
from tapeline.schemas.ids import SEPARATOR, ids_of, touch_id
from tapeline.schemas.instants import DAY_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ranges.events import publish_ranges, publish_touches, range_event
from tapeline.streams.core.ranges.journal import RangeJournal
from tapeline.streams.core.ranges.levels import FAR, LevelIndex
from tapeline.streams.core.ranges.live_range import (
    NO_BAR,
    UNTOUCHED,
    LiveRange,
    RangeTouch,
)
from tapeline.streams.core.ranges.schedule import NEVER_MS, ZONE_REACH_MS, RangeSchedule, RangeSpec
from tapeline.streams.core.ranges.stored import RangeRecords, packed_point, restored_point
from tapeline.streams.core.ranges.windows import (
    RangesPoint,
    RangeWindow,
    TouchRank,
    latest_of,
    missing_in,
    open_windows,
)
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import Tracker

VERSION: Final = 1
PREVIOUS_CLOSE_REACH_MS: Final = 5 * DAY_MS


class RangeTracker(Tracker):
    """All ranges of one symbol.

    Contract: `begin` with the symbol's first label; `advance` moves the watermark to an instant
    before which no further bar comes; `bar` takes each in-session bar after `advance` to its label,
    and `advance` to its end follows. `altered` and `touches` hold what the record did until
    `mark_published`.

    Attributes
    ----------
    last
        The in-session bar before the watermark; set by the owner before `advance`.
    next_ms
        Nothing happens before this instant but touches.
    alive
        Unfinished ranges by key (RangeSpec.key).
    finished
        Finished ranges that the partner in the group may still need, by key.
    latest_touch
        Latest touch, for swings.
    journal
        What the ranges were before they changed.
    muted_keys
        Keys of the ranges that the runs of a correction published, by id.
    upcoming, awaiting, expiring
        As in `RangesPoint`, which shares them: they are replaced, and never changed.
    floor, ceiling
        A bar with floor <= low and high <= ceiling changes neither a window nor a range.
    """

    __slots__ = (
        "_active", "_base_ms", "_calendar", "_highest", "_lowest", "_paired", "_passed_ms",
        "_records", "_scale", "_schedule", "_symbol", "alive", "altered", "awaiting", "expiring",
        "finished", "journal", "last", "latest_touch", "levels", "muted_keys", "next_day",
        "touches", "upcoming", "windows",
    )  # fmt: skip

    def __init__(self, plan: InstrumentPlan, schedule: RangeSchedule, paired: bool) -> None:
        super().__init__("ranges", VERSION, ())
        self._symbol = plan.symbol
        self._scale = plan.scale
        self._passed_ms = 0
        self.muted_keys: dict[str, int] = {}
        self._base_ms = plan.base_ms
        self._calendar: Calendar = plan.calendar
        self._schedule = schedule
        self._paired = paired
        self.next_ms = NEVER_MS
        self.floor = -FAR
        self.ceiling = FAR
        self._highest = FAR
        self._lowest = -FAR
        self.windows: list[RangeWindow] = []
        self.levels = LevelIndex()
        self.alive: dict[int, LiveRange] = {}
        self.finished: dict[int, LiveRange] = {}
        self.latest_touch: TouchRank | None = None
        self.altered: list[LiveRange] = []
        self.touches: list[RangeTouch] = []
        self.journal = RangeJournal()
        self._records = RangeRecords(self.alive, self.finished, self.journal)
        self.upcoming: list[RangeSpec] = []
        self.awaiting: list[RangeWindow] = []
        self.expiring: list[RangeSpec] = []
        self.next_day = 0
        self._active = bool(schedule.kinds)
        self.last: PackedRow = (NO_BAR, 0, 0, 0, 0, None)

    def begin(self, first_label_ms: int) -> None:
        """The symbol's first bar (off-session bars count) has this label."""
        if not self._active:
            return
        for spec in self._schedule.starting_around(first_label_ms):
            self._open_window(spec, 0)
        self.next_day = first_label_ms // DAY_MS - 1
        self._passed_ms = first_label_ms
        self._fill(first_label_ms, first_label_ms)
        self._find_next()
        self._narrow()

    def advance(self, instant_ms: int, position: int) -> None:
        """The watermark reaches an instant; `position` is the number of in-session bars so far."""
        if instant_ms < self.next_ms:
            return
        self._passed_ms = instant_ms
        self._widen()
        self._fill(instant_ms, NO_BAR)
        opened = 0
        for spec in self.upcoming:
            if spec.start_ms > instant_ms:
                break
            self._open_window(spec, position)
            opened += 1
        if opened:
            self.upcoming = self.upcoming[opened:]
        self._end_windows(instant_ms, position)
        self._publish_due(instant_ms)
        while self.expiring and self.expiring[0].due_ms <= instant_ms:
            expired = self.expiring[0]
            self.expiring = self.expiring[1:]
            self._expire(expired)
        self._find_next()
        self._narrow()

    def bar(self, row: PackedRow, end_ms: int, session: str, position: int) -> None:
        """One in-session bar; `session` is its ISO session date, `position` its number."""
        if row[2] > self.ceiling or row[3] < self.floor:
            self.reach(row, row[2], row[3], end_ms, session, position)
        self.last = row

    def reach(
        self, row: PackedRow, high: int, low: int, end_ms: int, session: str, position: int
    ) -> None:
        """A bar that leaves [floor, ceiling]: widen the windows, touch the levels it spans."""
        levels = self.levels
        if low <= levels.below or high >= levels.above:
            self._touch(row, end_ms, session, position)
        # Every open window takes in every bar, so the narrowest of them grows to the bar.
        if high > self._highest:
            self._highest = high
        if low < self._lowest:
            self._lowest = low
        self._bound()

    def _bound(self) -> None:
        """Find the floor and ceiling that the next bar may leave."""
        levels = self.levels
        floor = levels.below + 1
        ceiling = levels.above - 1
        self.ceiling = ceiling if ceiling < self._highest else self._highest
        self.floor = floor if floor > self._lowest else self._lowest

    def _widen(self) -> None:
        """Give the windows what the bars since the last time reached: before they are looked at."""
        for window in self.windows:
            if self._highest > window.high:
                window.high = self._highest
            if self._lowest < window.low:
                window.low = self._lowest

    def _narrow(self) -> None:
        """The windows are others now: find the narrowest, and with it floor and ceiling."""
        highest = FAR
        lowest = -FAR
        for window in self.windows:
            if window.high < highest:
                highest = window.high
            if window.low > lowest:
                lowest = window.low
        self._highest = highest
        self._lowest = lowest
        self._bound()

    def _touch(self, row: PackedRow, end_ms: int, session: str, position: int) -> None:
        """Let a bar that reaches the nearest levels touch what it spans."""
        start_ms: int = row[0]
        high: int = row[2]
        low: int = row[3]
        for known in self.levels.touched(low, high):
            live = self._change(known)
            for touch in live.touch(start_ms, end_ms, low, high, session):
                touch.touch_id = touch_id(self._symbol, live.label, touch.event)
                self.touches.append(touch)
                if not live.spec.first_touch:
                    self.latest_touch = latest_of(self.latest_touch, touch, position)
            for level in live.watched():
                self.levels.insert(level, live)
            if live.finished:
                self._finish(live)
        self.levels.refresh(row[4])

    def mark_published(self) -> None:
        """The outputs of the record are built: forget what it did."""
        for live in self.altered:
            live.changed = False
        self.altered.clear()
        self.touches.clear()

    def publish(self, part: str, stamp: Stamp) -> None:
        """Append the ranges that the record changed, or their touches."""
        if part == "range":
            publish_ranges(self.altered, self._symbol, self._scale, stamp)
            if stamp.muted:
                for live in self.altered:
                    self.muted_keys[f"{ids_of(part, self._symbol)}{live.label}"] = live.spec.key
        elif self.touches:
            publish_touches(self.touches, self._symbol, self._scale, stamp)

    def _fill(self, instant_ms: int, after_ms: int) -> None:
        """List the ranges of every civil date that may have begun in some zone."""
        if self.next_day * DAY_MS - ZONE_REACH_MS <= instant_ms:
            upcoming = self.upcoming.copy()
            self.next_day = self._schedule.list_starts(
                self.next_day, instant_ms, after_ms, upcoming
            )
            self.upcoming = upcoming

    def _open_window(self, spec: RangeSpec, position: int) -> None:
        window = RangeWindow(spec, position)
        reach = spec.start_ms - PREVIOUS_CLOSE_REACH_MS
        if spec.previous_close and reach <= self.last[0] < spec.start_ms:
            window.has_previous_close = True
            window.high = self.last[4]
            window.low = self.last[4]
        self.windows.append(window)

    def _end_windows(self, instant_ms: int, position: int) -> None:
        ended: list[RangeWindow] = []
        for window in self.windows:
            if window.spec.window_end_ms <= instant_ms:
                window.have = position - window.opened_at
                ended.append(window)
        if ended:
            self.windows = [window for window in self.windows if window.have < 0]
            self.awaiting = self.awaiting + ended

    def _publish_due(self, instant_ms: int) -> None:
        due = False
        for window in self.awaiting:
            if window.spec.publish_ms <= instant_ms:
                self._publish(window)
                due = True
        if due:
            self.awaiting = [
                window for window in self.awaiting if window.spec.publish_ms > instant_ms
            ]

    def _publish(self, window: RangeWindow) -> None:
        spec = window.spec
        live = LiveRange(spec, window.have, window.high, window.low)
        live.reason = missing_in(window, self.last)
        self._mark(live)
        if live.reason:
            return
        if spec.first_touch:
            live.state = UNTOUCHED
        else:
            live.set_levels(self.last[4] if spec.true_open_is_close else self.last[1])
        self._note(spec.key, None)
        self.alive[spec.key] = live
        self._watch(live)
        if spec.expires_ms != NEVER_MS:
            self.expiring = sorted([*self.expiring, spec], key=_by_expiry)

    def _watch(self, live: LiveRange) -> None:
        for level in live.watched():
            self.levels.insert(level, live)
        self.levels.refresh(self.last[4])

    def _unwatch(self, live: LiveRange) -> None:
        for level in live.watched():
            self.levels.remove(level, live)

    def _expire(self, spec: RangeSpec) -> None:
        known = self.alive.get(spec.key)
        if known is None:
            return
        live = self._change(known)
        self.levels.refresh(self.last[4])
        live.expired = True
        live.event_ms = max(live.event_ms, spec.expires_ms)
        index = self._calendar.session_of(spec.expires_ms)
        session = self._calendar.date(index) if self._calendar.has_session(index) else spec.session
        touch = RangeTouch(live, "expired", -1, 0, spec.expires_ms, spec.expires_ms, session, False)
        touch.touch_id = touch_id(self._symbol, live.label, "expired")
        self.touches.append(touch)
        self._finish(live)

    def _change(self, known: LiveRange) -> LiveRange:
        """The range to change instead of a known one, which the journal keeps."""
        self._unwatch(known)
        live = known.successor()
        self._note(live.spec.key, known)
        self.alive[live.spec.key] = live
        if known.changed:
            known.changed = False
            live.changed = True
            self.altered[self.altered.index(known)] = live
        else:
            self._mark(live)
        return live

    def _note(self, key: int, before: LiveRange | None) -> None:
        self.journal.add(key, before)
        if self._records.tracked:
            self._records.touched[key] = True

    def _finish(self, live: LiveRange) -> None:
        del self.alive[live.spec.key]
        if self._paired and not live.spec.first_touch:
            self.finished[live.spec.key] = live

    def _mark(self, live: LiveRange) -> None:
        if not live.changed:
            live.changed = True
            self.altered.append(live)

    def _find_next(self) -> None:
        earliest = self.next_day * DAY_MS - ZONE_REACH_MS
        if self.upcoming and self.upcoming[0].start_ms < earliest:
            earliest = self.upcoming[0].start_ms
        for window in self.windows:
            if window.spec.window_end_ms < earliest:
                earliest = window.spec.window_end_ms
        for window in self.awaiting:
            if window.spec.publish_ms < earliest:
                earliest = window.spec.publish_ms
        if self.expiring and self.expiring[0].due_ms < earliest:
            earliest = self.expiring[0].due_ms
        self.next_ms = earliest

    def forget_finished(self, key: int) -> None:
        """Drop a finished range that no rule waits for."""
        self.finished.pop(key, None)
        if self._records.tracked:
            self._records.touched[key] = True

    def restore_point(self) -> RangesPoint:
        """What is open as it is; the ranges themselves are in the journal."""
        self._widen()
        return RangesPoint(
            open_windows(self.windows),
            self.awaiting,
            self.expiring,
            self.upcoming,
            self.next_day,
            self.latest_touch,
            self.journal.position,
            self._passed_ms,
        )

    def rewind(self, point: RangesPoint) -> None:
        """Go to a restore point, which stays as it is; `last` is set."""
        if not self._active:
            return
        self.mark_published()
        self._undo(point.journal_position)
        self._passed_ms = point.passed_ms
        self.windows = []
        for spec, opened_at, high, low, has_previous_close in point.windows:
            window = RangeWindow(spec, opened_at)
            window.high = high
            window.low = low
            window.has_previous_close = has_previous_close
            self.windows.append(window)
        self.awaiting = point.awaiting
        self.expiring = point.expiring
        self.upcoming = point.upcoming
        self.next_day = point.next_day
        self.latest_touch = point.latest_touch
        self.levels.refresh(self.last[4])
        self._find_next()
        self._narrow()

    def _undo(self, position: int) -> None:
        for key, before in self.journal.since(position).items():
            self._take_out(key)
            if before is not None:
                self.alive[key] = before
                for level in before.watched():
                    self.levels.insert(level, before)
        self.journal.cut(position)

    def _take_out(self, key: int) -> None:
        live = self.alive.pop(key, None)
        if live is not None:
            self._unwatch(live)
        self.finished.pop(key, None)
        if self._records.tracked:
            self._records.touched[key] = True

    def reset(self) -> None:
        """Before the first bar."""
        self.mark_published()
        for key in [*self.alive, *self.finished]:
            self._take_out(key)
        self.journal.cut(self.journal.first)
        self.windows = []
        self.awaiting = []
        self.expiring = []
        self.upcoming = []
        self.latest_touch = None
        self.next_ms = NEVER_MS
        self.floor = -FAR
        self.ceiling = FAR
        self._highest = FAR
        self._lowest = -FAR
        self.last = (NO_BAR, 0, 0, 0, 0, None)

    def pack(self, point: RangesPoint) -> list[Any]:
        """Plain data; the calendar's part is not in it."""
        return packed_point(point)

    def unpack(self, data: list[Any]) -> RangesPoint:
        """The restore point of its `pack`; nothing changes here."""
        return restored_point(data, self._schedule)

    def snapshot(self) -> dict[str, Any]:
        """Ranges and journal; the record `INDEX` tells which others are there."""
        return self._records.snapshot()

    def changed(self) -> dict[str, Any]:
        """Records that differ since the last call, and always `INDEX`; all the first time."""
        return self._records.changed()

    def restore(self, records: dict[str, Any]) -> None:
        """Take records as `snapshot` or `changed` gave them; `rewind` to the present follows."""
        ranges = self._records.restore(records, self._schedule, self._calendar, self._base_ms)
        for live in ranges:
            if live.finished:
                self.finished[live.spec.key] = live
                continue
            self.alive[live.spec.key] = live
            for level in live.watched():
                self.levels.insert(level, live)

    def release(self, point: RangesPoint) -> None:
        """Forget what ranges were before that point."""
        self.journal.forget_before(point.journal_position)

    def open_ids(self, point: RangesPoint | None = None) -> list[str]:
        """Ids of the ranges that may still change, and what those of their touches begin with."""
        if point is None:
            found = [live.label for live in self.alive.values()]
        else:
            found = [live.label for live in self.journal.before if live is not None]
        ids = [f"{ids_of('range', self._symbol)}{label}" for label in found]
        return ids + [f"{ids_of('touch', self._symbol)}{label}{SEPARATOR}" for label in found]

    def standing(self, point: RangesPoint, ids: list[str]) -> list[Event]:
        """The wanted ranges as they were at a restore point, of those that runs published since."""
        stamp = Stamp()
        changed = self.journal.since(point.journal_position)
        found: list[Event] = []
        for fact_id in ids:
            key = self.muted_keys.get(fact_id)
            if key is not None:
                live = changed[key] if key in changed else self.alive.get(key)
                if live is not None:
                    found.append(range_event(live, self._symbol, self._scale, stamp))
        return found


def _by_expiry(spec: RangeSpec) -> int:
    return spec.expires_ms
