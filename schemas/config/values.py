"""Readers of single configuration values: each normalises one or names what is allowed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from msgspec import Struct

from tapeline.schemas.config.model import CALENDAR_IDS, ConfigError
from tapeline.schemas.config.security import SASL_MECHANISMS, SECURITY_PROTOCOLS
from tapeline.schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tapeline.schemas.intervals import BASE_INTERVALS, parse_interval
from tapeline.schemas.symbols import NAME_RULE, is_name

TICK_DECIMALS = 12
TICK_LIMIT = Decimal(10) ** 9
HORIZON_LIMIT = 10_000
INPUT_MIB_LIMIT = 1 << 20
SYMBOLS_LIMIT = 10_000_000
PARTITIONS_LIMIT = 10_000
REPLICATION_LIMIT = 100
SNAPSHOT_DAYS_LIMIT = 3_660
HANG_LIMIT_S = 86_400

# What is allowed under each key; error messages and docs/configuration.md use the same words.
ALLOWED = {
    "bootstrap": "HOST:PORT, several separated by commas",
    "topic_prefix": "1 to 200 letters, digits, '.', '_' or '-', but not '.' or '..'",
    "partitions": f"a whole number from 1 to {PARTITIONS_LIMIT}",
    "replication": f"a whole number from 1 to {REPLICATION_LIMIT}",
    "snapshot_days": f"a whole number from 1 to {SNAPSHOT_DAYS_LIMIT}",
    "security_protocol": " or ".join(f'"{each}"' for each in SECURITY_PROTOCOLS),
    "sasl_mechanism": " or ".join(f'"{each}"' for each in ("", *SASL_MECHANISMS)),
    "token_command": 'a program and its arguments, such as ["get-token", "--kafka"], or []',
    "ca_file": 'a file, by its path from the folder of this file; "" for none',
    "cert_file": 'a file, by its path from the folder of this file; "" for none',
    "key_file": 'a file, by its path from the folder of this file; "" for none',
    "tick": f"a decimal number above 0 and below 1e9 of at most {TICK_DECIMALS} decimals",
    "calendar": " or ".join(f'"{each}"' for each in CALENDAR_IDS),
    "base": ", ".join(BASE_INTERVALS) + " (also written 60s, 1h, 4h)",
    "ranges": "a list of template names, each once, or []",
    "indicators": "a list of names of sets, each once, or []",
    "list": 'a list of specifications such as "sma(20)", each once',
    "publish": '"rows" or "latest"',
    "on_incomplete": '"use" or "skip"',
    "swings": "true or false",
    "structural_class": 'a whole number from 1 to 6, or "auto"',
    "negative_prices": "true or false",
    "quality": "true or false",
    "symbols": f"a whole number from 0 to {SYMBOLS_LIMIT}",
    "horizon_sessions": f"a whole number from 0 to {HORIZON_LIMIT}",
    "max_ahead": 'a duration such as "35d", "12h", "90m" or "30s", or whole days; 0 = off',
    "intervals": "a list of intervals such as 30s, 5m, 4h, 1d or 1w, each once",
    "incomplete": '"publish" or "skip"',
    "input_mib": f"a whole number from 1 to {INPUT_MIB_LIMIT}",
    "multiplier": f"a decimal number above 0 and below 1e9 of at most {TICK_DECIMALS} decimals",
    "lot": f"a decimal number above 0 and below 1e9 of at most {TICK_DECIMALS} decimals",
    "currency": "3 to 8 capital letters or digits, such as USD",
    "hang_seconds": f"a whole number from 1 to {HANG_LIMIT_S}",
    "earliest": 'an ISO date from "0001-01-01" to "9999-12-31", before latest',
    "latest": 'an ISO date from "0001-01-01" to "9999-12-31", after earliest',
}

Reader = Callable[[object, "ConfigKey"], object]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_DECIMAL_TEXT = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_UNIT_MS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_HOST_PORT = re.compile(r"[^\s,:]+:[0-9]{1,5}|\[[0-9A-Fa-f:.%]+\]:[0-9]{1,5}", re.ASCII)
_TOPIC_PREFIX = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,200}", re.ASCII)


class ConfigKey(Struct, frozen=True):
    """A key of a configuration file, to name in an error."""

    file: str
    key: str

    def child(self, name: str) -> ConfigKey:
        """The key `name` below this one, quoted as TOML would where it must be."""
        text = name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
        return ConfigKey(self.file, f"{self.key}.{text}" if self.key else text)

    def item(self, index: int) -> ConfigKey:
        """Element `index` of the list at this key."""
        return ConfigKey(self.file, f"{self.key}[{index}]")

    def refuse(self, value: object, allowed: str) -> NoReturn:
        """Raise the `ConfigError` of this key."""
        raise ConfigError(self.file, self.key, value, allowed)


def read_table(value: object, at: ConfigKey, readers: dict[str, Reader]) -> dict[str, Any]:
    """Values of a table by key; a key without a reader is an error that names the nearest one."""
    table = as_table(value, at)
    fields: dict[str, Any] = {}
    for key, entry in table.items():
        reader = readers.get(key)
        if reader is None:
            refuse_unknown_key(key, entry, at, readers)
        fields[key] = reader(entry, at.child(key))
    return fields


def refuse_unknown_key(key: str, value: object, at: ConfigKey, known: Iterable[str]) -> NoReturn:
    """Raise the error of a key that does not exist, with the nearest one that does."""
    dotted = " (quote a name that holds a dot)" if isinstance(value, dict) and at.key else ""
    at.child(key).refuse(value, f"the keys {with_nearest(key, known)}{dotted}")


def with_nearest(name: str, known: Iterable[str]) -> str:
    """The known names, and which of them `name` was probably meant to be."""
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return ", ".join(names) + (f" (nearest: {nearest[0]})" if nearest else "")


def as_table(value: object, at: ConfigKey) -> dict[str, Any]:
    """The value as a table."""
    if not isinstance(value, dict):
        at.refuse(value, "a table")
    return value


def as_list(value: object, at: ConfigKey, allowed: str) -> list[Any]:
    """The value as a list."""
    if not isinstance(value, list):
        at.refuse(value, allowed)
    return value


def whole_number(least: int, greatest: int) -> Reader:
    """Reader of a whole number from `least` to `greatest`, both included."""
    allowed = f"a whole number from {least} to {greatest}"

    def read(value: object, at: ConfigKey) -> int:
        # A TOML boolean is an int to Python.
        if isinstance(value, bool) or not isinstance(value, int):
            at.refuse(value, allowed)
        if not least <= value <= greatest:
            at.refuse(value, allowed)
        return value

    return read


def one_of(choices: tuple[str, ...]) -> Reader:
    """Reader of one of a few words."""

    def read(value: object, at: ConfigKey) -> str:
        if not isinstance(value, str) or value not in choices:
            at.refuse(value, " or ".join(f'"{choice}"' for choice in choices))
        return value

    return read


def read_flag(value: object, at: ConfigKey) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        at.refuse(value, "true or false")
    return value


def read_name(value: object, at: ConfigKey) -> str:
    """A name that may become part of an id."""
    if not isinstance(value, str) or not is_name(value):
        at.refuse(value, NAME_RULE)
    return value


def read_tick(value: object, at: ConfigKey) -> str:
    """Decimal text of a tick, or of a number of its kind, without exponent and trailing zeros."""
    text = decimal_text(value, at, ALLOWED["tick"], TICK_LIMIT)
    if text == "0":
        at.refuse(value, ALLOWED["tick"])
    return text


def decimal_text(value: object, at: ConfigKey, allowed: str, limit: Decimal) -> str:
    """Decimal text of a number from 0 to below a limit, of at most `TICK_DECIMALS` decimals."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        at.refuse(value, allowed)
    if isinstance(value, str) and _DECIMAL_TEXT.fullmatch(value) is None:
        at.refuse(value, allowed)
    number = Decimal(value)
    if not number.is_finite() or not 0 <= number < limit:
        at.refuse(value, allowed)
    # The context's precision holds all that is allowed; a longer number is refused, never rounded.
    short = number.normalize()
    if short != number or short != round(short, TICK_DECIMALS):
        at.refuse(value, allowed)
    return format(short, "f")


