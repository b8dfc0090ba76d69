"""Writes what chunks leave, in the order that survives a kill, while the next ones are folded.

1. outputs, then snapshots, all acknowledged; 2. changed state and checkpoint in the changelog, one
record batch, acknowledged; 3. the same in the local store; 4. the chunk is done, its source offset
may be committed. A kill before 2 repeats the same bytes, a kill after 2 is skipped on repetition.

All that is promised is promised within a partition: steps of one go one after the other, those of
different partitions wait for their acknowledgements at the same time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from tapeline.schemas.errors import InternalError
from tapeline.streams.kafka.connection import error_text
from tapeline.streams.outputs.messages import EventMessage
from tapeline.streams.worker.exits import ForeignWriterError, NotWrittenError, ZombieGuard
from tapeline.streams.worker.fold import FoldStep
from tapeline.streams.worker.metrics import WorkerMetrics
from tapeline.streams.worker.state.records import Pair, batches, new_identity

STEPS_IN_HAND = 12
"""As many partitions wait for their acknowledgements at the same time."""
SNAPSHOT_BYTES_A_PERMIT = 1_000_000
"""A step takes a permit more for each of these that its snapshots have."""
OUTPUT_BATCH_BYTES = 900_000
CHANGELOG_BYTES = 15 * 1_048_576
"""Least of what the changelog accepts (16 MiB), with room for the frame."""


class StepBytesError(InternalError):
    """A message that no batch takes."""


@contextmanager
def writing_to(topic: str, partition: int) -> Iterator[None]:
    """Turn what the client raises into a `NotWrittenError`."""
    try:
        yield
    except KafkaError as error:
        raise NotWrittenError(
            topic, f"{topic} partition {partition} cannot be written ({error_text(error)})"
        ) from error


class StateWriter(Protocol):
    """Where state goes after the changelog has it."""

    def write(self, partition: int, pairs: Iterable[Pair], changelog_offset: int) -> None:
        """Write at once."""
        ...

    def next_changelog_offset(self, partition: int) -> int:
        """Where the changelog ended when the state was read."""
        ...


class OutputBatch(BatchBuilder):  # type: ignore[misc]
    """A record batch that takes messages by the list, for half of what single appends cost."""

    def fill(self, messages: list[EventMessage], start: int) -> int:
        """Append messages from an index on; how many were taken before it was full."""
        append = self._builder.append
        number = 0
        for timestamp_ms, key, value, headers in messages[start:]:
            if append(number, timestamp_ms, key, value, headers) is None:
                break
            number += 1
        self._relative_offset = number
        self.close()
        return number


class Work:
    """A step on its way.

    Parameters
    ----------
    handed_at
        When its chunk was handed out.
    owned_at
        When its partition last was certainly ours.
    done
        Called when all is written.
    live
        It came when there was no backlog: all messages being sent go before its state.
    """

    __slots__ = ("done", "handed_at", "live", "owned_at", "step")

    def __init__(
        self,
        step: FoldStep,
        handed_at: float,
        owned_at: Callable[[], float],
        done: Callable[[], None],
        live: bool = False,
    ) -> None:
        self.step = step
        self.handed_at = handed_at
        self.owned_at = owned_at
        self.done = done
        self.live = live


class Committer:
    """Takes steps in the order of their chunks, a line for each partition.

    Parameters
    ----------
    producer
        Idempotent, acks of all replicas.
    changelog, snapshots
        Names of these topics.
    pause
        Awaited before each stage; tests put random waits there.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        changelog: str,
        snapshots: str,
        store: StateWriter,
        guard: ZombieGuard,
        metrics: WorkerMetrics,
        pause: Callable[[], Any] | None = None,
    ) -> None:
        self._producer = producer
        self._changelog = changelog
        self._snapshots = snapshots
        self._store = store
        self._guard = guard
        self._metrics = metrics
        self._pause = pause
        self._room = asyncio.Semaphore(STEPS_IN_HAND)
        self._lines: dict[int, deque[Work]] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends: dict[int, int] = {}
        self._sending = 0
        self._idle = asyncio.Event()

    async def put(self, work: Work) -> None:
        """Queue a step; waits while too many are in hand."""
        for _ in range(_permits(work.step)):
            await self._room.acquire()
        partition = work.step.partition
        line = self._lines.get(partition)
        if line is not None:
            line.append(work)
            return
        self._lines[partition] = deque([work])
        task = asyncio.create_task(self._write_line(partition), name=f"committer-{partition}")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def forget(self) -> None:
        """All partitions were taken away, after all their steps were written."""
        self._ends.clear()

    async def run(self) -> None:
        """Wait until a step cannot be written; nothing is written any more when this ends.

        Raises
        ------
        Exception
            Whatever went wrong: the process must not go on.
        """
        try:
            await self._failure
        finally:
            for task in self._writing:
                task.cancel()

    async def _write_line(self, partition: int) -> None:
        line = self._lines[partition]
        try:
            while line:
                await self.commit(line[0])
                for _ in range(_permits(line.popleft().step)):
                    self._room.release()
        except Exception as error:
            # The line stays: what follows a step that was not written must not be written.
            if not self._failure.done():
                self._failure.set_exception(error)
            return
        del self._lines[partition]

    async def commit(self, work: Work) -> None:
        """Write one step: all four stages."""
        step = work.step
        await self._pause_for_tests()
        self._guard.check(work.owned_at())
        try:
            self._sending += 1
            self._idle.clear()
            await self._send_outputs(step.partition, step.outputs)
            self._sending -= 1
            if self._sending == 0:
                self._idle.set()
            if work.live:
                await self._idle.wait()
            # One after the other: all of a market at one instant are as much as all that is held.
            while messages := step.state.snapshot():
                await self._pause_for_tests()
                await self._send_outputs(step.partition, {self._snapshots: messages})
            await self._pause_for_tests()
            self._guard.check(work.owned_at())
            await self._send_state(step)
        except Exception:
            self._metrics.send_errors += 1
            raise
        await self._pause_for_tests()
        work.done()
        self._metrics.records += step.records
        self._metrics.chunk_seconds.observe(self._guard.now() - work.handed_at)

    async def _send_outputs(self, partition: int, outputs: dict[str, list[EventMessage]]) -> None:
        acknowledged = []
        for topic, messages in outputs.items():
            for builder in self._builders(messages):
                with writing_to(topic, partition):
                    sent = await self._producer.send_batch(builder, topic, partition=partition)
                acknowledged.append((topic, sent))
                self._metrics.batches[topic] += 1
            self._metrics.messages[topic] += len(messages)
        for topic, sent in acknowledged:
            with writing_to(topic, partition):
                await sent

    def _builders(self, messages: list[EventMessage]) -> Iterable[BatchBuilder]:
        taken = 0
        while taken < len(messages):
            builder = OutputBatch(OUTPUT_BATCH_BYTES, 0)
            count = builder.fill(messages, taken)
            if count == 0:
                raise StepBytesError(f"message {messages[taken].key!r} fits into no batch")
            taken += count
            yield builder

    async def _send_state(self, step: FoldStep) -> None:
        for pairs in batches(step.state.changes(), step.checkpoint(), CHANGELOG_BYTES):
            if self._end(step.partition) == 0:
                # Distinguishes this partition from one of the same name; compaction keeps it first.
                pairs.insert(0, new_identity())
            builder = BatchBuilder(CHANGELOG_BYTES + 1_048_576, 0)
            for key, value in pairs:
                builder.append(timestamp=None, key=key, value=value)
                self._metrics.state_bytes.observe(len(value))
            with writing_to(self._changelog, step.partition):
                sent = await self._producer.send_batch(
                    builder, self._changelog, partition=step.partition
                )
                first = (await sent).offset
            await self._pause_for_tests()
            last = first + len(pairs) - 1
            self._check_end(step.partition, first, last)
            self._metrics.messages[self._changelog] += len(pairs)
            self._metrics.batches[self._changelog] += 1
            self._store.write(step.partition, pairs, last)

    def _end(self, partition: int) -> int:
        """Where the changelog ends as far as we know."""
        known = self._ends.get(partition)
        return self._store.next_changelog_offset(partition) if known is None else known

    def _check_end(self, partition: int, first: int, last: int) -> None:
        """The batch follows what we know: else our store would leave out what lies between."""
        expected = self._end(partition)
        if first != expected:
            raise ForeignWriterError(
                f"{self._changelog} partition {partition}: our batch came to offset {first}, not "
                f"{expected}: another worker writes there too, or one that was replaced has woken. "
                "This process ends; start it again"
            )
        self._ends[partition] = last + 1

    async def _pause_for_tests(self) -> None:
        if self._pause is not None:
            await self._pause()


def _permits(step: FoldStep) -> int:
    return min(1 + step.snapshot_bytes // SNAPSHOT_BYTES_A_PERMIT, STEPS_IN_HAND)
