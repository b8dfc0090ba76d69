"""The accepted bars inside the correction horizon: what a duplicate is compared with.

Bars lie in chunks of at most 60 (contracts section 5); a full chunk is packed into machine integers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any, Final

from streams.core.volume import Volume

CHUNK_BARS: Final = 60
FIELDS: Final = 5


class BarChunk:
    """Bars in order of start: flat start, open, high, low, close in ticks, and the volumes."""

    def __init__(self, session: int, first_ms: int) -> None:
        self.session = session
        self.first_ms = first_ms
        self.values: array[int] | list[int] = []
        self.volumes: list[Volume] = []


class BarBook:
    """Bars of one symbol in order of start, of the sessions the horizon still reaches."""

    def __init__(self) -> None:
        self._chunks: list[BarChunk] = []
        self._firsts: list[int] = []

    def append(
        self,
        session: int,
        start_ms: int,
        open_: int,
        high: int,
        low: int,
        close: int,
        volume: Volume,
    ) -> None:
        """Add a bar that starts after all others."""
        chunk = self._chunks[-1] if self._chunks else None
        if chunk is None or chunk.session != session or len(chunk.volumes) >= CHUNK_BARS:
            chunk = self._new_chunk(session, start_ms)
        chunk.values.extend((start_ms, open_, high, low, close))
        chunk.volumes.append(volume)

    def _new_chunk(self, session: int, first_ms: int) -> BarChunk:
        if self._chunks:
            _pack(self._chunks[-1])
        chunk = BarChunk(session, first_ms)
        self._chunks.append(chunk)
        self._firsts.append(first_ms)
        return chunk

    def find(self, start_ms: int) -> tuple[int, int, int, int, Volume] | None:
        """Open, high, low, close in ticks and volume of the bar with that label, None without one."""
        at = bisect_right(self._firsts, start_ms) - 1
        if at < 0:
            return None
        chunk = self._chunks[at]
        for number in range(len(chunk.volumes)):
            place = number * FIELDS
            if chunk.values[place] == start_ms:
                open_, high, low, close = chunk.values[place + 1 : place + FIELDS]
                return open_, high, low, close, chunk.volumes[number]
        return None

    def forget_before(self, session: int) -> None:
        """Drop the bars of sessions before that index."""
        count = 0
        while count < len(self._chunks) and self._chunks[count].session < session:
            count += 1
        if count:
            del self._chunks[:count]
            del self._firsts[:count]

    def snapshot(self) -> list[Any]:
        """Plain data: one list a chunk."""
        return [[chunk.session, list(chunk.values), chunk.volumes[:]] for chunk in self._chunks]

    def restore(self, data: list[Any]) -> None:
        """Take the values of `snapshot`."""
        for session, values, volumes in data:
            chunk = self._new_chunk(session, values[0])
            chunk.values = list(values)
            chunk.volumes = list(volumes)


def _pack(chunk: BarChunk) -> None:
    """Into machine integers, unless a price has more digits than they hold."""
    try:
        chunk.values = array("q", chunk.values)
    except OverflowError:
        return
