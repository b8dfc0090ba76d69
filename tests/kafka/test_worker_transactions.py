"""What a transactional producer leaves in the log: markers and aborted records are no records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import LogRecord
from tapeline.schemas.topics import input_log, topic_of
from tests.kafka.acme import acme_log, assert_exact, prepared
from tests.kafka.broker import Broker
from tests.kafka.worker_process import (
    WorkerProcess,
    append,
    read,
    shown,
    until_committed,
    until_shown,
)

NO_RECORD = b"no record"
"""Means an offset without one; an embedded run takes no fact of it."""
Log = list[LogRecord | bytes]


def transactional(config: Config, name: str, timeout_s: float = 60.0) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap,
        transactional_id=f"{config.kafka.topic_prefix}-{name}",
        transaction_timeout_ms=int(timeout_s * 1000),
    )


async def send(producer: AIOKafkaProducer, config: Config, records: Sequence[LogRecord]) -> None:
    topic = input_log(config.kafka.topic_prefix)
    for record in records:
        await producer.send(topic, encode(record), partition=0, timestamp_ms=1_764_000_000_000)
    await producer.flush()


async def in_transactions(config: Config, parts: Sequence[tuple[Sequence[LogRecord], bool]]) -> Log:
    """Write parts, each a transaction that is committed or not; the log by offset."""
    log: Log = []
    async with transactional(config, "feed") as producer:
        for records, committed in parts:
            await producer.begin_transaction()
            await send(producer, config, records)
            if committed:
                await producer.commit_transaction()
                log += records
            else:
                await producer.abort_transaction()
                log += [NO_RECORD] * len(records)
            log.append(NO_RECORD)
    return log


BARS = acme_log(2)
LAYOUTS = {
    "a commit's marker last": [(BARS[:390], True), (BARS[390:], True)],
    "a transaction a bar": [([bar], True) for bar in BARS[:40]],
    "an aborted batch first": [(BARS[390:420], False), (BARS[:390], True)],
    "an aborted batch last": [(BARS[:390], True), (BARS[390:], False)],
    "aborted batches across chunks": [
        (BARS[:15], True),
        (BARS[700:730], False),
        (BARS[15:39], True),
        (BARS[730:780], False),
        (BARS[39:], True),
    ],
    "nothing but what was aborted": [(BARS[:30], False), (BARS[:30], False)],
}


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_worker_takes_what_was_committed_and_commits_the_log_to_its_end(
    broker: Broker, topic_prefix: str, tmp_path: Path, layout: str
) -> None:
    config = await prepared(broker, topic_prefix)
    log = await in_transactions(config, LAYOUTS[layout])
    # Chunks of twenty records.
    worker = WorkerProcess(config, tmp_path / "worker", ragged=True)
    with worker:
        await until_committed(config, [len(log)], [worker])
        await until_shown(worker, {"committed_lag_records": 0, "input_lag_records": 0})
        assert worker.drain() == 0
        # Its state ends behind the last marker; what follows goes on from there.
        more = acme_log(3)[780:800]
        await append(config, 0, more)
        worker.start()
        await until_committed(config, [len(log) + 20], [worker])
        assert worker.drain() == 0
    await assert_exact(config, tmp_path / "embedded", [*log, *more])
    assert await read(broker.bootstrap, topic_of("reject", topic_prefix), 0) == []


async def test_an_open_transaction_holds_the_log_until_the_broker_aborts_it(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, BARS[:100])
    abandoned = transactional(config, "abandoned", timeout_s=10.0)
    await abandoned.start()
    try:
        with WorkerProcess(config, tmp_path / "worker") as worker:
            await until_committed(config, [100], [worker])
            await abandoned.begin_transaction()
            await send(abandoned, config, BARS[500:507])
            await append(config, 0, BARS[100:200])
            await until_shown(worker, {"undecided_records": 107})
            # What lies behind it is not to be read, so there is nothing to be behind of.
            assert shown(worker, "committed_lag_records") == 0
            await until_committed(config, [208], [worker])
            await until_shown(worker, {"undecided_records": 0, "committed_lag_records": 0})
            assert worker.drain() == 0
    finally:
        await abandoned.stop()
    log = [*BARS[:100], *[NO_RECORD] * 7, *BARS[100:200], NO_RECORD]
    await assert_exact(config, tmp_path / "embedded", log)
