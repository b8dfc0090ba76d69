"""Columns of a table of bars, and how a row of them becomes a bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from schemas.codec import normal_volume
from schemas.records import Bar
from schemas.symbols import NAME_RULE, is_name
from streams.core.calendar import ZoneTable
from streams.feeds.items import InputError, Refusal
from streams.feeds.times import NaiveTimeError, time_reader

TIME_COLUMNS = ("start_ms", "start", "start_utc", "time", "timestamp")
PRICE_COLUMNS = ("open", "high", "low", "close")


class BarColumns:
    """Where the fields of a bar stand in a row.

    Parameters
    ----------
    path
        Input, for messages.
    header
        Names of the columns.
    symbol
        Symbol of the whole input, or None when a column names it.
    base_of
        Base interval of a symbol.
    zone
        Zone of times without offset, or None.

    Raises
    ------
    InputError
        When a column that is needed is missing, or stands there twice.
    """

    def __init__(
        self,
        path: str,
        header: Sequence[str],
        symbol: str | None,
        base_of: Callable[[str], str],
        zone: ZoneTable | None,
    ) -> None:
        names = [name.strip().lower() for name in header]
        time = next((name for name in TIME_COLUMNS if name in names), None)
        if time is None:
            raise InputError(f"{path}: no time column; one of {', '.join(TIME_COLUMNS)} is needed")
        missing = [name for name in PRICE_COLUMNS if name not in names]
        if missing:
            raise InputError(f"{path}: column {', '.join(missing)} is missing")
        if symbol is None and "symbol" not in names:
            raise InputError(f"{path}: no symbol column; say --bars SYMBOL={path}")
        used = [name for name in (time, *PRICE_COLUMNS, "volume", "symbol") if name in names]
        doubled = [name for name in used if names.count(name) > 1]
        if doubled:
            raise InputError(f"{path}: column {doubled[0]} stands there twice")
        self.path = path
        self.count = len(names)
        self.ignored = tuple(name for name in names if name not in used)
        self._time = names.index(time)
        self._open, self._high, self._low, self._close = (
            names.index(name) for name in PRICE_COLUMNS
        )
        self._volume = names.index("volume") if "volume" in names else -1
        self._symbol_at = names.index("symbol") if "symbol" in names else -1
        self._symbol = symbol
        self._base_of = base_of
        self._bases: dict[str, str] = {}
        self._read_time = time_reader(zone)
        self._zone = zone

    def first_time(self, cells: Sequence[str]) -> None:
        """Refuse the whole input when its first row has a time without offset and no zone is given.

        Raises
        ------
        InputError
            Naming the time and the way out.
        """
        if len(cells) != self.count:
            return
        try:
            self._read_time(cells[self._time])
        except NaiveTimeError as error:
            raise InputError(f"{self.path}: {error}; say --tz ZONE") from error
        except (ValueError, OverflowError):
            return

    def bar(self, cells: Sequence[str]) -> Bar | Refusal:
        """The bar of a row of text cells, or why it is none."""
        if len(cells) != self.count:
            return Refusal("schema_error", f"{len(cells)} columns instead of {self.count}", None)
        symbol = self._symbol
        if self._symbol_at >= 0:
            named = cells[self._symbol_at].strip()
            if symbol is None:
                symbol = named
            elif named != symbol:
                return Refusal("schema_error", f"symbol: {named!r} is not {symbol!r}", None)
        assert symbol is not None
        base = self._bases.get(symbol)
        if base is None:
            if not is_name(symbol):
                return Refusal("schema_error", f"symbol: {symbol!r} is not {NAME_RULE}", None)
            base = self._base_of(symbol)
            self._bases[symbol] = base
        try:
            start_ms = self._read_time(cells[self._time])
        except (ValueError, OverflowError) as error:
            return Refusal("schema_error", f"time: {error}", symbol)
        try:
            volume = normal_volume(_volume(cells[self._volume])) if self._volume >= 0 else None
            return Bar(
                symbol,
                base,
                start_ms,
                float(cells[self._open]),
                float(cells[self._high]),
                float(cells[self._low]),
                float(cells[self._close]),
                volume,
                "file",
            )
        except ValueError as error:
            return Refusal("schema_error", str(error), symbol)


def _volume(text: str) -> int | float | None:
    if text.isdecimal():
        return int(text)
    if not text or text.isspace():
        return None
    return float(text)
