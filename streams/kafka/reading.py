"""Partitions read from one offset to another: what ends, where it ended when that began."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

FETCH_MS = 500
IDLE_SECONDS = 30.0

Spans = Mapping[TopicPartition, tuple[int, int]]
"""First offset, inclusive, and end, exclusive, by partition."""


async def whole_spans(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> Spans:
    """The spans of partitions as they are now: from what is kept to what is committed."""
    begins = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    return {partition: (begins[partition], ends[partition]) for partition in partitions}


class SpanReader:
    """Reads spans of partitions, side by side. No group, and nothing is committed.

    Whether a span is read follows from the position: compaction leaves no message at
    an end, and markers of transactions, or what was aborted, are none.

    Parameters
    ----------
    consumer
        Started, and reads what is committed. It is assigned to these partitions alone.
    spans
        Not every offset of them need have a message; those without an offset are not read.
    most_records
        Messages that one fetch takes; None: what has come.
    idle_s
        Seconds without any progress after which reading fails; None: it waits for the broker.

    Attributes
    ----------
    open
        Partitions that are not read to their end, and were not left.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        spans: Spans,
        most_records: int | None = None,
        idle_s: float | None = IDLE_SECONDS,
    ) -> None:
        self.open = {partition for partition, (begin, end) in spans.items() if begin < end}
        self._consumer = consumer
        self._ends = {partition: spans[partition][1] for partition in self.open}
        self._reached = {partition: spans[partition][0] for partition in self.open}
        self._most_records = most_records
        self._idle_s = idle_s
        consumer.assign(self.open)
        # At once, so that nothing looks for a position of its own in between.
        for partition, begin in self._reached.items():
            consumer.seek(partition, begin)
        self._heard = time.monotonic()

    def leave(self, partition: TopicPartition) -> None:
        """Read no more of a partition."""
        self.open.discard(partition)
        self._consumer.pause(partition)

    async def fetch(self) -> dict[TopicPartition, list[Any]]:
        """Messages that have come, in order within each partition; soon, or none.

        Raises
        ------
        KafkaError
            When the broker does not answer.
        """
        if not self.open:
            return {}
        fetched = await self._consumer.getmany(
            *self.open, timeout_ms=FETCH_MS, max_records=self._most_records
        )
        found = {
            partition: [record for record in records if record.offset < self._ends[partition]]
            for partition, records in fetched.items()
        }
        moved = bool(fetched)
        for partition in list(self.open):
            position = await self._consumer.position(partition)
            moved = moved or position > self._reached[partition]
            self._reached[partition] = position
            if position >= self._ends[partition]:
                self.leave(partition)
        if moved:
            self._heard = time.monotonic()
        elif self._idle_s is not None and time.monotonic() - self._heard > self._idle_s:
            topics = ", ".join(sorted({partition.topic for partition in self.open}))
            raise KafkaTimeoutError(f"nothing came of {topics} for {self._idle_s:.0f} s")
        return found


async def read_spans(consumer: AIOKafkaConsumer, spans: Spans) -> dict[TopicPartition, list[Any]]:
    """All messages of spans, in order within each partition; see `SpanReader`.

    Raises
    ------
    KafkaError
        When the broker does not answer.
    """
    found: dict[TopicPartition, list[Any]] = {partition: [] for partition in spans}
    reader = SpanReader(consumer, spans)
    while reader.open:
        for partition, records in (await reader.fetch()).items():
            found[partition] += records
    return found


async def read_block(
    consumer: AIOKafkaConsumer, partition: TopicPartition, low: int, high: int
) -> list[Any]:
    """Messages of one partition with low <= offset < high; see `read_spans`."""
    return (await read_spans(consumer, {partition: (low, high)}))[partition]
