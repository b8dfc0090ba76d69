"""The input log as a feed writes it: read back from its end, appended with provenance, leased."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from tapeline.schemas.codec import CodecError, FeedEventDecoder, RecordDecoder, encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.events import Reject
from tapeline.schemas.feed_events import Limit
from tapeline.schemas.records import Bar, Clock
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.feeds.clocked_feed import Marks
from tapeline.streams.kafka.connection import make_consumer, plain_errors
from tapeline.streams.kafka.lease import FeedLease
from tapeline.streams.kafka.messages import NO_SYMBOL, Destinations, create_time, event_time_ms
from tapeline.streams.kafka.reading import SpanReader, read_spans, whole_spans
from tapeline.streams.kafka.writer import (
    IDLE_SECONDS,
    BatchWriter,
    Header,
    batch_producer,
    stop_producer,
)
from tapeline.streams.outputs.messages import unnumbered_message
from tapeline.streams.pipeline.log_writer import (
    KnownLog,
    KnownSymbol,
    LogBatch,
    LogEntry,
    LogItem,
    first_known_ms,
)
from tapeline.streams.pipeline.routing import Router

FEED_HEADER = "feed"
RECEIVED_HEADER = "recv_ms"
VIA_HEADER = "via"


class KafkaFeedLog:
    """A `LogWriter` over the topics of a broker.

    Parameters
    ----------
    brokers
        Of the log, the events and the dead letters.
    feed
        Name of the feed.
    partitions
        Of the log; every topic of the catalogue has as many.
    wall_ms
        Gives the present UTC time: what is read back begins at the open of the session before that
        of now.
    lease
        Joined and held before anything is read or written; None: there is no other writer.
    """

    def __init__(
        self,
        config: Config,
        brokers: Brokers,
        feed: str,
        partitions: int,
        wall_ms: Callable[[], int],
        lease: FeedLease | None = None,
    ) -> None:
        prefix = config.kafka.topic_prefix
        self._log = input_log(prefix)
        self._operations = topic_of(str(Limit.__struct_config__.tag), prefix)
        self._rejects = topic_of("reject", prefix)
        self._router = Router(config)
        self._destination = Destinations(config, partitions)
        self._partitions = partitions
        self._producer = batch_producer(brokers)
        self._started = False
        self._brokers = brokers
        self._feed = feed
        self._wall_ms = wall_ms
        self._lease = lease
        # No longer than the lease: by then another process may be the writer.
        idle_s = IDLE_SECONDS if lease is None else lease.session_s
        self._records, self._events, self._letters = (
            BatchWriter(self._producer, topic, self._check, idle_s)
            for topic in (self._log, self._operations, self._rejects)
        )

    async def _check(self) -> None:
        if self._lease is not None:
            await self._lease.confirm()

    async def read_back(self, feed: str, symbols: Sequence[str]) -> KnownLog:
        """What the log holds of some symbols in the last sessions, and of the feed."""
        known = KnownLog({symbol: KnownSymbol() for symbol in symbols})
        async with plain_errors(self._brokers, f"reading back {self._log}"):
            if self._lease is not None:
                await self._lease.acquire()
            if not self._started:
                await self._producer.start()
                self._started = True
            consumer = make_consumer(self._brokers)
            await consumer.start()
            try:
                await self._read_records(consumer, known)
                await self._read_operations(consumer, known, feed)
            finally:
                await consumer.stop()
        return known

    async def _read_records(self, consumer: AIOKafkaConsumer, known: KnownLog) -> None:
        firsts = {symbol: self._first_ms(symbol) for symbol in known.symbols}
        by_partition: dict[TopicPartition, int] = {}
        for symbol, first_ms in firsts.items():
            partition = TopicPartition(self._log, self._destination(symbol)[0])
            by_partition[partition] = min(by_partition.get(partition, first_ms), first_ms)
        if not by_partition:
            return
        whole = await whole_spans(consumer, list(by_partition))
        # Messages carry the end of their bar: none of an earlier offset ends at the first or later.
        found = await consumer.offsets_for_times(
            {partition: max(first_ms, 0) for partition, first_ms in by_partition.items()}
        )
        spans = {}
        for partition, (begin, end) in whole.items():
            at = found.get(partition)
            spans[partition] = (end if at is None else max(begin, at.offset), end)
        marks = Marks(self._router)
        decode = RecordDecoder().decode
        reader = SpanReader(consumer, spans)
        while reader.open:
            for messages in (await reader.fetch()).values():
                for message in messages:
                    self._learn(message, known, marks, decode)

    def _first_ms(self, symbol: str) -> int:
        """Open of the first session that is read back."""
        return first_known_ms(self._router.plan(symbol).calendar, self._wall_ms())

    def _learn(self, message: Any, known: KnownLog, marks: Marks, decode: Any) -> None:
        try:
            record = decode(message.value or b"")
            symbol = known.symbols.get(record.symbol)
            if symbol is None:
                return
            self._router.check(record)
        except (CodecError, RecordRejected):
            return
        if isinstance(record, Bar | Clock):
            marks.take(record)
            symbol.watermark_ms = marks.watermark_ms(record.symbol)
        if not isinstance(record, Clock):
            symbol.seen[record.start_ms] = record if isinstance(record, Bar) else None
            headers = dict(message.headers)
            symbol.feeds.add((headers.get(FEED_HEADER) or b"").decode(errors="replace"))

    async def _read_operations(
        self, consumer: AIOKafkaConsumer, known: KnownLog, feed: str
    ) -> None:
        partitions = [TopicPartition(self._operations, each) for each in range(self._partitions)]
        decode = FeedEventDecoder().decode
        spans = await whole_spans(consumer, partitions)
        for messages in (await read_spans(consumer, spans)).values():
            for message in messages:
                try:
                    event = decode(message.value or b"")
                except CodecError:
                    # What a newer version reports is nothing that this one goes by.
                    continue
                if event.feed == feed:
                    known.take(event)
                else:
                    known.take_other(event)

    async def write(self, batch: LogBatch) -> None:
        """Append a batch; acknowledged by all copies when this returns."""
        async with plain_errors(self._brokers, f"writing to {self._log}"):
            try:
                await self._write(batch)
            except KafkaTimeoutError:
                # A process that stood still has not heard the answer.
                if self._lease is not None:
                    self._lease.check_lost()
                raise

    async def _write(self, batch: LogBatch) -> None:
        before: BatchWriter | None = None
        for item in batch.items:
            writer = self._writer_of(item)
            if before is not None and writer is not before:
                # Topics have no order between them: what follows waits for what it follows.
                await before.drain()
            before = writer
            if isinstance(item, LogEntry):
                await self._add_record(item)
            else:
                partition, _ = self._destination(item.symbol or NO_SYMBOL)
                _, key, value, headers = unnumbered_message(item, 0)
                await writer.add(partition, key, value, None, headers)
        if before is not None:
            await before.drain()

    def _writer_of(self, item: LogItem) -> BatchWriter:
        if isinstance(item, LogEntry):
            return self._records
        return self._letters if isinstance(item, Reject) else self._events

    async def _add_record(self, entry: LogEntry) -> None:
        record = entry.record
        partition, key = self._destination(record.symbol)
        time_ms = create_time(event_time_ms(record, self._router))
        headers: list[Header] = [
            (FEED_HEADER, self._feed.encode()),
            (RECEIVED_HEADER, str(entry.recv_ms).encode()),
            (VIA_HEADER, entry.via.encode()),
        ]
        await self._records.add(partition, key, encode(record), time_ms, headers)

    async def close(self) -> None:
        """Leave the lease, and stop the clients."""
        await stop_producer(self._producer)
        if self._lease is not None:
            await self._lease.stop()
