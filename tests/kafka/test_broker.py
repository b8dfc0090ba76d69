"""The broker of the tests: what it promises to those who use it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.kafka.broker import SOON_MISSED, Broker, BrokerFailedError, require_broker

TOPIC = "kept"
PARTITION = TopicPartition(TOPIC, 0)


async def make_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    finally:
        await admin.close()


async def append(bootstrap: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(TOPIC, value)


async def values(bootstrap: str) -> list[bytes]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign([PARTITION])
        await consumer.seek_to_beginning(PARTITION)
        end = (await consumer.end_offsets([PARTITION]))[PARTITION]
        found: list[bytes] = []
        while await consumer.position(PARTITION) < end:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                found += [record.value for record in records]
        return found


async def test_acknowledged_records_outlive_a_stop_and_a_kill_on_the_same_address(
    tmp_path: Path,
) -> None:
    require_broker()
    with Broker(tmp_path, SOON_MISSED) as broker:
        bootstrap = broker.bootstrap
        await make_topic(bootstrap)
        await append(bootstrap, b"before the stop")
        broker.stop()
        broker.start()
        await append(bootstrap, b"before the kill")
        broker.kill()
        broker.start()
        assert broker.bootstrap == bootstrap
        assert await values(bootstrap) == [b"before the stop", b"before the kill"]


def test_a_paused_broker_goes_on_when_resumed(broker: Broker) -> None:
    broker.pause()
    assert process_state(broker.pid) == "T"
    broker.resume()
    assert process_state(broker.pid) != "T"


def test_a_paused_broker_can_be_stopped_and_one_that_died_is_not_running(tmp_path: Path) -> None:
    require_broker()
    with Broker(tmp_path, SOON_MISSED) as broker:
        broker.pause()
        broker.stop()
        broker.start()
        pid = broker.pid
        os.kill(pid, signal.SIGKILL)
        broker.kill()
        with pytest.raises(BrokerFailedError, match="not running"):
            broker.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_broker_that_cannot_start_shows_why(tmp_path: Path) -> None:
    require_broker()
    with pytest.raises(BrokerFailedError, match="Invalid value none"):
        Broker(tmp_path, {"node.id": "none"}).start()


def process_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
