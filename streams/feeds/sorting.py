"""Tables of bars in the order of their bars' ends, whatever the order of their rows.

A table in order is read as it lies: one cheap look over its times, before anything starts, is all
that it costs. Any other is sorted when it is opened, in memory, or beyond it in a temporary file.
"""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator
from sys import getsizeof
from typing import Any, Protocol

import msgspec

from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.items import Feed, FeedBroken, Item
from tapeline.streams.feeds.merge import BarEnds
from tapeline.streams.pipeline.refusals import Refusal

MEMORY_BYTES = 256 << 20
"""What sorting takes at most, over all tables of a run."""
ROW_BYTES = 420
"""Memory of a row beside its text: the bar, its numbers, its entries in lists."""
CHUNK_BYTES = 1 << 16
"""Memory of the rows that are read back at once of each run."""

Row = tuple[int, int, Any, Bar | Refusal]
"""A row in a temporary file: end of its bar, number in its file, the row, what it holds.

The numbers of a file ascend and are never equal, so rows compared as tuples are sorted stably.
One is made for every row: a plain tuple, which an encoder takes as it is.
"""


class Table(Feed, Protocol):
    """A feed of bars that knows in advance whether it is in order."""

    def in_order(self, end_of: BarEnds) -> bool:
        """Whether no row ends before one above it; the table cannot be read afterwards.

        Raises
        ------
        InputError
            When the table expands beyond its limit.
        FeedBroken
            When reading fails on the way.
        """
        ...

    def end_at(self, looked_at: int) -> None:
        """Read no further than another feed of the same file, which has read so many bytes."""
        ...


class SortMemory:
    """What sorting may hold, shared by the tables of a run, which are sorted one after another.

    Attributes
    ----------
    run_bytes
        Rows that are sorted at once.
    share_bytes
        Rows that one table holds while all are merged.
    """

    def __init__(self, tables: int, memory_bytes: int = MEMORY_BYTES) -> None:
        self.run_bytes = memory_bytes // 2
        self.share_bytes = memory_bytes // 2 // max(tables, 1)


def open_in_order(
    make: Callable[[], Table], again: bool, end_of: BarEnds, memory: SortMemory
) -> Feed:
    """A table whose rows come by the end of their bars, stably.

    A row that cannot be read stays after the row before it.

    Parameters
    ----------
    make
        Opens the table.
    again
        Whether it can be opened twice. What is no file, such as a named pipe, cannot: it is sorted
        without looking.

    Raises
    ------
    InputError
        When the table cannot be used.
    FeedBroken
        When a table out of order cannot be read to its end, or there is no room to sort it.
    """
    table = make()
    try:
        if again and _is_in_order(table, make, end_of):
            return table
        return SortedFeed(table, end_of, memory)
    except BaseException:
        table.close()
        raise


def _is_in_order(table: Table, make: Callable[[], Table], end_of: BarEnds) -> bool:
    looked_at = make()
    try:
        found = looked_at.in_order(end_of)
        if found:
            # Rows that are appended meanwhile were not looked at.
            table.end_at(looked_at.bytes_read)
    except FeedBroken:
        # The rows up to there are in order; their reader meets the same end.
        return True
    finally:
        looked_at.close()
    return found


