"""Topics as they are: whole partitions, and how far the workers have committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.topics import input_log, worker_app_id
from tapeline.streams.kafka.connection import make_consumer
from tapeline.streams.kafka.reading import read_spans, whole_spans

FETCH_WAIT_MS = 50


async def read_topics(
    brokers: Brokers, topics: Sequence[str], partition: int
) -> dict[str, list[Any]]:
    """All records of a partition of each topic, from its beginning to what is its end now.

    Raises
    ------
    KafkaTimeoutError
        When nothing comes for half a minute.
    """
    wanted = [TopicPartition(topic, partition) for topic in topics]
    async with make_consumer(brokers, fetch_max_wait_ms=FETCH_WAIT_MS) as consumer:
        found = await read_spans(consumer, await whole_spans(consumer, wanted))
    return {partition.topic: records for partition, records in found.items()}


async def committed_offsets(admin: AIOKafkaAdminClient, kafka: KafkaConfig) -> dict[int, int]:
    """Offsets of the log that the workers have committed, by partition; where there are any.

    None also where the cluster does not know it now: a broker that was away knows no others
    yet, and makes the topic of commits when the first group asks for it.
    """
    group, topic = worker_app_id(kafka.topic_prefix), input_log(kafka.topic_prefix)
    found: dict[Any, Any] = {}
    try:
        found = await admin.list_consumer_group_offsets(group)
    except KafkaError as error:
        if not error.retriable:
            raise
    return {tp.partition: each.offset for tp, each in found.items() if tp.topic == topic}


async def log_ends(kafka: KafkaConfig) -> dict[int, int]:
    """Ends of the partitions of the log."""
    topic = input_log(kafka.topic_prefix)
    partitions = [TopicPartition(topic, each) for each in range(kafka.partitions)]
    async with make_consumer(kafka.brokers) as consumer:
        ends = await consumer.end_offsets(partitions)
    return {each.partition: end for each, end in ends.items()}
