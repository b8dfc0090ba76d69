"""CSV of bars, plain or gzip."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator

from schemas.records import Bar
from streams.core.calendar import ZoneTable
from streams.feeds.columns import BarColumns
from streams.feeds.items import InputError, Item, Refusal
from streams.feeds.lines import KEPT_OF_LONG_LINE, LINE_LIMIT_BYTES, LineReader


class CsvFeed:
    """Rows of one CSV file; see `streams.feeds.items.Feed`.

    The header is read at once, so that a file that cannot be used is known before anything starts.
    """

    def __init__(
        self,
        path: str,
        symbol: str | None,
        base_of: Callable[[str], str],
        zone: ZoneTable | None,
    ) -> None:
        self.path = path
        self.rows = 0
        self._reader = LineReader(path)
        self._lines = enumerate(self._reader.lines(), 1)
        self._next: tuple[int, bytes] | None = None
        try:
            self._columns = self._header(symbol, base_of, zone)
            self._peek()
        except InputError:
            self.close()
            raise
        self.ignored = self._columns.ignored

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far."""
        return self._reader.bytes_read

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _header(
        self, symbol: str | None, base_of: Callable[[str], str], zone: ZoneTable | None
    ) -> BarColumns:
        for _, line in self._lines:
            if not line.strip():
                continue
            try:
                header = _cells(line)
            except (ValueError, csv.Error) as error:
                raise InputError(f"{self.path}: the header is not text: {error}") from error
            return BarColumns(self.path, header, symbol, base_of, zone)
        raise InputError(f"{self.path}: the file has no header")

    def _peek(self) -> None:
        """Look at the first row before the run starts: its time says whether a zone is needed."""
        for number, line in self._lines:
            if not line.strip():
                continue
            self._next = (number, line)
            try:
                self._columns.first_time(_cells(line))
            except (UnicodeDecodeError, csv.Error):
                return
            return

    def __iter__(self) -> Iterator[Item]:
        """The rows in order of the file."""
        if self._next is None:
            return
        number, line = self._next
        self.rows += 1
        yield Item(self._row(line), line, number)
        bar = self._columns.bar
        for number, line in self._lines:
            if b'"' in line or b"_" in line or len(line) > LINE_LIMIT_BYTES:
                content = self._row(line)
            else:
                try:
                    content = bar(line.decode().split(","))
                except UnicodeDecodeError as error:
                    content = Refusal("decode_error", f"not UTF-8: {error.reason}", None)
            if not line.strip():
                continue
            self.rows += 1
            yield Item(content, line, number)

    def _row(self, line: bytes) -> Bar | Refusal:
        """Any row: long, quoted, with underscores that Python would take for digits."""
        if len(line) > LINE_LIMIT_BYTES:
            return Refusal(
                "decode_error", f"the line is longer than {LINE_LIMIT_BYTES} bytes", None
            )
        try:
            cells = _cells(line)
        except UnicodeDecodeError as error:
            return Refusal("decode_error", f"not UTF-8: {error.reason}", None)
        except csv.Error as error:
            return Refusal("decode_error", f"no CSV: {error}", None)
        return self._columns.bar(["?" if _is_odd_number(cell) else cell for cell in cells])


def shown(raw: bytes) -> bytes:
    """The bytes of a row as a dead letter carries them; of an overlong line its beginning."""
    return raw if len(raw) <= LINE_LIMIT_BYTES else raw[:KEPT_OF_LONG_LINE]


def _cells(line: bytes) -> list[str]:
    text = line.decode()
    if '"' not in text:
        return text.split(",")
    return next(csv.reader([text], strict=True))


def _is_odd_number(cell: str) -> bool:
    """Digits with underscores between them: a number to Python, to nobody else."""
    return "_" in cell and cell.replace("_", "").replace(".", "").strip("+- ").isdecimal()
