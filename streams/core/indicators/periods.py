"""How many bars of an interval a year of a calendar has."""

from __future__ import annotations

from typing import Final

from tapeline.schemas.instants import DAY_MS, day_of
from tapeline.schemas.intervals import Interval
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.ratio import ratio

FIRST_YEAR: Final = 2015
LAST_YEAR: Final = 2024
WEEKS: Final = 52.0
NO_SESSIONS: Final = 5
"""Days without a session that a year may end with."""


def periods_a_year(calendar: Calendar, interval: Interval) -> float:
    """Bars of an interval in a mean year of 2015 to 2024, whatever else a calendar covers.

    Sessions a year, times the windows of the interval in the full session in force on 2024-12-31.
    Of a calendar that does not cover these years only those count that it covers whole; 0 where
    there is none.
    """
    if interval.name == "1w":
        return WEEKS
    sessions = 0
    years = 0
    windows = 0
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        first_day = day_of(f"{year}-01-01")
        end_day = day_of(f"{year + 1}-01-01")
        # It begins at a midnight of its own zone, and ends with its last session.
        begins_ms = (first_day + 1) * DAY_MS
        ends_ms = (end_day - NO_SESSIONS) * DAY_MS
        if calendar.first_ms > begins_ms or calendar.last_ms < ends_ms:
            continue
        first = calendar.index_from_day(first_day)
        end = calendar.index_from_day(end_day)
        years += 1
        sessions += end - first
        if interval.is_intraday:
            windows = _windows(calendar, first, end, interval.length_ms)
    if years == 0:
        return 0.0
    return ratio(sessions * windows if interval.is_intraday else sessions, years)


def _windows(calendar: Calendar, first: int, end: int, length_ms: int) -> int:
    """Windows of a length in the last full session; each segment's last one may be short."""
    for index in range(end - 1, first - 1, -1):
        if calendar.flags(index) == 0:
            return calendar.slot_count(index, length_ms)
    return 0
