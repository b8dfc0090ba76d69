"""Session ranges of one symbol: publication, touches and expiry.

Rules: docs/rules.md 8 to 10. `RangeTracker` follows the watermark; windows are in `filling`, the
machine of one range in `live_range`, the calendar's part in `schedule`.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.events import Event
from tapeline.schemas.ids import SEPARATOR, ids_of, touch_id
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.last_bars import LastBars
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ranges.events import publish_ranges, publish_touches, range_event
from tapeline.streams.core.ranges.filling import RangeFilling
from tapeline.streams.core.ranges.journal import RangeJournal
from tapeline.streams.core.ranges.levels import FAR, LevelIndex
from tapeline.streams.core.ranges.live_range import (
    UNTOUCHED,
    LiveRange,
    RangeTouch,
)
from tapeline.streams.core.ranges.schedule import NEVER_MS, RangeSchedule, RangeSpec
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


class TouchFollower(Tracker):
    """A tracker that follows the touches of a symbol."""

    __slots__ = ()

    def on_touches(self, touches: list[RangeTouch]) -> None:
        """The record's touches are published, by event_ms, then id; the list may be kept."""


class RangeTracker(Tracker):
    """All ranges of one symbol.

    Beyond the contract, for the fast path: of the bars of a run it takes none but those that leave
    [`floor`, `ceiling`], each at once, by `reach`. `altered` and `touches` hold what the record did
    until both parts are published.

    Attributes
    ----------
    pairs
        What follows the touches, in a group of two.
    alive
        Unfinished ranges by key (RangeSpec.key).
    finished
        Finished ranges that the partner in the group may still need, by key.
    latest_touch
        Latest touch, for swings; see `link_of`.
    journal
        What the ranges were before they changed.
    muted_keys
        Keys of the ranges that the runs of a correction published, by id.
    filling
        Ranges that are not decided.
    expiring
        As in `RangesPoint`, which shares it: it is replaced, and never changed.
    """

    __slots__ = (
        "_active", "_bars", "_base_ms", "_calendar", "_earlier_touch", "_passed_ms", "_records",
        "_scale", "_schedule", "_session", "_symbol", "alive", "altered", "expiring", "filling",
        "finished", "journal", "latest_touch", "levels", "muted_keys", "pairs", "touches",
    )  # fmt: skip

    def __init__(self, plan: InstrumentPlan, schedule: RangeSchedule, bars: LastBars) -> None:
        super().__init__("ranges", VERSION, ("range", "touch"), takes_runs=True)
        self._bars = bars
        self._session = ""
        self.pairs: TouchFollower | None = None
        self._symbol = plan.symbol
        self._scale = plan.scale
        self._passed_ms = 0
        self.muted_keys: dict[str, int] = {}
        self._base_ms = plan.base_ms
        self._calendar: Calendar = plan.calendar
        self._schedule = schedule
        self.next_ms = NEVER_MS
        self.floor = -FAR
        self.ceiling = FAR
        self.filling = RangeFilling(schedule, bars)
        self.levels = LevelIndex()
        self.alive: dict[int, LiveRange] = {}
        self.finished: dict[int, LiveRange] = {}
        self.latest_touch: TouchRank | None = None
        self._earlier_touch: TouchRank | None = None
        self.altered: list[LiveRange] = []
        self.touches: list[RangeTouch] = []
        self.journal = RangeJournal()
        self._records = RangeRecords(self.alive, self.finished, self.journal)
        self.expiring: list[RangeSpec] = []
        self._active = bool(schedule.kinds)

    def begin(self, label_ms: int) -> None:
        """The symbol's first bar (off-session bars count) has this label."""
        if not self._active:
            return
        self._passed_ms = label_ms
        self.filling.begin(label_ms)
        self._look_ahead()

    def on_session(self, index: int, date: str) -> None:
        """Touches to come are of this session."""
        self._session = date

    def on_time(self, instant_ms: int) -> None:
        """The watermark reaches an instant at which a window begins, ends, is due or expires."""
        self._passed_ms = instant_ms
        filling = self.filling
        filling.advance(instant_ms)
        for window in filling.take_due(instant_ms):
            self._publish(window)
        while self.expiring and self.expiring[0].due_ms <= instant_ms:
            expired = self.expiring[0]
            self.expiring = self.expiring[1:]
            self._expire(expired)
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Find what the next bar and the next instant are compared with."""
        filling = self.filling
        self.next_ms = filling.next_ms()
        if self.expiring and self.expiring[0].due_ms < self.next_ms:
            self.next_ms = self.expiring[0].due_ms
        filling.narrow()
        self._bound()

    def on_bar(self, row: PackedRow, end_ms: int) -> None:
        """One in-session bar."""
        if row[2] > self.ceiling or row[3] < self.floor:
            self.reach(row, row[2], row[3], end_ms, self._bars.position)

    def reach(self, row: PackedRow, high: int, low: int, end_ms: int, position: int) -> None:
        """A bar that leaves [floor, ceiling]: widen the windows, touch the levels it spans.

        Parameters
        ----------
        position
            In-session bars so far, with this one.
        """
        levels = self.levels
        if low <= levels.below or high >= levels.above:
            self._touch(row, end_ms, position)
        filling = self.filling
        if high > filling.highest:
            filling.highest = high
        if low < filling.lowest:
            filling.lowest = low
        self._bound()

    def _bound(self) -> None:
        """Find the floor and ceiling that the next bar may leave."""
        levels = self.levels
        filling = self.filling
        floor = levels.below + 1
        ceiling = levels.above - 1
        self.ceiling = ceiling if ceiling < filling.highest else filling.highest
        self.floor = floor if floor > filling.lowest else filling.lowest

    def _touch(self, row: PackedRow, end_ms: int, position: int) -> None:
        """Let a bar that reaches the nearest levels touch what it spans."""
        self._earlier_touch = self.latest_touch
        start_ms: int = row[0]
        high: int = row[2]
        low: int = row[3]
        for known in self.levels.touched(low, high):
            live = self._change(known)
            for touch in live.touch(start_ms, end_ms, low, high, self._session):
                touch.touch_id = touch_id(self._symbol, live.label, touch.event)
                self.touches.append(touch)
                if not live.spec.first_touch:
                    self.latest_touch = latest_of(self.latest_touch, touch, position)
            for level in live.watched():
                self.levels.insert(level, live)
            if live.finished:
                self._finish(live)
        self.levels.refresh(row[4])

    def link_of(self, label_ms: int) -> TouchRank | None:
        """The latest touch up to the last bar but one, of that label, or to the last bar."""
        latest = self.latest_touch
        if latest is None or latest.bar_ms <= label_ms:
            return latest
        return self._earlier_touch

    def _mark_published(self) -> None:
        """The outputs of the record are built: forget what it did."""
        for live in self.altered:
            live.changed = False
        self.altered.clear()
        if self.touches:
            self.touches = []

    def publish(self, part: str, stamp: Stamp) -> None:
        """Append the ranges that the record changed, or their touches, and hand these to pairs."""
        if part == "range":
            publish_ranges(self.altered, self._symbol, self._scale, stamp)
            if stamp.muted:
                for live in self.altered:
                    self.muted_keys[f"{ids_of(part, self._symbol)}{live.label}"] = live.spec.key
            return
        if self.touches:
            publish_touches(self.touches, self._symbol, self._scale, stamp)
            if self.pairs is not None:
                self.pairs.on_touches(self.touches)
        self._mark_published()

    def _publish(self, window: RangeWindow) -> None:
        spec = window.spec
        live = LiveRange(spec, window.have, window.high, window.low)
        last = self._bars.last
        live.reason = missing_in(window, last)
        self._mark(live)
        if live.reason:
            return
        if spec.first_touch:
            live.state = UNTOUCHED
        else:
            live.set_levels(last[4] if spec.true_open_is_close else last[1])
        self._note(spec.key, None)
        self.alive[spec.key] = live
        self._watch(live)
        if spec.expires_ms != NEVER_MS:
            self.expiring = sorted([*self.expiring, spec], key=_by_expiry)

    def _watch(self, live: LiveRange) -> None:
        for level in live.watched():
            self.levels.insert(level, live)
        self.levels.refresh(self._bars.last[4])

    def _unwatch(self, live: LiveRange) -> None:
        for level in live.watched():
            self.levels.remove(level, live)

    def _expire(self, spec: RangeSpec) -> None:
        known = self.alive.get(spec.key)
        if known is None:
            return
        live = self._change(known)
        self.levels.refresh(self._bars.last[4])
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
        if self.pairs is not None and not live.spec.first_touch:
            self.finished[live.spec.key] = live

    def _mark(self, live: LiveRange) -> None:
        if not live.changed:
            live.changed = True
            self.altered.append(live)
            self.pending = True

    def forget_finished(self, key: int) -> None:
        """Drop a finished range that no rule waits for."""
        self.finished.pop(key, None)
        if self._records.tracked:
            self._records.touched[key] = True

    def restore_point(self) -> RangesPoint:
        """What is open as it is; the ranges themselves are in the journal."""
        filling = self.filling
        filling.widen()
        return RangesPoint(
            open_windows(filling.windows),
            filling.awaiting,
            self.expiring,
            filling.upcoming,
            filling.next_day,
            self.latest_touch,
            self.journal.position,
            self._passed_ms,
        )

    def rewind(self, point: RangesPoint) -> None:
        """Go to a restore point, which stays as it is."""
        if not self._active:
            return
        self._mark_published()
        self._undo(point.journal_position)
        self._passed_ms = point.passed_ms
        self.filling.install(point)
        self.expiring = point.expiring
        self.latest_touch = point.latest_touch
        self.levels.refresh(self._bars.last[4])
        self._look_ahead()

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
        self._mark_published()
        for key in [*self.alive, *self.finished]:
            self._take_out(key)
        self.journal.cut(self.journal.first)
        self.filling.reset()
        self.expiring = []
        self.latest_touch = None
        self.next_ms = NEVER_MS
        self.floor = -FAR
        self.ceiling = FAR

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
        found = self.open_labels(point is None)
        ids = [f"{ids_of('range', self._symbol)}{label}" for label in found]
        return ids + [f"{ids_of('touch', self._symbol)}{label}{SEPARATOR}" for label in found]

    def open_labels(self, now: bool) -> list[str]:
        """Labels of the ranges that may still change, now or from the oldest restore point on."""
        if now:
            return [live.label for live in self.alive.values()]
        return [live.label for live in self.journal.before if live is not None]

    def end_of_runs(self) -> None:
        """Forget which ranges the two runs published."""
        self.muted_keys = {}

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
