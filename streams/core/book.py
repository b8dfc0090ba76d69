"""The accepted bars inside the correction horizon: what a duplicate is compared with.

Bars lie in chunks of at most 60 (contracts section 5); a full chunk is packed into machine
integers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any, Final

from streams.core.volume import Volume

CHUNK_BARS: Final = 60
FIELDS: Final = 5

Row = tuple[int, int, int, int, int, Volume]
"""Label, open, high, low, close (ticks) and volume of one accepted bar."""


class BarChunk:
    """Packed bars in order of start: flat start, open, high, low, close, and the volumes."""

    def __init__(self, session: int, rows: list[Row]) -> None:
        self.session = session
        self.first_ms = rows[0][0]
        self.volumes: list[Volume] = [row[5] for row in rows]
        flat: list[int] = []
        for row in rows:
            flat.extend(row[:FIELDS])
        self.values: array[int] | list[int] = flat
        try:
            self.values = array("q", flat)
        except OverflowError:
            # Prices of more digits than machine integers hold stay as they are.
            self.values = flat

    def rows(self) -> list[Row]:
        """The bars as they were given."""
        values = self.values
        return [
            (
                values[place],
                values[place + 1],
                values[place + 2],
                values[place + 3],
                values[place + 4],
                self.volumes[place // FIELDS],
            )
            for place in range(0, len(values), FIELDS)
        ]


class BarBook:
    """Bars of one symbol in order of start, of the sessions the horizon still reaches.

    Attributes
    ----------
    open_rows
        Bars not packed yet, all of `open_session`; the owner appends here, and calls `seal` now and
        then.
    """

    def __init__(self) -> None:
        self.open_rows: list[Row] = []
        self.open_session = -1
        self._chunks: list[BarChunk] = []
        self._firsts: list[int] = []

    def append(self, session: int, row: Row) -> None:
        """Add a bar that starts after all others."""
        if session != self.open_session:
            self._pack(1)
            self.open_session = session
        self.open_rows.append(row)

    def seal(self) -> None:
        """Pack full chunks."""
        self._pack(CHUNK_BARS)

    def _pack(self, least: int) -> None:
        rows = self.open_rows
        while len(rows) >= least:
            chunk = BarChunk(self.open_session, rows[:CHUNK_BARS])
            self._chunks.append(chunk)
            self._firsts.append(chunk.first_ms)
            del rows[:CHUNK_BARS]

    def find(self, start_ms: int) -> Row | None:
        """The bar with that label, None without one."""
        rows = self.open_rows
        if not rows or start_ms < rows[0][0]:
            at = bisect_right(self._firsts, start_ms) - 1
            if at < 0:
                return None
            rows = self._chunks[at].rows()
        for row in rows:
            if row[0] == start_ms:
                return row
        return None

    def forget_before(self, session: int) -> None:
        """Drop the bars of sessions before that index."""
        count = 0
        while count < len(self._chunks) and self._chunks[count].session < session:
            count += 1
        if count:
            del self._chunks[:count]
            del self._firsts[:count]
        if self.open_session < session:
            self.open_rows.clear()

    def snapshot(self) -> list[Any]:
        """Plain data: session and rows of each chunk; the last one may be growing."""
        chunks = [[chunk.session, [list(row) for row in chunk.rows()]] for chunk in self._chunks]
        if self.open_rows:
            chunks.append([self.open_session, [list(row) for row in self.open_rows]])
        return chunks

    def restore(self, data: list[Any]) -> None:
        """Take the values of `snapshot`."""
        for session, rows in data:
            for row in rows:
                self.append(session, (row[0], row[1], row[2], row[3], row[4], row[5]))
            self.seal()
