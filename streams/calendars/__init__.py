"""Trading calendars and time zones, as checked plain data for the core.

At run time the standard library and the pinned package tzdata suffice; `build` makes the data.
"""

from tapeline.streams.calendars.artefacts import (
    CALENDAR_IDS,
    ArtefactError,
    UnknownCalendarError,
    calendar_checksum,
    load_calendar,
)
from tapeline.streams.calendars.zones import UnknownZoneError, load_zone, time_zone_version

__all__ = [
    "CALENDAR_IDS",
    "ArtefactError",
    "UnknownCalendarError",
    "UnknownZoneError",
    "calendar_checksum",
    "load_calendar",
    "load_zone",
    "time_zone_version",
]
