"""Topics keep the contracts: the log as the source of a replay, those of a run as its sink."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tapeline.replay.results.catalogue import find_run
from tapeline.replay.results.results import Sinks, replay_into
from tapeline.replay.results.topics import RunTopics
from tapeline.replay.run import Replay
from tapeline.replay.sources.files import FileSource
from tapeline.replay.sources.protocol import LogSource
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import LogRecord
from tapeline.schemas.topics import output_topics, run_prefix
from tapeline.streams.feeds.opening import Source
from tapeline.streams.kafka.administration import create_topics
from tests.contract.log_source import CONFIG, LogSourceContract
from tests.contract.sink import Kept, SinkContract
from tests.kafka.broker import Broker
from tests.kafka.worker_process import append, read, with_kafka

PARTITIONS = 2


class TestTopic(LogSourceContract):
    @pytest.fixture(autouse=True)
    def _broker(self, broker: Broker, topic_prefix: str) -> None:
        self.bootstrap = broker.bootstrap
        self.prefix = topic_prefix
        self.made = False

    async def source(
        self, folder: Path, records: Sequence[LogRecord | bytes], fetch_records: int
    ) -> LogSource:
        config = with_kafka(CONFIG, self.bootstrap, self.prefix, PARTITIONS)
        if not self.made:
            await create_topics(config.kafka, config.kafka.brokers)
            parts: list[list[LogRecord | bytes]] = [[] for _ in range(PARTITIONS)]
            for each in records:
                group = "ACME" if isinstance(each, bytes) else each.symbol
                parts[partition_for(group, PARTITIONS)].append(each)
            for partition, part in enumerate(parts):
                await append(config, partition, part)
            self.made = True
        return TopicSource(Brokers(self.bootstrap), self.prefix, fetch_records, config=config)


class TestRunTopics(SinkContract):
    @pytest.fixture(autouse=True)
    def _broker(self, broker: Broker, topic_prefix: str) -> None:
        config = with_kafka(CONFIG, broker.bootstrap, topic_prefix, 1)
        self.kafka = config.kafka
        self.complete = f"{topic_prefix}-whole"
        self.newest = ""

    async def keep(self, folder: Path, source: Source) -> None:
        self.newest = self.complete
        async with (
            Replay(CONFIG, FileSource(CONFIG, [source])) as replay,
            RunTopics(self.kafka, self.kafka.brokers, self.complete) as topics,
        ):
            await replay_into(replay, Sinks(None, topics), {})

    async def break_off(self, folder: Path, source: Source) -> None:
        # Its topics stay: another run has another name.
        self.newest = f"{self.complete}-broken"
        async with (
            Replay(CONFIG, FileSource(CONFIG, [source])) as replay,
            RunTopics(self.kafka, self.kafka.brokers, self.newest) as topics,
        ):
            await topics.write([release async for release in replay.releases()], at_once=True)

    async def kept(self, folder: Path) -> Kept | None:
        run = await find_run(self.newest, self.kafka.topic_prefix, self.kafka.brokers)
        if run.manifest is None:
            return None
        found: Kept = {}
        prefix = run_prefix(self.newest, self.kafka.topic_prefix)
        for name in output_topics(prefix):
            for message in await read(self.kafka.bootstrap, name, 0):
                kind = dict(message.headers)["type"].decode()
                found.setdefault(kind, []).append(message.value)
        return found
