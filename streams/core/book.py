"""The accepted bars inside the correction horizon: what a duplicate is compared with.

Bars lie in chunks of at most 60 (contracts section 5); a full chunk is packed.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

from schemas.packing import pack_rows, unpack_rows
from streams.core.volume import Volume

CHUNK_BARS: Final = 60

Row = tuple[int, int, int, int, int, Volume]
"""Label, open, high, low, close (ticks) and volume of one accepted bar."""
PackedRow = tuple[Any, ...]
"""A `Row` as it is kept: one object, which a compiled core does not take apart."""


class BarChunk:
    """Bars in order of start, packed: 25 bytes a bar instead of 250.

    Attributes
    ----------
    packed
        The rows as MessagePack, or as they are when a price has more digits than it can hold.
    """

    def __init__(self, session: int, first_ms: int, packed: bytes | list[PackedRow]) -> None:
        self.session = session
        self.first_ms = first_ms
        self.packed = packed


class BarBook:
    """Bars of one symbol in order of start, of the sessions the horizon still reaches.

    Attributes
    ----------
    open_rows
        Bars not packed yet, all of `open_session`; the owner appends here, and calls `seal` now and
        then.
    """

    def __init__(self) -> None:
        self.open_rows: list[PackedRow] = []
        self.open_session = -1
        self._chunks: list[BarChunk] = []
        self._firsts: list[int] = []

    def append(self, session: int, row: PackedRow) -> None:
        """Add a bar that starts after all others."""
        if session != self.open_session:
            self._pack(1)
            self.open_session = session
        self.open_rows.append(row)

    def seal(self) -> None:
        """Pack full chunks."""
        if len(self.open_rows) >= CHUNK_BARS:
            self._pack(CHUNK_BARS)

    def _pack(self, least: int) -> None:
        rows = self.open_rows
        while len(rows) >= least:
            full = rows[:CHUNK_BARS]
            del rows[:CHUNK_BARS]
            packed: bytes | list[PackedRow] = full
            try:
                packed = pack_rows(full)
            except OverflowError:
                packed = full
            self._chunks.append(BarChunk(self.open_session, full[0][0], packed))
            self._firsts.append(full[0][0])

    def _rows(self, chunk: BarChunk) -> list[PackedRow]:
        """The bars of a chunk as they were given."""
        packed = chunk.packed
        return packed if isinstance(packed, list) else unpack_rows(packed)

    def find(self, start_ms: int) -> PackedRow | None:
        """The bar with that label, None without one."""
        rows = self.open_rows
        if not rows or start_ms < rows[0][0]:
            at = bisect_right(self._firsts, start_ms) - 1
            if at < 0:
                return None
            rows = self._rows(self._chunks[at])
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
        chunks: list[Any] = [
            [chunk.session, [list(row) for row in self._rows(chunk)]] for chunk in self._chunks
        ]
        if self.open_rows:
            chunks.append([self.open_session, [list(row) for row in self.open_rows]])
        return chunks

    def restore(self, data: list[Any]) -> None:
        """Take the values of `snapshot`."""
        for session, rows in data:
            for row in rows:
                self.append(session, (row[0], row[1], row[2], row[3], row[4], row[5]))
            self.seal()
