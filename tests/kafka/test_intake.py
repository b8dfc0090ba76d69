"""A topic that others write, as the messages of a feed."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tapeline.schemas.config.security import Brokers
from tapeline.streams.feeds.live.model import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.kafka.intake import intake_group, topic_intake
from tapeline.streams.kafka.writer import batch_producer
from tests.kafka.broker import Broker, free_ports
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
