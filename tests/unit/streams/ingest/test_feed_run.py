"""One feed as a task: what goes to its engine, and what of its actions goes where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from tapeline.schemas.feed_events import Limit
from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.schemas.records import Clock
from tapeline.streams.errors import BrokerError
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Action,
    Append,
    Close,
    Connect,
    Event,
    FeedLetter,
    Fetch,
    HttpRequest,
    Instant,
    Leave,
    Received,
    Report,
    Send,
    StopAsked,
    Timer,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks
from tapeline.streams.ingest.feed_run import FeedRun
from tapeline.streams.pipeline.log_writer import KnownLog, LogBatch, LogEntry

WAIT_S = 10.0
ADDRESS = HttpRequest("ws://127.0.0.1:1/", "ws://127.0.0.1:1/")
LIMIT = Limit("limit|demo", "demo", None, 1, 2, 429)


def entry(number: int) -> LogEntry:
    return LogEntry(Clock("A", number), "history", 1)


class ScriptedEngine:
    """Answers events by a function, and remembers them."""

    def __init__(self, answer: Callable[[Event], list[Action]]) -> None:
        self.next_ms = FAR_FUTURE_MS
        self.written = True
        self.progress = (0, 0)
        self.events: list[Event] = []
        self._answer = answer

    def handle(self, event: Event, now: Instant) -> list[Action]:
        self.events.append(event)
        actions = self._answer(event)
        added, held = self.progress
        if isinstance(event, Acknowledged):
            # A batch is one record here.
            held = event.batch
        self.progress = added + sum(isinstance(each, Append) for each in actions), held
        return actions


class Carried:
    """Connections and requests that only remember what they were asked for."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.stopped = 0

    def connect(self, action: Connect) -> None:
        self.actions.append(action)

    def send(self, action: Send) -> None:
        self.actions.append(action)

    def close(self, action: Close) -> None:
        self.actions.append(action)

    def fetch(self, action: Fetch) -> None:
        self.actions.append(action)

    async def stop(self) -> None:
        self.stopped += 1


class MemoryLog:
    """A log in memory that can be held, or fail."""

    def __init__(self) -> None:
        self.batches: list[LogBatch] = []
        self.begun = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()
        self.fails = False

    async def read_back(self, feed: str, symbols: Sequence[str]) -> KnownLog:
        return KnownLog()

    async def write(self, batch: LogBatch) -> None:
        self.begun.set()
        await self.free.wait()
        if self.fails:
            raise BrokerError("gone")
        self.batches.append(batch)

    async def close(self) -> None:
        pass


class Scene:
    """A feed that runs, and its surroundings."""

    def __init__(self, answer: Callable[[Event], list[Action]]) -> None:
        self.engine = ScriptedEngine(answer)
        self.inbox = Inbox()
        self.carried = Carried()
        self.log = MemoryLog()
        self.durable: list[int] = []
        self.run = FeedRun(
            self.engine,
            self.inbox,
            self.carried,
            self.carried,
            self.log,
            durable=self.durable.append,
        )
        self.task = asyncio.create_task(self.run.run())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await asyncio.sleep(0.005)

    async def end(self) -> Leave | None:
        return await asyncio.wait_for(self.task, WAIT_S)


def by_number(event: Event) -> list[Action]:
    """A message of a number appends a record of that number, as the batch of that number."""
    if isinstance(event, Received):
        number = int(event.data)
        return [Append(number, (entry(number),))]
    return []


async def test_messages_become_records_and_what_is_written_is_acknowledged() -> None:
    scene = Scene(by_number)
    scene.inbox.put(Received(1, b"1"))
    await scene.until(lambda: Acknowledged(1) in scene.engine.events)
    assert scene.log.batches == [LogBatch((entry(1),))]
    scene.run.stop()
    assert await scene.end() is None
    assert scene.engine.events == [Received(1, b"1"), Acknowledged(1), StopAsked()]
    assert scene.carried.stopped == 2


async def test_what_comes_while_a_batch_is_written_is_the_next_batch() -> None:
    scene = Scene(by_number)
    scene.log.free.clear()
    scene.inbox.put(Received(1, b"1"))
    await asyncio.wait_for(scene.log.begun.wait(), WAIT_S)
    for number in (2, 3, 4):
        scene.inbox.put(Received(1, b"%d" % number))
    await scene.until(lambda: len(scene.engine.events) == 4)
    assert scene.log.batches == []
    scene.log.free.set()
    await scene.until(lambda: Acknowledged(4) in scene.engine.events)
    assert [list(batch.items) for batch in scene.log.batches] == [
        [entry(1)],
        [entry(2), entry(3), entry(4)],
    ]
    assert Acknowledged(3) not in scene.engine.events
    scene.run.stop()
    await scene.end()


async def test_messages_are_reported_as_durable_once_their_records_are_written() -> None:
    scene = Scene(by_number)
    scene.log.free.clear()
    scene.inbox.put(Received(1, b"1"))
    await asyncio.wait_for(scene.log.begun.wait(), WAIT_S)
    scene.inbox.put(Received(1, b"2"))
    await scene.until(lambda: len(scene.engine.events) == 2)
    assert scene.durable == []
    scene.log.free.set()
    await scene.until(lambda: Acknowledged(2) in scene.engine.events)
    await scene.until(lambda: sum(scene.durable) == 2)
    scene.run.stop()
    scene.inbox.put(Received(1, b"3"))
    await scene.end()
    assert sum(scene.durable) == 2


