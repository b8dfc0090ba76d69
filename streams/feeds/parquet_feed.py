"""Parquet files of bars (extra ``parquet``)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from tapeline.schemas.config.model import INPUT_MIB
from tapeline.schemas.records import Bar
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.columns import AMBIGUOUS_TIME, BarColumns
from tapeline.streams.feeds.items import FeedBroken, Item
from tapeline.streams.feeds.merge import BarEnds
from tapeline.streams.feeds.order import OrderCheck, ascend_as_text
from tapeline.streams.feeds.repeated_hours import Passes, PassesOfFile
from tapeline.streams.feeds.time_columns import LOOK_ROWS, SYMBOL_COLUMN, TIME_COLUMNS
from tapeline.streams.feeds.times import TableTimes
from tapeline.streams.pipeline.refusals import Refusal

ROWS_AT_ONCE = 16_384
NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
FIRST_INSTANT = datetime(1970, 1, 1)
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT96": 12, "BYTE_ARRAY": 4}
"""Bytes of a value in memory by physical type, without its text; 8 for the others."""


class ParquetFeed:
    """Rows of one Parquet file, with the columns of CSV; see `streams.feeds.items.Feed`.

    The bytes of a row are the JSON of the columns that are read, as text; its number counts rows,
    the first is 1.

    Few bytes may become many: a value that is repeated is written once. So no row group is read
    that may expand to more than the limit, texts are held once however often they are repeated,
    and what they would be together is counted, too.

    Parameters
    ----------
    limit_mib
        What one row group may expand to.
    passes
        Distinguishes the rows of a repeated hour; None: their order in the file.
    """

    def __init__(
        self,
        path: str,
        symbol: str | None,
        base_of: Callable[[str], str],
        times: TableTimes,
        limit_mib: int = INPUT_MIB,
        passes: Passes | None = None,
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
        self._limit_mib = limit_mib
        # pyarrow answers a wrong file with either kind, depending on where it is wrong.
        self._failures: tuple[type[Exception], ...] = (OSError, ArrowException)
        if Path(path).is_dir():
            raise InputError(f"{path}: is a directory, not a file")
        try:
            self._file: Any = ParquetFile(path)
        except self._failures as error:
            raise InputError(f"{path}: cannot be read: {error}") from error
        try:
            if passes is None:
                passes = PassesOfFile(partial(ParquetFeed, path, symbol, base_of, times, limit_mib))
            self._begin(symbol, base_of, times, passes)
        except InputError:
            self.close()
            raise
        except self._failures as error:
            self.close()
            raise InputError(f"{path}: cannot be read: {error}") from error

    def _begin(
        self,
        symbol: str | None,
        base_of: Callable[[str], str],
        times: TableTimes,
        passes: Passes,
    ) -> None:
        names: list[str] = list(self._file.schema_arrow.names)
        self._hold_texts_once()
        look = self._first_rows(names)
        header = BarColumns(self.path, names, symbol, base_of, times, look)
        self.ignored = header.ignored
        columns = list(header.used.values())
        self._names = [names[at] for at in columns]
        self._check_row_groups()
        look = [(number, [cells[at] for at in columns]) for number, cells in look]
        self._columns = BarColumns(self.path, self._names, symbol, base_of, times, look, passes)
        self._size = Path(self.path).stat().st_size

    def _first_rows(self, names: list[str]) -> list[tuple[int, list[str]]]:
        """Number and cells of the first rows, which show what the times are.

        Columns that cannot show it are empty.
        """
        from pyarrow import types

        self._names = [
            name
            for name in names
            if name.strip().lower() in (*TIME_COLUMNS, SYMBOL_COLUMN)
            and not types.is_nested(self._file.schema_arrow.field(name).type)
        ]
        self._check_row_groups()
        batch = next(self._batches(LOOK_ROWS), None) if self._names else None
        if batch is None:
            return []
        columns = [
            _texts(batch.column(name)) if name in self._names else [""] * batch.num_rows
            for name in names
        ]
        return [(number, list(cells)) for number, cells in enumerate(zip(*columns, strict=True), 1)]

    def _check_row_groups(self) -> None:
        """Refuse the file if its footer shows that a row group expands to more than the limit."""
        from pyarrow import types

        for name in self._names:
            if types.is_nested(self._file.schema_arrow.field(name).type):
                raise InputError(f"{self.path}: column {name} has no single value a row")
        schema, metadata = self._file.schema, self._file.metadata
        leaves = [(at, schema.column(at)) for at in range(len(schema))]
        used = [(at, _width(leaf)) for at, leaf in leaves if leaf.path in self._names]
        for group in range(metadata.num_row_groups):
            columns = [(metadata.row_group(group).column(at), width) for at, width in used]
            # The sizes in the footer are not all: values that are repeated are not in it.
            written = sum(column.total_uncompressed_size for column, _ in columns)
            self._check_size(group, max(written, sum(each.num_values * n for each, n in columns)))

    def _check_size(self, group: int, size: int) -> None:
        if size > self._limit_mib << 20:
            raise InputError(
                f"{self.path}: row group {group} expands to {-(-size >> 20)} MiB or more,"
                f" above [limits] input_mib = {self._limit_mib}; write smaller row groups, or"
                " raise the limit"
            )

    def _hold_texts_once(self) -> None:
        from pyarrow.parquet import ParquetFile

        leaves = map(self._file.schema.column, range(len(self._file.schema)))
        texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        metadata = self._file.metadata
        self._file.close()
        self._file = ParquetFile(self.path, metadata=metadata, read_dictionary=texts)

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
        bar, resolved = self._columns.checked, self._resolved
        try:
            for cells in self._cells(ROWS_AT_ONCE):
                self.rows += 1
                yield resolved(bar(cells), cells, self.rows), cells, self.rows
        except self._failures as error:
            raise FeedBroken(f"{self.path}: reading failed: {error}") from error

    def in_order(self, end_of: BarEnds) -> bool:
        """See `streams.feeds.sorting.Table`."""
        check = OrderCheck(end_of)
        first = 1
        try:
            for batch in self._batches(ROWS_AT_ONCE):
                if not self._ascends(check, batch):
                    cells = list(self._rows(batch))
                    contents = map(self._columns.checked, cells)
                    if not check.rows(map(self._resolved, contents, cells, count(first))):
                        return False
                first += batch.num_rows
        except self._failures as error:
            raise FeedBroken(f"{self.path}: reading failed: {error}") from error
        return True

    def _resolved(
        self, content: Bar | Refusal, cells: tuple[str, ...], number: int
    ) -> Bar | Refusal:
        """A row as read, or its bar where its time occurs twice and its position shows which."""
        if type(content) is Refusal and content.code == AMBIGUOUS_TIME:
            return self._columns.resolved(content, cells, number)
        return content

    def _ascends(self, check: OrderCheck, batch: Any) -> bool:
        """Whether rows are in order at first sight, their times alone looked at."""
        if not batch.num_rows:
            return True
        time_at, used = self._columns.time_at, self._columns.used
        if time_at is None:
            return False
        ends = [batch.slice(0, 1), batch.slice(batch.num_rows - 1, 1)]
        first, last = (self._columns.checked(next(self._rows(each))) for each in ends)
        symbols: set[str] = set() if first.symbol is None else {first.symbol}
        if "symbol" in used:
            symbols = {text.strip() for text in set(_texts(batch.column(used["symbol"])))}
        return (
            check.have_one_length(symbols)
            and _is_ascending(batch.column(time_at))
            and check.ascending(first, last)
        )

    def end_at(self, looked_at: int) -> None:
        """See `streams.feeds.sorting.Table`: what is read is what the footer named at opening."""

    def _cells(self, at_once: int) -> Iterator[tuple[str, ...]]:
        for batch in self._batches(at_once):
            yield from self._rows(batch)

    def _batches(self, at_once: int) -> Iterator[Any]:
        for group in range(self._file.num_row_groups):
            texts = 0
            for batch in self._file.iter_batches(at_once, [group], self._names):
                texts += sum(map(_text_bytes, batch.columns))
                self._check_size(group, texts)
                yield batch

    def _rows(self, batch: Any) -> Iterator[tuple[str, ...]]:
        return zip(*(_texts(batch.column(name)) for name in self._names), strict=True)


def _width(leaf: Any) -> int:
    """Bytes of a value of a column of the file."""
    if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY":
        return int(leaf.length)
    return WIDTHS.get(leaf.physical_type, 8)


def _text_bytes(column: Any) -> int:
    """Bytes of the texts of a column, each as often as it is there."""
    from pyarrow import compute, types

    if not types.is_dictionary(column.type):
        return 0
    lengths = compute.binary_length(column.dictionary)
    return compute.sum(lengths.take(column.indices)).as_py() or 0


def _is_ascending(column: Any) -> bool:
    """Whether times ascend; False where they have no order without being read."""
    from pyarrow import compute, int64, types

    kind = column.type
    if types.is_timestamp(kind):
        column = column.view(int64())
    elif not types.is_integer(kind):
        return types.is_dictionary(kind) and ascend_as_text(_texts(column))
    later = compute.less_equal(column.slice(0, len(column) - 1), column.slice(1))
    # A missing time is unknown to this comparison.
    return compute.all(later, skip_nulls=False).as_py() is True


def _texts(column: Any) -> list[str]:
    """Cells of a column as CSV would write them."""
    from pyarrow import int64, types

    kind = column.type
    if types.is_dictionary(kind):
        texts = _texts(column.dictionary)
        return ["" if at is None else texts[at] for at in column.indices.to_pylist()]
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
        instant = FIRST_INSTANT + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{count * unit} ns since 1970"
    if nanoseconds:
        return f"{instant.isoformat(timespec='microseconds')}{nanoseconds:03}{offset}"
    return instant.isoformat() + offset
