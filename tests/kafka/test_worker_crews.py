"""Two workers, and a third now and then: however they end while records come, nothing is lost.

Here without static membership; the drill of test_drill.py does the same with it.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tapeline.schemas.config.model import Config, KafkaConfig
from tapeline.streams.drill.books import drill_config, drill_logs
from tapeline.streams.drill.drill import compare_topics
from tapeline.streams.drill.feeding import Feeder
from tapeline.streams.drill.readback import committed_offsets, log_ends
from tapeline.streams.drill.report import checks_of
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.kafka.connection import admin_client
from tests.kafka.broker import Broker
from tests.kafka.worker_process import PATIENCE_S, POLL_S, SESSION_S, WorkerProcess, until_committed

PARTITIONS = 4
RECORDS_PER_S = 250.0
FOLDING = "loaded in"


@pytest.fixture
async def config(broker: Broker, topic_prefix: str) -> Config:
    """A configuration whose topics are there and empty."""
    kafka = KafkaConfig(
        bootstrap=broker.bootstrap, topic_prefix=topic_prefix, partitions=PARTITIONS
    )
    await create_topics(kafka, kafka.brokers)
    return drill_config(kafka)


async def until_committed_more(config: Config, records: int) -> None:
    """Wait until the workers have committed so many records more than now."""
    async with admin_client(config.kafka.brokers) as admin, asyncio.timeout(PATIENCE_S):
        before = sum((await committed_offsets(admin, config.kafka)).values())
        while sum((await committed_offsets(admin, config.kafka)).values()) < before + records:
            await asyncio.sleep(POLL_S)


async def assert_nothing_is_wrong(config: Config) -> None:
    """Compare the topics with the fold of the log."""
    differences, records = await compare_topics(config)
    assert records > 0
    assert {
        check.name: check.examples
        for check in checks_of(differences, {}, slept=False)
        if check.found
    } == {}


async def test_two_workers_killed_wiped_and_drained_and_a_third_that_comes_and_goes_lose_nothing(
    config: Config, tmp_path: Path
) -> None:
    feeder = Feeder(config.kafka, drill_logs(config, 11), RECORDS_PER_S)
    first, second, third = workers = [
        WorkerProcess(
            config,
            tmp_path / "workers",
            instance=each,
            ragged=True,
            dynamic=True,
            session_s=SESSION_S,
        )
        for each in range(3)
    ]
    feeding = asyncio.create_task(feeder.run(time.monotonic() + 3_600))
    try:
        await first.start_until(FOLDING)
        await second.start_until(FOLDING)
        await until_committed_more(config, 50)
        first.kill()
        await first.start_until(FOLDING)
        await until_committed_more(config, 50)
        second.kill()
        second.wipe()
        await second.start_until(FOLDING)
        await until_committed_more(config, 50)
        assert first.drain() == 0
        await until_committed_more(config, 50)
        await first.start_until(FOLDING)
        await third.start_until(FOLDING)
        await until_committed_more(config, 50)
        assert third.drain() == 0
        await until_committed_more(config, 50)
        assert not feeding.done(), "records came all the while"
        feeding.cancel()
        await asyncio.wait({feeding})
        ends = await log_ends(config.kafka)
        await until_committed(config, [ends[each] for each in range(PARTITIONS)], [first, second])
        assert [first.drain(), second.drain()] == [0, 0]
    finally:
        feeding.cancel()
        for worker in workers:
            worker.kill()
    await assert_nothing_is_wrong(config)