async def test_of_a_stream_that_never_rests_messages_are_durable_as_they_are_written() -> None:
    scene = Scene(by_number)
    scene.engine.written = False
    for number in (b"1", b"2"):
        scene.inbox.put(Received(1, number))
    await scene.until(lambda: sum(scene.durable) == 2)
    scene.log.free.clear()
    scene.log.begun.clear()
    scene.inbox.put(Received(1, b"3"))
    await asyncio.wait_for(scene.log.begun.wait(), WAIT_S)
    assert sum(scene.durable) == 2
    scene.log.free.set()
    await scene.until(lambda: sum(scene.durable) == 3)
    scene.engine.written = True
    scene.run.stop()
    await scene.end()


async def test_a_message_that_is_a_dead_letter_is_durable_once_the_letter_is_written() -> None:
    letter = FeedLetter("feed:demo:1:1", "decode_error", "truncated", b"{", None)
    scene = Scene(lambda event: [letter] if isinstance(event, Received) else [])
    scene.log.free.clear()
    scene.inbox.put(Received(1, b"{"))
    await asyncio.wait_for(scene.log.begun.wait(), WAIT_S)
    assert scene.durable == []
    scene.log.free.set()
    await scene.until(lambda: scene.durable == [1])
    scene.run.stop()
    await scene.end()


async def test_records_operations_and_letters_keep_their_order() -> None:
    letter = FeedLetter("feed:demo:1:1", "bad_price", "NaN", b"{}", "A")
    actions: list[Action] = [
        Report(LIMIT),
        Append(1, (entry(1), entry(2))),
        letter,
        Append(2, (entry(3),)),
    ]
    scene = Scene(lambda event: actions if isinstance(event, Received) else [])
    scene.inbox.put(Received(1, b""))
    await scene.until(lambda: bool(scene.log.batches))
    [batch] = scene.log.batches
    assert batch.items[:3] == (LIMIT, entry(1), entry(2))
    assert [getattr(each, "source", "") for each in batch.items] == [
        "", "", "", "feed:demo:1:1", "",
    ]  # fmt: skip
    scene.run.stop()
    await scene.end()


async def test_connections_and_requests_go_to_the_transports() -> None:
    actions: list[Action] = [
        Connect(1, ADDRESS, 100),
        Send(1, "hello"),
        Fetch(1, ADDRESS, 1_000),
        Close(1, False),
    ]
    scene = Scene(lambda event: actions if isinstance(event, Received) else [])
    scene.inbox.put(Received(1, b""))
    await scene.until(lambda: len(scene.carried.actions) == 4)
    assert scene.carried.actions == actions
    scene.run.stop()
    await scene.end()


async def test_a_timer_comes_when_it_is_due_and_not_before() -> None:
    scene = Scene(lambda _: [])
    due_ms = read_clocks().mono_ms + 100
    scene.engine.next_ms = due_ms
    scene.inbox.put(Received(1, b""))

    def due() -> bool:
        if Timer() in scene.engine.events:
            scene.engine.next_ms = FAR_FUTURE_MS
            return True
        return False

    await scene.until(due)
    assert read_clocks().mono_ms >= due_ms
    assert scene.engine.events[0] == Received(1, b"")
    scene.run.stop()
    await scene.end()


async def test_a_stop_waits_until_the_engine_has_everything_written() -> None:
    scene = Scene(by_number)
    scene.engine.written = False
    scene.run.stop()
    await scene.until(lambda: StopAsked() in scene.engine.events)
    assert not scene.task.done()
    scene.inbox.put(Received(1, b"7"))
    await scene.until(lambda: Acknowledged(7) in scene.engine.events)
    scene.engine.written = True
    scene.inbox.put(Acknowledged(7))
    assert await scene.end() is None


async def test_a_stop_waits_no_longer_than_the_last_write() -> None:
    scene = Scene(lambda event: [Report(LIMIT)] if isinstance(event, StopAsked) else [])
    scene.run.stop(patience_s=2 * WAIT_S)
    assert await scene.end() is None
    assert scene.log.batches == [LogBatch((LIMIT,))]


async def test_a_stop_has_an_end_where_the_log_has_none() -> None:
    scene = Scene(by_number)
    scene.log.free.clear()
    scene.inbox.put(Received(1, b"1"))
    await asyncio.wait_for(scene.log.begun.wait(), WAIT_S)
    scene.run.stop(patience_s=0.05)
    assert await scene.end() is None
    assert scene.log.batches == []


async def test_a_log_that_fails_ends_the_feed() -> None:
    scene = Scene(by_number)
    scene.log.fails = True
    scene.inbox.put(Received(1, b"1"))
    with pytest.raises(BrokerError, match="gone"):
        await scene.end()
    assert scene.carried.stopped == 2


async def test_a_feed_that_is_out_writes_what_it_has_and_ends() -> None:
    leave = Leave(2, "the key is refused")
    scene = Scene(
        lambda event: [Append(1, (entry(1),)), leave] if isinstance(event, Received) else []
    )
    scene.inbox.put(Received(1, b""))
    assert await scene.end() == leave
    assert scene.log.batches == [LogBatch((entry(1),))]
