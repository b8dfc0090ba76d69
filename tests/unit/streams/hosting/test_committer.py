"""Outputs are acknowledged before the state; of a book that may be another's neither goes out."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from aiokafka.errors import NotLeaderForPartitionError

from tapeline.streams.hosting.committer import BookCommitter
from tapeline.streams.hosting.metrics import HostMetrics
from tapeline.streams.outputs.messages import EventMessage
from tapeline.streams.worker.exits import ForeignWriterError, NotWrittenError, ZombieError

SIGNALS, STATES = "tape.signals.v1", "tape.host.state.v1"
MESSAGE = EventMessage(0, b"signal", b"{}", [("seq", b"1")])
PAIRS = [(b"paper|memory|fade", b"[1,{}]"), (b"|checkpoint", b"[1,{}]")]


class Written(NamedTuple):
    offset: int


class Answering:
    """Takes batches like the client's producer, and acknowledges when the test asks for it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, int]] = []
        self.waiting: list[asyncio.Future[Written]] = []

    async def send_batch(
        self, batch: Any, topic: str, *, partition: int
    ) -> asyncio.Future[Written]:
        self.sent.append((topic, partition, batch.record_count()))
        acknowledged: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self.waiting.append(acknowledged)
        return acknowledged


class Membership:
    """Confirms until the books are dealt out anew."""

    def __init__(self) -> None:
        self.asked = 0
        self.lost_at = 99

    async def confirm(self) -> None:
        self.asked += 1
        if self.asked >= self.lost_at:
            raise ZombieError("another host may own these books by now")


async def callbacks_done() -> None:
    """Everything has run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def a_committer(broker: Answering, member: Membership, end: int = 100) -> BookCommitter:
    return BookCommitter(broker, STATES, 3, end, member.confirm, HostMetrics())


async def test_the_state_is_sent_when_all_outputs_are_acknowledged() -> None:
    broker = Answering()
    committer = a_committer(broker, Membership())
    writing = asyncio.create_task(committer.commit({SIGNALS: [MESSAGE]}, PAIRS))
    await callbacks_done()
    assert broker.sent == [(SIGNALS, 3, 1)]
    broker.waiting[0].set_result(Written(7))
    await callbacks_done()
    assert broker.sent == [(SIGNALS, 3, 1), (STATES, 3, 2)]
    assert not writing.done()
    broker.waiting[1].set_result(Written(100))
    await writing
    assert committer.end == 102


async def test_a_state_that_comes_to_another_offset_shows_another_writer() -> None:
    broker = Answering()
    writing = asyncio.create_task(a_committer(broker, Membership()).commit({}, PAIRS))
    await callbacks_done()
    broker.waiting[0].set_result(Written(102))
    with pytest.raises(ForeignWriterError, match="came to offset 102, not 100"):
        await writing


@pytest.mark.parametrize(("lost_at", "sent"), [(1, []), (2, [(SIGNALS, 3, 1)])])
async def test_a_book_that_may_be_anothers_is_not_written(
    lost_at: int, sent: list[tuple[str, int, int]]
) -> None:
    broker, member = Answering(), Membership()
    member.lost_at = lost_at
    writing = asyncio.create_task(a_committer(broker, member).commit({SIGNALS: [MESSAGE]}, PAIRS))
    await callbacks_done()
    for each in broker.waiting:
        each.set_result(Written(7))
    with pytest.raises(ZombieError):
        await writing
    assert broker.sent == sent


async def test_a_write_that_fails_names_the_topic_and_no_state_follows() -> None:
    broker = Answering()
    committer = a_committer(broker, Membership())
    writing = asyncio.create_task(committer.commit({SIGNALS: [MESSAGE]}, PAIRS))
    await callbacks_done()
    broker.waiting[0].set_exception(NotLeaderForPartitionError())
    with pytest.raises(NotWrittenError, match=r"tape\.signals\.v1 partition 3 cannot be written"):
        await writing
    assert broker.sent == [(SIGNALS, 3, 1)]


async def test_many_messages_are_several_batches_and_all_of_them_are_waited_for() -> None:
    broker = Answering()
    large = EventMessage(0, b"signal", b"x" * 500_000, [])
    committer = a_committer(broker, Membership())
    writing = asyncio.create_task(committer.commit({SIGNALS: [large] * 3}, PAIRS))
    await callbacks_done()
    assert [topic for topic, *_ in broker.sent] == [SIGNALS] * 3
    for each in broker.waiting[:2]:
        each.set_result(Written(7))
    await callbacks_done()
    assert len(broker.sent) == 3
    broker.waiting[2].set_result(Written(7))
    await callbacks_done()
    broker.waiting[3].set_result(Written(100))
    await writing
