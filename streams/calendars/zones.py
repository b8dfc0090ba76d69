"""UTC offsets of time zones as plain data, read from the pinned package ``tzdata``.

The zone files of the machine are never read: two machines that differ by a zone update would give
two results. The version of the package goes into every run manifest.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import import_module
from importlib.resources import files
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from tapeline.schemas.errors import UnusableError
from tapeline.schemas.instants import FIRST_MS
from tapeline.streams.core.calendar import ZoneTable

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2100
_BEFORE_EVERY_USE_MS: Final = FIRST_MS
"""0001-01-01, the first instant that has an ISO date."""
PROBE_STEP_S: Final = 6 * 86_400
"""Shorter than the time between any two changes of a zone since 1970 (a week, less an hour)."""


class UnknownZoneError(UnusableError, ValueError):
    """A time zone that the package ``tzdata`` does not have."""


class OffsetChange(NamedTuple):
    """A UTC offset and the instant from which it holds."""

    instant_ms: int
    offset_ms: int


def load_zone(name: str) -> ZoneTable:
    """Offsets of a time zone, exact from 1970 to 2100 (both included).

    Before 1970 the offset of 1970-01-01 is given, after 2100 the last one of 2100.

    Raises
    ------
    UnknownZoneError
        The package ``tzdata`` has no zone of that name.
    """
    changes = zone_changes(name)
    return ZoneTable(
        name,
        [change.instant_ms for change in changes],
        [change.offset_ms for change in changes],
    )


# A zone costs some ten thousand look-ups, and every group of a configuration wants the same few.
@lru_cache(maxsize=64)
def zone_changes(name: str) -> tuple[OffsetChange, ...]:
    """Changes of UTC offset 1970 to 2100, ascending; the first entry lies before every use.

    Raises
    ------
    UnknownZoneError
        The package ``tzdata`` has no zone of that name.
    """
    zone = open_zone(name)
    first_s = _second_of_year(FIRST_YEAR)
    offset_s = _offset_s(zone, first_s)
    changes = [OffsetChange(_BEFORE_EVERY_USE_MS, offset_s * 1000)]
    end_s = _second_of_year(LAST_YEAR + 1)
    for probe_s in range(first_s + PROBE_STEP_S, end_s + PROBE_STEP_S, PROBE_STEP_S):
        probed_s = _offset_s(zone, probe_s)
        if probed_s != offset_s:
            changed_s = _first_second_with(zone, probed_s, probe_s - PROBE_STEP_S, probe_s)
            changes.append(OffsetChange(changed_s * 1000, probed_s * 1000))
            offset_s = probed_s
    return tuple(changes)


def open_zone(name: str) -> ZoneInfo:
    """A zone of the package ``tzdata`` for the standard library's `datetime`.

    Raises
    ------
    UnknownZoneError
        The package has no zone of that name; names are spelled exactly, and are never paths.
    """
    root = files("tzdata")
    if name not in root.joinpath("zones").read_text(encoding="ascii").split():
        raise UnknownZoneError(
            f"unknown time zone {name!r}: tzdata {time_zone_version()} does not have it; "
            "use an IANA name such as America/New_York"
        )
    with root.joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def time_zone_version() -> str:
    """Version of the package ``tzdata`` in use, such as ``2026.6``."""
    # Of the module that is read, not of what happens to be registered as installed.
    return str(import_module("tzdata").__version__)


def _first_second_with(zone: ZoneInfo, offset_s: int, before_s: int, at_s: int) -> int:
    """First second in (before, at] from which an offset holds, given one change in between."""
    seconds = range(before_s + 1, at_s + 1)
    return seconds[bisect_left(seconds, True, key=lambda s: _offset_s(zone, s) == offset_s)]


def _offset_s(zone: ZoneInfo, instant_s: int) -> int:
    offset = datetime.fromtimestamp(instant_s, zone).utcoffset()
    assert offset is not None, "a ZoneInfo always knows its offset"
    return offset // timedelta(seconds=1)


def _second_of_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
