"""One order over several partitions, the same however the records arrive.

Heads are compared by (event time, partition, offset), with one record of look-ahead: the next
record of every partition must be there before one is taken. A late record therefore goes right
after those before it in its partition. The same order, in one sentence: sorted by (greatest
event time so far in the partition, partition, offset).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
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
