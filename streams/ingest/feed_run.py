"""One feed as a task: events to its engine, actions to its transports and to its log."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from tapeline.schemas.instants import FAR_FUTURE_MS, SECOND_MS
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Action,
    Append,
    Event,
    FeedLetter,
    Instant,
    Leave,
    Received,
    Report,
    StopAsked,
    Timer,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.port import Connections, Requests, carry_out
from tapeline.streams.pipeline.log_writer import LogBatch, LogItem, LogWriter
from tapeline.streams.pipeline.refusals import Refusal, dead_letter

LATEST_WRITE_S: Final = 0.05
MOST_ITEMS: Final = 500
"""A batch is written when it has so many items, or that long after its first."""
STOP_S: Final = 10.0


class Engine(Protocol):
    """The rules of a feed, without I/O; `tapeline.streams.feeds.live.engine.feed`."""

    @property
    def next_ms(self) -> int:
        """When (``mono_ms``) a `Timer` is due."""
        ...

    @property
    def written(self) -> bool:
        """Whether the destination holds everything that there is to write."""
        ...

    @property
    def progress(self) -> tuple[int, int]:
        """Records that there were to write so far, and how many of them the destination holds."""
        ...

    def handle(self, event: Event, now: Instant) -> list[Action]:
        """Take an event; returns what is to be done, in order."""
        ...


class FeedRun:
    """Runs one feed until it is stopped, or is out.

    Parameters
    ----------
    inbox
        Where the transports leave events.
    watch
        Called with the actions of the engine after each event: for tables and counters.
    durable
        Called with how many messages more need not come again: what they led to is in the log.

    Attributes
    ----------
    left
        Why the feed is out; None while it is not.
    """

    def __init__(
        self,
        engine: Engine,
        inbox: Inbox,
        connections: Connections,
        requests: Requests,
        writer: LogWriter,
        watch: Callable[[Sequence[Action], Instant], None] | None = None,
        durable: Callable[[int], None] | None = None,
    ) -> None:
        self.left: Leave | None = None
        self._engine = engine
        self._inbox = inbox
        self._connections = connections
        self._requests = requests
        self._outbox = _Outbox(inbox, writer)
        self._watch = watch
        self._durable = durable
        self._undone: deque[tuple[int, int, int]] = deque()
        self._stop_ms: int | None = None
        self._stop_taken = False

    def stop(self, patience_s: float = STOP_S) -> None:
        """Ask the feed to end: what came is written, within that time, and nothing more is read."""
        if self._stop_ms is None:
            self._stop_ms = self._inbox.clocks().mono_ms + int(patience_s * SECOND_MS)
            self._inbox.put(StopAsked())

    async def run(self) -> Leave | None:
        """Run; returns why the feed is out, None when it was asked to stop.

        Raises
        ------
        TapelineError, OSError
            When the log cannot be written.
        """
        writing = asyncio.create_task(self._outbox.run())
        try:
            while not self._is_over():
                await self._step(writing)
        finally:
            writing.cancel()
            # Its failure was raised by the step that saw it.
            await asyncio.wait({writing})
            await self._connections.stop()
            await self._requests.stop()
        return self.left

    def _is_over(self) -> bool:
        if self._stop_ms is not None and self._inbox.clocks().mono_ms >= self._stop_ms:
            return True
        ended = self._stop_taken or self.left is not None
        return ended and self._is_written()

    def _is_written(self) -> bool:
        return self._engine.written and self._outbox.is_empty

    async def _step(self, writing: asyncio.Task[None]) -> None:
        """Wait for events or for time, and let the engine take them."""
        taking = asyncio.create_task(self._inbox.take(self._wait_s()))
        await asyncio.wait({taking, writing}, return_when=asyncio.FIRST_COMPLETED)
        if writing.done():
            taking.cancel()
            # It ends by failing alone.
            writing.result()
        for event, at in await taking:
            self._do(self._engine.handle(event, at), at)
            # What comes after a stop the engine takes no more: it must come again.
            if self._durable is not None and isinstance(event, Received) and self._stop_ms is None:
                self._took_message()
            self._stop_taken = self._stop_taken or isinstance(event, StopAsked)
        self._report_durable()
        now = self._inbox.clocks()
        if now.mono_ms >= self._engine.next_ms:
            self._do(self._engine.handle(Timer(), now), now)

    def _took_message(self) -> None:
        """Remember what must be written until a message need not come again."""
        records, items = self._engine.progress[0], self._outbox.added
        count = 1
        if self._undone and self._undone[-1][:2] == (records, items):
            count += self._undone.pop()[2]
        self._undone.append((records, items, count))

    def _report_durable(self) -> None:
        """Report the messages that led to nothing which is not written."""
        held, written = self._engine.progress[1], self._outbox.written
        done = 0
        while self._undone and self._undone[0][0] <= held and self._undone[0][1] <= written:
            done += self._undone.popleft()[2]
        if done and self._durable is not None:
            self._durable(done)

    def _wait_s(self) -> float | None:
        due_ms = self._engine.next_ms
        if self._stop_ms is not None:
            due_ms = min(due_ms, self._stop_ms)
        if due_ms >= FAR_FUTURE_MS:
            return None
        wait_ms: int = max(0, due_ms - self._inbox.clocks().mono_ms)
        return wait_ms / SECOND_MS

    def _do(self, actions: Sequence[Action], now: Instant) -> None:
        if not actions:
            return
        carry_out(actions, self._connections, self._requests)
        self._outbox.add(actions)
        for action in actions:
            if isinstance(action, Leave) and self.left is None:
                self.left = action
        if self._watch is not None:
            self._watch(actions, now)


class _Outbox:
    """What is to be written: one batch at a time, what comes meanwhile is the next one.

    Attributes
    ----------
    added, written
        Numbers of items.
    """

    def __init__(self, inbox: Inbox, writer: LogWriter) -> None:
        self._inbox = inbox
        self._writer = writer
        self._items: list[LogItem] = []
        self._last = 0
        self.added = self.written = 0
        self._writing = 0
        self._filled = asyncio.Event()
        self._full = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether everything was written."""
        return not self._items and not self._writing

    def add(self, actions: Iterable[Action]) -> None:
        """Take what is to be written, in order."""
        for action in actions:
            if isinstance(action, Append):
                self._items += action.entries
                self._last = action.batch
            elif isinstance(action, Report):
                self._items.append(action.event)
            elif isinstance(action, FeedLetter):
                refusal = Refusal(action.code, action.reason, action.symbol)
                self._items.append(dead_letter(action.source, action.raw, refusal))
        if self._items:
            self.added = self.written + self._writing + len(self._items)
            self._filled.set()
        if len(self._items) >= MOST_ITEMS:
            self._full.set()

    async def run(self) -> None:
        """Write for ever; ends by failing alone."""
        while True:
            await self._filled.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), LATEST_WRITE_S)
            items, self._items = self._items, []
            self._writing = len(items)
            last = self._last
            self._filled.clear()
            self._full.clear()
            await self._writer.write(LogBatch(tuple(items)))
            self.written += self._writing
            self._writing = 0
            # Also where no record was among it: who waits for the end of a write must wake up.
            self._inbox.put(Acknowledged(last) if last else Timer())
