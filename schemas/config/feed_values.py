"""Readers of single values of ``[feeds.<name>]``: each normalises one or says what is allowed."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import get_args

from tapeline.schemas.config.feed_mapping import (
    Comparison,
    Finality,
    NextPage,
    Stamp,
    TimeField,
    TimeForm,
    Wanted,
    Where,
)
from tapeline.schemas.config.feed_paths import (
    ONE_VALUE_RULE,
    PATH_RULE,
    Variable,
    message_parts,
    parse_path,
)
from tapeline.schemas.config.templates import time_zones
from tapeline.schemas.config.values import ConfigKey, Reader, as_table, one_of, read_table
from tapeline.schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tapeline.schemas.intervals import BASE_INTERVALS, parse_interval
from tapeline.schemas.symbols import NAME_RULE, is_name

DURATION = 'a duration such as "250ms", "2.5s", "20m", "12h" or "2d"'
WHERE = "a table of paths and of the values that may stand there: text, whole numbers, true, false"
TIME_OF_MESSAGE = (
    'a table with path and unit ("ms", "s", "us", "ns", "rfc3339" or "local" with zone)'
)
PRICES = "a table of the four paths open, high, low, close"
VOLUME = 'a path, or a table with path and default ("absent" or a whole number)'
FINAL = '"sent", "successor", "elapsed", or a table with path and equals'
COMPARISON = "a table with path and equals: text, a whole number, true, false, or a list of them"
NEXT = "a path of the next address, or a table with param and path"
NAMES = "a table of names and texts"
SYMBOLS = "a table of our symbols and theirs, or a list where they are equal; at least one"
INTERVAL = f"a table of base intervals ({', '.join(BASE_INTERVALS)}) and the provider's words"
RATE = 'a table such as { requests = 200, per = "60s" }'
SECRET = 'text with ${NAME} where a secret belongs, as in "Bearer ${FEED_KEY}"'
MESSAGE = "text with the variables ${symbols}, ${topics}, ${symbol}, ${topic}, ${interval}, ${id}"
ADDRESS = "an address with the variables {symbols}, {topics}, {interval}"
HISTORY_ADDRESS = (
    "http:// or https:// with {symbol} or {symbols}, {interval}, {limit} and {from_ms}, {to_ms}"
    " (also _s, _us, _ns, _rfc3339, and {before_s} for an exclusive beginning)"
)
TOPIC = 'text with {symbol}, {symbol:lower}, {symbol:upper}, {interval}, as in "trade.{symbol}"'
BEGIN = 'an ISO date, or a time with an offset, such as "2026-11-02" or "2026-11-02T14:30:00Z"'

LONGEST_MS = 400 * DAY_MS
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)", re.ASCII)
_UNIT_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_ISO_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9:]{4,6}))?", re.ASCII)
HISTORY_VARIABLES = tuple(
    f"{end}_{unit}"
    for end in ("from", "to", "before")
    for unit in ("ms", "s", "us", "ns", "rfc3339")
)
RESERVED = frozenset(
    {"symbol", "symbols", "topic", "topics", "interval", "id", "limit", *HISTORY_VARIABLES}
)


def duration(least_ms: int = 1) -> Reader:
    """Reader of a duration in whole milliseconds, from `least_ms` to 400 days."""

    def read(value: object, at: ConfigKey) -> int:
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            at.refuse(value, DURATION)
        length = Decimal(match[1]) * _UNIT_MS[match[2]]
        if length != int(length) or not least_ms <= length <= LONGEST_MS:
            at.refuse(value, DURATION)
        return int(length)

    return read


def text(allowed: str, pattern: re.Pattern[str] | None = None) -> Reader:
    """Reader of a text that is not empty, and of that pattern if there is one."""

    def read(value: object, at: ConfigKey) -> str:
        if not isinstance(value, str) or not value:
            at.refuse(value, allowed)
        if pattern is not None and pattern.fullmatch(value) is None:
            at.refuse(value, allowed)
        return value

    return read


def path(*, of_one_value: bool = True, empty: bool = False) -> Reader:
    """Reader of a path."""
    allowed = ONE_VALUE_RULE if of_one_value else PATH_RULE

    def read(value: object, at: ConfigKey) -> str:
        if not isinstance(value, str) or not (value or empty):
            at.refuse(value, allowed)
        try:
            found = parse_path(value)
        except ValueError:
            at.refuse(value, allowed)
        if of_one_value and not found.is_of_one_value:
            at.refuse(value, allowed)
        return value

    return read


read_path = path()


def read_each(value: object, at: ConfigKey) -> tuple[str, ...]:
    """One path of elements, or several."""
    read_one = path(of_one_value=False, empty=True)
    if not isinstance(value, list):
        return (str(read_one(value, at)),)
    if not value or not all(isinstance(entry, str) for entry in value):
        at.refuse(value, PATH_RULE)
    return tuple(str(read_one(entry, at.item(index))) for index, entry in enumerate(value))


def where(*, of_one_value: bool = True) -> Reader:
    """Reader of a table of paths and values; ``{ k.x = true }`` is ``{ "k.x" = true }``."""
    read_key = path(of_one_value=of_one_value)

    def read(value: object, at: ConfigKey) -> Where:
        if not isinstance(value, dict) or not value:
            at.refuse(value, WHERE)
        found: list[tuple[str, Wanted]] = []

        def take(table: dict[str, object], prefix: str, below: ConfigKey) -> None:
            for key, entry in table.items():
                name = f"{prefix}.{key}" if prefix else key
                if isinstance(entry, dict) and entry:
                    take(entry, name, below.child(key))
                else:
                    read_key(name, below)
                    found.append((name, wanted(entry, below.child(key), WHERE)))

        take(value, "", at)
        return tuple(found)

    return read


def wanted(value: object, at: ConfigKey, allowed: str) -> Wanted:
    """Values of which one must stand somewhere; numbers as their text."""
    entries = value if isinstance(value, list) else [value]
    if not entries or not all(isinstance(entry, str | int) for entry in entries):
        at.refuse(value, allowed)
    return tuple(entry if isinstance(entry, bool | str) else str(entry) for entry in entries)


def read_comparison(value: object, at: ConfigKey) -> Comparison:
    """A path and what must stand there."""
    table = _whole_table(value, at, ("path", "equals"), COMPARISON)
    equals = wanted(table["equals"], at.child("equals"), COMPARISON)
    return Comparison(path=str(read_path(table["path"], at.child("path"))), equals=equals)


def _whole_table(
    value: object, at: ConfigKey, keys: tuple[str, ...], allowed: str
) -> dict[str, object]:
    """A table that has these keys and no other."""
    if not isinstance(value, dict) or set(value) != set(keys):
        at.refuse(value, allowed)
    return value


START_READERS: dict[str, Reader] = {
    "path": read_path,
    "unit": one_of(get_args(TimeForm)),
    "stamp": one_of(get_args(Stamp)),
    "zone": text("an IANA time zone such as UTC or America/New_York"),
}


def time_field(*, stamped: bool) -> Reader:
    """Reader of a time; only that of a bar has a stamp."""
    readers = dict(START_READERS)
    if not stamped:
        del readers["stamp"]

    def read(value: object, at: ConfigKey) -> TimeField:
        if not isinstance(value, dict) or "path" not in value or "unit" not in value:
            at.refuse(value, TIME_OF_MESSAGE)
        fields = read_table(value, at, readers)
        if (fields["unit"] == "local") != ("zone" in fields):
            at.refuse(value, f"{TIME_OF_MESSAGE}; zone with local times, and with no others")
        if "zone" in fields and fields["zone"] not in time_zones():
            at.child("zone").refuse(fields["zone"], "an IANA time zone such as UTC, Europe/London")
        return TimeField(**fields)

    return read


def read_prices(value: object, at: ConfigKey) -> tuple[str, str, str, str]:
    """The four paths of prices."""
    table = _whole_table(value, at, ("open", "high", "low", "close"), PRICES)
    found = [str(read_path(table[key], at.child(key))) for key in ("open", "high", "low", "close")]
    return (found[0], found[1], found[2], found[3])


def read_volume(value: object, at: ConfigKey) -> tuple[str, int | str | None]:
    """The path of a volume, and what a missing one becomes."""
    if isinstance(value, str):
        return str(read_path(value, at)), "required"
    table = _whole_table(value, at, ("path", "default"), VOLUME)
    default = table["default"]
    if default == "absent":
        return str(read_path(table["path"], at.child("path"))), None
    if isinstance(default, bool) or not isinstance(default, int) or default < 0:
        at.child("default").refuse(default, '"absent" or a whole number from 0')
    return str(read_path(table["path"], at.child("path"))), default


def read_final(value: object, at: ConfigKey) -> Finality | Comparison:
    """What makes a statement final."""
    if isinstance(value, dict):
        return read_comparison(value, at)
    words: tuple[Finality, ...] = get_args(Finality)
    word = next((word for word in words if value == word), None)
    if word is None:
        at.refuse(value, FINAL)
    return word


def read_next(value: object, at: ConfigKey) -> NextPage:
    """Where the next page stands."""
    if isinstance(value, str):
        return NextPage(path=str(read_path(value, at)))
    table = _whole_table(value, at, ("param", "path"), NEXT)
    param = table["param"]
    if not isinstance(param, str) or not param:
        at.child("param").refuse(param, NEXT)
    return NextPage(path=str(read_path(table["path"], at.child("path"))), param=param)


def read_symbols(value: object, at: ConfigKey) -> dict[str, str]:
    """Our symbols and theirs, each once."""
    if isinstance(value, list):
        found = {}
        for index, entry in enumerate(value):
            if not isinstance(entry, str):
                at.refuse(value, SYMBOLS)
            if not is_name(entry) or entry in found:
                at.item(index).refuse(entry, f"a symbol, once: {NAME_RULE}")
            found[entry] = entry
    else:
        found = {}
        for symbol, theirs in (value if isinstance(value, dict) else {}).items():
            if not is_name(symbol):
                at.child(symbol).refuse(symbol, NAME_RULE)
            if not isinstance(theirs, str) or not theirs or theirs in found.values():
                at.child(symbol).refuse(theirs, "the provider's name of one symbol, each once")
            found[symbol] = theirs
    if not found:
        at.refuse(value, SYMBOLS)
    return found


def read_interval_words(value: object, at: ConfigKey) -> dict[str, str]:
    """The provider's words for base intervals."""
    words: dict[str, str] = {}
    for key, word in _names(value, at, INTERVAL).items():
        try:
            name = parse_interval(key).name
        except ValueError:
            name = ""
        if name not in BASE_INTERVALS or name in words:
            at.child(key).refuse(word, INTERVAL)
        words[name] = word
    return words


