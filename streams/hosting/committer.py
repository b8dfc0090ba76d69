"""Writes what a book leaves, in the order that survives a kill.

1. outputs, all acknowledged; 2. changed state with the offsets of the log, one record batch,
acknowledged. A kill before 2 repeats the same bytes; a kill after 2 goes on behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from tapeline.schemas.config.security import Brokers
from tapeline.streams.hosting.metrics import HostMetrics
from tapeline.streams.hosting.state import BATCH_BYTES, StatePair
from tapeline.streams.kafka.connection import make_producer
from tapeline.streams.kafka.writer import REQUEST_TIMEOUT_MS
from tapeline.streams.outputs.messages import EventMessage
from tapeline.streams.worker.committer import (
    OUTPUT_BATCH_BYTES,
    OutputBatch,
    StepBytesError,
    writing_to,
)
from tapeline.streams.worker.exits import ForeignWriterError, NotWrittenError

FRAME_BYTES = 1_048_576
WRITE_S = 30.0
"""Nothing acknowledged for so long: an idempotent producer by itself repeats for ever."""


def host_producer(brokers: Brokers, client_id: str) -> AIOKafkaProducer:
    """A producer for outputs and states, not started."""
    return make_producer(
        brokers,
        client_id=client_id,
        max_batch_size=OUTPUT_BATCH_BYTES,
        max_request_size=BATCH_BYTES + 2 * FRAME_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


class BookCommitter:
    """Writes the steps of one book, one after the other.

    Parameters
    ----------
    partition
        The number of the book.
    end
        Where the topic of states ended when the state was read.
    confirm
        Returns when the book is certainly this process's, or raises.
    pause
        Awaited before each stage; tests put random waits there.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        states: str,
        partition: int,
        end: int,
        confirm: Callable[[], Awaitable[None]],
        metrics: HostMetrics,
        pause: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._producer = producer
        self._states = states
        self._partition = partition
        self._end = end
        self._confirm = confirm
        self._metrics = metrics
        self._pause = pause

    @property
    def end(self) -> int:
        """Where the topic of states ends, if no other process wrote to it."""
        return self._end

    async def commit(
        self,
        outputs: Mapping[str, Sequence[EventMessage]],
        pairs: Sequence[StatePair],
    ) -> None:
        """Write one step.

        Raises
        ------
        ZombieError
            When the book may be another's: nothing more is written.
        ForeignWriterError
            When another process wrote the state of the book meanwhile.
        NotWrittenError
            When the broker does not take it.
        """
        await self._pause_for_tests()
        await self._confirm()
        try:
            await self._send_outputs(outputs)
            await self._pause_for_tests()
            await self._confirm()
            await self._send_state(pairs)
        except Exception:
            self._metrics.send_errors += 1
            raise
        await self._pause_for_tests()

    async def _send_outputs(self, outputs: Mapping[str, Sequence[EventMessage]]) -> None:
        on_their_way = []
        for topic, messages in outputs.items():
            for builder in _batches(messages):
                on_their_way.append((topic, await self._send(topic, builder)))
            self._metrics.messages[topic] += len(messages)
        for topic, sent in on_their_way:
            await self._acknowledged(topic, sent)

    async def _send_state(self, pairs: Sequence[StatePair]) -> None:
        builder = BatchBuilder(BATCH_BYTES + FRAME_BYTES, 0)
        for key, value in pairs:
            builder.append(timestamp=None, key=key, value=value)
            self._metrics.state_bytes.observe(len(value))
        sent = await self._send(self._states, builder)
        first = await self._acknowledged(self._states, sent)
        if first.offset != self._end:
            raise ForeignWriterError(
                f"{self._states} partition {self._partition}: our batch came to offset"
                f" {first.offset}, not {self._end}: another host writes there too, or one that"
                " was replaced has woken. This process ends; start it again"
            )
        self._end += len(pairs)
        self._metrics.messages[self._states] += len(pairs)

    async def _send(self, topic: str, builder: BatchBuilder) -> Any:
        with writing_to(topic, self._partition):
            try:
                async with asyncio.timeout(WRITE_S):
                    return await self._producer.send_batch(
                        builder, topic, partition=self._partition
                    )
            except TimeoutError as error:
                raise self._unanswered(topic) from error

    async def _acknowledged(self, topic: str, sent: asyncio.Future[Any]) -> Any:
        # Not `wait_for`: a batch that was given up must not be cancelled under its sender.
        await asyncio.wait([sent], timeout=WRITE_S)
        if not sent.done():
            raise self._unanswered(topic)
        with writing_to(topic, self._partition):
            return sent.result()

    def _unanswered(self, topic: str) -> NotWrittenError:
        return NotWrittenError(
            topic,
            f"{topic} partition {self._partition} cannot be written (nothing acknowledged in"
            f" {WRITE_S:.0f} s)",
        )

    async def _pause_for_tests(self) -> None:
        if self._pause is not None:
            await self._pause()


def _batches(messages: Sequence[EventMessage]) -> Iterator[BatchBuilder]:
    rest = list(messages)
    taken = 0
    while taken < len(rest):
        builder = OutputBatch(OUTPUT_BATCH_BYTES, 0)
        count = builder.fill(rest, taken)
        if count == 0:
            raise StepBytesError(f"message {rest[taken].key!r} fits into no batch")
        taken += count
        yield builder
