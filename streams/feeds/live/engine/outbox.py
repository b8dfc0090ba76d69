"""Records on their way to the destination: one batch at a time, in order."""

from __future__ import annotations

from collections import deque
from typing import Final

from tapeline.schemas.feed_events import FeedEvent
from tapeline.streams.feeds.live.model import Action, Append, Report
from tapeline.streams.pipeline.log_writer import LogEntry

BATCH: Final = 500
FULL: Final = 200_000


class Outbox:
    """What waits for its batch while the one before it is not acknowledged.

    Events of operations leave at once, before the records that follow them. Those that are true
    only when the records before them are held (`after`) wait for that: a kill between the two must
    not leave a hole filled by bars that were never written.

    Parameters
    ----------
    most
        So many records may wait.
    """

    def __init__(self, most: int = FULL) -> None:
        self._most = most
        self._waiting: deque[LogEntry] = deque()
        self._events: list[FeedEvent] = []
        self._later: deque[tuple[int, FeedEvent]] = deque()
        self._added = 0
        self._held = 0
        self._batch = 0
        self._outstanding = 0

    @property
    def full(self) -> bool:
        """Whether so much waits that what comes cannot be kept."""
        return len(self._waiting) >= self._most

    @property
    def drained(self) -> bool:
        """Whether there is room again."""
        return 2 * len(self._waiting) <= self._most

    @property
    def empty(self) -> bool:
        """Whether the destination holds everything."""
        return self._held == self._added and not self._later

    @property
    def progress(self) -> tuple[int, int]:
        """Records that were added so far, and how many of them the destination holds."""
        return self._added, self._held

    def add(self, entry: LogEntry) -> None:
        """One record more."""
        self._waiting.append(entry)
        self._added += 1

    def report(self, event: FeedEvent) -> None:
        """An event that leaves before the records that are added after it."""
        self._events.append(event)

    def after(self, event: FeedEvent) -> None:
        """An event that leaves when the destination holds every record added before it."""
        self._later.append((self._added, event))

    def acknowledged(self, batch: int) -> None:
        """The destination holds a batch."""
        if batch == self._batch:
            self._held += self._outstanding
            self._outstanding = 0

    def leave(self) -> list[Action]:
        """What leaves now."""
        actions: list[Action] = [Report(event) for event in self._events]
        self._events.clear()
        if not self._outstanding and self._waiting:
            count = min(BATCH, len(self._waiting))
            entries = tuple(self._waiting.popleft() for _ in range(count))
            self._batch += 1
            self._outstanding = count
            actions.append(Append(self._batch, entries))
        while self._later and self._later[0][0] <= self._held:
            actions.append(Report(self._later.popleft()[1]))
        return actions
