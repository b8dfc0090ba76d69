"""Batches on their way: in order, safe before what depends on them, given up without an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from tapeline.streams.kafka.connection import admin_client
from tapeline.streams.kafka.writer import BatchWriter, batch_producer, stop_producer
from tests.kafka.broker import Broker
from tests.kafka.reading import read_topic


@pytest.fixture
async def producer(broker: Broker) -> AsyncIterator[AIOKafkaProducer]:
    made = batch_producer(broker.brokers)
    await made.start()
    yield made
    await stop_producer(made)


@pytest.fixture
async def topic(broker: Broker, topic_prefix: str) -> str:
    name = f"{topic_prefix}.batches"
    async with admin_client(broker.brokers) as admin:
        # The broker's retention would delete records of 1970 at once.
        kept = {"retention.ms": "-1"}
        await admin.create_topics([NewTopic(name, 2, 1, topic_configs=kept)])
    return name


async def values(broker: Broker, topic: str) -> list[list[bytes]]:
    return [[each.value for each in part] for part in await read_topic(broker.bootstrap, topic)]


async def test_many_batches_keep_their_order_in_each_partition(
    broker: Broker, producer: AIOKafkaProducer, topic: str
) -> None:
    writer = BatchWriter(producer, topic)
    sent: list[list[bytes]] = [[], []]
    for number in range(5_000):
        value = b"%06d" % number + b"." * 1_000
        await writer.add(number % 2, b"key", value, number)
        sent[number % 2].append(value)
    await writer.drain()
    assert await values(broker, topic) == sent


async def test_what_must_be_safe_first_is_there_before_anything_is_sent(
    broker: Broker, producer: AIOKafkaProducer, topic: str
) -> None:
    letters = BatchWriter(producer, topic)
    records = BatchWriter(producer, topic, letters.drain)
    await letters.add(0, None, b"letter", 1)
    await records.add(0, None, b"record", 1)
    await records.drain()
    assert await values(broker, topic) == [[b"letter", b"record"], []]


async def test_a_message_that_is_too_large_is_an_error_not_a_loss(
    producer: AIOKafkaProducer, topic: str
) -> None:
    writer = BatchWriter(producer, topic)
    await writer.add(0, None, b"." * 1_100_000, 1)
    with pytest.raises(MessageSizeTooLargeError):
        await writer.drain()


async def test_a_frozen_broker_is_given_up_and_what_was_sent_arrives_when_it_answers_again(
    broker: Broker, producer: AIOKafkaProducer, topic: str
) -> None:
    writer = BatchWriter(producer, topic, idle_s=0.5)
    await writer.add(0, None, b"before", 1)
    await writer.drain()
    broker.pause()
    try:
        await writer.add(0, None, b"into the pause", 2)
        with pytest.raises(KafkaTimeoutError, match=r"nothing acknowledged in 0\.5 s"):
            await writer.drain()
    finally:
        broker.resume()
    await producer.flush()
    assert await values(broker, topic) == [[b"before", b"into the pause"], []]
