"""Topics of one run: made by a replay, written as a worker writes, never those that are live."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from tapeline.replay.results.release_messages import ReleaseWriter
from tapeline.replay.sources.items import Release
from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Reject
from tapeline.schemas.partition import partition_for
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import (
    RUN_ID_RULE,
    is_run_id,
    run_manifest_topic,
    run_prefix,
    run_topics,
)
from tapeline.streams.errors import InputError
from tapeline.streams.kafka.administration import create_new
from tapeline.streams.kafka.connection import plain_errors
from tapeline.streams.kafka.topics import WantedTopic
from tapeline.streams.kafka.writer import BatchWriter, batch_producer, stop_producer

MANIFEST_KEY = b"manifest"
FLUSH_SECONDS = 0.1
"""Longest that what does not fill a batch waits for more."""


def fresh_run_id() -> str:
    """An id that no run has: the time of day it began, and a little chance."""
    return f"{datetime.now(UTC):%Y%m%dt%H%M%Sz}-{secrets.token_hex(2)}"


def partitions_of(source: LogSource) -> int | None:
    """Partitions of a log that is open; None when it has none of its own: files."""
    return None if source.partition_of("") is None else len(source.extents)


class RunTopics:
    """The topics of a run; an asynchronous context that makes them.

    Whatever ends it before `commit` leaves topics without a manifest: an incomplete run.

    Parameters
    ----------
    partitions
        As many as the log has that is replayed; None: it has none, and events lie where a worker
        of this configuration would put them.
    registry
        The types of the events: every topic that a fold writes is made.
    hosted
        Whether strategies run: the topics of their hosts are made, too.

    Raises
    ------
    InputError
        When the id is none.
    TopicsError
        On entering, when a topic of that id is there.
    BrokerError
        When the broker does not answer or refuses.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        brokers: Brokers,
        run_id: str,
        partitions: int | None = None,
        registry: Registry = EVENTS,
        hosted: bool = False,
    ) -> None:
        if not is_run_id(run_id):
            raise InputError(f"--run-id {run_id}: must be {RUN_ID_RULE}")
        self.run_id = run_id
        self.brokers = brokers
        self._kafka = kafka
        self._registry = registry
        self._hosted = hosted
        self._by_partition = partitions is not None
        self._partitions = partitions or kafka.partitions
        self._manifest = run_manifest_topic(run_id, kafka.topic_prefix)
        self._messages = ReleaseWriter(run_prefix(run_id, kafka.topic_prefix), registry)
        self._producer: AIOKafkaProducer | None = None
        self._writers: dict[str, BatchWriter] = {}
        self._flushed = 0.0

    async def __aenter__(self) -> RunTopics:
        topics = run_topics(
            self.run_id, self._kafka.topic_prefix, self._registry, hosted=self._hosted
        )
        await create_new(
            [
                WantedTopic(
                    topic.name,
                    1 if topic.name == self._manifest else self._partitions,
                    self._kafka.replication,
                    topic.settings,
                )
                for topic in topics
            ],
            self.brokers,
        )
        self._producer = producer = batch_producer(self.brokers)
        self._writers = {topic.name: BatchWriter(producer, topic.name) for topic in topics}
        async with plain_errors(self.brokers, "writing the topics of the run"):
            try:
                await producer.start()
            except BaseException:
                await stop_producer(producer)
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._producer is not None:
            await stop_producer(self._producer)

    async def write(self, releases: Sequence[Release], at_once: bool = False) -> None:
        """What the records led to, in their order; what does not fill a batch may wait for more.

        Parameters
        ----------
        at_once
            Let nothing wait: it is not known when more comes.
        """
        writers = self._writers
        async with plain_errors(self.brokers, "writing the topics of the run"):
            for release in releases:
                if release.events or release.letter is not None:
                    partition = self._partition(release)
                    for topic, (time_ms, key, value, headers) in self._messages.messages(release):
                        await writers[topic].add(partition, key, value, time_ms, headers)
                for event in release.hosted:
                    book = partition_for(event.account or "", self._partitions)
                    topic, (time_ms, key, value, headers) = self._messages.hosted(event, book)
                    await writers[topic].add(book, key, value, time_ms, headers)
            now = time.monotonic()
            if at_once or now - self._flushed > FLUSH_SECONDS:
                self._flushed = now
                for writer in writers.values():
                    await writer.flush()

    async def write_letters(self, letters: Sequence[Reject]) -> None:
        """Dead letters of what was sorted out before the first release."""
        async with plain_errors(self.brokers, "writing the topics of the run"):
            for letter in letters:
                topic, (time_ms, key, value, headers) = self._messages.letter(letter, 0)
                # Of a topic, the source is topic/partition/offset.
                partition = int(letter.source.rsplit("/", 2)[1]) if self._by_partition else 0
                await self._writers[topic].add(partition, key, value, time_ms, headers)

    async def commit(self, manifest: dict[str, Any]) -> None:
        """Wait until everything is acknowledged, then write the manifest: the run is complete."""
        writers = self._writers
        async with plain_errors(self.brokers, "writing the topics of the run"):
            for writer in writers.values():
                await writer.drain()
            value = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)
            await writers[self._manifest].add(0, MANIFEST_KEY, value, None)
            await writers[self._manifest].drain()

    def _partition(self, release: Release) -> int:
        """That of the record; what comes out of files, where a worker would have put it."""
        if self._by_partition:
            return release.item.partition
        return 0 if release.group is None else partition_for(release.group, self._partitions)
