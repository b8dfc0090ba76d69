"""What belongs to the thread of the client is left to it; the group is joined as a whole."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP

from tapeline.streams.worker.bridge import transport
from tapeline.streams.worker.bridge.transport import (
    MOST_REASSIGNED,
    AssignmentError,
    BatchConsumer,
    BatchThread,
)

LOG, STATE = "tape.bars.v1", "tape-worker-state-changelog"


class Closable:
    """A part of the client that remembers who closes it."""

    def __init__(self) -> None:
        self.closed_in: list[asyncio.AbstractEventLoop] = []

    async def close(self) -> None:
        self.closed_in.append(asyncio.get_running_loop())


async def test_a_rebalance_that_ends_after_a_stop_closes_nothing_in_the_wrong_loop() -> None:
    thread = BatchThread.__new__(BatchThread)
    thread.app = SimpleNamespace(loop=asyncio.get_running_loop())
    client, coordinator = Closable(), Closable()
    thread._consumer = SimpleNamespace(_client=client, _coordinator=coordinator, _closed=False)
    thread.close()
    await asyncio.sleep(0.01)
    assert not client.closed_in
    assert not coordinator.closed_in
    # Else the thread, which closes it at its end, would take it for closed.
    assert not thread._consumer._closed


class Joining:
    """A consumer that has not joined yet, and what it does about it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.subscribed: list[set[str]] = []
        self.taken: list[set[TP]] = []
        self.compared: list[set[TP]] = []
        self.asked_again = 0
        consumer: Any = BatchConsumer.__new__(BatchConsumer)
        consumer.app = SimpleNamespace(
            tables=SimpleNamespace(changelog_topics={STATE}),
            crash_with=self._crash,
            check_changelogs=self._compare,
        )
        coordinator = SimpleNamespace(request_rejoin=self._rejoin)
        consumer._thread = SimpleNamespace(
            thread_loop=asyncio.get_running_loop(),
            _ensure_consumer=lambda: SimpleNamespace(_coordinator=coordinator),
        )
        consumer._refused = 0
        self.consumer = consumer
        patch.setattr(transport, "REASSIGN_S", 0.0)
        patch.setattr(Consumer, "subscribe", self._subscribe)
        patch.setattr(Consumer, "on_partitions_assigned", self._assigned)

    async def _subscribe(self, topics: set[str]) -> None:
        self.subscribed.append(topics)

    async def _compare(self, assigned: set[TP], generation_id: int) -> None:
        assert len(self.taken) == len(self.compared), "stores are compared before they are used"
        self.compared.append(assigned)

    async def _assigned(self, assigned: set[TP], generation_id: int) -> None:
        self.taken.append(assigned)
        assert self.taken == self.compared

    def _rejoin(self) -> None:
        self.asked_again += 1

    def _crash(self, error: Exception) -> None:
        raise error


@pytest.fixture
async def joining(monkeypatch: pytest.MonkeyPatch) -> Joining:
    return Joining(monkeypatch)


async def test_stopped_before_the_tables_are_known_nothing_is_subscribed(
    joining: Joining,
) -> None:
    await joining.consumer.subscribe([LOG])
    assert joining.subscribed == []
    await joining.consumer.subscribe([STATE, LOG])
    assert joining.subscribed == [{LOG, STATE}]


async def test_an_assignment_without_some_changelog_is_not_taken(joining: Joining) -> None:
    half = {TP(LOG, 0), TP(LOG, 1), TP(STATE, 1)}
    await joining.consumer.on_partitions_assigned(half, 7)
    await asyncio.sleep(0)
    assert (joining.taken, joining.asked_again) == ([], 1)
    # A changelog alone is no harm.
    whole = {TP(LOG, 1), TP(STATE, 1), TP(STATE, 2)}
    await joining.consumer.on_partitions_assigned(whole, 8)
    await joining.consumer.on_partitions_assigned(set(), 9)
    await asyncio.sleep(0)
    assert (joining.taken, joining.asked_again) == ([whole, set()], 1)


