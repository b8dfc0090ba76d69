"""Times of a table cell: a number since 1970 in one unit, or ISO 8601.

A number is read in the unit of its file. An ISO time without offset is wall time of the zone that
was given; one that occurs twice there is left to `repeated_hours`, which knows the rows around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Literal, NamedTuple, get_args

from tapeline.schemas.config.model import Config, TimeConfig
from tapeline.schemas.errors import InternalError
from tapeline.schemas.instants import MINUTE_MS, iso_time
from tapeline.schemas.records import INT64_MAX, INT64_MIN
from tapeline.streams.calendars import load_zone
from tapeline.streams.core.calendar import ZoneTable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
SHORT_INTEGER = 18
"""Digits of integers that are certainly within 64 bits."""
KNOWN_HOURS = 4096
FINER = re.compile(r"[.,][0-9]{3}0*[1-9]")
"""More than milliseconds, in the text itself: Python's times end with microseconds."""

TimeUnit = Literal["s", "ms", "us", "ns"]
TIME_UNITS: tuple[TimeUnit, ...] = get_args(TimeUnit)
POWERS: dict[TimeUnit, int] = {"s": 3, "ms": 0, "us": -3, "ns": -6}
"""Milliseconds of a unit, as a power of ten."""


class TableTimes(NamedTuple):
    """How the times of tables are read.

    Attributes
    ----------
    zone
        Zone of times without offset; None: they are refused.
    unit
        Unit of numbers, which count from 1970-01-01 UTC.
    earliest_ms, latest_ms
        Plausible instants, earliest <= instant < latest: a file is refused whose numbers are none
        in this unit, but are in another.
    """

    zone: ZoneTable | None = None
    unit: TimeUnit = "ms"
    earliest_ms: int = TimeConfig().earliest_ms
    latest_ms: int = TimeConfig().latest_ms

    def plausible(self, instant_ms: float) -> bool:
        """Whether a bar may have that time."""
        return self.earliest_ms <= instant_ms < self.latest_ms


def table_times(config: Config, zone: str | None, unit: TimeUnit | None) -> TableTimes:
    """How the times of tables are read, by the names that a command line gives.

    Parameters
    ----------
    unit
        None: milliseconds.

    Raises
    ------
    UnknownZoneError
        When there is no such zone.
    """
    table = None if zone is None else load_zone(zone)
    return TableTimes(table, unit or "ms", config.time.earliest_ms, config.time.latest_ms)


class NaiveTimeError(InternalError, ValueError):
    """A time without offset, where no zone was given."""


class RepeatedTimeError(InternalError, ValueError):
    """A wall time that occurs twice, because clocks are set back over it.

    Attributes
    ----------
    wall_ms
        The wall time, as if it were UTC.
    first_ms, second_ms
        The two instants.
    change_ms
        Instant at which clocks are set back: that of all wall times of the same repeated hour.
    """

    def __init__(self, text: str, zone: ZoneTable, wall_ms: int, instants: list[int]) -> None:
        self.wall_ms = wall_ms
        self.first_ms, self.second_ms = instants[0], instants[-1]
        self.change_ms = zone.change_before(self.second_ms)
        super().__init__(
            f"{text!r} occurs twice in {zone.zone}, at {iso_time(self.first_ms)}"
            f" and at {iso_time(self.second_ms)}"
        )


def time_reader(times: TableTimes) -> Callable[[str], int]:
    """Function from the text of a time to UTC epoch milliseconds.

    Notes
    -----
    The function raises `NaiveTimeError` for a time without offset, `RepeatedTimeError` for a wall
    time that occurs twice, ValueError for any other text that is no time.
    """
    hours: dict[str, int | None] = {}
    milliseconds = times.unit == "ms"

    def read(text: str) -> int:
        if milliseconds and text.isdecimal() and len(text) <= SHORT_INTEGER:
            return int(text)
        # Minutes of one hour and offset differ in four digits only: parse the hour once.
        if (
            len(text) >= 19
            and text[13] == ":"
            and text[16] == ":"
            and (text[14:16] + text[17:19]).isdecimal()
            and text[14] < "6"
            and text[17] < "6"
        ):
            key = text[:14] + text[19:]
            hour_ms = hours.get(key)
            if hour_ms is None:
                if key in hours:
                    return _parse(text, times)
                try:
                    hour_ms = _even_hour(text, times)
                except ValueError:
                    # The error must name the text as it is.
                    return _parse(text, times)
                if len(hours) >= KNOWN_HOURS:
                    hours.clear()
                hours[key] = hour_ms
                if hour_ms is None:
                    return _parse(text, times)
            return hour_ms + int(text[14:16]) * MINUTE_MS + int(text[17:19]) * 1_000
        return _parse(text, times)

    return read


def _even_hour(text: str, times: TableTimes) -> int | None:
    """Begin of the hour of a text; None where the clocks of the zone change inside it."""
    start_ms = _parse(f"{text[:14]}00:00{text[19:]}", times)
    end_ms = _parse(f"{text[:14]}59:59{text[19:]}", times)
    return start_ms if end_ms - start_ms == 3_599_000 else None


def _parse(text: str, times: TableTimes) -> int:
    stripped = text.strip()
    number = number_ms(stripped, times.unit)
    if number is not None:
        return number
    try:
        instant = datetime.fromisoformat(stripped)
    except ValueError:
        raise ValueError(f"{text!r} is no time") from None
    if instant.tzinfo is not None:
        return whole_ms(instant, stripped)
    zone = times.zone
    if zone is None:
        raise NaiveTimeError(f"time {text!r} has no offset")
    wall_ms = whole_ms(instant.replace(tzinfo=UTC), stripped)
    instants = zone.instants_of(wall_ms)
    if not instants:
        raise ValueError(f"{text!r} does not exist in {zone.zone}")
    if len(instants) > 1:
        raise RepeatedTimeError(text, zone, wall_ms, instants)
    return instants[0]


def whole_ms(instant: datetime, text: str) -> int:
    """UTC epoch milliseconds of an ISO time, which is also given as it was written.

    Raises
    ------
    ValueError
        When it lies between two milliseconds: rounded, it would be another bar's time.
    """
    if FINER.search(text):
        raise ValueError(f"{text!r} is no time in whole milliseconds")
    return (instant - EPOCH) // MILLISECOND


def number_ms(text: str, unit: TimeUnit) -> int | None:
    """Whole milliseconds of a number in a unit, None for what is no number.

    Raises
    ------
    ValueError
        For a number that is no instant: between two milliseconds, or of more than 64 bits.
    """
    try:
        number: int | Decimal = int(text)
    except ValueError:
        decimal = _decimal(text)
        if decimal is None:
            return None
        number = decimal
    if unit != "ms":
        number = _moved(Decimal(number), POWERS[unit])
    if "_" in text or not INT64_MIN <= number <= INT64_MAX or number != int(number):
        raise ValueError(f"{text!r} is no time in whole milliseconds")
    return int(number)


def _moved(number: Decimal, power: int) -> Decimal:
    """The number times a power of ten, exactly: arithmetic of decimals rounds to 28 digits."""
    sign, digits, exponent = number.as_tuple()
    return Decimal((sign, digits, exponent + power)) if isinstance(exponent, int) else number


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
