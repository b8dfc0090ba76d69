"""Where transports leave what came, each with the instant at which it came; bounded."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Final

from tapeline.streams.feeds.live.model import Event, Instant, Received

MESSAGES: Final = 100_000
BYTES: Final = 64 * 1024 * 1024
REPLACED_FROM: Final = 1_000
"""So many messages wait before bars in progress are looked for: an engine that keeps up reads them
once."""
NEVER: Final = MESSAGES + 1
"""Of `Inbox`: nothing is replaced."""
_NS: Final = 1_000_000

Slot = tuple[str, int]
"""Symbol and label."""
InProgress = Callable[[bytes], Collection[Slot]]
"""Slots whose bars in progress a message states and nothing besides; none: it says more, or less.

Each is named once.
"""


def read_clocks() -> Instant:
    """Now, by the two clocks of the machine."""
    return Instant(time.monotonic_ns() // _NS, time.time_ns() // _NS)


class _Waiting:
    """An event that waits; without one once it was replaced. ``slots`` of it are the newest."""

    __slots__ = ("at", "event", "slots")

    def __init__(self, event: Event, at: Instant, slots: int) -> None:
        self.event: Event | None = event
        self.at = at
        self.slots = slots


class Inbox:
    """Events on their way to an engine, oldest first.

    A reader of a socket never waits here: when the inbox is full its message is refused, and the
    reader must end its connection. Sources that can wait ask `room` first.

    Where many messages wait, one that states bars in progress and nothing else goes when later ones
    of the same connection state all of its slots anew: only the last state of such a bar decides
    anything. Any other message stays, and the order of what stays is that in which it came.

    Parameters
    ----------
    messages, size
        Most messages, and most bytes of them, that wait.
    replaced_from
        So many messages wait before any is replaced.

    Attributes
    ----------
    clocks
        The clocks of the feed: of what comes, and of what waits.
    """

    def __init__(
        self,
        messages: int = MESSAGES,
        size: int = BYTES,
        clocks: Callable[[], Instant] = read_clocks,
        replaced_from: int = REPLACED_FROM,
    ) -> None:
        self._events: deque[_Waiting] = deque()
        self._messages = messages
        self._bytes = size
        self._waiting_messages = 0
        self._waiting_bytes = 0
        self.clocks = clocks
        self._replaced_from = replaced_from
        self._newest: dict[tuple[int, Slot], _Waiting] = {}
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether the next message would be refused, if it replaces none."""
        return self._is_beyond(self._waiting_messages, self._waiting_bytes)

    def _is_beyond(self, messages: int, size: int) -> bool:
        return messages >= self._messages or size >= self._bytes

    def put(self, event: Event, in_progress: InProgress | None = None) -> bool:
        """Add an event; whether it was taken: only messages are ever refused.

        Parameters
        ----------
        in_progress
            Of a message: whether it may take the place of earlier ones, and be replaced by later
            ones; None: neither.
        """
        slots: Collection[Slot] = ()
        if isinstance(event, Received):
            if in_progress is not None and self._waiting_messages >= self._replaced_from:
                slots = in_progress(event.data)
            if not self._make_room(event.connection, slots):
                return False
            self._waiting_messages += 1
            self._waiting_bytes += len(event.data)
        waiting = _Waiting(event, self.clocks(), len(slots))
        self._events.append(waiting)
        if slots and isinstance(event, Received):
            self._is_newest(event.connection, slots, waiting)
        self._filled.set()
        return True

    def _make_room(self, connection: int, slots: Collection[Slot]) -> bool:
        """Drop what a message replaces, if there is room for it then; whether there is."""
        replaced = self._replaced(connection, slots) if slots else {}
        messages = self._waiting_messages - len(replaced)
        size = self._waiting_bytes - sum(len(old.data) for old in replaced.values())
        if self._is_beyond(messages, size):
            return False
        self._waiting_messages, self._waiting_bytes = messages, size
        for waiting in replaced:
            waiting.event = None
        return True

    def _replaced(self, connection: int, slots: Collection[Slot]) -> dict[_Waiting, Received]:
        """Messages of which no slot would be the newest any more."""
        stated: Counter[_Waiting] = Counter()
        for slot in slots:
            before = self._newest.get((connection, slot))
            if before is not None:
                stated[before] += 1
        return {
            waiting: waiting.event
            for waiting, count in stated.items()
            if count == waiting.slots and isinstance(waiting.event, Received)
        }

    def _is_newest(self, connection: int, slots: Collection[Slot], waiting: _Waiting) -> None:
        for slot in slots:
            before = self._newest.get((connection, slot))
            if before is not None:
                before.slots -= 1
            self._newest[connection, slot] = waiting
        if len(self._events) > 2 * (self._waiting_messages + self._replaced_from):
            # What was replaced must not grow without a bound while nothing is taken.
            self._events = deque(each for each in self._events if each.event is not None)

    async def room(self) -> None:
        """Wait until a message would be taken."""
        while self.is_full:
            self._emptied.clear()
            await self._emptied.wait()

    async def take(self, seconds: float | None = None) -> list[tuple[Event, Instant]]:
        """Everything that came; waits for the first, at most so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        except TimeoutError:
            return []
        taken = [(each.event, each.at) for each in self._events if each.event is not None]
        self._events.clear()
        self._newest.clear()
        self._waiting_messages = self._waiting_bytes = 0
        self._filled.clear()
        self._emptied.set()
        return taken
