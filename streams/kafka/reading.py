"""Partitions read from one offset to another: what ends, where it ended when that began."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

FETCH_MS = 500
SILENCE_SECONDS = 30.0

Spans = Mapping[TopicPartition, tuple[int, int]]
"""First offset, inclusive, and end, exclusive, by partition."""


async def whole_spans(consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> Spans:
    """The spans of partitions as they are now: from what is kept to what is committed."""
    begins = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    return {place: (begins[place], ends[place]) for place in places}


class SpanReader:
    """Reads spans of partitions, side by side. No group, and nothing is committed.

    Whether a span is read the position tells, not the last message: compaction leaves no message at
    an end, and markers of transactions, or what was aborted, are none.

    Parameters
    ----------
    consumer
        Started, and reads what is committed. It is assigned to these partitions alone.
    spans
        Not every offset of them need have a message; those without an offset are not read.
    most_records
        Messages that one fetch takes; None: what has come.
    silence_s
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
        silence_s: float | None = SILENCE_SECONDS,
    ) -> None:
        self.open = {place for place, (begin, end) in spans.items() if begin < end}
        self._consumer = consumer
        self._ends = {place: spans[place][1] for place in self.open}
        self._reached = {place: spans[place][0] for place in self.open}
        self._most_records = most_records
        self._silence_s = silence_s
        consumer.assign(self.open)
        # At once, so that nothing looks for a position of its own in between.
        for place, begin in self._reached.items():
            consumer.seek(place, begin)
        self._heard = time.monotonic()

    def leave(self, place: TopicPartition) -> None:
        """Read no more of a partition."""
        self.open.discard(place)
        self._consumer.pause(place)

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
            place: [record for record in records if record.offset < self._ends[place]]
            for place, records in fetched.items()
        }
        moved = bool(fetched)
        for place in list(self.open):
            position = await self._consumer.position(place)
            moved = moved or position > self._reached[place]
            self._reached[place] = position
            if position >= self._ends[place]:
                self.leave(place)
        if moved:
            self._heard = time.monotonic()
        elif self._silence_s is not None and time.monotonic() - self._heard > self._silence_s:
            topics = ", ".join(sorted({place.topic for place in self.open}))
            raise KafkaTimeoutError(f"nothing came of {topics} for {self._silence_s:.0f} s")
        return found


async def read_spans(consumer: AIOKafkaConsumer, spans: Spans) -> dict[TopicPartition, list[Any]]:
    """All messages of spans, in order within each partition; see `SpanReader`.

    Raises
    ------
    KafkaError
        When the broker does not answer.
    """
    found: dict[TopicPartition, list[Any]] = {place: [] for place in spans}
    reader = SpanReader(consumer, spans)
    while reader.open:
        for place, records in (await reader.fetch()).items():
            found[place] += records
    return found


async def read_block(
    consumer: AIOKafkaConsumer, place: TopicPartition, low: int, high: int
) -> list[Any]:
    """Messages of one partition with low <= offset < high; see `read_spans`."""
    return (await read_spans(consumer, {place: (low, high)}))[place]
