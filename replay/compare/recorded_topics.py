"""Events of the output topics of a cluster, read to where they ended when that began.

No group, no commit: assign, seek to the beginning, stop at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from heapq import heapify, heappop, heapreplace
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from tapeline.replay.compare.covered import covered, input_checksums, log_again
from tapeline.replay.compare.recorded import (
    NO_SEQ,
    Coverage,
    Entry,
    RecordedError,
    entry_of,
)
from tapeline.replay.results.catalogue import find_run
from tapeline.replay.sources.opening import is_corrected
from tapeline.replay.sources.protocol import LogSource
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.event_types import Registry
from tapeline.schemas.ids import parsed_id
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import topic_of
from tapeline.streams.kafka.connection import admin_client, make_consumer, plain_errors
from tapeline.streams.kafka.reading import SpanReader, Spans, whole_spans

FETCH_RECORDS = 2_000


class RecordedTopics:
    """The output topics of one prefix; see `replay.compare.recorded.Recorded`.

    Events of several partitions come in order of the greatest CreateTime so far in their
    partition, then partition: as near to the order of a replay as messages allow.

    Parameters
    ----------
    name
        As it was named.
    prefix
        First part of the names of the topics.
    run_id
        Of a run; its manifest names the records it covers. None: topics of workers.

    Attributes
    ----------
    duplicates
        Messages that were dropped because their seq had been seen: a worker that was killed sends
        the same again.
    manifest
        Of a complete run, once it was opened; otherwise None.
    spread_over
        See `Recorded`; known once it was opened.
    incomplete
        Whether it is a run without a manifest: nothing names the records it covers.
    """

    compacted = True
    partitions_known = True

    def __init__(
        self,
        name: str,
        brokers: Brokers,
        prefix: str,
        config: Config,
        run_id: str | None = None,
        registry: Registry = EVENTS,
    ) -> None:
        self._registry = registry
        self.name = name
        self.stretch = Coverage()
        self.duplicates = 0
        self.manifest: dict[str, Any] | None = None
        self.incomplete = False
        self.spread_over = 1
        self._brokers = brokers
        self._prefix = prefix
        self._config = config
        self._run_id = run_id
        self._spans: Spans = {}
        self._stack = AsyncExitStack()

    @property
    def inputs(self) -> list[str] | None:
        """SHA-256 of the files of a run, where it was made from files."""
        return None if self.manifest is None else input_checksums(self.manifest)

    @property
    def configuration(self) -> str | None:
        """Hash of the configuration of a run; what workers had is not known."""
        return None if self.manifest is None else str(self.manifest["config_hash"])

    @property
    def corrected(self) -> bool:
        """Whether they are of a run as corrected; workers take the order of the log."""
        return self.manifest is not None and is_corrected(self.manifest)

    def remarks(self) -> list[str]:
        """What was sent twice, and whether its records are known."""
        found = []
        if self.incomplete:
            found.append(f"{self.name} is incomplete: no manifest names the records it covers")
        if self.duplicates:
            found.append(f"{self.name}: {self.duplicates} messages sent again were dropped by seq")
        return found

    async def __aenter__(self) -> RecordedTopics:
        wanted = {
            topic_of(kind, self._prefix, self._registry)
            for kind in (*self._registry.folded, *self._registry.hosted)
        }
        async with plain_errors(self._brokers, f"reading the topics of {self._prefix}"):
            async with admin_client(self._brokers) as admin:
                found = {
                    each["topic"]: len(each["partitions"])
                    for each in await admin.describe_topics()
                    if each["topic"] in wanted
                }
            if not found:
                raise RecordedError(
                    f"{self.name}: {self._brokers} has no topics {self._prefix}.*.v1"
                )
            if self._run_id is not None:
                await self._read_manifest(self._run_id, max(found.values()))
            partitions = [
                TopicPartition(topic, number)
                for topic, count in found.items()
                for number in range(count)
            ]
            consumer = await self._start_consumer()
            self._spans = await whole_spans(consumer, partitions)
        return self

    async def _read_manifest(self, run_id: str, partitions: int) -> None:
        run = await find_run(run_id, self._config.kafka.topic_prefix, self._brokers)
        self.manifest, self.incomplete = run.manifest, run.manifest is None
        if run.manifest is not None:
            self.stretch, _ = covered(run.manifest, self._config, self.name)
            if run.manifest["source"]["kind"] != "topic":
                # Files have one partition; what comes of them lies where a worker would put it.
                self.spread_over = partitions

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start_consumer(self) -> Any:
        consumer = make_consumer(self._brokers, auto_offset_reset="none")
        await consumer.start()
        self._stack.push_async_callback(consumer.stop)
        return consumer

    def file(self, kind: str) -> tuple[Path, int] | None:
        """No file."""
        return None

    def log(self) -> LogSource:
        """The log that the worker, or the run, read."""
        if self.manifest is not None:
            return log_again(self.manifest, self._config, self._brokers, self.name)
        prefix = self._prefix if self._run_id is None else self._config.kafka.topic_prefix
        return TopicSource(self._brokers, prefix, config=self._config)

    async def batches(self, kind: str) -> AsyncIterator[list[Entry]]:
        """Messages of the topic of a type; see `Recorded`."""
        topic = topic_of(kind, self._prefix, self._registry)
        spans = {
            partition: (begin, end)
            for partition, (begin, end) in self._spans.items()
            if partition.topic == topic and begin < end
        }
        if not spans:
            return
        async with plain_errors(self._brokers, f"reading {topic}"):
            consumer = await self._start_consumer()
            reader = _EventReader(consumer, spans)
            while not reader.done:
                await reader.fetch()
                if batch := reader.take():
                    yield batch
            self.duplicates += reader.duplicates
            await consumer.stop()


class _EventReader:
    """Partitions of one topic on their way into one order."""

    def __init__(self, consumer: Any, spans: Spans) -> None:
        self.duplicates = 0
        self._consumer = consumer
        self._reader = SpanReader(consumer, spans, FETCH_RECORDS)
        self._queues: dict[TopicPartition, list[tuple[int, Entry]]] = {
            each: [] for each in sorted(spans)
        }
        self._seen = dict.fromkeys(spans, NO_SEQ)
        self._reached = dict.fromkeys(spans, FAR_PAST_MS)

    @property
    def done(self) -> bool:
        """Whether everything was taken."""
        return not self._reader.open and not any(self._queues.values())

    async def fetch(self) -> None:
        """More of the partitions that hold the order up; the others wait."""
        for partition in self._reader.open:
            # What is ahead of the others waits in the broker, not here.
            if self._queues[partition]:
                self._consumer.pause(partition)
            else:
                self._consumer.resume(partition)
        for partition, messages in (await self._reader.fetch()).items():
            for message in messages:
                self._add(partition, message)

    def _add(self, partition: TopicPartition, message: Any) -> None:
        entry = _entry(message)
        if NO_SEQ < entry.seq <= self._seen[partition]:
            self.duplicates += 1
            return
        self._seen[partition] = max(self._seen[partition], entry.seq)
        self._reached[partition] = max(self._reached[partition], message.timestamp)
        self._queues[partition].append((self._reached[partition], entry))

    def take(self) -> list[Entry]:
        """What is certain to be next."""
        queues = self._queues
        if any(not queues[partition] for partition in self._reader.open):
            return []
        heads = [(queue[0][0], each.partition, 0, queue) for each, queue in queues.items() if queue]
        waiting = {each.partition for each in self._reader.open}
        heapify(heads)
        out = []
        taken: dict[int, int] = {}
        while heads:
            _, partition, at, queue = heads[0]
            out.append(queue[at][1])
            taken[partition] = at = at + 1
            if at < len(queue):
                heapreplace(heads, (queue[at][0], partition, at, queue))
            elif partition in waiting:
                break
            else:
                heappop(heads)
        for each, queue in queues.items():
            del queue[: taken.get(each.partition, 0)]
        return out


def _entry(message: Any) -> Entry:
    """The event of a message.

    Raises
    ------
    RecordedError
        When it is none, or key and headers do not agree with its value.
    """
    where = f"{message.topic}/{message.partition}/{message.offset}"
    headers = {name: value.decode() for name, value in message.headers}
    if message.key is None:
        raise RecordedError(f"{where}: has no key")
    fact_id = message.key.decode()
    if message.value is None:
        if not {"seq", "rev", "type"} <= headers.keys():
            raise RecordedError(f"{where}: a tombstone without seq, rev and type")
        return Entry(
            message.partition,
            int(headers["seq"]),
            fact_id,
            int(headers["rev"]),
            message.timestamp,
            _symbol_of(fact_id, where),
            None,
            True,
            headers,
            message.timestamp,
        )
    entry = entry_of(message.value, message.partition, where)
    expected = {"seq": str(entry.seq), "rev": str(entry.rev)}
    if headers.get("type") == "reject":
        # Of dead letters the time is that of writing, and there is no seq.
        return entry
    if entry.id != fact_id or any(headers.get(name) != text for name, text in expected.items()):
        raise RecordedError(f"{where}: key {fact_id} and headers {headers} are not of its value")
    return entry._replace(headers=headers, time_ms=message.timestamp)


def _symbol_of(fact_id: str, where: str) -> str:
    try:
        return parsed_id(fact_id).name
    except ValueError as error:
        raise RecordedError(f"{where}: {error}") from error
