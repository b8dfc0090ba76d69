"""Historical windows of a configuration file: ``[windows.<name>]``."""

from __future__ import annotations

from tapeline.schemas.config.model import Config, InstrumentConfig
from tapeline.schemas.config.values import (
    ConfigKey,
    Reader,
    as_list,
    as_table,
    one_of,
    read_flag,
    read_name,
    read_table,
)
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.symbols import is_name
from tapeline.schemas.windows import (
    FIELDS,
    GRANULARITIES,
    KINDS,
    LONGEST,
    MOST_SESSIONS,
    MOST_SLOTS,
    WindowSpec,
    parse_period,
)

REQUIRED = ("kind", "field", "period")
ALLOWED_PERIOD = (
    "sessions, or calendar weeks, months or years, such as 10d, 2w, 3m or 1y, at most "
    + ", ".join(f"{count}{unit}" for unit, count in LONGEST.items())
)
ALLOWED_SYMBOLS = '"all", or a list of one or more symbols, each once'
DAYS_A_WEEK = 5
"""Weekdays of a week, the sessions of a calendar that has closed days."""


def _read_period(value: object, at: ConfigKey) -> str:
    try:
        parse_period(value if isinstance(value, str) else "")
    except ValueError:
        at.refuse(value, ALLOWED_PERIOD)
    return str(value)


def _read_symbols(value: object, at: ConfigKey) -> tuple[str, ...] | None:
    if value == "all":
        return None
    symbols = as_list(value, at, ALLOWED_SYMBOLS)
    if not symbols:
        at.refuse(value, ALLOWED_SYMBOLS)
    for index, symbol in enumerate(symbols):
        read_name(symbol, at.item(index))
        if symbol in symbols[:index]:
            at.item(index).refuse(symbol, ALLOWED_SYMBOLS)
    return tuple(symbols)


WINDOW_READERS: dict[str, Reader] = {
    "kind": one_of(KINDS),
    "field": one_of(FIELDS),
    "granularity": one_of(GRANULARITIES),
    "period": _read_period,
    "skip_early_close": read_flag,
    "symbols": _read_symbols,
}


def read_windows(value: object, at: ConfigKey) -> dict[str, WindowSpec]:
    """Windows by name."""
    windows: dict[str, WindowSpec] = {}
    for name, entry in as_table(value, at).items():
        below = at.child(name)
        if not is_name(name):
            read_name(name, below)
        fields = read_table(entry, below, WINDOW_READERS)
        for key in REQUIRED:
            if key not in fields:
                below.refuse(entry, f"a table with {key}")
        windows[name] = WindowSpec(**fields)
    return windows


def check_windows(config: Config, at: ConfigKey) -> None:
    """Check that symbols are accepted, and that windows by minutes are not too large.

    Raises
    ------
    ConfigError
        Naming ``symbols``, ``granularity`` or ``period`` of a window.
    """
    for name, window in config.windows.items():
        below = at.child(name)
        for index, symbol in enumerate(window.symbols or ()):
            if config.instrument(symbol) is None:
                below.child("symbols").item(index).refuse(
                    symbol, "configured symbols (no others are accepted)"
                )
        if window.granularity == "minute":
            for symbol, instrument in _instruments_of(config, window):
                _check_size(window, symbol, instrument, below)


def _instruments_of(config: Config, window: WindowSpec) -> list[tuple[str, InstrumentConfig]]:
    symbols = window.symbols
    if symbols is None:
        members = [each for group in config.groups.values() for each in group]
        symbols = (*config.instruments, *members)
    found = [(symbol, config.instrument(symbol)) for symbol in dict.fromkeys(symbols)]
    if window.symbols is None:
        found.append(("default", config.default))
    return [(symbol, instrument) for symbol, instrument in found if instrument is not None]


def _check_size(
    window: WindowSpec, symbol: str, instrument: InstrumentConfig, at: ConfigKey
) -> None:
    """Slots of a session and sessions of a window, by the longest that there can be."""
    if parse_interval(instrument.base).length_ms < MINUTE_MS:
        at.child("granularity").refuse(
            window.granularity,
            f'"daily" for a base of {instrument.base}, which {symbol} has; "minute" takes at most'
            f" {MOST_SLOTS} base slots a session",
        )
    if _most_sessions(window.period, instrument.calendar) > MOST_SESSIONS:
        at.child("period").refuse(
            window.period,
            f"at most {MOST_SESSIONS} sessions with granularity minute, also of {symbol}, whose"
            f" calendar is {instrument.calendar}",
        )


def _most_sessions(text: str, calendar: str) -> int:
    """Sessions of a period at most: one a day, on all days or on weekdays."""
    period = parse_period(text)
    if period.unit == "d":
        return period.count
    if calendar == "24/7":
        return period.most_days
    weeks, rest = divmod(period.most_days, 7)
    return weeks * DAYS_A_WEEK + min(rest, DAYS_A_WEEK)