async def test_a_group_that_never_assigns_right_ends_the_worker(joining: Joining) -> None:
    for generation in range(MOST_REASSIGNED):
        await joining.consumer.on_partitions_assigned({TP(LOG, 3)}, generation)
    with pytest.raises(AssignmentError, match=r"partitions \[3\] of the log came 31 times"):
        await joining.consumer.on_partitions_assigned({TP(LOG, 3)}, MOST_REASSIGNED)


class Seeking:
    """A thread whose client holds what it fetched before, and an application that ends."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sought: dict[TP, int] = {}
        self.to_beginning: list[TP] = []
        self.out_of_range: list[tuple[Any, ...]] = []
        self.notified = 0
        self.fetched: dict[TP, Any] = {}
        self.thread = BatchThread.__new__(BatchThread)
        fetcher = SimpleNamespace(
            _records=self.fetched, _notify=self._notify, _wait_consume_future=None
        )
        self.client = SimpleNamespace(_fetcher=fetcher)
        consumer: Any = BatchConsumer.__new__(BatchConsumer)
        consumer.app = SimpleNamespace(
            rebalancing=False,
            tables=SimpleNamespace(changelog_topics={STATE}),
            log_out_of_range=self._end,
        )
        consumer._thread = SimpleNamespace(seek_to_beginning=self._to_beginning)
        self.consumer = consumer
        self.error: Exception = NoOffsetForPartitionError()
        patch.setattr(AIOKafkaConsumerThread, "_seek_wait", self._seek)
        patch.setattr(Consumer, "_getmany", self._getmany)
        patch.setattr(Consumer, "earliest_offsets", self._begins)
        patch.setattr(Consumer, "highwaters", self._ends)

    async def _seek(self, client: object, tps: dict[TP, int]) -> None:
        self.sought.update(tps)

    async def _getmany(self, wanted: set[TP], timeout: float) -> Any:
        raise self.error

    async def _to_beginning(self, tp: TP) -> None:
        self.to_beginning.append(tp)

    async def _begins(self, *tps: TopicPartition) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 3)

    async def _ends(self, *tps: TopicPartition) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 12)

    def _notify(self, _: object) -> None:
        self.notified += 1

    def _end(self, *arguments: Any) -> None:
        self.out_of_range.append(arguments)


@pytest.fixture
def seeking(monkeypatch: pytest.MonkeyPatch) -> Seeking:
    return Seeking(monkeypatch)


async def test_an_error_that_was_fetched_before_a_seek_is_not_raised_after_it(
    seeking: Seeking,
) -> None:
    stale, other, records = TP(LOG, 0), TP(LOG, 1), TP(LOG, 2)
    error = FetchError(error=OffsetOutOfRangeError({stale: 20}), backoff=0.1)
    seeking.fetched.update({stale: error, other: error, records: "records"})
    await seeking.thread._seek_wait(seeking.client, {stale: 12, records: 5})
    assert seeking.fetched == {other: error, records: "records"}
    assert seeking.sought == {stale: 12, records: 5}
    # The client may ask for it again at once.
    assert seeking.notified == 1


async def test_where_nothing_was_sought_yet_nothing_comes(seeking: Seeking) -> None:
    assert await seeking.consumer._getmany({TP(LOG, 0)}, 1.0) == {}
    assert (seeking.out_of_range, seeking.to_beginning) == ([], [])


async def test_an_offset_that_a_log_does_not_have_ends_the_worker_and_a_changelog_begins(
    seeking: Seeking,
) -> None:
    state, log = TP(STATE, 0), TP(LOG, 0)
    seeking.error = OffsetOutOfRangeError({TopicPartition(*log): 20, TopicPartition(*state): 2})
    assert await seeking.consumer._getmany({log, state}, 1.0) == {}
    assert seeking.out_of_range == [(log, 20, 3, 12)]
    assert seeking.to_beginning == [state]
