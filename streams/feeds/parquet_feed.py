"""Parquet files of bars (extra ``parquet``)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from streams.core.calendar import ZoneTable
from streams.feeds.columns import BarColumns
from streams.feeds.items import FeedBroken, InputError, Item
from streams.feeds.merge import SlotEnds
from streams.feeds.order import OrderCheck, ascend_as_text

ROWS_AT_ONCE = 16_384
NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
FIRST_INSTANT = datetime(1970, 1, 1)


class ParquetFeed:
    """Rows of one Parquet file, with the columns of CSV; see `streams.feeds.items.Feed`.

    The bytes of a row are the JSON of the columns that are read, as text; its number counts rows,
    the first is 1.
    """

    def __init__(
        self,
        path: str,
        symbol: str | None,
        base_of: Callable[[str], str],
        zone: ZoneTable | None,
    ) -> None:
        try:
            from pyarrow import ArrowException
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise InputError(
                f"{path}: Parquet needs pyarrow; install tapeline with the extra parquet"
            ) from error
        self.path = path
        self.rows = 0
        # pyarrow answers a wrong file with either kind, depending on where it is wrong.
        self._failures: tuple[type[Exception], ...] = (OSError, ArrowException)
        if Path(path).is_dir():
            raise InputError(f"{path}: is a directory, not a file")
        try:
            self._file: Any = ParquetFile(path)
        except self._failures as error:
            raise InputError(f"{path}: cannot be read: {error}") from error
        try:
            self._begin(symbol, base_of, zone)
        except InputError:
            self.close()
            raise
        except self._failures as error:
            self.close()
            raise InputError(f"{path}: cannot be read: {error}") from error

    def _begin(
        self, symbol: str | None, base_of: Callable[[str], str], zone: ZoneTable | None
    ) -> None:
        names: list[str] = list(self._file.schema_arrow.names)
        header = BarColumns(self.path, names, symbol, base_of, zone)
        self.ignored = header.ignored
        self._names = [names[at] for at in header.used.values()]
        self._columns = BarColumns(self.path, self._names, symbol, base_of, zone)
        self._size = Path(self.path).stat().st_size
        for first in self._cells(1):
            self._columns.first_time(first)
            break

    @property
    def bytes_read(self) -> int:
        """Share of the file read so far, in bytes."""
        total = self._file.metadata.num_rows
        return self._size * self.rows // total if total else self._size

    def raw(self, row: tuple[str, ...]) -> bytes:
        """JSON of a row."""
        return orjson.dumps(dict(zip(self._names, row, strict=True)))

    def sha256(self) -> str:
        """SHA-256 of the file."""
        try:
            with open(self.path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise FeedBroken(f"{self.path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Item]:
        """The rows in order of the file."""
        bar = self._columns.checked
        try:
            for cells in self._cells(ROWS_AT_ONCE):
                self.rows += 1
                yield bar(cells), cells, self.rows
        except self._failures as error:
            raise FeedBroken(f"{self.path}: reading failed: {error}") from error

    def in_order(self, end_of: SlotEnds) -> bool:
        """See `streams.feeds.sorting.Table`."""
        check = OrderCheck(end_of)
        bar = self._columns.checked
        try:
            for batch in self._file.iter_batches(batch_size=ROWS_AT_ONCE, columns=self._names):
                if not self._ascends(check, batch) and not check.rows(map(bar, self._rows(batch))):
                    return False
        except self._failures as error:
            raise FeedBroken(f"{self.path}: reading failed: {error}") from error
        return True

    def _ascends(self, check: OrderCheck, batch: Any) -> bool:
        """Whether rows are in order at first sight, their times alone looked at."""
        if not batch.num_rows:
            return True
        ends = [batch.slice(0, 1), batch.slice(batch.num_rows - 1, 1)]
        first, last = (self._columns.checked(next(self._rows(each))) for each in ends)
        used = self._columns.used
        symbols: set[str] = set() if first.symbol is None else {first.symbol}
        if "symbol" in used:
            symbols = {text.strip() for text in set(_texts(batch.column(used["symbol"])))}
        return (
            check.have_one_length(symbols)
            and _is_ascending(batch.column(self._columns.time_at))
            and check.ascending(first, last)
        )

    def end_at(self, looked_at: int) -> None:
        """See `streams.feeds.sorting.Table`: what is read is what the footer named at opening."""

    def _cells(self, at_once: int) -> Iterator[tuple[str, ...]]:
        for batch in self._file.iter_batches(batch_size=at_once, columns=self._names):
            yield from self._rows(batch)

    def _rows(self, batch: Any) -> Iterator[tuple[str, ...]]:
        return zip(*(_texts(batch.column(name)) for name in self._names), strict=True)


def _is_ascending(column: Any) -> bool:
    """Whether times ascend; False where they have no order without being read."""
    from pyarrow import compute, int64, types

    kind = column.type
    if types.is_timestamp(kind):
        column = column.view(int64())
    elif not types.is_integer(kind):
        return types.is_string(kind) and ascend_as_text(_texts(column))
    later = compute.less_equal(column.slice(0, len(column) - 1), column.slice(1))
    # A missing time is unknown to this comparison.
    return compute.all(later, skip_nulls=False).as_py() is True


def _texts(column: Any) -> list[str]:
    """Cells of a column as CSV would write them."""
    from pyarrow import int64, types

    kind = column.type
    if types.is_timestamp(kind):
        unit, offset = NANOSECONDS[kind.unit], "" if kind.tz is None else "+00:00"
        return [_stamp(count, unit, offset) for count in column.view(int64()).to_pylist()]
    return ["" if value is None else str(value) for value in column.to_pylist()]


def _stamp(count: int | None, unit: int, offset: str) -> str:
    """A timestamp as ISO text, to its last nanosecond.

    Read from its number, because Python's times have no nanoseconds and end with the year 9999, and
    pyarrow would ask the machine for the zone.

    Parameters
    ----------
    count
        Units since 1970, None for a missing value.
    unit
        Nanoseconds of a unit.
    offset
        What follows the time.
    """
    if count is None:
        return ""
    microseconds, nanoseconds = divmod(count * unit, 1_000)
    try:
        moment = FIRST_INSTANT + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{count * unit} ns since 1970"
    if nanoseconds:
        return f"{moment.isoformat(timespec='microseconds')}{nanoseconds:03}{offset}"
    return moment.isoformat() + offset
