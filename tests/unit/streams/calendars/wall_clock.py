"""Wall times for the calendar tests, by the standard library and the pinned zone files.

Shares no code with `streams.calendars`: it reads the zone file itself.
"""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tapeline.schemas.instants import EPOCH_ORDINAL
from tapeline.streams.core.calendar import Calendar

CENTRAL = "America/Chicago"
EASTERN = "America/New_York"


class Hours(NamedTuple):
    """Regular hours of an exchange in its own zone; `opens_days_before` the session date."""

    zone: str
    opens: time
    opens_days_before: int
    closes: time


REGULAR = {
    "CME_EQUITY": Hours(CENTRAL, time(17), 1, time(16)),
    "XNYS": Hours(EASTERN, time(9, 30), 0, time(16)),
}


def zone_file(name: str) -> bytes:
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def zone_names() -> list[str]:
    return files("tzdata").joinpath("zones").read_text(encoding="ascii").split()


@cache
def zone(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def utc_ms(day: date, at: time, zone_name: str) -> int:
    """Instant of a wall time."""
    return to_ms(datetime.combine(day, at, zone(zone_name)))


def to_ms(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def session_index(calendar: Calendar, day: date) -> int:
    """Index of a date's session; -1 if the calendar has none."""
    return calendar.index_of_day(day.toordinal() - EPOCH_ORDINAL)


def weekdays(first: date, last: date) -> list[date]:
    """Mondays to Fridays, both ends included."""
    days = (date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1))
    return [day for day in days if day.weekday() < 5]


def expected_edges(calendar_id: str, day: date, closes: time | None = None) -> tuple[int, int]:
    """Open and close (UTC ms) of a session that closes at the regular time or at `closes`."""
    hours = REGULAR[calendar_id]
    opens_on = day - timedelta(days=hours.opens_days_before)
    return (
        utc_ms(opens_on, hours.opens, hours.zone),
        utc_ms(day, closes or hours.closes, hours.zone),
    )


def offset_changes(name: str) -> list[tuple[int, int]]:
    """The (second, offset) pairs written in a zone file at which the UTC offset changes.

    A plain reading of the second data block of RFC 8536; changes that follow from the rule in the
    file's footer are not in it.
    """
    content = zone_file(name)

    def counts(start: int) -> tuple[int, ...]:
        return struct.unpack(">6l", content[start + 20 : start + 44])

    ut, standard, leap, times, types, chars = counts(0)
    start = 44 + times * 5 + types * 6 + chars + leap * 8 + standard + ut
    _, _, _, times, types, _ = counts(start)
    start += 44
    instants = struct.unpack(f">{times}q", content[start : start + 8 * times])
    kinds = content[start + 8 * times : start + 9 * times]
    start += 9 * times
    offsets = [
        struct.unpack(">l", content[start + 6 * n : start + 6 * n + 4])[0] for n in range(types)
    ]
    changes = []
    offset = offsets[0]
    for instant, kind in zip(instants, kinds, strict=True):
        if offsets[kind] != offset:
            offset = offsets[kind]
            changes.append((instant, offset))
    return changes
