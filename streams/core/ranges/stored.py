"""Ranges, their windows and journal as plain data, and back; the calendar's part is found anew."""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.instants import DAY_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.blocks import RecordSlots
from tapeline.streams.core.ranges.journal import BLOCK_ENTRIES, RangeJournal
from tapeline.streams.core.ranges.live_range import NO_BAR, LiveRange, restore_range
from tapeline.streams.core.ranges.schedule import ZONE_REACH_MS, RangeSchedule, RangeSpec
from tapeline.streams.core.ranges.windows import RangesPoint, RangeWindow, TouchRank, open_windows

RECORD_RANGES: Final = 64
"""Ranges of one stored record."""
INDEX: Final = "index"
"""Name of the record that lists which others are there."""


class RangeRecords:
    """All ranges and their journal as stored records.

    Parameters
    ----------
    alive, finished
        All ranges by key.
    journal
        What they were before they changed.

    Attributes
    ----------
    touched
        Keys of the ranges that changed, came or went since the last call of `changed`; kept by the
        owner once `tracked`.
    tracked
        Whether `changed` was called, or a state taken.
    """

    __slots__ = ("_alive", "_blocks", "_finished", "_journal", "_ranges", "touched", "tracked")

    def __init__(
        self, alive: dict[int, LiveRange], finished: dict[int, LiveRange], journal: RangeJournal
    ) -> None:
        self._alive = alive
        self._finished = finished
        self._journal = journal
        self._ranges = RecordSlots(RECORD_RANGES)
        self._blocks = RecordSlots(1)
        self.touched: dict[int, bool] = {}
        self.tracked = False

    def snapshot(self) -> dict[str, Any]:
        """All records; equal states give equal ones."""
        return RangeRecords(self._alive, self._finished, self._journal)._write()

    def changed(self) -> dict[str, Any]:
        """Records that differ since the last call, all the first time.

        `INDEX` and the block of the journal that is being filled are among them at every call.
        """
        found = self._write()
        self.tracked = True
        self.touched.clear()
        self._journal.mark_clean()
        return found

    def _write(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._add_ranges(found)
        self._add_journal(found)
        journal = self._journal
        blocks = [self._blocks.put(block) for block in journal.blocks()]
        found[INDEX] = [[journal.first, journal.position, blocks], self._ranges.record_count()]
        return found

    def _add_ranges(self, found: dict[str, Any]) -> None:
        slots = self._ranges
        every = [*self._alive, *self._finished]
        for key in list(self.touched) if self.tracked else sorted(every):
            if self._find(key) is None:
                slots.drop(key)
            else:
                slots.put(key)
        for number in slots.take_changed():
            values: list[Any] = []
            for kept in slots.record(number):
                live = None if kept is None else self._find(kept)
                values.append(None if live is None else live.snapshot())
            found[f"ranges/{number}"] = values

    def _find(self, key: int) -> LiveRange | None:
        live = self._alive.get(key)
        return self._finished.get(key) if live is None else live

    def _add_journal(self, found: dict[str, Any]) -> None:
        journal = self._journal
        slots = self._blocks
        blocks = journal.blocks()
        for block in [key for key in slots.keys if key is not None]:
            if block not in blocks:
                slots.drop(block)
        clean = journal.lowest_changed // BLOCK_ENTRIES if self.tracked else 0
        for block in blocks:
            if block < clean and block in slots:
                continue
            entries = []
            for key, before in journal.block(block):
                entries.append([key, None if before is None else before.snapshot()])
            found[f"journal/{slots.put(block)}"] = [block, entries]

    def restore(
        self, records: dict[str, Any], schedule: RangeSchedule, calendar: Calendar, base_ms: int
    ) -> list[LiveRange]:
        """Take records into an empty journal; returns the ranges, to be put back by the owner."""
        (first, position, slots), count = records[INDEX]
        found: list[LiveRange] = []
        keys: list[Any] = []
        for number in range(count):
            for values in records[f"ranges/{number}"]:
                if values is None:
                    keys.append(None)
                    continue
                live = restored_live(values, schedule, calendar, base_ms)
                found.append(live)
                keys.append(live.spec.key)
        self._ranges.restore(keys)
        journal = self._journal
        journal.first = first
        blocks: list[Any] = [None] * (max(slots) + 1 if slots else 0)
        for block, slot in enumerate(slots, first // BLOCK_ENTRIES):
            blocks[slot] = block
            for key, values in records[f"journal/{slot}"][1]:
                live_then = None
                if values is not None:
                    live_then = restored_live(values, schedule, calendar, base_ms)
                journal.add(key, live_then)
        assert journal.position == position
        journal.mark_clean()
        self._blocks.restore(blocks)
        self.tracked = True
        return found


def packed_point(point: RangesPoint) -> list[Any]:
    """Plain data of a point; the calendar's part is not in it."""
    latest = point.latest_touch
    return [
        [
            _window_data(spec, opened_at, -1, high, low, has_previous_close)
            for spec, opened_at, high, low, has_previous_close in point.windows
        ],
        [
            _window_data(
                each.spec, each.opened_at, each.have, each.high, each.low, each.has_previous_close
            )
            for each in point.awaiting
        ],
        None if latest is None else [latest.touch_id, latest.bar_ms, latest.position],
        point.journal_position,
        [[spec.kind_index, spec.start_ms // 1000] for spec in point.expiring],
        point.passed_ms,
    ]


def _window_data(
    spec: RangeSpec, opened_at: int, have: int, high: int, low: int, has_previous_close: bool
) -> list[Any]:
    """Plain data of a window; `have` is -1 while it is open."""
    empty = high < low
    return [
        spec.kind_index,
        spec.start_ms // 1000,
        opened_at,
        have,
        has_previous_close,
        None if empty else low,
        None if empty else high - low,
    ]


def restored_point(data: list[Any], schedule: RangeSchedule) -> RangesPoint:
    """The restore point of its `packed_point`."""
    windows, awaiting, latest, position, expiring, passed_ms = data
    upcoming: list[RangeSpec] = []
    day = (passed_ms + ZONE_REACH_MS) // DAY_MS - 3
    next_day = schedule.list_starts(day, passed_ms, passed_ms, upcoming)
    return RangesPoint(
        open_windows([_window_of(values, schedule) for values in windows]),
        [_window_of(values, schedule) for values in awaiting],
        [schedule.find(kind, start * 1000) for kind, start in expiring],
        upcoming,
        next_day,
        None if latest is None else TouchRank(latest[0], latest[1], latest[2], 0, 0, ""),
        position,
        passed_ms,
    )


def _window_of(values: list[Any], schedule: RangeSchedule) -> RangeWindow:
    window = RangeWindow(schedule.find(values[0], values[1] * 1000), values[2])
    window.have = values[3]
    window.has_previous_close = values[4]
    if values[5] is not None:
        window.low = values[5]
        window.high = values[5] + values[6]
    return window


def restored_live(
    values: list[Any], schedule: RangeSchedule, calendar: Calendar, base_ms: int
) -> LiveRange:
    """The range of a `LiveRange.snapshot`."""
    live = restore_range(schedule.find(values[0], values[1] * 1000), values)
    last_bar_ms = max(live.bars_ms)
    if last_bar_ms != NO_BAR:
        live.event_ms = calendar.slot_end(last_bar_ms, base_ms)
    if live.expired:
        live.event_ms = max(live.event_ms, live.spec.expires_ms)
    return live
