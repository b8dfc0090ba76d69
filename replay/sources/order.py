"""One order over several partitions, the same however the records arrive.

Heads are compared by (event time, partition, offset), with one record of look-ahead: the next
record of every partition must be there before one is taken. A late record therefore goes right
after those before it in its partition. The same order, in one sentence: sorted by (greatest
event time so far in the partition, partition, offset).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from operator import attrgetter

from tapeline.replay.sources.items import LogItem
from tapeline.schemas.instants import FAR_PAST_MS

TIME_MS = attrgetter("time_ms")


class TotalOrder:
    """Merges partitions that are read piece by piece.

    Parameters
    ----------
    partitions
        All that are read; a partition without records must be finished, too.
    """

    def __init__(self, partitions: Iterable[int]) -> None:
        self._queues: dict[int, deque[LogItem]] = {each: deque() for each in sorted(partitions)}
        self._reached = dict.fromkeys(self._queues, FAR_PAST_MS)
        self._open = set(self._queues)

    @property
    def done(self) -> bool:
        """Whether every partition is finished and everything was taken."""
        return not self._open and not any(self._queues.values())

    def waiting(self, partition: int) -> int:
        """Records of a partition that were added and not taken."""
        return len(self._queues[partition])

    def add(self, partition: int, items: Sequence[LogItem]) -> None:
        """The next records of a partition."""
        self._queues[partition].extend(items)

    def finish(self, partition: int) -> None:
        """No more records will come of a partition."""
        self._open.discard(partition)

    def take(self) -> list[LogItem]:
        """All records whose position is certain, in order."""
        queues, reached = self._queues, self._reached
        if any(not queues[each] for each in self._open):
            return []
        heads = [
            (max(reached[each], queue[0].time_ms), each) for each, queue in queues.items() if queue
        ]
        heapify(heads)
        out: list[LogItem] = []
        while heads:
            instant, partition = heads[0]
            queue = queues[partition]
            reached[partition] = instant
            if len(heads) == 1:
                out.extend(queue)
                reached[partition] = max(instant, max(map(TIME_MS, queue)))
                queue.clear()
                break
            out.append(queue.popleft())
            if queue:
                heapreplace(heads, (max(instant, queue[0].time_ms), partition))
            elif partition in self._open:
                break
            else:
                heappop(heads)
        return out


class LiveOrder:
    """The same order over partitions that go on without an end.

    A record goes when no partition can bring one that comes before it: the next one of a partition
    has its key at least, so a partition that has nothing is waited for while its key lies below,
    or is equal and its number is lower. The bars of every partition, or its clocks, bound the wait.

    Parameters
    ----------
    reached
        By partition that is read, the key of the record before its first one.
    """

    def __init__(self, reached: Mapping[int, int]) -> None:
        self._reached = dict(sorted(reached.items()))
        self._queues: dict[int, deque[LogItem]] = {each: deque() for each in self._reached}

    def waiting(self, partition: int) -> int:
        """Records of a partition that were added and not taken."""
        return len(self._queues[partition])

    def add(self, partition: int, items: Sequence[LogItem]) -> None:
        """The next records of a partition."""
        self._queues[partition].extend(items)

    @property
    def slowest(self) -> int | None:
        """The partition that records of others wait for; None where none waits."""
        idle = self._idle()
        return min(idle)[1] if idle and any(self._queues.values()) else None

    def _idle(self) -> list[tuple[int, int]]:
        """Key and number of the partitions that have nothing."""
        return [(self._reached[each], each) for each, queue in self._queues.items() if not queue]

    def take(self) -> list[LogItem]:
        """All records whose position is certain, in order."""
        queues, reached = self._queues, self._reached
        bound = min(self._idle(), default=None)
        heads = [
            (max(reached[each], queue[0].time_ms), each) for each, queue in queues.items() if queue
        ]
        heapify(heads)
        out: list[LogItem] = []
        while heads and (bound is None or heads[0] < bound):
            instant, partition = heads[0]
            queue = queues[partition]
            reached[partition] = instant
            out.append(queue.popleft())
            if not queue:
                # The next record of it may come before those of all others.
                break
            heapreplace(heads, (max(instant, queue[0].time_ms), partition))
        return out
