"""Times of a table cell: epoch milliseconds or ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite

from schemas.records import INT64_MAX, INT64_MIN
from streams.core.calendar import ZoneTable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
SHORT_INTEGER = 18
"""Digits of integers that are certainly within 64 bits."""
KNOWN_HOURS = 4096
FINER = re.compile(r"[.,][0-9]{3}0*[1-9]")
"""More than milliseconds, in the text itself: Python's times end with microseconds."""


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
    hours: dict[str, int] = {}

    def read(text: str) -> int:
        if text.isdecimal() and len(text) <= SHORT_INTEGER:
            return int(text)
        # Minutes of one hour and offset differ in four digits only: parse the hour once. Not in a
        # zone, whose clocks may change inside the hour.
        if (
            len(text) >= 20
            and (zone is None or text[-1] == "Z" or text[-6] in "+-")
            and text[13] == ":"
            and text[16] == ":"
            and (text[14:16] + text[17:19]).isdecimal()
            and text[14] < "6"
            and text[17] < "6"
        ):
            key = text[:14] + text[19:]
            hour_ms = hours.get(key)
            if hour_ms is None:
                try:
                    hour_ms = _parse(f"{text[:14]}00:00{text[19:]}", zone)
                except ValueError:
                    # What is wrong must be said of the text as it is.
                    return _parse(text, zone)
                if len(hours) >= KNOWN_HOURS:
                    hours.clear()
                hours[key] = hour_ms
            return hour_ms + int(text[14:16]) * 60_000 + int(text[17:19]) * 1_000
        return _parse(text, zone)

    return read


def _parse(text: str, zone: ZoneTable | None) -> int:
    stripped = text.strip()
    number = _number(stripped)
    if number is not None:
        return number
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise ValueError(f"{text!r} is no time") from None
    if moment.tzinfo is not None:
        return whole_ms(moment, stripped)
    if zone is None:
        raise NaiveTimeError(f"time {text!r} has no offset")
    wall_ms = whole_ms(moment.replace(tzinfo=UTC), stripped)
    instant = zone.to_utc(wall_ms)
    if instant is None:
        raise ValueError(f"{text!r} does not exist in {zone.zone}")
    return instant


def whole_ms(moment: datetime, text: str) -> int:
    """UTC epoch milliseconds of an ISO time, which is also given as it was written.

    Raises
    ------
    ValueError
        When it lies between two milliseconds: rounded, it would be another bar's time.
    """
    if FINER.search(text):
        raise ValueError(f"{text!r} is no time in whole milliseconds")
    return (moment - EPOCH) // MILLISECOND


def _number(text: str) -> int | None:
    """Whole milliseconds, None for what is no number.

    Raises
    ------
    ValueError
        For a number that is no instant: with a fraction, or of more than 64 bits.
    """
    try:
        number: int | Decimal = int(text)
    except ValueError:
        decimal = _decimal(text)
        if decimal is None:
            return None
        number = decimal
    if "_" in text or not INT64_MIN <= number <= INT64_MAX or number != int(number):
        raise ValueError(f"{text!r} is no time in whole milliseconds")
    return int(number)


def _decimal(text: str) -> Decimal | None:
    """The number exactly as it is written, None for what is none.

    A double of this size has no room for fractions below a quarter of a microsecond.
    """
    try:
        double = float(text)
    except ValueError:
        return None
    try:
        return Decimal(text) if isfinite(double) else Decimal("inf")
    except InvalidOperation:
        # An exponent of twenty digits.
        return None
