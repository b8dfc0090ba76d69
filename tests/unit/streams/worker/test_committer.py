"""What is written, in which order, and what is not written after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from aiokafka.errors import KafkaError, NotLeaderForPartitionError

from tapeline.streams.outputs.messages import EventMessage
from tapeline.streams.worker.committer import (
    SNAPSHOT_BYTES_A_PERMIT,
    STEPS_IN_HAND,
    Committer,
    OutputBatch,
    Work,
)
from tapeline.streams.worker.exits import ForeignWriterError, NotWrittenError, ZombieGuard
from tapeline.streams.worker.fold import FoldStep, StateChange
from tapeline.streams.worker.metrics import WorkerMetrics
from tapeline.streams.worker.state.records import CHECKPOINT_KEY, IDENTITY_KEY, Pair

CHANGELOG = "changelog"
PATIENCE_S = 180.0
SNAPSHOTS = "tape.snapshots.v1"
TOUCHES = "tape.touches.v1"


class Written(NamedTuple):
    offset: int


class HeldBroker:
    """Takes batches like the client's producer, and acknowledges when the test asks for it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.waiting: list[asyncio.Future[Written]] = []

    async def send_batch(
        self, batch: Any, topic: str, *, partition: int
    ) -> asyncio.Future[Written]:
        assert batch.record_count() > 0
        self.sent.append((topic, partition))
        acknowledged: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self.waiting.append(acknowledged)
        # Who gives up waiting does not take the batch back: as the client has it.
        return asyncio.shield(acknowledged)

    async def acknowledge(self, number: int, offset: int = 100) -> None:
        self.waiting[number].set_result(Written(offset))
        await callbacks_done()


class Disk:
    """Local stores that note what they are given; their changelogs end at 100."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.keys: list[list[bytes]] = []
        self.end = 100

    def write(self, partition: int, pairs: Iterable[Pair], changelog_offset: int) -> None:
        self.written.append(partition)
        self.keys.append([key for key, _ in pairs])

    def next_changelog_offset(self, partition: int) -> int:
        return self.end


async def callbacks_done() -> None:
    """Everything has run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def a_step(partition: int, next_offset: int = 1) -> FoldStep:
    message = EventMessage(0, b"touch", b"{}", [("seq", b"1")])
    return FoldStep(partition, next_offset, 1, {TOUCHES: [message]})


class HeldStates(StateChange):
    """Snapshots that are taken when they are asked for."""

    def __init__(self, put_off: list[list[EventMessage]]) -> None:
        super().__init__()
        self._put_off = put_off

    def snapshot(self) -> list[EventMessage]:
        return self._put_off.pop(0) if self._put_off else []


class Desk:
    """A committer at work."""

    def __init__(self) -> None:
        self.broker = HeldBroker()
        self.disk = Disk()
        self.done: list[tuple[int, int]] = []
        self.committer = Committer(
            self.broker, CHANGELOG, SNAPSHOTS, self.disk, ZombieGuard(1e9), WorkerMetrics()
        )
        self.running = asyncio.create_task(self.committer.run())

    async def put(self, step: FoldStep, live: bool = False) -> None:
        def done() -> None:
            self.done.append((step.partition, step.next_offset))

        await self.committer.put(Work(step, 0.0, lambda: 0.0, done, live))
        await callbacks_done()


async def test_outputs_are_acknowledged_before_the_state_and_the_state_before_the_store() -> None:
    desk = Desk()
    await desk.put(a_step(0))
    assert desk.broker.sent == [(TOUCHES, 0)]
    await desk.broker.acknowledge(0)
    assert desk.broker.sent == [(TOUCHES, 0), (CHANGELOG, 0)]
    assert (desk.disk.written, desk.done) == ([], [])
    await desk.broker.acknowledge(1)
    assert (desk.disk.written, desk.done) == ([0], [(0, 1)])
    desk.running.cancel()


async def test_an_empty_changelog_begins_with_an_identity_and_has_no_other_one() -> None:
    desk = Desk()
    desk.disk.end = 0
    offset = 0
    for number in range(3):
        await desk.put(a_step(0, number))
        await desk.broker.acknowledge(2 * number)
        await desk.broker.acknowledge(2 * number + 1, offset)
        offset += len(desk.disk.keys[-1])
    assert desk.disk.keys == [[IDENTITY_KEY, CHECKPOINT_KEY], [CHECKPOINT_KEY], [CHECKPOINT_KEY]]
    desk.running.cancel()


async def test_who_begins_a_changelog_after_another_worker_ends_and_stores_nothing() -> None:
    desk = Desk()
    desk.disk.end = 0
    await desk.put(a_step(0))
    await desk.broker.acknowledge(0)
    await desk.broker.acknowledge(1, 2)
    with pytest.raises(ForeignWriterError, match="our batch came to offset 2, not 0"):
        await desk.running
    assert (desk.disk.written, desk.done) == ([], [])


