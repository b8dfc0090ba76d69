"""Columns of a table of bars, and how a row of them becomes a bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from schemas.codec import normal_volume
from schemas.records import INT64_MAX, Bar
from schemas.symbols import NAME_RULE, is_name
from streams.core.calendar import ZoneTable
from streams.feeds.items import InputError, Refusal
from streams.feeds.times import SHORT_INTEGER, NaiveTimeError, time_reader

TIME_COLUMNS = ("start_ms", "start", "start_utc", "time", "timestamp")
PRICE_COLUMNS = ("open", "high", "low", "close")
Cells = Sequence[str]


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

    Attributes
    ----------
    used
        Places of the columns that are read, by name.
    time_at
        Place of the time.
    ignored
        Names of the others, as the header has them.

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
        known = [name for name in (time, *PRICE_COLUMNS, "volume", "symbol") if name in names]
        doubled = [name for name in known if names.count(name) > 1]
        if doubled:
            raise InputError(f"{path}: column {doubled[0]} stands there twice")
        self.used = {name: names.index(name) for name in known}
        self.ignored = tuple(
            given.strip() for given, name in zip(header, names, strict=True) if name not in known
        )
        self._path = path
        self._count = len(names)
        self.time_at = self.used[time]
        self._time = time
        self._symbol = symbol
        self._base_of = base_of
        self._read_time = time_reader(zone)
        self._read = self.reader()

    def first_time(self, cells: Cells) -> None:
        """Refuse the whole input when its first row has a time without offset and no zone is given.

        Raises
        ------
        InputError
            Naming the time and the way out.
        """
        if len(cells) != self._count:
            return
        try:
            self._read_time(cells[self.used[self._time]])
        except NaiveTimeError as error:
            raise InputError(f"{self._path}: {error}; say --tz ZONE") from error
        except ValueError:
            return

    def checked(self, cells: Cells) -> Bar | Refusal:
        """The bar of any row, also where Python would read a number that is none elsewhere."""
        if len(cells) == self._count:
            for name, at in self.used.items():
                cell = cells[at]
                if name != "symbol" and ("_" in cell or not cell.isascii()):
                    return Refusal("schema_error", f"{name}: {cell!r} is no number", self._symbol)
        return self._read(cells)

    def reader(self) -> Callable[[Cells], Bar | Refusal]:
        """Function from a row of cells to its bar, or why it is none.

        The cells are ASCII without underscores, or were looked at before; see `checked`. A closure,
        because it runs once for every bar of every run.
        """
        count, symbol = self._count, self._symbol
        time_at = self.used[self._time]
        open_at, high_at, low_at, close_at = (self.used[name] for name in PRICE_COLUMNS)
        volume_at = self.used.get("volume", -1)
        named = "symbol" in self.used
        bases: dict[str, str] = {}
        read_time, refused, symbol_of = self._read_time, self._refused, self._symbol_of
        if symbol is not None:
            bases[symbol] = self._base_of(symbol)

        def read(cells: Cells) -> Bar | Refusal:
            if len(cells) != count:
                return Refusal("schema_error", f"{len(cells)} columns instead of {count}", symbol)
            name = symbol_of(cells, bases) if named else symbol
            if type(name) is Refusal:
                return name
            time = cells[time_at]
            volume: int | float | None = None
            try:
                if time.isdecimal() and len(time) <= SHORT_INTEGER:
                    start_ms = int(time)
                else:
                    start_ms = read_time(time)
                if volume_at >= 0:
                    text = cells[volume_at]
                    if text.isdecimal() and len(text) <= SHORT_INTEGER:
                        volume = int(text)
                    else:
                        volume = _volume(text)
                return Bar(
                    name,  # type: ignore[arg-type]
                    bases[name],  # type: ignore[index]
                    start_ms,
                    float(cells[open_at]),
                    float(cells[high_at]),
                    float(cells[low_at]),
                    float(cells[close_at]),
                    volume,
                    "file",
                )
            except ValueError:
                return refused(cells, name)  # type: ignore[arg-type]

        return read

    def _symbol_of(self, cells: Cells, bases: dict[str, str]) -> str | Refusal:
        name = cells[self.used["symbol"]].strip()
        if self._symbol is not None and name != self._symbol:
            reason = f"symbol: {name!r} is not {self._symbol!r}"
            return Refusal("schema_error", reason, None)
        if name not in bases:
            if not is_name(name):
                return Refusal("schema_error", f"symbol: {name!r} is not {NAME_RULE}", None)
            bases[name] = self._base_of(name)
        return name

    def _refused(self, cells: Cells, symbol: str) -> Refusal:
        """Why a row that is no bar is none: the first column that cannot be read."""
        readers: dict[str, Callable[[str], object]] = {
            **dict.fromkeys(PRICE_COLUMNS, _price),
            "volume": _volume,
            self._time: self._read_time,
        }
        for name, at in self.used.items():
            try:
                if name in readers:
                    readers[name](cells[at])
            except ValueError as error:
                return Refusal("schema_error", f"{name}: {error}", symbol)
        raise AssertionError(f"every column of {cells} can be read")


def _price(text: str) -> float:
    if not text.strip():
        raise ValueError("is empty")
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None


def _volume(text: str) -> int | float | None:
    text = text.strip()
    if not text:
        return None
    if text.isdecimal():
        if len(text.lstrip("0")) > len(str(INT64_MAX)) or int(text) > INT64_MAX:
            raise ValueError("is an integer of more than 64 bits")
        return int(text)
    return normal_volume(_price(text))
