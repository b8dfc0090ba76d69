"""Spans of partitions are read to their end, and no further, whatever lies there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from tapeline.schemas.config.model import Config
from tapeline.schemas.topics import input_log
from tapeline.streams.kafka.connection import COMMITTED
from tapeline.streams.kafka.reading import SpanReader, read_block, read_spans, whole_spans
from tests.kafka.acme import acme_log, prepared
from tests.kafka.broker import Broker
from tests.kafka.test_worker_transactions import in_transactions
from tests.kafka.worker_process import append

BARS = acme_log(1)[:60]


@pytest.fixture
async def config(broker: Broker, topic_prefix: str) -> Config:
    return await prepared(broker, topic_prefix, partitions=2)


@pytest.fixture
async def consumer(broker: Broker) -> AsyncIterator[AIOKafkaConsumer]:
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level=COMMITTED,
    ) as consumer:
        yield consumer


async def read_all(reader: SpanReader) -> None:
    while reader.open:
        await reader.fetch()


def partition(config: Config, number: int = 0) -> TopicPartition:
    return TopicPartition(input_log(config.kafka.topic_prefix), number)


async def test_partitions_are_read_side_by_side_to_where_they_ended(
    config: Config, consumer: AIOKafkaConsumer
) -> None:
    first, second = partition(config), partition(config, 1)
    await append(config, 0, BARS[:40])
    spans = await whole_spans(consumer, [first, second])
    await append(config, 0, BARS[40:])
    found = await read_spans(consumer, spans)
    assert [record.offset for record in found[first]] == list(range(40))
    assert found[second] == []


async def test_a_block_has_its_first_offset_and_not_its_end(
    config: Config, consumer: AIOKafkaConsumer
) -> None:
    await append(config, 0, BARS)
    found = await read_block(consumer, partition(config), 7, 31)
    assert [record.offset for record in found] == list(range(7, 31))


async def test_a_span_that_ends_with_an_aborted_transaction_ends(
    config: Config, consumer: AIOKafkaConsumer
) -> None:
    await in_transactions(config, [(BARS[:20], True), (BARS[20:], False)])
    spans = await whole_spans(consumer, [partition(config)])
    # A marker after each transaction.
    assert spans[partition(config)] == (0, 62)
    found = await read_spans(consumer, spans)
    assert [record.offset for record in found[partition(config)]] == list(range(20))


async def test_a_partition_that_is_left_is_read_no_more(
    config: Config, consumer: AIOKafkaConsumer
) -> None:
    first, second = partition(config), partition(config, 1)
    for number in (0, 1):
        await append(config, number, BARS)
    reader = SpanReader(consumer, await whole_spans(consumer, [first, second]), most_records=5)
    reader.leave(first)
    read = []
    while reader.open:
        found = await reader.fetch()
        assert first not in found
        assert all(len(records) <= 5 for records in found.values())
        read += [record.offset for record in found.get(second, [])]
    assert read == list(range(60))


async def test_a_span_whose_end_never_comes_is_an_error(
    config: Config, consumer: AIOKafkaConsumer
) -> None:
    await append(config, 0, BARS)
    reader = SpanReader(consumer, {partition(config): (0, 61)}, idle_s=0.0)
    with pytest.raises(KafkaTimeoutError, match=r"nothing came of .*bars"):
        await read_all(reader)
