"""The last bars, or rows, of one symbol and interval that a host has seen (docs/rules.md 19.7)."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final, Generic, TypeVar

from msgspec import convert

from tapeline.schemas.codec import plain
from tapeline.schemas.events import DerivedBar, Indicators
from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS
from tapeline.schemas.records import Bar
from tapeline.streams.host.errors import HostStateError

BLOCK_ROWS: Final = 32
"""Rows of one stored record."""

Row = TypeVar("Row", Bar, DerivedBar, Indicators)


class Ring(Generic[Row]):
    """At most `capacity` rows in order of start.

    Every row has a number, one more than that of the row before it; stored are blocks of rows by
    number, so that the next bar changes one of them.

    Parameters
    ----------
    struct
        What a row is.

    Attributes
    ----------
    floor_ms
        Start of the latest row that left because the ring was full: no earlier one comes back.
    """

    __slots__ = ("_begin", "_dirty", "_first", "_head", "_rows", "_starts", "capacity", "floor_ms",
                 "struct")  # fmt: skip

    def __init__(self, struct: type[Row], capacity: int) -> None:
        self.struct: type[Row] = struct
        self.capacity = capacity
        self.floor_ms = FAR_PAST_MS
        self._rows: list[Row] = []
        self._starts: list[int] = []
        self._begin = 0
        self._first = 0
        self._dirty = FAR_FUTURE_MS
        self._head: list[int] = []

    def __len__(self) -> int:
        return len(self._rows) - self._begin

    def last(self, count: int) -> list[Row]:
        """The last so many rows, oldest first."""
        return self._rows[max(self._begin, len(self._rows) - count) :]

    def row(self, back: int) -> Row | None:
        """The row so many before the last one; None where there is none."""
        at = len(self._rows) - 1 - back
        return self._rows[at] if at >= self._begin else None

    def put(self, row: Row) -> None:
        """A row is new, or another version of one."""
        start = row.start_ms
        starts = self._starts
        end = len(starts)
        if end == self._begin or start > starts[end - 1]:
            if start <= self.floor_ms:
                return
            starts.append(start)
            self._rows.append(row)
            self._mark(end)
        else:
            at = bisect_left(starts, start, self._begin)
            if starts[at] == start:
                self._rows[at] = row
                self._mark(at)
                return
            if start <= self.floor_ms:
                return
            starts.insert(at, start)
            self._rows.insert(at, row)
            self._mark(at)
        if len(self._rows) - self._begin > self.capacity:
            self.floor_ms = starts[self._begin]
            self._begin += 1
            if self._begin > self.capacity:
                self._trim()

    def remove(self, start_ms: int) -> None:
        """The row of a start is gone, if it was there."""
        at = bisect_left(self._starts, start_ms, self._begin)
        if at < len(self._starts) and self._starts[at] == start_ms:
            del self._starts[at]
            del self._rows[at]
            self._mark(at)

    def remove_after(self, start_ms: int) -> None:
        """All rows with a later start are gone."""
        at = bisect_left(self._starts, start_ms + 1, self._begin)
        if at < len(self._starts):
            del self._starts[at:]
            del self._rows[at:]
            self._mark(at)

    def _mark(self, at: int) -> None:
        number = self._first + at
        if number < self._dirty:
            self._dirty = number

    def _trim(self) -> None:
        del self._rows[: self._begin]
        del self._starts[: self._begin]
        self._first += self._begin
        self._begin = 0

    @property
    def _slots(self) -> int:
        """Records of blocks: as many as the rows can lie in."""
        return self.capacity // BLOCK_ROWS + 2

    def changed(self) -> dict[str, Any]:
        """Records that differ since the last call: ``head``, and blocks by number of their slot."""
        end = self._first + len(self._rows)
        begin = self._first + self._begin
        head = [begin, end, self.floor_ms]
        if head == self._head and self._dirty >= FAR_FUTURE_MS:
            return {}
        found: dict[str, Any] = {"head": head}
        first_block = max(self._dirty, begin) // BLOCK_ROWS
        for block in range(first_block, -(-end // BLOCK_ROWS)):
            from_number = max(block * BLOCK_ROWS, begin)
            rows = self._rows[from_number - self._first : (block + 1) * BLOCK_ROWS - self._first]
            found[str(block % self._slots)] = [from_number, [plain(row) for row in rows]]
        self._head = head
        self._dirty = FAR_FUTURE_MS
        return found

    def restore(self, records: dict[str, Any]) -> None:
        """Take the records that `changed` gave, the latest of each.

        Raises
        ------
        HostStateError
            When some are missing.
        """
        begin, end, floor_ms = records["head"]
        rows: dict[int, Row] = {}
        for name, content in records.items():
            if name != "head":
                for number, data in enumerate(content[1], content[0]):
                    if begin <= number < end:
                        rows[number] = convert(data, self.struct)
        if len(rows) != end - begin:
            raise HostStateError(f"{end - begin} rows of a ring are stored, {len(rows)} are there")
        self._rows = [rows[number] for number in range(begin, end)]
        self._starts = [row.start_ms for row in self._rows]
        self._begin = 0
        self._first = begin
        self.floor_ms = floor_ms
        self._head = [begin, end, floor_ms]
        self._dirty = FAR_FUTURE_MS
