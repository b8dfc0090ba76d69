"""Numbers and times of messages: from decimal text, strictly, or a refusal with its code.

JSON is decoded with its fractions as text (`decode`), so that a number and the same number in
quotes are one, and one that no double holds spoils its row alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec

from tapeline.schemas.codec import normal_volume
from tapeline.schemas.config.feed_mapping import TimeField
from tapeline.schemas.errors import InternalError
from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS
from tapeline.schemas.records import INT64_MAX
from tapeline.streams.calendars import load_zone
from tapeline.streams.feeds.live.mapping.lookups import field
from tapeline.streams.feeds.times import (
    RepeatedTimeError,
    TableTimes,
    TimeUnit,
    number_ms,
    time_reader,
)

EXACT_DIGITS = 15
"""A decimal of so many digits and its nearest double say the same."""
KNOWN_PRICES = 1 << 16
KNOWN_TIMES = 64
LONGEST_NUMBER = 400
SHOWN = 60
EXACT = 10**EXACT_DIGITS
TOO_LONG = 10**LONGEST_NUMBER
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_UNITS: dict[str, TimeUnit] = {"ms": "ms", "s": "s", "us": "us", "ns": "ns"}

_decoder = msgspec.json.Decoder(float_hook=str)


class RowError(InternalError, ValueError):
    """A row that cannot be a bar.

    Attributes
    ----------
    code, reason
        Of its dead letter.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


def decode(data: bytes) -> Any:
    """A JSON message as plain data; numbers with a fraction or an exponent are their text.

    Raises
    ------
    ValueError
        When it is none. The text is the same for all messages of one kind of fault.
    """
    if not data:
        raise ValueError("the message is empty")
    try:
        return _decoder.decode(data)
    except RecursionError:
        raise ValueError("the message is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("the message is not UTF-8") from None
    except ValueError:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError("the message is not UTF-8") from None
        raise ValueError("the message is not JSON") from None


def shown(value: Any) -> str:
    """A value of a message for people, short."""
    if isinstance(value, str | int | bool) or value is None:
        text = repr(value) if not isinstance(value, int) or abs(value) < EXACT**4 else "a number"
    else:
        text = "a list" if isinstance(value, list) else "an object"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def price_reader(nearest: bool) -> Callable[[Any], float]:
    """Function from a value of a message to a price.

    Parameters
    ----------
    nearest
        Whether digits that no double holds are rounded; otherwise they are off every tick.

    Notes
    -----
    The function raises `RowError`: ``bad_price``, ``off_tick``.
    """
    known: dict[str, float] = {}

    def read(value: Any) -> float:
        if type(value) is str:
            price = known.get(value)
            if price is None:
                price = _price(value, nearest)
                if len(known) >= KNOWN_PRICES:
                    known.clear()
                known[value] = price
            return price
        if type(value) is int:
            # Of as many digits as it has: its text decides.
            return float(value) if abs(value) < EXACT else _price(_digits(value), nearest)
        raise RowError("bad_price", f"{shown(value)} is no price")

    return read


def _digits(value: int) -> str:
    return str(value) if abs(value) < TOO_LONG else "a number of too many digits"


def _price(text: str, nearest: bool) -> float:
    if len(text) > LONGEST_NUMBER or _DECIMAL.fullmatch(text) is None:
        raise RowError("bad_price", f"{shown(text)} is no price")
    price = float(text)
    if not isfinite(price):
        raise RowError("bad_price", f"{shown(text)} is beyond every price")
    if len(text) > EXACT_DIGITS and not nearest and Decimal(text) != Decimal(repr(price)):
        raise RowError("off_tick", f"{shown(text)} has more digits than a price")
    return price


def read_volume(value: Any) -> int | float:
    """A volume of a message.

    Raises
    ------
    RowError
        ``bad_volume``.
    """
    if type(value) is int:
        if abs(value) > INT64_MAX:
            raise RowError("bad_volume", f"{shown(value)} is of more than 64 bits")
        return value
    if type(value) is not str or len(value) > LONGEST_NUMBER or _DECIMAL.fullmatch(value) is None:
        raise RowError("bad_volume", f"{shown(value)} is no volume")
    if value.isdecimal():
        return read_volume(int(value))
    volume = float(value)
    if not isfinite(volume):
        raise RowError("bad_volume", f"{shown(value)} is beyond every volume")
    found = normal_volume(volume)
    assert found is not None
    return found


def instant_reader(table: TimeField) -> Callable[[Any], int]:
    """Function from a value of a message to UTC epoch milliseconds, as the table says.

    Notes
    -----
    The function raises `RowError`: ``schema_error``, ``ambiguous_time``.
    """
    unit = _UNITS.get(table.unit)
    if unit is not None:
        return _number_reader(unit)
    zone = load_zone(table.zone) if table.zone else None
    read_text = time_reader(TableTimes(zone))
    # All bars of a minute have one text.
    known: dict[str, int] = {}

    def read(value: Any) -> int:
        if type(value) is str and value in known:
            return known[value]
        if type(value) is not str or len(value) > SHOWN or ":" not in value:
            raise RowError("schema_error", f"{shown(value)} is no time")
        try:
            instant_ms = read_text(value)
        except RepeatedTimeError as error:
            raise RowError("ambiguous_time", str(error)) from None
        except (ValueError, OverflowError) as error:
            raise RowError("schema_error", str(error)) from None
        if len(known) >= KNOWN_TIMES:
            known.clear()
        known[value] = instant_ms
        return instant_ms

    return read


def _number_reader(unit: TimeUnit) -> Callable[[Any], int]:
    whole = unit == "ms"

    def read(value: Any) -> int:
        if type(value) is int and whole and FAR_PAST_MS < value < FAR_FUTURE_MS:
            return value
        if type(value) not in (int, str) or len(text := _time_text(value)) > SHOWN:
            raise RowError("schema_error", f"{shown(value)} is no time")
        try:
            found = number_ms(text, unit)
        except (ValueError, ArithmeticError):
            found = None
        if found is None or not FAR_PAST_MS < found < FAR_FUTURE_MS:
            raise RowError("schema_error", f"{shown(value)} is no time in {unit}")
        return found

    return read


def _time_text(value: int | str) -> str:
    return value if isinstance(value, str) else _digits(value)


def label_reader(table: TimeField) -> Callable[[Any, Any, int], int]:
    """Function from an element, its message and the length of its bar to the bar's label.

    Notes
    -----
    The function raises `RowError`: ``schema_error``, ``ambiguous_time``.
    """
    find, read, text = field(table.path), instant_reader(table), table.path
    ends, last = table.stamp == "close", table.stamp == "last_ms"

    def label(element: Any, message: Any, base_ms: int) -> int:
        value = find(element, message)
        if value is None:
            raise RowError("schema_error", f"there is no {text}")
        instant_ms = read(value)
        if ends:
            return instant_ms - base_ms
        return instant_ms + 1 - base_ms if last else instant_ms

    return label
