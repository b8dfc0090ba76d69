"""CSV of bars, plain or gzip."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from tapeline.schemas.codec import LONG_RECORD
from tapeline.schemas.config.model import INPUT_MIB
from tapeline.schemas.records import Bar
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.columns import AMBIGUOUS_TIME, BarColumns
from tapeline.streams.feeds.items import Item
from tapeline.streams.feeds.lines import LineReader
from tapeline.streams.feeds.merge import BarEnds
from tapeline.streams.feeds.order import OrderCheck, ascend_as_text
from tapeline.streams.feeds.repeated_hours import Passes, PassesOfFile
from tapeline.streams.feeds.time_columns import LOOK_ROWS
from tapeline.streams.feeds.times import TableTimes
from tapeline.streams.pipeline.refusals import Refusal


class _Rows(NamedTuple):
    """Lines of one block.

    Attributes
    ----------
    lines
        Text where the whole block is ASCII, else bytes.
    first
        Number of the first one in the file.
    plain
        Whether every line is cells between commas that Python reads as everybody else does.
    too_long
        Whether this is one line beyond the limit.
    """

    lines: Sequence[str | bytes]
    first: int
    plain: bool
    too_long: bool = False


class CsvFeed:
    """Rows of one CSV file; see `streams.feeds.items.Feed`.

    The header and the first rows are read at once, so that a file that cannot be used is known
    before anything starts.

    Parameters
    ----------
    passes
        Distinguishes the rows of a repeated hour; None: their order in the file.
    """

    def __init__(
        self,
        path: str,
        symbol: str | None,
        base_of: Callable[[str], str],
        times: TableTimes,
        copy: str | None = None,
        limit_mib: int = INPUT_MIB,
        passes: Passes | None = None,
    ) -> None:
        self.path = path
        self.rows = 0
        self._symbol = symbol
        self._reader = LineReader(path, copy, limit_mib)
        self.sha256 = self._reader.sha256
        self.close = self._reader.close
        self._blocks = self._read_blocks()
        self._begun: list[_Rows] = []
        try:
            if passes is None:
                # A pipe cannot be read twice.
                twice = Path(copy or path).is_file()
                passes = PassesOfFile(
                    partial(CsvFeed, path, symbol, base_of, times, copy, limit_mib)
                    if twice
                    else None
                )
            header = self._header()
            self._columns = BarColumns(
                path, header, symbol, base_of, times, self._first_rows(), passes
            )
        except InputError:
            self.close()
            raise
        self.ignored = self._columns.ignored

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far."""
        return self._reader.bytes_read

    def end_at(self, looked_at: int) -> None:
        """See `streams.feeds.sorting.Table`."""
        self._reader.end_at(looked_at)

    def raw(self, row: str | bytes) -> bytes:
        """Bytes of a line."""
        return row.encode() if isinstance(row, str) else row

    def _read_blocks(self) -> Iterator[_Rows]:
        for text, first, too_long in self._reader.blocks():
            if too_long:
                yield _Rows([text], first, False, True)
                continue
            ascii_text = text.decode() if text.isascii() else None
            lines: list[str] | list[bytes]
            if ascii_text is None:
                lines = text.split(b"\n")
                if b"\r" in text:
                    lines = [line.removesuffix(b"\r") for line in lines]
            else:
                lines = ascii_text.split("\n")
                if "\r" in ascii_text:
                    lines = [line.removesuffix("\r") for line in lines]
            # Python reads 1_000 as a number; few others do.
            plain = ascii_text is not None and '"' not in ascii_text and "_" not in ascii_text
            yield _Rows(lines, first, plain)

    def _header(self) -> list[str]:
        for block in self._blocks:
            for number, line in enumerate(block.lines):
                if not line.strip():
                    continue
                try:
                    header = _cells(line)
                except (ValueError, csv.Error) as error:
                    raise InputError(f"{self.path}: the header is not text: {error}") from error
                if any("\r" in name.strip() for name in header):
                    raise InputError(
                        f"{self.path}: some lines end with a carriage return and others with a"
                        " line feed; end all of them with a line feed"
                    )
                rest = block.lines[number + 1 :]
                # Names such as start_ms must not slow down the rows below them.
                self._begun = [_Rows(rest, block.first + number + 1, _plain(rest))]
                return header
        raise InputError(f"{self.path}: the file has no header")

    def _first_rows(self) -> list[tuple[int, list[str]]]:
        """Number and cells of the first rows, which show what the times are; none if unreadable."""
        rows: list[tuple[int, list[str]]] = []
        while True:
            blank = True
            for number, line in enumerate(self._begun[-1].lines, self._begun[-1].first):
                if not line.strip():
                    continue
                blank = False
                try:
                    rows.append((number, _cells(line)))
                except (ValueError, csv.Error):
                    continue
                if len(rows) == LOOK_ROWS:
                    break
            block = next(self._blocks, None) if blank else None
            if block is None:
                return rows
            # What was looked through holds no row.
            self._begun = [block]

    def __iter__(self) -> Iterator[Item]:
        """The rows in order of the file."""
        bar = self._columns.reader()
        careful, resolved = self._careful, self._resolved
        for lines, first, plain, too_long in chain(self._begun, self._blocks):
            blank = 0
            if too_long:
                yield Refusal("decode_error", LONG_RECORD, self._symbol), lines[0], first
            elif plain:
                for number, line in enumerate(lines, first):
                    content = bar(line.split(","))  # type: ignore[arg-type]
                    if type(content) is Refusal:
                        if not line.strip():
                            blank += 1
                            continue
                        content = resolved(content, line, number)
                    yield content, line, number
            else:
                for number, line in enumerate(lines, first):
                    if not line.strip():
                        blank += 1
                        continue
                    yield resolved(careful(line), line, number), line, number
            self.rows += len(lines) - blank

    def in_order(self, end_of: BarEnds) -> bool:
        """See `streams.feeds.sorting.Table`."""
        self._reader.without_hash()
        check = OrderCheck(end_of)
        bar, careful = self._columns.reader(), self._careful
        for rows in chain(self._begun, self._blocks):
            if rows.too_long:
                continue
            lines = rows.lines
            if not rows.plain:
                ordered = check.rows(self._all_resolved(map(careful, lines), rows))
            else:
                read = (bar(line.split(",")) for line in lines)  # type: ignore[arg-type]
                ordered = self._ascends(check, bar, lines) or check.rows(  # type: ignore[arg-type]
                    self._all_resolved(read, rows)
                )
            if not ordered:
                return False
        return True

    def _resolved(self, content: Bar | Refusal, line: str | bytes, number: int) -> Bar | Refusal:
        """A row as read, or its bar where its time occurs twice and its position shows which."""
        if type(content) is Refusal and content.code == AMBIGUOUS_TIME:
            return self._columns.resolved(content, _cells(line), number)
        return content

    def _all_resolved(
        self, contents: Iterable[Bar | Refusal], rows: _Rows
    ) -> Iterator[Bar | Refusal]:
        return map(self._resolved, contents, rows.lines, count(rows.first))

    def _ascends(
        self,
        check: OrderCheck,
        bar: Callable[[Sequence[str]], Bar | Refusal],
        lines: Sequence[str],
    ) -> bool:
        """Whether lines are in order at first sight, their times alone looked at."""
        if not lines:
            return True
        first, last = bar(lines[0].split(",")), bar(lines[-1].split(","))
        used = self._columns.used
        time_at, symbol_at = self._columns.time_at, used.get("symbol", 0)
        if time_at is None:
            return False
        try:
            if "symbol" in used:
                until = max(time_at, symbol_at) + 1
                cells = [line.split(",", until) for line in lines]
                symbols = {row[symbol_at].strip() for row in cells}
                times = [row[time_at] for row in cells]
            else:
                symbols = set() if first.symbol is None else {first.symbol}
                times = _times(lines, time_at)
        except (IndexError, ValueError):
            return False
        return (
            check.have_one_length(symbols)
            and ascend_as_text(times)
            and check.ascending(first, last)
        )

    def _careful(self, line: str | bytes) -> Bar | Refusal:
        """Any row: quoted, not ASCII, with underscores."""
        try:
            cells = _cells(line)
        except UnicodeDecodeError as error:
            return Refusal("decode_error", f"not UTF-8: {error.reason}", self._symbol)
        except csv.Error as error:
            return Refusal("decode_error", f"no CSV: {error}", self._symbol)
        return self._columns.checked(cells)


def _times(lines: Sequence[str], time_at: int) -> list[str]:
    """Cells of the times, for `ascend_as_text`."""
    if time_at:
        return [line.split(",", time_at + 1)[time_at] for line in lines]
    # Cutting is quicker than splitting. What is cut at the wrong comma is not alike.
    until = lines[0].index(",") + 1
    return [line[:until] for line in lines]


def _plain(lines: Sequence[str | bytes]) -> bool:
    return all(isinstance(line, str) and '"' not in line and "_" not in line for line in lines)


def _cells(line: str | bytes) -> list[str]:
    text = line.decode() if isinstance(line, bytes) else line
    if '"' not in text:
        return text.split(",")
    return next(csv.reader([text], strict=True))
