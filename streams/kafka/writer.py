"""Messages into topics in whole batches, with a bounded number on their way."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from tapeline.schemas.config.security import Brokers
from tapeline.streams.kafka.connection import make_producer

BATCH_BYTES = 900_000
REQUEST_TIMEOUT_MS = 30_000
IDLE_SECONDS = 30.0
STOP_SECONDS = 5.0
ON_THEIR_WAY = 32

Header = tuple[str, bytes]
NO_HEADERS: list[Header] = []


def batch_producer(brokers: Brokers) -> AIOKafkaProducer:
    """A producer of whole batches, not started; see `make_producer`."""
    return make_producer(
        brokers,
        max_batch_size=BATCH_BYTES,
        max_request_size=4 * BATCH_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer, even if its broker is gone: left alone, it would repeat its last batches."""
    try:
        await asyncio.wait_for(producer.stop(), STOP_SECONDS)
    except TimeoutError:
        await producer.client.close()


class BatchWriter:
    """Appends messages to one topic, in order within each partition.

    It gives up when the broker does not answer: an idempotent producer by itself repeats for ever.

    Parameters
    ----------
    first
        Awaited before anything is sent: what must be safe before it.
    idle_s
        Seconds without acknowledgement after which a batch is given up.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        first: Callable[[], Awaitable[None]] | None = None,
        idle_s: float = IDLE_SECONDS,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._first = first
        self._idle_s = idle_s
        self._filling: dict[int, Any] = {}
        self._sent: deque[tuple[asyncio.Future[Any], float]] = deque()

    async def add(
        self,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        time_ms: int | None,
        headers: list[Header] = NO_HEADERS,
    ) -> None:
        """Append one message; a batch that is full goes out.

        Raises
        ------
        KafkaError
            When an earlier batch was not taken.
        """
        batch = self._filling.get(partition)
        if batch is None:
            batch = self._filling[partition] = self._producer.create_batch()
        if batch.append(timestamp=time_ms, key=key, value=value, headers=headers) is None:
            await self._send(partition)
            batch = self._filling[partition] = self._producer.create_batch()
            # A batch takes any first message: whether it is too large, the broker decides.
            batch.append(timestamp=time_ms, key=key, value=value, headers=headers)

    async def flush(self) -> None:
        """Send what waits, without waiting until it has arrived."""
        for partition in list(self._filling):
            await self._send(partition)

    async def drain(self) -> None:
        """Send what waits, and wait until all of it is acknowledged."""
        await self.flush()
        while self._sent:
            await self._oldest()

    async def _send(self, partition: int) -> None:
        if self._first is not None:
            await self._first()
        batch = self._filling.pop(partition)
        batch.close()
        sent = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._sent.append((sent, time.monotonic()))
        while len(self._sent) > ON_THEIR_WAY or (self._sent and self._finished(*self._sent[0])):
            await self._oldest()

    def _finished(self, sent: asyncio.Future[Any], at_s: float) -> bool:
        return sent.done() or time.monotonic() - at_s > self._idle_s

    async def _oldest(self) -> None:
        """Wait for the oldest batch on its way."""
        sent, at_s = self._sent[0]
        left_s = max(0.0, at_s + self._idle_s - time.monotonic())
        # Not `wait_for`: a batch that was given up must not be cancelled under its sender.
        await asyncio.wait([sent], timeout=left_s)
        if not sent.done():
            raise KafkaTimeoutError(f"{self._topic}: nothing acknowledged in {self._idle_s} s")
        self._sent.popleft()
        sent.result()
