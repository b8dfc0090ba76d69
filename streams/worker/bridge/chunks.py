"""Chunks of the log: their turns, and how far each partition is by what they cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from tapeline.streams.kafka.log_digest import RecordDigest, digest_of
from tapeline.streams.kafka.raw_records import Chunk, RawRecord

Key = TypeVar("Key")
Item = TypeVar("Item")


def in_turn(queues: Mapping[Key, Iterable[Item]]) -> Iterator[tuple[Key, Item]]:
    """One item of each queue after the other, so that no partition waits for another's backlog."""
    waiting = {key: iter(items) for key, items in queues.items()}
    while waiting:
        for key, items in list(waiting.items()):
            found = next(items, None)
            if found is None:
                del waiting[key]
            else:
                yield key, found


class Positions(Generic[Key]):
    """How far each partition has been handed out, and how far its results are written.

    A partition without a position is not ours now: none of its records is handed out.
    """

    def __init__(self) -> None:
        self._next: dict[Key, int] = {}
        self._done: dict[Key, int] = {}
        self._sought: dict[Key, int] = {}
        self._last: dict[Key, RawRecord | RecordDigest | None] = {}

    def set(self, key: Key, offset: int, last: RecordDigest | None = None) -> None:
        """Hand out a partition from an offset on; `last` is the last record before it."""
        self._next[key] = offset
        self._last[key] = last
        self._sought.pop(key, None)

    def of(self, key: Key) -> int | None:
        """Next offset to hand out."""
        return self._next.get(key)

    def admit(self, key: Key, chunk: Chunk) -> Chunk | None:
        """The part of a chunk that is due.

        Returns
        -------
        Chunk | None
            What the chunk covers from the position on; it covers nothing when all was handed out
            before or the partition is not ours; None when it begins above the position: seek to
            the position and read again. The same hole a second time is a hole in the log, and
            handed out as it is: what it means is for the worker to decide.
        """
        position = self._next.get(key)
        if position is None:
            return chunk.since(chunk.end)
        if chunk.first > position and self._sought.get(key) != position:
            self._sought[key] = position
            return None
        return chunk.since(position)

    def hand_out(self, key: Key, chunk: Chunk) -> None:
        """The chunk is on its way to the worker."""
        self._next[key] = chunk.end
        if chunk.records:
            self._last[key] = chunk.records[-1]

    def last(self, key: Key) -> RecordDigest | None:
        """The last record that was handed out, or that the state included before."""
        found = self._last.get(key)
        if found is None or isinstance(found, RecordDigest):
            return found
        # Hashed when it is asked for: most are not.
        return digest_of(found)

    def ours(self) -> list[Key]:
        """Partitions that are handed out."""
        return list(self._next)

    def done(self, key: Key, next_offset: int) -> None:
        """All below `next_offset` is written: outputs, state and local store."""
        if key in self._next:
            self._done[key] = max(next_offset, self._done.get(key, 0))

    def done_to(self, key: Key) -> int | None:
        """Next offset to commit; None when nothing was written since the partition came."""
        return self._done.get(key)

    def written(self) -> list[Key]:
        """Partitions that have something to commit."""
        return list(self._done)

    def forget(self) -> None:
        """All partitions are taken away."""
        self._next.clear()
        self._done.clear()
        self._sought.clear()
        self._last.clear()
