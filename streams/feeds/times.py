"""Times of a table cell: epoch milliseconds or ISO 8601."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from streams.core.calendar import ZoneTable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class NaiveTimeError(ValueError):
    """A time without offset, where no zone was given."""


def time_reader(zone: ZoneTable | None) -> Callable[[str], int]:
    """Function from the text of a time to UTC epoch milliseconds.

    Parameters
    ----------
    zone
        Zone of times without offset; None: they are refused.

    Notes
    -----
    The function raises `NaiveTimeError` for a time without offset, ValueError for any other text
    that is no time.
    """
    iso_days: dict[str, int] = {}

    def read(text: str) -> int:
        if text.isdecimal():
            return int(text)
        # Minutes of one hour and offset differ in four digits only: parse the hour once.
        if len(text) >= 20 and text[13] == ":" and text[16] == ":" and text[14:16].isdecimal():
            minute, second = text[14:16], text[17:19]
            if second.isdecimal() and minute < "60" and second < "60":
                key = text[:14] + text[19:]
                hour_ms = iso_days.get(key)
                if hour_ms is None:
                    hour_ms = _parse(f"{text[:14]}00:00{text[19:]}", zone)
                    if len(iso_days) > 4096:
                        iso_days.clear()
                    iso_days[key] = hour_ms
                return hour_ms + int(minute) * 60_000 + int(second) * 1_000
        return _parse(text, zone)

    return read


def _parse(text: str, zone: ZoneTable | None) -> int:
    stripped = text.strip()
    try:
        return int(stripped) if "_" not in stripped else _not_a_time(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        number = float(stripped) if "_" not in stripped else 0.5
        if number.is_integer():
            return int(number)
        return _not_a_time(text)
    if moment.tzinfo is not None:
        return (moment - EPOCH) // MILLISECOND
    if zone is None:
        raise NaiveTimeError(f"time {text!r} has no offset")
    wall_ms = (moment.replace(tzinfo=UTC) - EPOCH) // MILLISECOND
    instant = zone.to_utc(wall_ms)
    if instant is None:
        raise ValueError(f"time {text!r} does not exist in {zone.zone}")
    return instant


def _not_a_time(text: str) -> int:
    raise ValueError(f"{text!r} is no time")
