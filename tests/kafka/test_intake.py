"""A topic that others write, as the messages of a feed."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tapeline.schemas.config.security import Brokers
from tapeline.schemas.topics import topic_of
from tapeline.streams.feeds.live.model import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks
from tapeline.streams.kafka.connection import make_producer
from tapeline.streams.kafka.intake import intake_group, topic_intake
from tapeline.streams.kafka.lease import lease_group
from tapeline.streams.kafka.writer import batch_producer
from tests.kafka.broker import Broker, free_ports
from tests.kafka.ingest_process import Desk, ended
from tests.unit.streams.feeds.live.transports.watching import Watched

MESSAGES = [b'{"n": 0}', b"no JSON \xff", b"", *(b'{"n": %d}' % number for number in range(3, 20))]


async def write(
    broker: Broker, topic: str, values: Sequence[bytes], *, create: bool = True
) -> None:
    """Have messages in a topic of one partition; an empty one is a tombstone."""
    if create:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(topic, 1, 1)])
        await admin.close()
    producer = batch_producer(broker.brokers)
    await producer.start()
    for value in values:
        await producer.send_and_wait(topic, value or None, b"key", partition=0)
    await producer.stop()


async def test_messages_come_again_until_they_are_acknowledged(
    broker: Broker, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}.bars"
    await write(broker, topic, MESSAGES)

    async def read(count: int, acknowledged: int) -> list[bytes]:
        inbox = Inbox(messages=7)
        intake = topic_intake(inbox, intake_group("mine", topic_prefix), broker.brokers)
        watched = Watched(inbox, intake)
        watched.connect(f"kafka://{topic}")
        received = await watched.until(Received, count)
        assert len(watched.of(ConnectionOpened)) == 1
        intake.acknowledged(acknowledged)
        watched.close()
        await watched.until(ConnectionClosed)
        await watched.transport.stop()
        return [each.data for each in received[:count]]

    assert await read(20, 0) == MESSAGES
    assert await read(20, 12) == MESSAGES
    assert await read(8, 8) == MESSAGES[12:]
    await write(broker, topic, [b"last"], create=False)
    assert await read(1, 1) == [b"last"]


async def test_what_was_on_its_way_when_a_connection_ended_is_not_committed(
    broker: Broker, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}.bars"
    await write(broker, topic, [b"0", b"1", b"2"])
    inbox = Inbox()
    group = intake_group("mine", topic_prefix)
    intake = topic_intake(inbox, group, broker.brokers)
    watched = Watched(inbox, intake)
    for number in (1, 2, 3):
        watched.connect(f"kafka://{topic}", number)
        received = await watched.until(Received, 3 * number)
        assert [each.data for each in received[-3:]] == [b"0", b"1", b"2"]
        if number == 2:
            intake.acknowledged(3)
        watched.close(number)
        await watched.until(ConnectionClosed, number)
    await watched.transport.stop()


async def test_a_broker_that_is_away_is_a_failed_attempt() -> None:
    (port,) = free_ports(1)
    inbox = Inbox()
    watched = Watched(inbox, topic_intake(inbox, "group", Brokers(f"127.0.0.1:{port}")))
    watched.connect("kafka://bars")
    (failed,) = await watched.until(ConnectFailed)
    assert failed.reason == "KafkaConnectionError"
    await watched.transport.stop()


FEED = """
[instruments.ALPHA]
tick = 0.01
calendar = "24/7"
base = "1s"
ranges = []

[feeds.demo]
kind = "kafka"
url = "kafka://{topic}"
symbols = ["ALPHA"]

[feeds.demo.bar]
symbol = "s"
start = {{ path = "t", unit = "ms" }}
prices = {{ open = "p", high = "p", low = "p", close = "p" }}
volume = "v"
final = "sent"

[feeds.demo.truth]
silence = "none"
outage_patience = "1h"
"""
AGO_MS = 1_800_000
POISON = 100
PACE_S = 0.02


class Source:
    """Another program that writes bars of seconds to a topic, with one message that is none."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.labels: list[int] = []
        # As fast as they come here, bars of seconds must not overtake the clock.
        self._first_ms = (read_clocks().wall_ms - AGO_MS) // 1_000 * 1_000
        self._broker = broker
        self._topic = topic
        self._stopping = False
        self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        async with make_producer(self._broker.brokers) as producer:
            for number in count():
                if self._stopping:
                    return
                label_ms = self._first_ms + number * 1_000
                bar = {"s": "ALPHA", "t": label_ms, "p": 41.0 + number % 7, "v": number}
                value = b"no JSON" if number == POISON else json.dumps(bar).encode()
                await producer.send_and_wait(self._topic, value, b"key", partition=0)
                if number != POISON:
                    self.labels.append(label_ms)
                await asyncio.sleep(PACE_S)

    async def stop(self) -> None:
        self._stopping = True
        await self._writing


async def test_processes_join_and_leave_and_each_message_leads_to_one_record(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    topic = f"{topic_prefix}.raw"
    await write(broker, topic, [])
    desk = Desk(tmp_path, broker, topic_prefix, FEED.format(topic=topic))
    await desk.make_topics()
    lease, intake = lease_group("demo", topic_prefix), intake_group("demo", topic_prefix)
    source = Source(broker, topic)
    try:
        running = await desk.ingest()
        await desk.until_records(POISON + 20)
        for _ in range(2):
            waiting = await desk.ingest()
            await desk.until_members(lease, 2)
            await desk.until_records(len(await desk.records()) + 20)
            assert await desk.members(intake) == 1
            running.send_signal(signal.SIGTERM)
            assert await ended(running) == (0, "")
            await desk.until_records(len(await desk.records()) + 20)
            running = waiting
        idle = await desk.ingest()
        await desk.until_members(lease, 2)
        idle.send_signal(signal.SIGTERM)
        assert await ended(idle) == (0, "")
        await source.stop()
        await desk.until_records(len(source.labels))
        running.send_signal(signal.SIGTERM)
        assert await ended(running) == (0, "")
    finally:
        await source.stop()
        await desk.end_all()
    bars = [json.loads(message.value) for message in await desk.records()]
    assert [bar["start_ms"] for bar in bars if bar["type"] == "bar"] == source.labels
    letters = await desk.messages(topic_of("reject", topic_prefix))
    assert [json.loads(each.value)["code"] for each in letters] == ["decode_error"]