def read_parameters(value: object, at: ConfigKey) -> dict[str, str]:
    """Own variables of addresses and messages."""
    found = _names(value, at, NAMES)
    for name in found:
        if _PARAMETER.fullmatch(name) is None or name in RESERVED:
            at.child(name).refuse(
                found[name], "names of small letters, digits, _ that are not taken"
            )
    return found


def read_headers(value: object, at: ConfigKey) -> tuple[tuple[str, str], ...]:
    """Headers; secrets stand in them by name."""
    found = _names(value, at, NAMES)
    for name, entry in found.items():
        if _HEADER.fullmatch(name) is None:
            at.child(name).refuse(entry, "names of headers")
        if any(ord(letter) < 32 for letter in entry):
            at.child(name).refuse(entry, "text of one line")
        refuse_other_variables(message_parts(entry), (), at.child(name), entry)
    return tuple(found.items())


def _names(value: object, at: ConfigKey, allowed: str) -> dict[str, str]:
    if not isinstance(value, dict):
        at.refuse(value, allowed)
    for key, entry in as_table(value, at).items():
        if not isinstance(entry, str) or not entry:
            at.child(key).refuse(entry, "text")
    return dict(value)


def read_begin(value: object, at: ConfigKey) -> str:
    """A day, or an instant with its offset."""
    if not isinstance(value, str) or _ISO_TIME.fullmatch(value) is None:
        at.refuse(value, BEGIN)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        at.refuse(value, BEGIN)
    return value


def refuse_other_variables(
    parts: tuple[str | Variable, ...], known: tuple[str, ...], at: ConfigKey, value: object
) -> None:
    """Refuse a text with a variable that is neither known nor a secret."""
    for part in parts:
        if isinstance(part, Variable) and part.name not in known and not part.is_secret:
            allowed = ", ".join([*known, "NAME of a secret in capitals"])
            at.refuse(value, f"the variables {allowed}")
