"""Chunks of the log: their turns, and how far each partition is by what they cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from tapeline.streams.kafka.raw_records import Chunk, RawRecord
from tapeline.streams.worker.log_digest import RecordDigest, digest_of

Place = TypeVar("Place")
Item = TypeVar("Item")


def in_turn(queues: Mapping[Place, Iterable[Item]]) -> Iterator[tuple[Place, Item]]:
    """One item of each queue after the other, so that no partition waits for another's backlog."""
    waiting = {place: iter(items) for place, items in queues.items()}
    while waiting:
        for place, items in list(waiting.items()):
            found = next(items, None)
            if found is None:
                del waiting[place]
            else:
                yield place, found


class Positions(Generic[Place]):
    """How far each partition has been handed out, and how far its results are written.

    A partition without a place is not ours at the moment: none of its records is handed out.
    """

    def __init__(self) -> None:
        self._next: dict[Place, int] = {}
        self._done: dict[Place, int] = {}
        self._sought: dict[Place, int] = {}
        self._last: dict[Place, RawRecord | RecordDigest | None] = {}

    def set(self, place: Place, offset: int, last: RecordDigest | None = None) -> None:
        """Hand out a partition from an offset on; `last` is the last record before it."""
        self._next[place] = offset
        self._last[place] = last
        self._sought.pop(place, None)

    def of(self, place: Place) -> int | None:
        """Next offset to hand out."""
        return self._next.get(place)

    def admit(self, place: Place, chunk: Chunk) -> Chunk | None:
        """The part of a chunk that is due.

        Returns
        -------
        Chunk | None
            What the chunk covers from the position on; it covers nothing when all was handed out
            before or the partition is not ours; None when it begins above the position: seek to
            the position and read again. The same hole a second time is a hole in the log, and
            handed out as it is: what it means is for the worker to decide.
        """
        position = self._next.get(place)
        if position is None:
            return chunk.since(chunk.end)
        if chunk.first > position and self._sought.get(place) != position:
            self._sought[place] = position
            return None
        return chunk.since(position)

    def hand_out(self, place: Place, chunk: Chunk) -> None:
        """The chunk is on its way to the worker."""
        self._next[place] = chunk.end
        if chunk.records:
            self._last[place] = chunk.records[-1]

    def last(self, place: Place) -> RecordDigest | None:
        """The last record that was handed out, or that the state included before."""
        found = self._last.get(place)
        if found is None or isinstance(found, RecordDigest):
            return found
        # Hashed when it is asked for: most are not.
        return digest_of(found)

    def ours(self) -> list[Place]:
        """Partitions that are handed out."""
        return list(self._next)

    def done(self, place: Place, next_offset: int) -> None:
        """All below `next_offset` is written: outputs, state and local store."""
        if place in self._next:
            self._done[place] = max(next_offset, self._done.get(place, 0))

    def done_to(self, place: Place) -> int | None:
        """Next offset to commit; None when nothing was written since the partition came."""
        return self._done.get(place)

    def written(self) -> list[Place]:
        """Partitions that have something to commit."""
        return list(self._done)

    def forget(self) -> None:
        """All partitions are taken away."""
        self._next.clear()
        self._done.clear()
        self._sought.clear()
        self._last.clear()
