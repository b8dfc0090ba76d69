"""The input log of a cluster as a source: read without a group, bounded, nothing committed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from tapeline.replay.sources.items import Extent, LogItem
from tapeline.replay.sources.order import LiveOrder, TotalOrder
from tapeline.replay.sources.protocol import (
    FETCH_RECORDS,
    LogMissingError,
    StateBound,
    StoredStates,
)
from tapeline.replay.sources.snapshots import SnapshotReader
from tapeline.schemas.codec import CodecError, RecordDecoder
from tapeline.schemas.config.model import Config, built_in_config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.events import Reject
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import LogRecord
from tapeline.schemas.topics import input_log, snapshot_topic
from tapeline.streams.kafka.connection import admin_client, make_consumer, plain_errors
from tapeline.streams.kafka.raw_records import Chunk, raw_records, split
from tapeline.streams.kafka.shown import Shown
from tapeline.streams.kafka.stamps import Stamps
from tapeline.streams.pipeline.refusals import Refusal, dead_letter

FETCH_MS = 500
MOST_WAITING = 20_000
"""Records of one partition held while others are behind."""
IDLE_SECONDS = 30.0


class LiveItems(NamedTuple):
    """Records of a log that goes on, in the total order.

    Attributes
    ----------
    slowest
        The partition that records which have come still wait for; None where none waits.
    """

    items: list[LogItem]
    slowest: int | None


class TopicSource:
    """The topic of bars of a cluster; see `replay.sources.protocol.LogSource`.

    Parameters
    ----------
    brokers
        Addresses of the brokers.
    prefix
        First part of the names of the topics.
    fetch_records
        Most records taken from the client at once; the results do not depend on it.
    ends
        By partition, the end as it was found before; None: as it is on entering. The end is that of
        what is committed: what a transaction has written that is open then is not read.
    config
        What instants its records may have, and when their bars end; None: the built-in one.

    Raises
    ------
    BrokerError
        On entering, when the broker does not answer.
    LogMissingError
        On entering, when there is no such topic.
    """

    def __init__(
        self,
        brokers: Brokers,
        prefix: str,
        fetch_records: int = FETCH_RECORDS,
        ends: Mapping[int, int] | None = None,
        config: Config | None = None,
    ) -> None:
        self.topic = input_log(prefix)
        self.brokers = brokers
        self.extents: dict[int, Extent] = {}
        self.symbols: Collection[str] | None = None
        self._snapshots = snapshot_topic(prefix)
        self._fetch_records = fetch_records
        self._ends = {} if ends is None else ends
        self._config = built_in_config() if config is None else config
        self._cluster_id: str | None = None
        self._consumer: Any = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> TopicSource:
        async with plain_errors(self.brokers, f"reading {self.topic}"):
            async with admin_client(self.brokers) as admin:
                self._cluster_id = (await admin.describe_cluster())["cluster_id"]
                found = [
                    len(each["partitions"])
                    for each in await admin.describe_topics()
                    if each["topic"] == self.topic
                ]
            if not found:
                raise LogMissingError(
                    f"{self.topic}: not at {self.brokers}, or not for us to see;"
                    " make the topics by `tapeline topics create`"
                )
            self._consumer = await self._start_consumer()
            partitions = [TopicPartition(self.topic, number) for number in range(found[0])]
            begins = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
            self.extents = {
                topic_partition.partition: Extent(
                    begins[topic_partition],
                    self._ends.get(topic_partition.partition, ends[topic_partition]),
                )
                for topic_partition in partitions
            }
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start_consumer(self, **settings: Any) -> Any:
        consumer = make_consumer(
            self.brokers, auto_offset_reset="none", check_crcs=False, **settings
        )
        await consumer.start()
        self._stack.push_async_callback(consumer.stop)
        return consumer

    def partition_of(self, group: str) -> int:
        """Partition of a group, by the public helper."""
        return partition_for(group, len(self.extents))

    async def states(self, bound: StateBound, partitions: Collection[int]) -> StoredStates:
        """Those of the topic of snapshots."""
        async with plain_errors(self.brokers, f"reading {self._snapshots}"):
            consumer = await self._start_consumer(max_partition_fetch_bytes=4 << 20)
            return await SnapshotReader(consumer, self._snapshots).before(bound, partitions)

    async def read(
        self,
        starts: Mapping[int, int],
        follow: bool = False,
        shown: Mapping[int, int] | None = None,
    ) -> AsyncGenerator[list[LogItem], None]:
        """Records from the starts to the ends of the extents; see `LogSource.read`."""
        reader = self._reader(starts)
        async with plain_errors(self.brokers, f"reading {self.topic}"):
            reader.begin(starts, shown or {})
            while not reader.order.done:
                await reader.fetch()
                items = reader.order.take()
                if items:
                    yield items
            if follow:
                yield []
            while follow:
                yield await reader.arrivals()

    async def read_in_order(
        self, starts: Mapping[int, int], shown: Mapping[int, int]
    ) -> AsyncGenerator[LiveItems, None]:
        """Records from the starts on, without an end, in the total order throughout.

        A record waits until no partition can bring one that comes before it; see `LiveOrder`.

        Parameters
        ----------
        shown
            As in `LogSource.read`.

        Raises
        ------
        LogMissingError
            When offsets are missing.
        BrokerError
            When the broker fails; one that is away is waited for as the client does.
        """
        reader = self._reader(starts)
        async with plain_errors(self.brokers, f"reading {self.topic}"):
            reader.begin(starts, shown, live=True)
            while True:
                yield await reader.certain()

    def ends(self, partitions: Collection[int]) -> dict[int, int | None]:
        """Up to where partitions that are read can be read, as far as that is known."""
        consumer = self._consumer
        assigned = consumer.assignment()
        found: dict[int, int | None] = {}
        for each in partitions:
            partition = TopicPartition(self.topic, each)
            known = partition in assigned
            found[each] = consumer.last_stable_offset(partition) if known else None
        return found

    def _reader(self, starts: Mapping[int, int]) -> _RecordReader:
        for partition, start in starts.items():
            begin = self.extents[partition].begin
            if start < begin:
                raise LogMissingError(
                    f"{self.topic} partition {partition}: the replay needs the records from offset"
                    f" {start} on, the log begins at {begin}; begin later, or give an instant by"
                    " --from, --no-snapshots and --warmup-sessions"
                )
        return _RecordReader(
            self.topic, self._consumer, self.extents, self._fetch_records, self._config
        )

    def letter(self, item: LogItem, refusal: Refusal) -> Reject:
        """The dead letter as a worker writes it."""
        source = f"{self.topic}/{item.partition}/{item.offset}"
        return dead_letter(source, item.origin, refusal)

    def identity(self) -> dict[str, Any]:
        """Topic and cluster."""
        return {
            "kind": "topic",
            "topic": self.topic,
            "cluster_id": self._cluster_id,
            "partition_count": len(self.extents),
        }


class _RecordReader:
    """Partitions of the log on their way into the total order."""

    def __init__(
        self,
        topic: str,
        consumer: Any,
        extents: Mapping[int, Extent],
        fetch_records: int,
        config: Config,
    ) -> None:
        self._topic = topic
        self._consumer = consumer
        self._extents = extents
        self._fetch_records = fetch_records
        self._decode = RecordDecoder().decode
        self._stamps = Stamps(config)
        self._time = config.time
        self._raw: dict[int, Iterator[Chunk]] = {}
        self._next: dict[int, int] = {}
        self._shown: dict[int, Shown] = {}
        self._open: set[int] = set()
        self._heard = time.monotonic()

    def begin(
        self, starts: Mapping[int, int], shown: Mapping[int, int], live: bool = False
    ) -> None:
        """Take up the partitions; `shown` as in `LogSource.read`.

        Parameters
        ----------
        live
            None of them ends.
        """
        reached = {each: shown.get(each, FAR_PAST_MS) for each in starts}
        self.order = TotalOrder(starts)
        self._live = LiveOrder(reached)
        self._shown = {each: Shown(self._time, key_ms) for each, key_ms in reached.items()}
        self._next = dict(starts)
        for partition, start in starts.items():
            if live or start < (self._extents[partition].end or 0):
                self._open.add(partition)
            else:
                self.order.finish(partition)
        partitions = [TopicPartition(self._topic, each) for each in sorted(starts)]
        self._consumer.assign(partitions)
        for topic_partition in partitions:
            self._consumer.seek(topic_partition, starts[topic_partition.partition])
            self._consumer.resume(topic_partition)
        self._heard = time.monotonic()

    async def fetch(self) -> None:
        """Hand over what has come of the partitions that are behind."""
        behind = {each for each in self._open if self.order.waiting(each) < MOST_WAITING}
        if not behind:
            return
        await self._poll(behind, bounded=True)

    async def arrivals(self) -> list[LogItem]:
        """What has come beyond the extents, one partition after the other; soon, or nothing."""
        await self._ask_when_idle()
        return await self._poll(set(self._next), bounded=False)

    async def certain(self) -> LiveItems:
        """What has come and has its position for certain; soon, or nothing."""
        await self._ask_when_idle()
        # A backlog is handed over without any wait for the broker: others have their turn here.
        await asyncio.sleep(0)
        live = self._live
        behind = {each for each in self._next if live.waiting(each) < MOST_WAITING}
        for item in await self._poll(behind, bounded=False):
            live.add(item.partition, (item,))
        return LiveItems(live.take(), live.slowest)

    async def _ask_when_idle(self) -> None:
        if time.monotonic() - self._heard > IDLE_SECONDS:
            # Is the log idle, or the broker away? The client does not report it.
            await self._consumer.end_offsets(self._consumer.assignment())
            self._heard = time.monotonic()

    async def _poll(self, partitions: set[int], bounded: bool) -> list[LogItem]:
        lacking = partitions - self._raw.keys()
        if lacking:
            # The order needs all partitions; who follows takes what is there.
            await self._receive(lacking, bounded, pressed=not bounded and lacking != partitions)
        arrived: list[LogItem] = []
        for partition in sorted(partitions):
            waiting = self._raw.get(partition)
            if waiting is None:
                continue
            # A few at a time: what they lead to is written while the processor still has it.
            chunk = next(waiting, None)
            if chunk is None:
                del self._raw[partition]
                continue
            end = self._extents[partition].end or 0
            items = self._items(partition, chunk, end if bounded else None)
            if not bounded:
                arrived.extend(items)
                continue
            self.order.add(partition, items)
            if self._next[partition] >= end:
                self._open.discard(partition)
                self.order.finish(partition)
                # What lies beyond the end is for a replay that follows.
                self._raw.pop(partition, None)
                topic_partition = TopicPartition(self._topic, partition)
                self._consumer.seek(topic_partition, end)
                self._consumer.pause(topic_partition)
        return arrived

    async def _receive(self, partitions: set[int], bounded: bool, pressed: bool) -> None:
        """Take what was fetched of some partitions, or, not pressed, wait a little for it."""
        wanted = {TopicPartition(self._topic, each) for each in partitions}
        fetcher = self._consumer._fetcher
        with fetcher._subscriptions.fetch_context():
            found = await raw_records(fetcher, wanted, 0.0 if pressed else FETCH_MS / 1_000)
        for topic_partition, fetched in found.items():
            self._raw[topic_partition.partition] = split(fetched, self._fetch_records)
        if found:
            self._heard = time.monotonic()
        elif bounded and time.monotonic() - self._heard > IDLE_SECONDS:
            raise KafkaTimeoutError(f"nothing came of {self._topic} for {IDLE_SECONDS:.0f} s")
        if not bounded:
            for paused in self._consumer.paused():
                self._consumer.resume(paused)

    def _items(self, partition: int, chunk: Chunk, end: int | None) -> list[LogItem]:
        expected = self._next[partition]
        if chunk.first != expected:
            raise LogMissingError(
                f"{self._topic} partition {partition}: the records from offset {expected} to"
                f" {chunk.first - 1} are not there; a replay without them would not be what was"
                " live"
            )
        decode, untimed = self._decode, self._stamps.untimed
        records = chunk.records
        if end is not None and chunk.end > end:
            records = [record for record in records if record.offset < end]
        contents: list[LogRecord | Refusal] = []
        values = [record.value or b"" for record in records]
        for value in values:
            try:
                contents.append(decode(value))
            except CodecError as error:
                contents.append(Refusal(error.code, error.reason, error.symbol))
        items: list[LogItem] = []
        # As fast as a plain tuple: one for every record of the log.
        new, add = tuple.__new__, items.append
        keys = self._shown[partition].take(contents)
        for record, content, value, key in zip(records, contents, values, keys, strict=True):
            stamp = record.timestamp
            # A bar in order ends where its partition has come to: of it no more is asked.
            off = stamp != key and not isinstance(content, Refusal) and untimed(content, stamp)
            add(new(LogItem, (record.offset, content, partition, key, value, off)))
        self._next[partition] = chunk.end if end is None else min(chunk.end, end)
        return items
