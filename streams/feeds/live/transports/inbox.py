"""Where transports leave what came, each with the instant at which it came; bounded."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from tapeline.streams.feeds.live.model import Event, Instant, Received

MESSAGES: Final = 100_000
BYTES: Final = 64 * 1024 * 1024
_NS: Final = 1_000_000


def read_clocks() -> Instant:
    """Now, by the two clocks of the machine."""
    return Instant(time.monotonic_ns() // _NS, time.time_ns() // _NS)


class Inbox:
    """Events on their way to an engine, oldest first.

    A reader of a socket never waits here: when the inbox is full its message is refused, and the
    reader must end its connection. Sources that can wait ask `room` first.

    Parameters
    ----------
    messages, size
        Most messages, and most bytes of them, that wait.

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
    ) -> None:
        self._events: deque[tuple[Event, Instant]] = deque()
        self._messages = messages
        self._bytes = size
        self._waiting_messages = 0
        self._waiting_bytes = 0
        self.clocks = clocks
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether the next message would be refused."""
        return self._waiting_messages >= self._messages or self._waiting_bytes >= self._bytes

    def put(self, event: Event) -> bool:
        """Add an event; whether it was taken: only messages are ever refused."""
        if isinstance(event, Received):
            if self.is_full:
                return False
            self._waiting_messages += 1
            self._waiting_bytes += len(event.data)
        self._events.append((event, self.clocks()))
        self._filled.set()
        return True

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
        taken = list(self._events)
        self._events.clear()
        self._waiting_messages = self._waiting_bytes = 0
        self._filled.clear()
        self._emptied.set()
        return taken
