"""A worker goes on only where the log is the one that its state was made of."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from struct import unpack_from

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import LogRecord
from tapeline.schemas.topics import input_log, worker_app_id
from tapeline.streams.drill.readback import log_ends
from tapeline.streams.drill.worker_process import PLAIN_PROGRAM
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.kafka.connection import admin_client
from tapeline.streams.worker.bridge.fetch_watch import IDLE_S
from tests.kafka.acme import acme_log, assert_exact, prepared
from tests.kafka.broker import SOON_MISSED, Broker, require_broker
from tests.kafka.worker_process import (
    PATIENCE_S,
    POLL_S,
    WorkerProcess,
    append,
    forget_member,
    until_committed,
    until_shown,
    work_off,
)

LOOKING = (*PLAIN_PROGRAM, "--log-check-s", "0.5")
"""A worker that looks at the log twice a second."""
RARELY_LOOKING = (*PLAIN_PROGRAM, "--log-check-s", "600")
"""One that has to notice by itself."""
BARS = acme_log(4)
WAY_OUT = "use another topic prefix and publish again"


async def make_again(config: Config, records: Sequence[LogRecord]) -> None:
    """Delete the topic of the log, make it anew, and write other records into it."""
    name = input_log(config.kafka.topic_prefix)
    async with admin_client(config.kafka.brokers) as admin, asyncio.timeout(PATIENCE_S):
        await admin.delete_topics([name])
        while name in await admin.list_topics():
            await asyncio.sleep(POLL_S)
    await create_topics(config.kafka, config.kafka.brokers)
    await append(config, 0, records)


async def write_one_by_one(config: Config, records: Sequence[LogRecord]) -> None:
    """Each record in a batch of its own."""
    topic = input_log(config.kafka.topic_prefix)
    async with AIOKafkaProducer(bootstrap_servers=config.kafka.bootstrap) as producer:
        for record in records:
            await producer.send_and_wait(topic, encode(record), partition=0, timestamp_ms=1_000)


def cut(broker: Broker, topic: str, records: int) -> None:
    """Leave so many batches of a partition, as a lone broker does that loses power."""
    (segment,) = (broker.folder / "data" / f"{topic}-0").glob("*.log")
    content = segment.read_bytes()
    end = 0
    for _ in range(records):
        # Base offset, then the length of what follows both.
        end += 12 + int(unpack_from(">qi", content, end)[1])
    with segment.open("r+b") as file:
        file.truncate(end)


async def set_committed(config: Config, offset: int) -> None:
    """Commit for the workers, of which none may run."""
    tp = TopicPartition(input_log(config.kafka.topic_prefix), 0)
    group = worker_app_id(config.kafka.topic_prefix)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=config.kafka.bootstrap, group_id=group, enable_auto_commit=False
    )
    async with consumer:
        consumer.assign([tp])
        await consumer.commit({tp: OffsetAndMetadata(offset, "")})


async def delete_below(config: Config, offset: int) -> None:
    """What retention does."""
    tp = TopicPartition(input_log(config.kafka.topic_prefix), 0)
    async with admin_client(config.kafka.brokers) as admin:
        await admin.delete_records({tp: RecordsToDelete(offset)})


def asleep(worker: WorkerProcess, stopped: bool) -> None:
    worker.signal(signal.SIGSTOP if stopped else signal.SIGCONT)


@pytest.mark.parametrize("records", [50, 600], ids=["shorter", "longer"])
@pytest.mark.parametrize("slept", [False, True], ids=["awake", "asleep meanwhile"])
async def test_a_log_that_is_made_again_under_a_worker_ends_it_whatever_its_length(
    broker: Broker, topic_prefix: str, tmp_path: Path, records: int, slept: bool
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, BARS[:390])
    with WorkerProcess(config, tmp_path / "worker", program=RARELY_LOOKING) as worker:
        await until_committed(config, [390], [worker])
        if slept:
            asleep(worker, True)
        stopped_at = time.monotonic()
        # Other records: those of the old log without the first two.
        await make_again(config, BARS[2 : records + 2])
        if slept:
            # What is shorter than the idle time is taken for the work of other partitions.
            await asyncio.sleep(max(0.0, 2 * IDLE_S - (time.monotonic() - stopped_at)))
            asleep(worker, False)
        assert worker.wait() == 70
        last = worker.last_words()
        assert f"{input_log(topic_prefix)} partition 0" in last
        assert "made again" in last
        assert "390" in last or "offset 389" in last
        assert "another topic prefix" in last
        # And at each start.
        worker.start()
        assert worker.wait() == 70


async def test_a_log_that_was_made_again_and_is_longer_is_refused_at_the_start_with_both_records(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, BARS[:390])
    worker = WorkerProcess(config, tmp_path / "worker", program=RARELY_LOOKING)
    await work_off(worker, 390)
    await make_again(config, BARS[2:602])
    for _ in range(2):
        with worker:
            assert worker.wait() == 70
        last = worker.last_words()
        assert "the state includes the record at offset 389 (time " in last
        assert ", the log has offset 389 (time " in last
        assert WAY_OUT in last
        # The state comes back from the changelog, and holds the same.
        worker.wipe()


async def test_equal_records_are_the_log_of_before_wherever_they_come_from(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, BARS[:390])
    worker = WorkerProcess(config, tmp_path / "worker", program=LOOKING)
    await work_off(worker, 390)
    await make_again(config, BARS[:600])
    await work_off(worker, 600)
    await assert_exact(config, tmp_path / "embedded", BARS[:600])


async def test_an_idle_worker_notices_that_its_log_was_made_again_without_a_record_to_read(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, BARS[:390])
    with WorkerProcess(config, tmp_path / "worker", program=LOOKING) as worker:
        await until_committed(config, [390], [worker])
        # As long as before: no offset is out of range, and nothing comes.
        asleep(worker, True)
        await make_again(config, BARS[2:392])
        asleep(worker, False)
        assert worker.wait() == 70
        assert "the state includes the record at offset 389 (time " in worker.last_words()


@pytest.mark.parametrize("stopped", [False, True], ids=["asleep meanwhile", "stopped meanwhile"])
async def test_a_log_that_lost_its_tail_and_went_on_past_it_ends_the_worker(
    tmp_path: Path, stopped: bool
) -> None:
    require_broker()
    with Broker(tmp_path / "broker", SOON_MISSED) as broker:
        config = await prepared(broker, "tape")
        await write_one_by_one(config, BARS[:20])
        worker = WorkerProcess(config, tmp_path / "worker", program=RARELY_LOOKING)
        try:
            worker.start()
            await until_committed(config, [20], [worker])
            if stopped:
                assert worker.drain() == 0
            else:
                asleep(worker, True)
            broker.kill()
            cut(broker, input_log("tape"), 12)
            broker.start()
            assert (await log_ends(config.kafka))[0] == 12
            await write_one_by_one(config, BARS[30:45])
            if stopped:
                worker.start()
            else:
                asleep(worker, False)
            assert worker.wait() == 70
        finally:
            worker.kill()
        last = worker.last_words()
        assert "the state includes the record at offset 19 (time " in last
        assert "the log has offset 19 (time " in last
        assert WAY_OUT in last


async def test_a_log_that_lost_its_tail_and_gets_no_further_ends_the_worker_with_both_offsets(
    tmp_path: Path,
) -> None:
    require_broker()
    with Broker(tmp_path / "broker", SOON_MISSED) as broker:
        config = await prepared(broker, "tape")
        await write_one_by_one(config, BARS[:20])
        with WorkerProcess(config, tmp_path / "worker", program=RARELY_LOOKING) as worker:
            await until_committed(config, [20], [worker])
            broker.kill()
            cut(broker, input_log("tape"), 12)
            broker.start()
            assert worker.wait() == 70
            assert "partition 0 ends at offset 12, the state includes all below 20" in (
                worker.last_words()
            )


async def test_a_broker_that_comes_back_whole_is_compared_and_taken(tmp_path: Path) -> None:
    require_broker()
    with Broker(tmp_path / "broker", SOON_MISSED) as broker:
        config = await prepared(broker, "tape")
        await append(config, 0, BARS[:390])
        with WorkerProcess(config, tmp_path / "worker", program=LOOKING) as worker:
            await until_committed(config, [390], [worker])
            broker.kill()
            broker.start()
            await append(config, 0, BARS[390:600])
            await until_committed(config, [600], [worker])
            assert worker.drain() == 0
        await assert_exact(config, tmp_path / "embedded", BARS[:600])


async def test_a_log_cut_by_retention_up_to_the_state_goes_on_and_one_cut_beyond_it_ends(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, BARS[:390])
    worker = WorkerProcess(config, tmp_path / "worker", program=LOOKING)
    behind = "the log begins behind offset 389"
    with worker:
        await until_committed(config, [390], [worker])
        await delete_below(config, 390)
        await worker.until(behind)
        assert worker.drain() == 0
        assert worker.output_since_start().count(behind) == 1
        await worker.start_until(behind)
        await append(config, 0, BARS[390:600])
        await until_committed(config, [600], [worker])
        assert worker.drain() == 0
    await assert_exact(config, tmp_path / "embedded", BARS[:600])
    await append(config, 0, BARS[600:700])
    await delete_below(config, 610)
    with worker:
        assert worker.wait() == 70
    assert "the state ends before offset 600, the log goes on at 610" in worker.last_words()


async def test_a_worker_starts_where_its_state_ends_whatever_is_committed(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, BARS[:390])
    worker = WorkerProcess(config, tmp_path / "worker")
    await work_off(worker, 390)
    await append(config, 0, BARS[390:600])
    # Ahead of the state, as where the end of the changelog was lost, and behind it.
    for committed, unread in ((600, 210), (3, 0)):
        await forget_member(worker)
        await set_committed(config, committed)
        with worker:
            await until_shown(worker, {"records_total": unread, "committed_lag_records": 0})
            assert worker.drain() == 0
    await assert_exact(config, tmp_path / "embedded", BARS[:600])


async def test_without_a_state_a_log_of_which_something_was_committed_is_not_begun_again(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, BARS[:390])
    await set_committed(config, 300)
    with WorkerProcess(config, tmp_path / "worker") as worker:
        assert worker.wait() == 70
    last = worker.last_words()
    assert "the workers have committed offset 300, and there is no state" in last
    assert "the changelog was lost" in last
    await forget_member(worker)
    await set_committed(config, 0)
    await work_off(worker, 390)
    await assert_exact(config, tmp_path / "embedded", BARS[:390])


async def test_partitions_that_are_added_under_a_worker_end_it_as_they_refuse_a_start(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    name = input_log(topic_prefix)
    with WorkerProcess(config, tmp_path / "worker", program=LOOKING) as worker:
        await worker.until("loaded in")
        async with admin_client(broker.brokers) as admin:
            await admin.create_partitions({name: NewPartitions(total_count=3)})
        assert worker.wait() == 70
        running = worker.last_words()
        worker.start()
        assert worker.wait() == 2
        refused = worker.last_words().removeprefix("tapeline: ")
        assert refused.startswith(f"[kafka] partitions is 1, but {name} has 3: ")
        assert running.endswith(refused)
