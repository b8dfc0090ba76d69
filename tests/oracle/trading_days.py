"""Trading sessions as plain lists, their slots, and the session of an instant."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

DAY_MS = 86_400_000
MINUTE_MS = 60_000
EPOCH = date(1970, 1, 1)
_FILES = {"CME_EQUITY": "cme_equity.json", "XNYS": "xnys.json"}


@dataclass(frozen=True)
class Slot:
    """One base slot [start_ms, end_ms); the last one of a segment may be short."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class TradingDay:
    """One session: ISO date, open segments [open, close) in UTC ms, its kind in the calendar."""

    session: str
    segments: tuple[tuple[int, int], ...]
    early_close: bool = False
    full: bool = True

    @property
    def open_ms(self) -> int:
        return self.segments[0][0]

    @property
    def close_ms(self) -> int:
        return self.segments[-1][1]

    @property
    def day(self) -> date:
        return date.fromisoformat(self.session)

    def slots(self, base_ms: int) -> list[Slot]:
        found = []
        for open_ms, close_ms in self.segments:
            for start_ms in range(open_ms, close_ms, base_ms):
                found.append(Slot(start_ms, min(start_ms + base_ms, close_ms)))
        return found


class Timeline:
    """All sessions of a calendar that a view needs, in order of date."""

    def __init__(self, days: tuple[TradingDay, ...], base_ms: int) -> None:
        self.days = days
        self.base_ms = base_ms
        self._closes = [day.close_ms for day in days]

    def index_at(self, instant_ms: int) -> int:
        """Index of the session with open <= t < close, otherwise of the next one."""
        return bisect_right(self._closes, instant_ms)

    def session_at(self, instant_ms: int) -> str:
        """Date of that session; after the calendar's last one, where no next exists, the last."""
        return self.days[min(self.index_at(instant_ms), len(self.days) - 1)].session

    def _segment_at(self, instant_ms: int) -> tuple[int, int] | None:
        index = self.index_at(instant_ms)
        if index == len(self.days):
            return None
        for open_ms, close_ms in self.days[index].segments:
            if open_ms <= instant_ms < close_ms:
                return open_ms, close_ms
        return None

    def is_open(self, instant_ms: int) -> bool:
        return self._segment_at(instant_ms) is not None

    def slot_labelled(self, start_ms: int) -> Slot | None:
        """The slot that starts at an instant; None off session or off the slot grid."""
        segment = self._segment_at(start_ms)
        if segment is None or (start_ms - segment[0]) % self.base_ms:
            return None
        return Slot(start_ms, min(start_ms + self.base_ms, segment[1]))

    def slot_ending(self, end_ms: int) -> Slot | None:
        """The slot that ends at an instant; None if none does."""
        segment = self._segment_at(end_ms - 1)
        if segment is None:
            return None
        start_ms = segment[0] + (end_ms - 1 - segment[0]) // self.base_ms * self.base_ms
        slot = Slot(start_ms, min(start_ms + self.base_ms, segment[1]))
        return slot if slot.end_ms == end_ms else None

    def labels_between(self, start_ms: int, end_ms: int) -> int:
        """Number of slots labelled in [start_ms, end_ms)."""
        count = 0
        for day in self.days[self.index_at(start_ms) :]:
            if day.open_ms >= end_ms:
                break
            for open_ms, close_ms in day.segments:
                before_end = len(range(open_ms, min(end_ms, close_ms), self.base_ms))
                before_start = len(range(open_ms, min(start_ms, close_ms), self.base_ms))
                count += max(0, before_end - before_start)
        return count

    def full_days_of(self, year: int, month: int) -> list[date]:
        """Dates of the full sessions of one month, ascending."""
        prefix = f"{year:04d}-{month:02d}-"
        return [day.day for day in self.days if day.full and day.session.startswith(prefix)]


def trading_days(calendar_id: str, first_ms: int, last_ms: int) -> tuple[TradingDay, ...]:
    """Sessions of a built-in calendar, at least of the years before to after the two instants."""
    if calendar_id in _FILES:
        return _artefact_days(calendar_id)
    if calendar_id != "24/7":
        raise ValueError(f"no such calendar: {calendar_id}")
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).year for ms in (first_ms, last_ms))
    return _utc_days(max(1, first - 1), min(9998, last + 1))


@cache
def _utc_days(first_year: int, last_year: int) -> tuple[TradingDay, ...]:
    day, found = date(first_year, 1, 1), []
    while day <= date(last_year, 12, 31):
        midnight_ms = (day - EPOCH).days * DAY_MS
        found.append(TradingDay(day.isoformat(), ((midnight_ms, midnight_ms + DAY_MS),)))
        day += timedelta(days=1)
    return tuple(found)


@cache
def _artefact_days(calendar_id: str) -> tuple[TradingDay, ...]:
    """The committed calendar data, read by the description of its format."""
    path = files("tapeline.streams.calendars").joinpath("data", _FILES[calendar_id])
    content: dict[str, Any] = json.loads(path.read_bytes())
    special = {row[0]: row for row in content["special"]}
    regular = {row[0]: row[1] for row in content["regular"]}
    edges: list[int] = []
    found = []
    day = date.fromisoformat(content["first_date"])
    while day <= date.fromisoformat(content["last_date"]):
        name = day.isoformat()
        edges = regular.get(name, edges)
        if name in special:
            found.append(_trading_day(day, special[name][1], special[name][2]))
        elif day.weekday() in content["weekdays"] and name not in content["closed"]:
            found.append(_trading_day(day, edges, []))
        day += timedelta(days=1)
    return tuple(found)


def _trading_day(day: date, edges: list[int], flags: list[str]) -> TradingDay:
    midnight_ms = (day - EPOCH).days * DAY_MS
    instants = [midnight_ms + minutes * MINUTE_MS for minutes in edges]
    segments = tuple(zip(instants[0::2], instants[1::2], strict=True))
    return TradingDay(day.isoformat(), segments, "early_close" in flags, not flags)
