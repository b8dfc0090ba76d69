"""Feeds the log of a drill, at an even rate, until a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from itertools import islice

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.topics import input_log
from tapeline.streams.drill.books import Sent
from tapeline.streams.kafka.writer import BatchWriter, batch_producer, stop_producer

TICK_S = 0.05


class Feeder:
    """Appends records to the partitions of the log, one tick after the other.

    Attributes
    ----------
    sent
        Records acknowledged until now.
    """

    def __init__(
        self, kafka: KafkaConfig, logs: Mapping[int, Iterator[Sent]], records_per_s: float
    ) -> None:
        self.sent = 0
        self._kafka = kafka
        self._logs = logs
        self._per_partition_s = records_per_s / len(logs)

    async def run(self, until: float) -> None:
        """Append until a time (monotonic).

        Raises
        ------
        KafkaError
            When the broker does not take it.
        """
        producer = batch_producer(self._kafka.brokers)
        try:
            await producer.start()
            writer = BatchWriter(producer, input_log(self._kafka.topic_prefix))
            began, given = time.monotonic(), 0
            while (now := time.monotonic()) < until:
                due = int((now - began) * self._per_partition_s) - given
                given += due
                await self._append(writer, due)
                await asyncio.sleep(TICK_S)
        finally:
            await stop_producer(producer)

    async def _append(self, writer: BatchWriter, each: int) -> None:
        appended = 0
        for partition, log in self._logs.items():
            for key, value, time_ms in islice(log, each):
                await writer.add(partition, key, value, time_ms)
                appended += 1
        await writer.drain()
        self.sent += appended
