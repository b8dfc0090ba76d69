"""Sessions and zone changes between two dates, as text to compare and to show.

A state and a manifest keep them: rows for late months, one digest for each month before. Equal
schedules are equal here, whatever artefact and whatever version of ``tzdata`` they come from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from tapeline.schemas.instants import DAY_MS, EPOCH_ORDINAL, iso_date, iso_minute
from tapeline.streams.core.calendar import (
    EARLY_CLOSE,
    LATE_OPEN,
    Calendar,
    DailyCalendar,
    ZoneTable,
)

Rows = dict[str, str]
"""By ISO date the session, or by instant the UTC offset from then on."""

DIGEST_DIGITS: Final = 32


def is_arithmetic(calendar: Calendar) -> bool:
    """Whether the dates of a calendar are a rule instead of data: those of ``24/7``."""
    return isinstance(calendar, DailyCalendar)


def session_rows(calendar: Calendar, first: int, last: int) -> Rows:
    """Sessions from a date to another, both included, as days since 1970-01-01."""
    found: Rows = {}
    for _, begin, end in _months(first, last):
        found.update(_month_rows(calendar, begin, end))
    return found


def month_digests(calendar: Calendar, first: int, last: int) -> Rows:
    """By month such as ``2025-11``, a digest of its sessions between two dates, both included."""
    return {
        month: _month_digest(calendar, begin, end) for month, begin, end in _months(first, last)
    }


def zone_rows(zone: ZoneTable, first: int, last: int) -> Rows:
    """The offset in force where a date begins in UTC, and the changes up to the end of another."""
    return {
        iso_minute(instant_ms): _offset_text(offset_ms)
        for instant_ms, offset_ms in zone.changes(first * DAY_MS, (last + 1) * DAY_MS)
    }


def month_of(day: int) -> int:
    """First day of the month of a day, both since 1970-01-01."""
    return day + 1 - date.fromordinal(EPOCH_ORDINAL + day).day


def _offset_text(offset_ms: int) -> str:
    sign = "-" if offset_ms < 0 else "+"
    minutes, seconds = divmod(abs(offset_ms) // 1000, 60)
    text = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def _months(first: int, last: int) -> Iterator[tuple[str, int, int]]:
    """Months between two dates: name, first and last date that lie in both."""
    while first <= last:
        begin = date.fromordinal(EPOCH_ORDINAL + first)
        following = (begin.replace(day=28) + timedelta(days=4)).replace(day=1)
        end = following.toordinal() - EPOCH_ORDINAL - 1
        yield iso_date(first)[:7], first, min(end, last)
        first = end + 1


# Every group of a market asks for the same months.
@lru_cache(maxsize=8_192)
def _month_rows(calendar: Calendar, first: int, last: int) -> Rows:
    found: Rows = {}
    index = calendar.index_from_day(first)
    while calendar.has_session(index) and calendar.day(index) <= last:
        found[calendar.date(index)] = _session_text(calendar, index)
        index += 1
    return found


@lru_cache(maxsize=8_192)
def _month_digest(calendar: Calendar, first: int, last: int) -> str:
    content = msgspec.json.encode(_month_rows(calendar, first, last), order="sorted")
    return hashlib.sha256(content).hexdigest()[:DIGEST_DIGITS]


def _session_text(calendar: Calendar, index: int) -> str:
    edges = zip(calendar.segment_opens(index), calendar.segment_closes(index), strict=True)
    parts = [f"{iso_minute(opened)}/{iso_minute(closed)}" for opened, closed in edges]
    flags = calendar.flags(index)
    if flags & LATE_OPEN:
        parts.append("late open")
    if flags & EARLY_CLOSE:
        parts.append("early close")
    return " ".join(parts)