async def test_snapshots_that_were_put_off_follow_the_outputs_one_by_one_before_the_state() -> None:
    desk = Desk()
    step = a_step(0)
    put_off = [
        [EventMessage(0, b"ES|2025-07-01|0", b"{}", [])],
        [EventMessage(0, b"NQ|2025-07-01|0", b"{}", [])],
    ]
    step.state = HeldStates(put_off)
    await desk.put(step)
    for number in range(3):
        assert desk.broker.sent == [(TOUCHES, 0), (SNAPSHOTS, 0), (SNAPSHOTS, 0)][: number + 1]
        assert len(put_off) == 2 - number
        await desk.broker.acknowledge(number)
    assert desk.broker.sent[3:] == [(CHANGELOG, 0)]
    assert desk.done == []
    desk.running.cancel()


async def test_live_all_messages_being_sent_go_before_any_state() -> None:
    desk = Desk()
    for partition in range(3):
        await desk.put(a_step(partition), live=True)
    for number in (0, 2):
        await desk.broker.acknowledge(number)
    assert desk.broker.sent == [(TOUCHES, 0), (TOUCHES, 1), (TOUCHES, 2)]
    await desk.broker.acknowledge(1)
    assert sorted(desk.broker.sent[3:]) == [(CHANGELOG, 0), (CHANGELOG, 1), (CHANGELOG, 2)]
    await desk.put(a_step(3), live=True)
    for number in (3, 4, 5):
        await desk.broker.acknowledge(number)
    assert sorted(desk.done) == [(0, 1), (1, 1), (2, 1)], "a state under way is not held back"
    desk.running.cancel()


async def test_a_step_waits_for_the_one_before_it_in_its_partition_and_for_no_other() -> None:
    desk = Desk()
    await desk.put(a_step(0, 1))
    await desk.put(a_step(0, 2))
    await desk.put(a_step(7, 1))
    assert desk.broker.sent == [(TOUCHES, 0), (TOUCHES, 7)]
    await desk.broker.acknowledge(0)
    assert desk.broker.sent[2:] == [(CHANGELOG, 0)]
    await desk.broker.acknowledge(2)
    assert desk.done == [(0, 1)]
    assert desk.broker.sent[3:] == [(TOUCHES, 0)]
    desk.running.cancel()


async def test_steps_with_large_snapshots_wait_for_room_but_never_for_more_than_there_is() -> None:
    desk = Desk()
    for partition in (0, 1):
        heavy = a_step(partition)
        heavy.snapshot_bytes = (STEPS_IN_HAND - 1) * SNAPSHOT_BYTES_A_PERMIT * (partition + 1)
        putting = asyncio.create_task(desk.put(heavy))
        await callbacks_done()
    assert not putting.done()
    assert desk.broker.sent == [(TOUCHES, 0)]
    for number in (0, 1):
        await desk.broker.acknowledge(number)
    await asyncio.wait_for(putting, PATIENCE_S)
    assert desk.done == [(0, 1)]
    assert desk.broker.sent[2:] == [(TOUCHES, 1)]
    for number in (2, 3):
        await desk.broker.acknowledge(number)
    for partition in range(STEPS_IN_HAND):
        await asyncio.wait_for(desk.put(a_step(partition)), PATIENCE_S)
    desk.running.cancel()


async def test_nothing_follows_a_step_of_the_partition_that_could_not_be_written() -> None:
    desk = Desk()
    await desk.put(a_step(0, 1))
    await desk.put(a_step(0, 2))
    desk.broker.waiting[0].set_exception(KafkaError("the disk is full"))
    with pytest.raises(NotWrittenError) as raised:
        await desk.running
    assert (
        str(raised.value)
        == f"{TOUCHES} partition 0 cannot be written (KafkaError: the disk is full)"
    )
    assert raised.value.topic == TOUCHES
    await desk.put(a_step(0, 3))
    assert desk.broker.sent == [(TOUCHES, 0)]
    assert desk.done == []


async def test_a_state_that_could_not_be_written_names_its_changelog() -> None:
    desk = Desk()
    await desk.put(a_step(0))
    await desk.broker.acknowledge(0)
    desk.broker.waiting[1].set_exception(NotLeaderForPartitionError())
    with pytest.raises(NotWrittenError, match=f"^{CHANGELOG} partition 0 cannot be written"):
        await desk.running
    assert (desk.disk.written, desk.done) == ([], [])


async def test_a_committer_that_ends_writes_nothing_more() -> None:
    desk = Desk()
    await desk.put(a_step(0, 1))
    desk.running.cancel()
    with suppress(asyncio.CancelledError):
        await desk.running
    await desk.broker.acknowledge(0)
    assert desk.broker.sent == [(TOUCHES, 0)]


def test_a_batch_takes_messages_until_it_is_full_and_the_rest_go_into_the_next() -> None:
    messages = [EventMessage(number, b"key", bytes(400), []) for number in range(5)]
    batch = OutputBatch(1_000, 0)
    assert batch.fill(messages, 0) == 2
    assert batch.record_count() == 2
    assert batch.closed()
    assert OutputBatch(10_000, 0).fill(messages, 2) == 3
