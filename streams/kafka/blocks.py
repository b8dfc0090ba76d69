"""A block of a partition, read whole; for whoever reads a topic from its end backwards."""

from __future__ import annotations

import time
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

FETCH_MS = 1_000
SILENCE_SECONDS = 30.0


async def read_block(
    consumer: AIOKafkaConsumer, place: TopicPartition, low: int, high: int
) -> list[Any]:
    """Messages with low <= offset < high, in order; not every offset need have one.

    Parameters
    ----------
    consumer
        Started, and reads what is committed; it is assigned to the partition alone.

    Raises
    ------
    KafkaError
        When the broker does not answer.
    """
    consumer.assign([place])
    consumer.seek(place, low)
    found: list[Any] = []
    heard, reached = time.monotonic(), low
    while (position := await consumer.position(place)) < high:
        if position > reached:
            # Also by what holds no record: markers of transactions, and what was aborted.
            heard, reached = time.monotonic(), position
        records = (await consumer.getmany(place, timeout_ms=FETCH_MS)).get(place, [])
        if records:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_SECONDS:
            raise KafkaTimeoutError(f"nothing came of {place.topic} for {SILENCE_SECONDS:.0f} s")
        found.extend(record for record in records if record.offset < high)
    return found
