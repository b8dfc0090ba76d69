"""Columns of a table of bars, and how a row of them becomes a bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tapeline.schemas.codec import normal_volume
from tapeline.schemas.records import INT64_MAX, Bar
from tapeline.schemas.symbols import NAME_RULE, is_name
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.repeated_hours import Passes, PassesOfFile
from tapeline.streams.feeds.time_columns import SYMBOL_COLUMN, Look, joined, time_columns
from tapeline.streams.feeds.times import (
    SHORT_INTEGER,
    NaiveTimeError,
    RepeatedTimeError,
    TableTimes,
    time_reader,
)
from tapeline.streams.pipeline.refusals import Refusal

AMBIGUOUS_TIME = "ambiguous_time"
PRICE_COLUMNS = ("open", "high", "low", "close")
AMBIGUOUS = "and the order of the rows does not tell which is meant; write times with offsets"
Cells = Sequence[str]


class BarColumns:
    """Where the fields of a bar are in a row.

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
    times
        How times are read.
    look
        First rows of the input; they decide which columns hold the time.
    passes
        Distinguishes the rows of a repeated hour; None: nothing does.

    Attributes
    ----------
    used
        Positions of the columns that are read, by name.
    time_at
        Position of the time; None where it is in two columns.
    ignored
        Names of the others, as the header has them.

    Raises
    ------
    InputError
        When a column that is needed is missing, or there twice; when the times of the first
        rows are in another unit, or lack a zone.
    """

    def __init__(
        self,
        path: str,
        header: Sequence[str],
        symbol: str | None,
        base_of: Callable[[str], str],
        times: TableTimes,
        look: Look = (),
        passes: Passes | None = None,
    ) -> None:
        names = [name.strip().lower() for name in header]
        time = time_columns(path, header, look, times)
        missing = [name for name in PRICE_COLUMNS if name not in names]
        if missing:
            raise InputError(f"{path}: column {', '.join(missing)} is missing")
        if symbol is None and SYMBOL_COLUMN not in names:
            raise InputError(f"{path}: no symbol column; give --bars SYMBOL={path}")
        known = [name for name in (*time, *PRICE_COLUMNS, "volume", SYMBOL_COLUMN) if name in names]
        doubled = [name for name in known if names.count(name) > 1]
        if doubled:
            raise InputError(f"{path}: column {doubled[0]} is there twice")
        self.used = {name: names.index(name) for name in known}
        self.ignored = tuple(
            given.strip() for given, name in zip(header, names, strict=True) if name not in known
        )
        self._path = path
        self._count = len(names)
        self.time_at = self.used[time[0]] if len(time) == 1 else None
        self._time = time
        self._time_name = " and ".join(time)
        self._milliseconds = times.unit == "ms"
        self._symbol = symbol
        self._base_of = base_of
        self._passes = PassesOfFile(None) if passes is None else passes
        self._read_time = time_reader(times)
        self._read = self.reader()
        self._check_zone(look)

    def _check_zone(self, look: Look) -> None:
        """Refuse the whole input when its first time has no offset and no zone is given."""
        for _, cells in look:
            if len(cells) != self._count:
                continue
            try:
                self._read_time(self._time_text(cells))
            except NaiveTimeError as error:
                raise InputError(f"{self._path}: {error}; give --tz ZONE") from error
            except RepeatedTimeError:
                return
            except ValueError:
                continue
            return

    def _time_text(self, cells: Cells) -> str:
        """Text of the time of a row, made from two columns where they hold it."""
        texts = [cells[self.used[name]] for name in self._time]
        return texts[0] if len(texts) == 1 else joined(texts[0], texts[1])

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
        paired = len(self._time) == 2
        day_at, time_at = self.used[self._time[0]], self.used[self._time[-1]]
        open_at, high_at, low_at, close_at = (self.used[name] for name in PRICE_COLUMNS)
        volume_at = self.used.get("volume", -1)
        named = SYMBOL_COLUMN in self.used
        bases: dict[str, str] = {}
        read_time, unread, symbol_of = self._read_time, self._unread, self._symbol_of
        # Digits that are milliseconds as they are.
        short = SHORT_INTEGER if self._milliseconds else -1
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
                if paired:
                    start_ms = read_time(joined(cells[day_at], time))
                elif time.isdecimal() and len(time) <= short:
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
                return unread(cells, name)  # type: ignore[arg-type]

        return read

    def _symbol_of(self, cells: Cells, bases: dict[str, str]) -> str | Refusal:
        name = cells[self.used[SYMBOL_COLUMN]].strip()
        if self._symbol is not None and name != self._symbol:
            reason = f"symbol: {name!r} is not {self._symbol!r}"
            return Refusal("schema_error", reason, None)
        if name not in bases:
            if not is_name(name):
                return Refusal("schema_error", f"symbol: {name!r} is not {NAME_RULE}", None)
            bases[name] = self._base_of(name)
        return name

    def _unread(self, cells: Cells, symbol: str) -> Refusal:
        """Why a row that is no bar is none: the first column that cannot be read."""
        try:
            start_ms = self._read_time(self._time_text(cells))
        except RepeatedTimeError as error:
            reason = f"{self._time_name}: {error}, {AMBIGUOUS}"
            labels = (error.first_ms, error.second_ms)
            return Refusal("ambiguous_time", reason, symbol, labels)
        except ValueError as error:
            return Refusal("schema_error", f"{self._time_name}: {error}", symbol)
        found = self._numbers(cells, symbol, start_ms)
        assert isinstance(found, Refusal), f"every column of {cells} can be read"
        return found

    def resolved(self, refusal: Refusal, cells: Cells, number: int) -> Bar | Refusal:
        """The bar of a row whose time occurs twice, where its position in the file shows which.

        Parameters
        ----------
        refusal
            ``ambiguous_time``, as the row was read.
        number
            Of the row in its file.
        """
        try:
            self._read_time(self._time_text(cells))
        except RepeatedTimeError as error:
            symbol = refusal.symbol
            assert symbol is not None
            start_ms = self._passes.instant(symbol, error, number)
            if start_ms is None:
                return refusal
            found = self._numbers(cells, symbol, start_ms)
            if isinstance(found, Refusal):
                return found
            return Bar(symbol, self._base_of(symbol), start_ms, *found, source="file")  # type: ignore
        raise AssertionError(f"the time of {cells} occurs once")

    def _numbers(
        self, cells: Cells, symbol: str, start_ms: int
    ) -> list[int | float | None] | Refusal:
        """Prices and volume of a row, or which of them cannot be read."""
        found: list[int | float | None] = []
        for name, reader in COLUMN_READERS.items():
            at = self.used.get(name)
            try:
                found.append(None if at is None else reader(cells[at]))
            except ValueError as error:
                return Refusal("schema_error", f"{name}: {error}", symbol, (start_ms,))
        return found


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


COLUMN_READERS: dict[str, Callable[[str], int | float | None]] = {
    **dict.fromkeys(PRICE_COLUMNS, _price),
    "volume": _volume,
}
