"""The accepted bars inside the correction horizon.

They are what a duplicate is compared with, and what a rebuild runs again.

Bars lie in chunks of at most 60 (docs/rules.md 14), each the bars of one stretch of its session,
so that a late bar changes one chunk and moves none.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any, Final

from tapeline.schemas.packing import pack_rows, packed_bytes, packed_text, unpack_rows
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.volume import Volume

CHUNK_BARS: Final = 60
MOST_OPEN_ROWS: Final = 2 * CHUNK_BARS
"""Bars are packed at hours, where chunks end as well, unless so many are there before."""
NUMBER_BITS: Final = 20
NUMBER_ZERO: Final = 1 << (NUMBER_BITS - 1)
"""Number of the chunk at the session's open; off-session bars before it lie in earlier ones."""
NO_KEY: Final = -(1 << 62)

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

    def __init__(self, packed: bytes | list[PackedRow]) -> None:
        self.packed = packed

    def rows(self) -> list[PackedRow]:
        """The bars as they were given; not to be changed."""
        packed = self.packed
        return packed if isinstance(packed, list) else unpack_rows(packed)

    def stored(self) -> Any:
        """The bars as plain data: text, or a list each where they are not packed."""
        packed = self.packed
        if isinstance(packed, list):
            return [list(row) for row in packed]
        return packed_text(packed)


