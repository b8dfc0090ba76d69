"""The bounded queue between transports and an engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.feeds.live.model import ConnectionClosed, ConnectionOpened, Instant, Received
from tapeline.streams.feeds.live.transports.inbox import Inbox, Slot, read_clocks


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


def in_progress(data: bytes) -> Collection[Slot]:
    """Slots of a message ``[number, [[symbol, label, is final], ...]]`` without a final bar."""
    _, bars = json.loads(data)
    return set() if any(final for _, _, final in bars) else {(name, at) for name, at, _ in bars}


def message(number: int, *bars: tuple[str, int, bool], connection: int = 1) -> Received:
    return Received(connection, json.dumps([number, bars]).encode())


async def numbers_of(inbox: Inbox) -> list[int]:
    events = [event for event, _ in await inbox.take(0)]
    return [json.loads(event.data)[0] for event in events if isinstance(event, Received)]


async def test_of_a_bar_in_progress_only_the_last_state_waits() -> None:
    inbox = Inbox(messages=3, replaced_from=0)
    for number in range(1_000):
        assert inbox.put(message(number, ("A", 0, False)), in_progress)
    assert inbox.put(message(1_000, ("A", 0, True)), in_progress)
    assert inbox.put(message(1_001, ("A", 1, False)), in_progress)
    assert await numbers_of(inbox) == [999, 1_000, 1_001]


async def test_a_message_of_several_bars_goes_when_all_of_them_came_anew() -> None:
    inbox = Inbox(replaced_from=0)
    inbox.put(message(1, ("A", 0, False), ("B", 0, False)), in_progress)
    inbox.put(message(2, ("B", 0, False)), in_progress)
    assert await numbers_of(inbox) == [1, 2], "nothing else states A"
    inbox.put(message(1, ("A", 0, False), ("B", 0, False)), in_progress)
    inbox.put(message(2, ("B", 0, False)), in_progress)
    inbox.put(message(3, ("A", 0, False)), in_progress)
    inbox.put(message(4, ("A", 0, False), connection=2), in_progress)
    assert await numbers_of(inbox) == [2, 3, 4]


async def test_an_engine_that_keeps_up_gets_every_message() -> None:
    inbox = Inbox(replaced_from=3)
    for number in range(3):
        inbox.put(message(number, ("A", 0, False)), in_progress)
    assert await numbers_of(inbox) == [0, 1, 2]


async def test_what_is_not_to_be_replaced_is_refused_when_the_inbox_is_full() -> None:
    inbox = Inbox(messages=2, replaced_from=0)
    assert inbox.put(message(0, ("A", 0, False)), in_progress)
    assert inbox.put(message(1, ("B", 0, True)), in_progress)
    assert not inbox.put(message(2, ("B", 1, True)), in_progress)
    assert not inbox.put(message(3, ("C", 0, False)), in_progress)
    assert inbox.put(message(4, ("A", 0, False)), in_progress)
    assert inbox.put(ConnectionClosed(1, None))
    assert await numbers_of(inbox) == [1, 4]


_BARS = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(0, 1), st.sampled_from((False, False, True))),
    max_size=3,
)


@given(
    steps=st.lists(
        st.one_of(st.tuples(st.integers(1, 2), _BARS), st.just("take")), min_size=1, max_size=60
    ),
    most=st.integers(1, 12),
    replaced_from=st.integers(0, 4),
)
def test_no_final_statement_is_lost_and_the_order_stays(
    steps: list[tuple[int, list[tuple[str, int, bool]]] | str], most: int, replaced_from: int
) -> None:
    async def run() -> None:
        inbox = Inbox(messages=most, replaced_from=replaced_from)
        accepted: list[Received] = []
        taken: list[Received] = []
        for number, step in enumerate([*steps, "take"]):
            if isinstance(step, str):
                found = [each for each, _ in await inbox.take(0)]
                assert len(found) <= most
                taken += [each for each in found if isinstance(each, Received)]
                continue
            connection, bars = step
            event = message(number, *bars, connection=connection)
            if inbox.put(event, in_progress):
                accepted.append(event)
            else:
                assert inbox.is_full
        at = {event.data: number for number, event in enumerate(accepted)}
        order = [at[event.data] for event in taken]
        assert order == sorted(set(order)), "what stays is in order, and once"
        for event in set(accepted) - set(taken):
            slots = in_progress(event.data)
            assert slots, "only bars in progress are replaced"
            later = [
                each
                for each in taken
                if each.connection == event.connection and at[each.data] > at[event.data]
            ]
            for slot in slots:
                assert any(slot in in_progress(each.data) for each in later)

    asyncio.run(run())


def test_both_clocks_of_the_machine_are_read_in_milliseconds() -> None:
    first, second = read_clocks(), read_clocks()
    assert 0 <= second.mono_ms - first.mono_ms < 10_000
    assert first.wall_ms > 1_700_000_000_000
