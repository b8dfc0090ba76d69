"""Ranges and their windows as plain data, and back; the calendar's part is found anew."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.instants import DAY_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.ranges.live_range import NO_BAR, LiveRange, restore_range
from tapeline.streams.core.ranges.schedule import ZONE_REACH_MS, RangeSchedule, RangeSpec
from tapeline.streams.core.ranges.windows import RangesPoint, RangeWindow, TouchRank, open_windows


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
