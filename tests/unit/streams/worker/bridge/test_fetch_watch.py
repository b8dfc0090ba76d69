"""What may be of another log than before is doubtful, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaConnectionError, NoError, UnknownTopicOrPartitionError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from faust.types import TP

from tapeline.streams.worker.bridge.fetch_watch import IDLE_S, FetchWatch

LOG, STATE = "tape.bars.v1", "tape-worker-state-changelog"
NODE = 1
GONE = UnknownTopicOrPartitionError.errno


class Watched:
    """A client whose answers are made by the test, and what became doubtful."""

    def __init__(self) -> None:
        self.now = 100.0
        self.watch = FetchWatch(lambda: self.now)
        self.answer: Any = None
        self.client: Any = SimpleNamespace(send=self._send, _conns={})
        self.connect()
        self.watch.watch(self.client)

    def connect(self) -> None:
        self.client._conns[NODE, ConnectionGroup.DEFAULT] = object()

    async def _send(self, node: int, request: Any, **_: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def fetch(self, *errors: int, topic: str = LOG, after_s: float = 0.5) -> set[TP]:
        """Ask for partitions 0, 1 and so on; those that are doubtful now."""
        self.now += after_s
        partitions = [(number, error, 0, b"") for number, error in enumerate(errors)]
        self.answer = SimpleNamespace(topics=[(topic, partitions)])
        await self._ask(topic)
        found = set(self.watch.doubtful)
        self.watch.doubtful.clear()
        return found

    async def fail(self) -> set[TP]:
        self.answer = KafkaConnectionError()
        with pytest.raises(KafkaConnectionError):
            await self._ask(LOG)
        return set(self.watch.doubtful)

    async def _ask(self, topic: str) -> None:
        request = FetchRequest(500, 1, 1, 1, [(topic, [(0, 0, 1), (1, 0, 1)])])
        assert await self.client.send(NODE, request) is self.answer


async def test_answers_over_one_connection_are_of_one_log() -> None:
    watched = Watched()
    for _ in range(3):
        assert await watched.fetch(NoError.errno, NoError.errno) == set()


async def test_a_new_connection_makes_doubtful_what_came_over_another() -> None:
    watched = Watched()
    await watched.fetch(NoError.errno)
    watched.connect()
    assert await watched.fetch(NoError.errno, NoError.errno) == {TP(LOG, 0)}
    assert await watched.fetch(NoError.errno, NoError.errno) == set()


async def test_an_error_makes_all_partitions_of_its_topic_doubtful() -> None:
    watched = Watched()
    await watched.fetch(NoError.errno, NoError.errno)
    await watched.fetch(NoError.errno, topic=STATE)
    assert await watched.fetch(NoError.errno, GONE) == {TP(LOG, 0), TP(LOG, 1)}
    assert await watched.fetch(GONE, topic=STATE) == {TP(STATE, 0)}


async def test_a_request_without_an_answer_makes_what_it_asked_for_doubtful() -> None:
    watched = Watched()
    await watched.fetch(NoError.errno, NoError.errno)
    assert await watched.fail() == {TP(LOG, 0), TP(LOG, 1)}


async def test_an_idle_time_makes_a_topic_doubtful_and_partitions_that_take_turns_are_none() -> (
    None
):
    watched = Watched()
    await watched.fetch(NoError.errno, NoError.errno)
    for _ in range(4):
        assert await watched.fetch(NoError.errno) == set()
    assert await watched.fetch(NoError.errno, NoError.errno) == set()
    idle_s = IDLE_S + 0.1
    assert await watched.fetch(NoError.errno, after_s=idle_s) == {TP(LOG, 0), TP(LOG, 1)}


async def test_other_requests_than_fetches_are_let_through() -> None:
    watched = Watched()
    watched.answer = object()
    assert await watched.client.send(NODE, MetadataRequest([])) is watched.answer
    assert watched.watch.doubtful == set()