def read_base(value: object, at: ConfigKey) -> str:
    """Normalised name of a base interval."""
    if not isinstance(value, str):
        at.refuse(value, ALLOWED["base"])
    try:
        name = parse_interval(value).name
    except ValueError:
        at.refuse(value, ALLOWED["base"])
    if name not in BASE_INTERVALS:
        at.refuse(value, ALLOWED["base"])
    return name


def read_max_ahead(value: object, at: ConfigKey) -> int:
    """Milliseconds of a duration; a bare number counts days."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 999_999:
        return value * DAY_MS
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        at.refuse(value, ALLOWED["max_ahead"])
    return int(match[1]) * _UNIT_MS[match[2]]


def read_structural_class(value: object, at: ConfigKey) -> int | None:
    """A swing class; "auto" leaves it to the base interval."""
    if value == "auto":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 6:
        at.refuse(value, ALLOWED["structural_class"])
    return value


def names_once(key: str) -> Reader:
    """Reader of names, each once, under a key of `ALLOWED`; that they exist is checked later."""

    def read(value: object, at: ConfigKey) -> tuple[str, ...]:
        names: list[str] = []
        for index, entry in enumerate(as_list(value, at, ALLOWED[key])):
            if not isinstance(entry, str) or entry in names:
                at.item(index).refuse(entry, ALLOWED[key])
            names.append(entry)
        return tuple(names)

    return read


def read_intervals(value: object, at: ConfigKey) -> tuple[str, ...]:
    """Normalised interval names in the order of the file, none twice."""
    names: list[str] = []
    for index, entry in enumerate(as_list(value, at, ALLOWED["intervals"])):
        if not isinstance(entry, str):
            at.item(index).refuse(entry, ALLOWED["intervals"])
        try:
            name = parse_interval(entry).name
        except ValueError:
            at.item(index).refuse(entry, ALLOWED["intervals"])
        if name in names:
            at.item(index).refuse(entry, f"each interval once ({name} is item {names.index(name)})")
        names.append(name)
    return tuple(names)


def iso_date(key: str) -> Reader:
    """Reader of a date, as text or as a date of TOML, under a key of `ALLOWED`."""

    def read(value: object, at: ConfigKey) -> str:
        # A TOML date with a time of day is a date to Python.
        text = value.isoformat() if type(value) is date else value
        if not isinstance(text, str) or _ISO_DATE.fullmatch(text) is None:
            at.refuse(value, ALLOWED[key])
        try:
            date.fromisoformat(text)
        except ValueError:
            at.refuse(value, ALLOWED[key])
        return text

    return read


def read_bootstrap(value: object, at: ConfigKey) -> str:
    """Addresses of brokers."""
    if not isinstance(value, str):
        at.refuse(value, ALLOWED["bootstrap"])
    for address in value.split(","):
        if _HOST_PORT.fullmatch(address) is None:
            at.refuse(value, ALLOWED["bootstrap"])
        if not 0 < int(address.rpartition(":")[2]) <= 65_535:
            at.refuse(value, ALLOWED["bootstrap"])
    return value


def read_file(value: object, at: ConfigKey) -> str:
    """A path from the folder of the configuration's file, made absolute; "" stays."""
    if not isinstance(value, str) or "\0" in value:
        at.refuse(value, ALLOWED["ca_file"])
    return str((Path(at.file).parent / value).absolute()) if value else ""


def read_command(value: object, at: ConfigKey) -> tuple[str, ...]:
    """A program and its arguments."""
    words = as_list(value, at, ALLOWED["token_command"])
    for index, word in enumerate(words):
        if not isinstance(word, str) or "\0" in word or not (index or word):
            at.item(index).refuse(word, ALLOWED["token_command"])
    return tuple(words)


def read_topic_prefix(value: object, at: ConfigKey) -> str:
    """First part of every topic's name."""
    if not isinstance(value, str) or _TOPIC_PREFIX.fullmatch(value) is None:
        at.refuse(value, ALLOWED["topic_prefix"])
    return value