class BarBook:
    """Bars of one symbol in order of start, of the sessions the horizon still reaches.

    Parameters
    ----------
    grid_ms
        Bars are at least this far apart.

    Attributes
    ----------
    open_rows
        Newest bars, not packed yet; the owner appends here, and calls `seal` now and then.
    """

    def __init__(self, calendar: Calendar, grid_ms: int) -> None:
        self.open_rows: list[PackedRow] = []
        self._calendar = calendar
        self._span_ms = grid_ms * CHUNK_BARS
        self._keys: list[int] = []
        self._chunks: dict[int, BarChunk] = {}
        self._touched: dict[int, bool] = {}
        self._tracked = False
        self._read_key = NO_KEY
        self._read_rows: list[PackedRow] = []

    def seal(self) -> None:
        """Pack the newest bars once they fill a chunk."""
        if len(self.open_rows) >= CHUNK_BARS:
            self.pack()

    def pack(self) -> None:
        """Put the newest bars into their chunks."""
        rows = self.open_rows
        if not rows:
            return
        at = 0
        while at < len(rows):
            session = self._calendar.session_of(rows[at][0])
            opened = self._calendar.open_ms(session)
            number = (rows[at][0] - opened) // self._span_ms
            until_ms = min(opened + (number + 1) * self._span_ms, self._calendar.close_ms(session))
            end = at + 1
            if rows[-1][0] < until_ms:
                end = len(rows)
            while end < len(rows) and rows[end][0] < until_ms:
                end += 1
            key = _key(session, number)
            known = self._chunks.get(key)
            if known is None:
                self._store(key, rows[at:end])
            else:
                self._store(key, [*known.rows(), *rows[at:end]])
            at = end
        rows.clear()

    def _store(self, key: int, rows: list[PackedRow]) -> None:
        packed: bytes | list[PackedRow] = rows
        try:
            packed = pack_rows(rows)
        except OverflowError:
            packed = list(rows)
        self._set(key, BarChunk(packed))

    def _set(self, key: int, chunk: BarChunk) -> None:
        if key not in self._chunks:
            if self._keys and key < self._keys[-1]:
                insort(self._keys, key)
            else:
                self._keys.append(key)
        self._chunks[key] = chunk
        self._read_key = NO_KEY
        if self._tracked:
            self._touched[key] = True

    def _key_of(self, start_ms: int) -> int:
        session = self._calendar.session_of(start_ms)
        if not self._calendar.has_session(session):
            return _key(session, 0)
        return _key(session, (start_ms - self._calendar.open_ms(session)) // self._span_ms)

    def find(self, start_ms: int) -> PackedRow | None:
        """The bar with that label, None without one."""
        rows = self.open_rows
        if not rows or start_ms < rows[0][0]:
            key = self._key_of(start_ms)
            if key != self._read_key:
                # A file that comes again asks for the bars of a chunk one after the other.
                chunk = self._chunks.get(key)
                if chunk is None:
                    return None
                self._read_key = key
                self._read_rows = chunk.rows()
            rows = self._read_rows
        for row in rows:
            if row[0] == start_ms:
                return row
        return None

    def put(self, row: PackedRow) -> None:
        """Add a bar anywhere, or replace the one of its label."""
        self._edit(row[0], row)

    def remove(self, start_ms: int) -> None:
        """Take the bar with that label out; it must be there."""
        self._edit(start_ms, None)

    def _edit(self, start_ms: int, row: PackedRow | None) -> None:
        self.pack()
        key = self._key_of(start_ms)
        chunk = self._chunks.get(key)
        rows = [] if chunk is None else [kept for kept in chunk.rows() if kept[0] != start_ms]
        if row is not None:
            at = len(rows)
            while at > 0 and rows[at - 1][0] > start_ms:
                at -= 1
            rows.insert(at, row)
        self._store(key, rows)

    def rows_from(self, start_ms: int) -> list[PackedRow]:
        """The bars labelled at or after an instant, in order."""
        found: list[PackedRow] = []
        for key in self._keys[bisect_left(self._keys, self._key_of(start_ms)) :]:
            found.extend(self._chunks[key].rows())
        found.extend(self.open_rows)
        at = 0
        while at < len(found) and found[at][0] < start_ms:
            at += 1
        return found[at:] if at else found

    def all_rows(self) -> list[PackedRow]:
        """Every bar kept, in order."""
        found: list[PackedRow] = []
        for key in self._keys:
            found.extend(self._chunks[key].rows())
        found.extend(self.open_rows)
        return found

    def first_ms(self) -> int | None:
        """Label of the first bar kept."""
        for key in self._keys:
            rows = self._chunks[key].rows()
            if rows:
                label: int = rows[0][0]
                return label
        if self.open_rows:
            first: int = self.open_rows[0][0]
            return first
        return None

    def forget_before(self, session: int) -> None:
        """Drop the bars of sessions before that index."""
        self.pack()
        keys = self._keys
        count = 0
        while count < len(keys) and keys[count] >> NUMBER_BITS < session:
            del self._chunks[keys[count]]
            self._touched.pop(keys[count], None)
            count += 1
        if count:
            del keys[:count]
            self._read_key = NO_KEY

    def chunk_count(self, session: int) -> int:
        """Number of chunks of that session and later ones, without the bars not packed yet."""
        return len(self._keys) - bisect_left(self._keys, session << NUMBER_BITS)

    def chunks(self) -> list[list[Any]]:
        """All chunks: ``[session date, number, bars]`` each; an empty one has lost its bars."""
        self.pack()
        return [self._chunk_data(key) for key in self._keys]

    def take_touched(self) -> list[list[Any]]:
        """Chunks changed since the last call, like `chunks`."""
        self.pack()
        keys = sorted(self._touched)
        self._touched.clear()
        return [self._chunk_data(key) for key in keys]

    def mark_clean(self) -> None:
        """Every chunk is stored as it is."""
        self.pack()
        self._touched.clear()

    def track(self) -> None:
        """Remember from now on which chunks change."""
        self._tracked = True

    def _chunk_data(self, key: int) -> list[Any]:
        number = (key & ((1 << NUMBER_BITS) - 1)) - NUMBER_ZERO
        day = self._calendar.stored_day(key >> NUMBER_BITS)
        return [day, number, self._chunks[key].stored()]

    def restore(self, chunks: list[list[Any]]) -> None:
        """Take chunks as `chunks` gives them, in order, or with all their bars as lists."""
        for day, number, bars in chunks:
            key = _key(self._calendar.index_from_day(day), number)
            if isinstance(bars, list):
                self._store(key, [tuple(row) for row in bars])
            else:
                self._set(key, BarChunk(packed_bytes(bars)))


def _key(session: int, number: int) -> int:
    """Chunks in order of time, whatever the calendar puts between sessions."""
    return (session << NUMBER_BITS) + number + NUMBER_ZERO