class SortedFeed:
    """Another feed's rows, sorted when it is made; see `streams.feeds.items.Feed`."""

    def __init__(self, feed: Feed, end_of: BarEnds, memory: SortMemory) -> None:
        self.path = feed.path
        self.ignored = feed.ignored
        self.raw = feed.raw
        self.sha256 = feed.sha256
        self._feed = feed
        self._held: list[Item] = []
        self._spool: _Spool | None = None
        self._handed_over = 0
        try:
            self._sort(end_of, memory)
        except BaseException:
            self.close()
            raise

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return self._feed.rows

    @property
    def bytes_read(self) -> int:
        """The part of the file's bytes that the rows handed over are of its rows."""
        return self._feed.bytes_read * self._handed_over // max(self._feed.rows, 1)

    def close(self) -> None:
        """Close the file and the temporary one, which is gone with it."""
        self._feed.close()
        if self._spool is not None:
            self._spool.close()

    def _sort(self, end_of: BarEnds, memory: SortMemory) -> None:
        lengths = end_of.lengths
        ends: list[int] = []
        items: list[Item] = []
        end, held = FAR_PAST_MS, 0
        for item in self._feed:
            content, row, _ = item
            if type(content) is Bar:
                length = lengths.get(content.symbol)
                if length is None:
                    end = end_of(content.symbol, content.start_ms)
                else:
                    end = content.start_ms + length
            ends.append(end)
            items.append(item)
            held += ROW_BYTES + _size(row)
            if held > memory.run_bytes:
                self._put_away(ends, items)
                ends, items, held = [], [], 0
        if self._spool is None and held <= memory.share_bytes:
            self._held = [items[at] for at in _order(ends)]
        elif items:
            self._put_away(ends, items)

    def _put_away(self, ends: list[int], items: list[Item]) -> None:
        if self._spool is None:
            self._spool = _Spool(self.path)
        self._spool.write(ends, items)

    def __iter__(self) -> Iterator[Item]:
        """The rows by the end of their bars."""
        if self._spool is None:
            for item in self._held:
                self._handed_over += 1
                yield item
            return
        for rows in self._spool.merged():
            for _, number, row, content in rows:
                yield content, row, number
            self._handed_over += len(rows)


def _order(ends: list[int]) -> list[int]:
    """Positions of rows by their ends; of equal ones the earlier position first."""
    return sorted(range(len(ends)), key=ends.__getitem__)


def _size(row: Any) -> int:
    """Memory of a row's text, as one text or by cells."""
    if isinstance(row, str | bytes):
        return getsizeof(row)
    return getsizeof(row) + sum(map(getsizeof, row))


class _Spool:
    """Sorted runs of rows in a temporary file without a name: it is gone when it is closed.

    Raises
    ------
    FeedBroken
        When there is no room for it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._folder = "the folder for temporary files"
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[Row]).decode
        self._runs: list[list[tuple[int, int]]] = []
        self._end = 0
        try:
            self._folder = tempfile.gettempdir()
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> FeedBroken:
        reason = error.strerror or str(error)
        return FeedBroken(
            f"{self._path}: its rows are out of order, and sorting them needs room in"
            f" {self._folder}: {reason}; name another folder by TMPDIR"
        )

    def close(self) -> None:
        """Give the room back."""
        self._file.close()

    def write(self, ends: list[int], items: list[Item]) -> None:
        """One more run: rows that follow those of the runs before in the file of the table."""
        chunks: list[tuple[int, int]] = []
        rows: list[Row] = []
        held = 0
        for at in _order(ends):
            content, row, number = items[at]
            assert isinstance(content, Bar | Refusal)
            rows.append((ends[at], number, row, content))
            held += ROW_BYTES + _size(row)
            if held > CHUNK_BYTES:
                chunks.append(self._append(rows))
                rows, held = [], 0
        if rows:
            chunks.append(self._append(rows))
        self._runs.append(chunks)

    def _append(self, rows: list[Row]) -> tuple[int, int]:
        data = memoryview(self._encode(rows))
        span = self._end, len(data)
        try:
            while data:
                written = os.write(self._file.fileno(), data)
                data = data[written:]
        except OSError as error:
            raise self._failed(error) from error
        self._end += span[1]
        return span

    def _read(self, span: tuple[int, int]) -> list[Row]:
        start, size = span
        try:
            return self._decode(os.pread(self._file.fileno(), size, start))
        except OSError as error:
            raise self._failed(error) from error

    def merged(self) -> Iterator[list[Row]]:
        """All rows in order, a list at a time.

        Of every run one chunk is held. No row of what is still unread comes before the last one of
        its run's chunk, so rows up to the least of those can go.
        """
        unread = [iter(chunks) for chunks in self._runs]
        heads = [self._read(next(chunks)) for chunks in unread]
        while heads:
            bound = min(head[-1] for head in heads)
            ready: list[Row] = []
            for at, head in enumerate(heads):
                until = bisect_right(head, bound)
                ready += head[:until]
                heads[at] = head[until:]
            # Sorted pieces: what Python merges, not sorts.
            ready.sort()
            yield ready
            for at in reversed(range(len(heads))):
                if heads[at]:
                    continue
                chunk = next(unread[at], None)
                if chunk is None:
                    del heads[at], unread[at]
                else:
                    heads[at] = self._read(chunk)
