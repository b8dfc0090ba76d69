"""How tables of small test numbers are read."""

from __future__ import annotations

from tapeline.streams.core.calendar import ZoneTable
from tapeline.streams.feeds.times import TableTimes

ANY_TIME = TableTimes(earliest_ms=-(1 << 62), latest_ms=1 << 63)
"""Every number is plausible in milliseconds: labels may be counted from 0."""


def any_time(zone: ZoneTable | None) -> TableTimes:
    """The same with a zone for times without offset."""
    return ANY_TIME._replace(zone=zone)
