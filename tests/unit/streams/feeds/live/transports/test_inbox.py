"""The bounded queue between transports and an engine."""

from __future__ import annotations

import asyncio

from tapeline.streams.feeds.live.model import ConnectionOpened, Instant, Received
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks


def ticking() -> Inbox:
    """An inbox of three messages or ten bytes, whose clock goes on by a second a reading."""
    numbers = iter(range(1, 100))
    return Inbox(3, 10, lambda: Instant(0, next(numbers)))


async def test_events_keep_their_order_and_the_instant_at_which_they_came() -> None:
    inbox = ticking()
    inbox.put(ConnectionOpened(1))
    inbox.put(Received(1, b"x"))
    assert await inbox.take() == [
        (ConnectionOpened(1), Instant(0, 1)),
        (Received(1, b"x"), Instant(0, 2)),
    ]
    assert await inbox.take(0) == []


async def test_messages_are_refused_when_there_are_too_many_or_too_large_ones() -> None:
    inbox = ticking()
    assert [inbox.put(Received(1, b"x")) for _ in range(4)] == [True, True, True, False]
    assert inbox.put(ConnectionOpened(2))
    assert len(await inbox.take()) == 4
    assert [inbox.put(Received(1, b"x" * 10)) for _ in range(2)] == [True, False]


async def test_a_source_that_can_wait_goes_on_when_something_was_taken() -> None:
    inbox = ticking()
    for _ in range(3):
        inbox.put(Received(1, b"x"))
    waiting = asyncio.create_task(inbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await inbox.take()
    await waiting


async def test_taking_waits_for_the_first_event_and_no_longer_than_asked() -> None:
    inbox = ticking()
    taking = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    inbox.put(ConnectionOpened(1))
    assert len(await taking) == 1
    assert await inbox.take(0.01) == []


def test_both_clocks_of_the_machine_are_read_in_milliseconds() -> None:
    first, second = read_clocks(), read_clocks()
    assert 0 <= second.mono_ms - first.mono_ms < 10_000
    assert first.wall_ms > 1_700_000_000_000
