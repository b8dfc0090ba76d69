"""Which columns of a table hold the time of a row, decided once, from its first rows.

A column that is half a stamp (a day, or a time of day) is never read alone: 120000 would be two
minutes after midnight of 1970, and every row of a day the same bar. A file whose numbers are no
plausible times in their unit, but are in another, is refused before anything starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from math import isfinite

from tapeline.schemas.instants import DAY_MS, ISO, instant_text, iso_time
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.times import (
    EPOCH,
    MILLISECOND,
    POWERS,
    TIME_UNITS,
    TableTimes,
    TimeUnit,
    number_ms,
)

MILLISECONDS_COLUMN = "start_ms"
TIME_COLUMNS = (MILLISECONDS_COLUMN, "start", "start_utc", "time", "timestamp", "date")
SYMBOL_COLUMN = "symbol"
LOOK_ROWS = 4_096
"""Rows that decide: more than an hour of seconds, so that one of 0, 1, .. 10000 has five digits."""
DIGITS_OF_A_DATE = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
UNIT_WORDS: dict[TimeUnit, str] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}

Look = Sequence[tuple[int, Sequence[str]]]
"""First rows: number of the row in its file, and its cells."""
Texts = Sequence[tuple[int, str]]

_DAY = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})", re.ASCII)
_MIDNIGHT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]00:00(:00(\.0+)?)?", re.ASCII)
_TIME_OF_DAY = re.compile(
    r"([0-9]{1,2}:[0-9]{2})(:[0-9]{2}(?:[.,][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?", re.ASCII
)
_DIGITS_OF_A_TIME = re.compile(r"[0-9]{1,6}", re.ASCII)


class _Kind(Enum):
    WHOLE = "a whole stamp"
    MIDNIGHT = "a whole stamp at midnight"
    DAY = "days"
    TIME_OF_DAY = "times of day"


OTHER_HALVES = {
    _Kind.DAY: "a column time with the time of day (hhmmss or HH:MM[:SS])",
    _Kind.TIME_OF_DAY: "a column date with the day (yyyymmdd or yyyy-mm-dd)",
}


def time_columns(
    path: str, header: Sequence[str], look: Look, times: TableTimes
) -> tuple[str, ...]:
    """Names of the columns of the time, in lower case: one, or those of day and time of day.

    The first of `TIME_COLUMNS` that is whole, or has its other half in another column.

    Raises
    ------
    InputError
        When there is none, or the numbers of the file are in another unit.
    """
    names = [name.strip().lower() for name in header]
    present = [name for name in TIME_COLUMNS if name in names]
    if not present:
        raise InputError(f"{path}: no time column; one of {', '.join(TIME_COLUMNS)} is needed")
    texts = {name: _texts(look, names.index(name), len(names)) for name in present}
    kinds = {name: _kind(texts[name], times) for name in present}
    # Where bars of 1970 are let in, digits of halves are plausible times, too: beside each other
    # they are halves.
    none_plausible = times._replace(latest_ms=times.earliest_ms)
    halves = {name: _kind(texts[name], none_plausible) for name in present}
    if _Kind.TIME_OF_DAY in halves.values() and {_Kind.DAY, _Kind.MIDNIGHT} & {*halves.values()}:
        kinds |= {name: kind for name, kind in halves.items() if kind is not _Kind.WHOLE}
    # By its name a whole stamp.
    kinds |= dict.fromkeys(kinds.keys() & {MILLISECONDS_COLUMN}, _Kind.WHOLE)
    clocks = [name for name in present if kinds[name] is _Kind.TIME_OF_DAY]
    days = [name for name in reversed(present) if kinds[name] in (_Kind.DAY, _Kind.MIDNIGHT)]
    for name in present:
        if kinds[name] is _Kind.WHOLE or (kinds[name] is _Kind.MIDNIGHT and not clocks):
            _check_numbers(path, name, texts[name], times)
            _check_digits_lost(path, name, _by_symbol(look, names, name))
            return (name,)
        pair = _pair(name, kinds[name], days, clocks)
        if pair is not None:
            _check_short_times(path, pair[1], texts[pair[1]])
            return pair
    name = present[0]
    line, text = next(each for each in texts[name] if _kind_of(each[1], times) is kinds[name])
    given = header[names.index(name)].strip()
    raise InputError(
        f"{path}:{line}: column {given} holds {kinds[name].value} alone ({text!r});"
        f" {OTHER_HALVES[kinds[name]]} is needed beside it"
    )


def joined(day: str, time: str) -> str:
    """ISO time of a day and a time of day.

    ``yyyymmdd`` or an ISO date, ``hhmmss`` (zeros in front may be missing) or ``HH:MM[:SS]``.

    Raises
    ------
    ValueError
        When one of them is none.
    """
    day, time = _whole(day), _whole(time)
    found = _DAY.fullmatch(day[:10] if _MIDNIGHT.fullmatch(day) else day)
    if found is None:
        raise ValueError(f"{day!r} is no day")
    date = "-".join(found.groups())
    if _DIGITS_OF_A_TIME.fullmatch(time):
        time = time.zfill(6)
        return f"{date}T{time[:2]}:{time[2:4]}:{time[4:]}"
    clock = _TIME_OF_DAY.fullmatch(time)
    if clock is None:
        raise ValueError(f"{time!r} is no time of day")
    minutes, seconds, offset = clock.groups()
    return f"{date}T{minutes.zfill(5)}{seconds or ':00'}{offset or ''}"


def _whole(text: str) -> str:
    """A cell without blanks, and without the fraction that integers have in a column of doubles."""
    return text.strip().removesuffix(".0")


def _texts(look: Look, at: int, count: int) -> Texts:
    cells = ((line, cells[at].strip()) for line, cells in look if len(cells) == count)
    return [(line, text) for line, text in cells if text]


def _pair(
    name: str, kind: _Kind, days: Sequence[str], clocks: Sequence[str]
) -> tuple[str, str] | None:
    if kind is _Kind.TIME_OF_DAY:
        return (days[0], name) if days else None
    return (name, clocks[0]) if clocks else None


def _kind(texts: Texts, times: TableTimes) -> _Kind:
    """What a column holds; a whole stamp where its first rows do not show it."""
    found = {_kind_of(text, times) for _, text in texts} - {None}
    if found == {_Kind.TIME_OF_DAY}:
        return _Kind.TIME_OF_DAY
    if found == {_Kind.DAY}:
        return _Kind.DAY
    if found and found <= {_Kind.DAY, _Kind.MIDNIGHT}:
        return _Kind.MIDNIGHT
    return _Kind.WHOLE


def _kind_of(text: str, times: TableTimes) -> _Kind | None:
    """What one cell is, None for what cannot be read."""
    if _MIDNIGHT.fullmatch(text):
        return _Kind.MIDNIGHT
    if _TIME_OF_DAY.fullmatch(text):
        return _Kind.TIME_OF_DAY
    try:
        number = number_ms(text, times.unit)
    except ValueError:
        return _Kind.WHOLE
    if number is not None:
        return _kind_of_number(_whole(text), number, times)
    if _DAY.fullmatch(text):
        return _Kind.DAY
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return _Kind.WHOLE


def _kind_of_number(text: str, instant_ms: int, times: TableTimes) -> _Kind:
    if times.plausible(instant_ms):
        return _Kind.WHOLE if instant_ms % DAY_MS else _Kind.MIDNIGHT
    if _DIGITS_OF_A_TIME.fullmatch(text):
        padded = text.zfill(6)
        if padded[:2] < "24" and padded[2] < "6" and padded[4] < "6":
            return _Kind.TIME_OF_DAY
    if len(text) == 8 and _date_of(text) is not None:
        return _Kind.DAY
    return _Kind.WHOLE


def _date_of(text: str) -> datetime | None:
    form = DIGITS_OF_A_DATE.get(len(text)) if text.isdecimal() else None
    if form is None:
        return None
    try:
        return datetime.strptime(f"{text}+0000", f"{form}%z")
    except ValueError:
        return None


def _check_numbers(path: str, name: str, texts: Texts, times: TableTimes) -> None:
    """Refuse numbers that are plausible in another unit alone."""
    guess = ""
    for line, text in texts:
        try:
            instant_ms = number_ms(text, times.unit)
        except ValueError:
            instant_ms = None
        else:
            if instant_ms is None or times.plausible(instant_ms):
                return
        guess = guess or _other_reading(path, line, name, text, instant_ms, times)
    if guess:
        raise InputError(guess)


def _other_reading(
    path: str, line: int, name: str, text: str, instant_ms: int | None, times: TableTimes
) -> str:
    """What a number would be in another unit, and the option for that; "" where it is nothing."""
    unit = UNIT_WORDS[times.unit]
    shown = "no time" if instant_ms is None else iso_time(instant_ms)
    found = f"{path}:{line}: {name} {text} is {shown} in {unit}"
    instant = _date_of(_whole(text))
    if instant is not None and times.plausible((instant - EPOCH) // MILLISECOND):
        plain = instant_text((instant - EPOCH) // MILLISECOND, ISO)[:-1]
        return f"{found}; as digits of a date it is {plain}: write it so, or as a date and a time"
    try:
        number = float(text)
    except ValueError:
        return ""
    for other in TIME_UNITS:
        other_ms = number * 10.0 ** POWERS[other]
        if other != times.unit and isfinite(other_ms) and times.plausible(other_ms):
            return (
                f"{found}; in {UNIT_WORDS[other]} it is {iso_time(int(other_ms))}:"
                f" give --time-unit {other}"
            )
    return ""


def _by_symbol(look: Look, names: Sequence[str], name: str) -> Iterable[tuple[str, int, str]]:
    at = names.index(name)
    symbol_at = names.index(SYMBOL_COLUMN) if SYMBOL_COLUMN in names else -1
    for line, cells in look:
        if len(cells) == len(names):
            yield cells[symbol_at].strip() if symbol_at >= 0 else "", line, cells[at].strip()


def _check_digits_lost(path: str, name: str, cells: Iterable[tuple[str, int, str]]) -> None:
    """Refuse numbers such as 1.7049E+12 of which two rows of a symbol have the same one."""
    lines: dict[tuple[str, str], int] = {}
    for symbol, line, text in cells:
        if "E" not in text.upper() or not _lacks_digits(text):
            continue
        first = lines.setdefault((symbol, text), line)
        if first != line:
            raise InputError(
                f"{path}:{line}: {name} {text} is that of line {first}, too: its last digits are"
                " lost, as spreadsheets shorten numbers; write the file with whole numbers"
            )


def _lacks_digits(text: str) -> bool:
    try:
        exponent = Decimal(text).as_tuple().exponent
    except InvalidOperation:
        return False
    return isinstance(exponent, int) and exponent > 0


def _check_short_times(path: str, name: str, texts: Texts) -> None:
    """Refuse digits that may be hours and minutes as well."""
    digits = [(line, _whole(text)) for line, text in texts]
    digits = [(line, text) for line, text in digits if text.isdecimal()]
    if digits and all(len(text) <= 4 for _, text in digits):
        line, text = digits[0]
        raise InputError(
            f"{path}:{line}: {name} {text!r} may be hhmm or hhmmss; write it as HH:MM or HH:MM:SS"
        )
