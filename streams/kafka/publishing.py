"""Files into the log: validated, in the right partitions, at any speed, from where it ended."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.feeds.clocked_feed import ClockedFeed
from tapeline.streams.feeds.items import Feed
from tapeline.streams.feeds.opening import Progress, Source, in_order, open_feeds, reported
from tapeline.streams.feeds.times import TableTimes, TimeUnit, table_times
from tapeline.streams.kafka.administration import partitions_of
from tapeline.streams.kafka.connection import make_consumer, plain_errors
from tapeline.streams.kafka.messages import (
    Destinations,
    Letter,
    Message,
    log_messages,
    table_messages,
)
from tapeline.streams.kafka.resume import ResumeSearch
from tapeline.streams.kafka.tails import EventTimes, TailReader
from tapeline.streams.kafka.writer import BatchWriter, batch_producer, stop_producer
from tapeline.streams.outputs.messages import unnumbered_message
from tapeline.streams.pipeline.pacing import NS_IN_S, Pacer
from tapeline.streams.pipeline.refusals import (
    DEFAULT_LIMIT,
    RejectLimit,
    RowRefusals,
    RowReport,
    row_report,
)
from tapeline.streams.pipeline.routing import Router

LATEST_FLUSH_SECONDS = 0.05
PROGRESS_SECONDS = 0.2


@dataclass(frozen=True)
class PublishOptions:
    """How to publish.

    Attributes
    ----------
    speed
        Seconds of event time in a second; None: as fast as the broker takes it.
    resume
        Leave out what the topic already holds of these inputs.
    zone
        Zone of times without offset; without it such a file is refused.
    max_rejects
        Rows that may be refused; `PublishResult.report` shows whether they were more.
    time_unit
        Unit of times that are numbers; None: milliseconds.
    """

    speed: float | None = None
    resume: bool = False
    zone: str | None = None
    max_rejects: RejectLimit = DEFAULT_LIMIT
    time_unit: TimeUnit | None = None


@dataclass
class SymbolCount:
    """What was published of one symbol."""

    partition: int
    published: int = 0
    last_ms: int = 0


@dataclass
class PublishResult:
    """What a publication did.

    Every row is published, was there already (with ``--resume``), or is a dead letter.

    Attributes
    ----------
    published
        Messages sent, by kind: ``bar``, ``cancel``, ``clock``, ``added_clock``, ``unreadable``.
    already_there
        Messages left out, by kind.
    rejects
        Dead letters by code, those of an earlier publication included.
    report
        How many rows are refused; of a log, whose lines are published as they are, those that any
        worker will refuse. None before the end.
    """

    topic: str
    partitions: int
    rows: int = 0
    published: Counter[str] = field(default_factory=Counter)
    already_there: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    symbols: dict[str, SymbolCount] = field(default_factory=dict)
    ignored_columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    report: RowReport | None = None

    def sent(self, message: Message) -> None:
        """Count a message."""
        self.published[message.kind] += 1
        symbol = self.symbols.get(message.symbol)
        if symbol is None:
            symbol = self.symbols[message.symbol] = SymbolCount(message.partition)
        symbol.published += 1
        symbol.last_ms = max(symbol.last_ms, message.time_ms)


async def publish_files(
    config: Config,
    brokers: Brokers,
    sources: Sequence[Source],
    options: PublishOptions,
    progress: Callable[[Progress], None] | None = None,
) -> PublishResult:
    """Publish files into the input log; dead letters go to the topic of rejects.

    When it ends early, whatever was acknowledged stays, and `PublishOptions.resume` goes on there.

    Raises
    ------
    InputError
        When an input cannot be used; nothing was published.
    TopicsError
        When the topics are not there; nothing was published.
    BrokerError
        When the broker does not answer, refuses, or is gone on the way.
    FeedBroken
        When reading an input failed on the way.
    """
    log, rejects = (
        input_log(config.kafka.topic_prefix),
        topic_of("reject", config.kafka.topic_prefix),
    )
    times = table_times(config, options.zone, options.time_unit)
    with PublishInputs(config, sources, times) as inputs:
        counts = await partitions_of([log, rejects], brokers)
        result = PublishResult(log, counts[log])
        result.ignored_columns = {feed.path: feed.ignored for feed in inputs.feeds if feed.ignored}
        there: dict[str, int] = {}
        if options.resume:
            async with plain_errors(brokers, "looking for the offset to go on from"):
                there = await _already_there(config, brokers, sources, times, result)
        async with plain_errors(brokers, "publishing (go on with --resume)"):
            producer = batch_producer(brokers)
            try:
                await producer.start()
                letters = BatchWriter(producer, rejects)
                # A row is never in the log before the dead letters of the rows before it.
                records = BatchWriter(producer, log, letters.drain)
                publication = _Publication(
                    records, letters, counts[rejects], inputs.feeds, there, result
                )
                if options.speed is not None:
                    publication.pacer = Pacer(options.speed)
                    publication.progress = progress
                await publication.run(inputs.messages(counts[log], progress))
            finally:
                await stop_producer(producer)
        result.rows = sum(feed.rows for feed in inputs.feeds)
        found = [(feed.path, feed.rows) for feed in inputs.feeds]
        result.report = row_report(found, inputs.refusals, options.max_rejects)
    return result


class PublishInputs:
    """The inputs, opened; a context that closes them.

    Attributes
    ----------
    refusals
        Of the rows that were handed over.
    """

    def __init__(self, config: Config, sources: Sequence[Source], times: TableTimes) -> None:
        self.feeds: list[Feed] = []
        self.refusals = RowRefusals()
        self._config = config
        self._sources = sources
        self._router = Router(config)
        self._times = times
        self._stack = ExitStack()

    def __enter__(self) -> PublishInputs:
        with ExitStack() as stack:
            feeds = open_feeds(self._sources, self._router, self._times, stack)
            if self._sources[0].is_log:
                self.feeds = feeds
            else:
                self.feeds = [ClockedFeed(feed, self._router) for feed in feeds]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def messages(
        self, partitions: int, progress: Callable[[Progress], None] | None = None
    ) -> Iterator[Message | Letter]:
        """All of them, in their one order; the same for every reading of the same inputs."""
        rows = in_order(self._sources, self.feeds, self._router)
        if progress is not None:
            rows = reported(rows, self.feeds, progress)
        destinations = Destinations(self._config, partitions)
        if self._sources[0].is_log:
            return log_messages(rows, self._router, destinations, self.refusals)
        return table_messages(rows, self._router, destinations, self.refusals)


async def _already_there(
    config: Config,
    brokers: Brokers,
    sources: Sequence[Source],
    times: TableTimes,
    result: PublishResult,
) -> dict[str, int]:
    """By symbol, how many of its first messages the topic already holds."""
    search = ResumeSearch()
    consumer = make_consumer(brokers)
    try:
        await consumer.start()
        reader = TailReader(consumer, result.topic, EventTimes(Router(config)))
        with PublishInputs(config, sources, times) as inputs:
            for message in inputs.messages(result.partitions):
                if isinstance(message, Letter):
                    continue
                symbol = message.symbol
                if not search.knows(symbol):
                    search.begin(symbol, await reader.tail(symbol, message.partition))
                search.take(message)
    finally:
        await consumer.stop()
    return search.already_there()


class _Publication:
    """The loop: leave out what is there, wait until a record is due, hand it over."""

    def __init__(
        self,
        records: BatchWriter,
        letters: BatchWriter,
        letter_partitions: int,
        feeds: Sequence[Feed],
        there: dict[str, int],
        result: PublishResult,
    ) -> None:
        self.pacer: Pacer | None = None
        self.progress: Callable[[Progress], None] | None = None
        self._records = records
        self._letters = letters
        self._letter_partitions = letter_partitions
        self._there = there
        self._result = result
        self._held: list[Letter] = []
        self._flushed_s = time.monotonic()
        self._reported_s = self._flushed_s
        self._feeds = feeds

    async def run(self, messages: Iterator[Message | Letter]) -> None:
        """All messages, and wait until they are acknowledged."""
        there, result, add = self._there, self._result, self._records.add
        for message in messages:
            if isinstance(message, Letter):
                result.rejects[message.reject.code] += 1
                self._held.append(message)
                continue
            left = there.get(message.symbol, 0)
            if left:
                there[message.symbol] = left - 1
                result.already_there[message.kind] += 1
                # A record that is there came after its dead letters: they are there too.
                self._held.clear()
                continue
            if self._held:
                await self._send_letters()
            if self.pacer is not None:
                await self._until_due(self.pacer, message.time_ms)
            await add(message.partition, message.key, message.value, message.time_ms)
            result.sent(message)
        await self._send_letters()
        await self._letters.drain()
        await self._records.drain()

    async def _until_due(self, pacer: Pacer, event_ms: int) -> None:
        now_ns = time.monotonic_ns()
        due_ns = max(pacer.due_ns(event_ms, now_ns), now_ns)
        wait_s = (due_ns - now_ns) / NS_IN_S
        if wait_s > 0 or time.monotonic() - self._flushed_s > LATEST_FLUSH_SECONDS:
            await self._letters.flush()
            await self._records.flush()
            self._flushed_s = time.monotonic()
        if self.progress is not None and self._flushed_s - self._reported_s > PROGRESS_SECONDS:
            # Rows come too slowly to be reported by their number.
            rows = self._result.published.total() + self._result.already_there.total()
            self.progress(Progress(rows, sum(feed.bytes_read for feed in self._feeds)))
            self._reported_s = self._flushed_s
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        # At its time, however late the sleep ends: lateness must not add up.
        pacer.release(event_ms, due_ns)

    async def _send_letters(self) -> None:
        for letter in self._held:
            partition = letter.partition % self._letter_partitions
            _, key, value, headers = unnumbered_message(letter.reject, 0)
            # A row that cannot be read has no time of its own: the message has that of the client.
            await self._letters.add(partition, key, value, None, headers)
        self._held.clear()
