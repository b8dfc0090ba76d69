"""Parquet files of bars (extra ``parquet``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from streams.core.calendar import ZoneTable
from streams.feeds.columns import BarColumns
from streams.feeds.items import FeedBroken, InputError, Item

ROWS_AT_ONCE = 16_384


class ParquetFeed:
    """Rows of one Parquet file, with the columns of CSV; see `streams.feeds.items.Feed`.

    The bytes of a row are its JSON; its number counts rows, the first is 1.
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
        self._failure: type[Exception] = ArrowException
        self.path = path
        self.rows = 0
        if Path(path).is_dir():
            raise InputError(f"{path}: is a directory, not a file")
        try:
            self._file: Any = ParquetFile(path)
        except (OSError, ArrowException) as error:
            raise InputError(f"{path}: cannot be read: {error}") from error
        self._names: list[str] = list(self._file.schema_arrow.names)
        self._size = Path(path).stat().st_size
        try:
            self._columns = BarColumns(path, self._names, symbol, base_of, zone)
            first = next(self._file.iter_batches(batch_size=1), None)
            if first is not None and first.num_rows:
                self._columns.first_time([_text(value) for value in first.to_pylist()[0].values()])
        except InputError:
            self.close()
            raise
        self.ignored = self._columns.ignored

    @property
    def bytes_read(self) -> int:
        """Share of the file read so far, in bytes."""
        total = self._file.metadata.num_rows
        return self._size * self.rows // total if total else self._size

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Item]:
        """The rows in order of the file."""
        try:
            for batch in self._file.iter_batches(batch_size=ROWS_AT_ONCE):
                columns = [[_text(value) for value in column.to_pylist()] for column in batch]
                for cells in zip(*columns, strict=True):
                    self.rows += 1
                    row = dict(zip(self._names, cells, strict=True))
                    yield Item(self._columns.bar(cells), json.dumps(row).encode(), self.rows)
        except (OSError, self._failure) as error:
            raise FeedBroken(f"{self.path}: reading failed: {error}") from error


def _text(value: object) -> str:
    """A cell as CSV would write it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
