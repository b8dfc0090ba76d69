"""One book at work: its state read, its engines brought there, then record after record."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer, TopicPartition

from tapeline.replay.bounds import Bound
from tapeline.replay.sources.items import LogItem
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.ids import state_key
from tapeline.schemas.topics import host_state_topic
from tapeline.streams.hang import ended_when_hanging
from tapeline.streams.host.driving import BOOKS, HostDriver
from tapeline.streams.host.plan import LoadedStrategy
from tapeline.streams.hosting.beginning import (
    beginning_of,
    first_offsets,
    offsets_from,
    stored_before,
)
from tapeline.streams.hosting.books import Book
from tapeline.streams.hosting.call_times import CallTimes
from tapeline.streams.hosting.committer import BookCommitter
from tapeline.streams.hosting.fold import BookFold, BookStart, BookStep
from tapeline.streams.hosting.metrics import BookGauges, HostMetrics
from tapeline.streams.hosting.starts import LogPosition, Starts
from tapeline.streams.hosting.state import StatePair, StoredBook, read_book
from tapeline.streams.kafka.connection import make_consumer, plain_errors
from tapeline.streams.kafka.reading import read_spans, whole_spans

OFFSETS_S = 1.0
"""How often offsets alone are written, while records of others pass."""
STATE_FETCH_BYTES = 4 << 20

logger = logging.getLogger("tapeline.host")

T = TypeVar("T")


@dataclass(frozen=True)
class BookTools:
    """What the books of a process share.

    Attributes
    ----------
    confirm
        Returns when the books are certainly this process's.
    thread
        Where records are folded and strategies called, while the loop goes on with heartbeats.
    end
        Ends the process, from any thread.
    begin
        Where books without a state begin; None: at the end of the log.
    accepted
        Strategies of which another version, or a fault, is taken for a new beginning.
    chunk_records
        Most records that are folded and written at once.
    """

    config: Config
    producer: AIOKafkaProducer
    confirm: Callable[[], Awaitable[None]]
    thread: ThreadPoolExecutor
    metrics: HostMetrics
    starts: Starts
    end: Callable[[str], None]
    begin: Bound | None
    accepted: frozenset[str]
    chunk_records: int
    pause: Callable[[], Awaitable[None]] | None


class BookRun:
    """A book as long as it is this process's.

    Attributes
    ----------
    book
        Which one.
    follows
        Whether its engines are where its state ends, and it takes what comes.
    """

    def __init__(self, tools: BookTools, book: Book[LoadedStrategy]) -> None:
        self.book = book
        self.follows = False
        self._tools = tools
        self._versions = {each.name: each.version for each in book.strategies}
        self._times = CallTimes()
        self._stopping = asyncio.Event()
        self._fold: BookFold | None = None
        self._driver: HostDriver | None = None
        self._source: TopicSource | None = None
        self._committer: BookCommitter | None = None
        self._task: asyncio.Task[Any] | None = None
        self._slowest: int | None = None
        self._returned = False
        self._written_at = 0.0
        prefix = tools.config.kafka.topic_prefix
        self._name = f"{prefix} {book.header}"

    def stop(self) -> None:
        """Take no more: `run` ends when what is in hand is written."""
        self._stopping.set()
        if self._committer is None and self._task is not None:
            # It has written nothing, and may read for long.
            self._task.cancel()

    async def run(self) -> None:
        """Take records until it is stopped.

        Raises
        ------
        Exception
            Whatever went wrong: the process must not go on.
        """
        tools, book = self._tools, self.book
        self._task = asyncio.current_task()
        stored = await self._stored()
        checkpoint = stored.checkpoint
        given = await self._given(stored)
        async with self._open_source() as source:
            self._source = source
            known = {} if checkpoint is None else checkpoint.offsets
            partitions = book.partitions(tools.config.kafka.partitions)
            offsets = first_offsets(source, partitions, known, given)
            states = await stored_before(source, offsets)
            start = await self._in_thread(
                partial(beginning_of, tools.config, source, book, offsets, states)
            )
            fold = await self._in_thread(partial(self._made_fold, start, stored))
            self._committer = BookCommitter(
                tools.producer,
                self._topic,
                book.number,
                stored.end,
                tools.confirm,
                tools.metrics,
                tools.pause,
            )
            if known != offsets:
                # Where it begins holds from now on, whatever ends this process before its first
                # record.
                await self._committer.commit({}, fold.state())
            logger.info(
                "%s: %s from step %s, offsets %s, reading from %s",
                book.header,
                ", ".join(sorted(self._versions)),
                fold.step,
                dict(sorted(start.offsets.items())),
                dict(sorted(start.read_from.items())),
            )
            await self._follow(source, start, fold)
            await self._in_thread(self._tear_down)

    @property
    def _topic(self) -> str:
        return host_state_topic(self._tools.config.kafka.topic_prefix)

    def _open_source(self) -> TopicSource:
        config = self._tools.config
        return TopicSource(config.kafka.brokers, config.kafka.topic_prefix, config=config)

    async def _stored(self) -> StoredBook:
        """The state as it is on the broker now."""
        brokers = self._tools.config.kafka.brokers
        partition = TopicPartition(self._topic, self.book.number)
        async with (
            plain_errors(brokers, f"reading {self._topic}"),
            make_consumer(
                brokers, auto_offset_reset="none", max_partition_fetch_bytes=STATE_FETCH_BYTES
            ) as consumer,
        ):
            spans = await whole_spans(consumer, [partition])
            records = (await read_spans(consumer, spans))[partition]
        end = spans[partition][1]
        found = await self._in_thread(
            partial(read_book, [(each.key, each.value) for each in records], end)
        )
        self._tools.metrics.stale += found.stale
        return found

    async def _given(self, stored: StoredBook) -> Mapping[int, int]:
        """Where a book without a state begins by the command line."""
        tools = self._tools
        if tools.begin is None:
            return {}
        if stored.checkpoint is not None:
            logger.info(
                "%s has a state at step %s: it goes on there, whatever --from names",
                self.book.header,
                stored.checkpoint.step,
            )
            return {}
        return await offsets_from(tools.config, self._open_source(), self.book, tools.begin)

    def _made_fold(self, start: BookStart, stored: StoredBook) -> BookFold:
        tools, book = self._tools, self.book
        fold = BookFold(tools.config, book, start, self._times)
        driver = HostDriver(tools.config, book.strategies, fold.router, BOOKS)
        if stored.checkpoint is not None:
            driver.step = stored.checkpoint.step
            driver.host.restore(stored.records, self._begun_anew(stored))
        fold.attach(driver, stored.rewritten())
        self._driver, self._fold = driver, fold
        return fold

    def _begun_anew(self, stored: StoredBook) -> list[str]:
        """Accepted strategies that need it: a restart with the same words begins nothing again."""
        found = []
        for name in sorted(self._tools.accepted & self._versions.keys()):
            known = stored.records.get(state_key("strategy", name))
            wanted = {"version": self._versions[name], "state": "running"}
            if known is not None and any(known[each] != wanted[each] for each in wanted):
                found.append(name)
        return found

    def _tear_down(self) -> None:
        assert self._driver is not None
        try:
            self._driver.host.stop()
        except Exception:
            # Nothing of it is kept: what was taken is written.
            logger.warning("%s: a strategy failed in teardown", self.book.header, exc_info=True)

    async def _follow(self, source: TopicSource, start: BookStart, fold: BookFold) -> None:
        size = self._tools.chunk_records
        async with aclosing(source.read_in_order(start.read_from, start.shown)) as stream:
            async for items, slowest in stream:
                self._slowest = slowest
                for at in range(0, len(items), size):
                    if self._stopping.is_set():
                        return
                    await self._take(fold, start, items[at : at + size])
                self.follows = self.follows or not items
                if self._stopping.is_set():
                    return

    async def _take(self, fold: BookFold, start: BookStart, items: Sequence[LogItem]) -> None:
        starts = self._tools.starts
        first = next((each for each in items if each[0] >= start.offsets[each[2]]), None)
        if first is not None and not self._returned:
            at = LogPosition(first.partition, first.offset)
            starts.begin(self._name, fold.step, self._versions, at)
        step, pairs = await self._in_thread(partial(self._folded, fold, items))
        if first is None:
            return
        if not self._returned:
            starts.returned(self._name)
            self._returned = True
        self.follows = True
        if pairs:
            assert self._committer is not None
            await self._committer.commit(step.outputs, pairs)
            self._written_at = time.monotonic()

    def _folded(self, fold: BookFold, items: Sequence[LogItem]) -> tuple[BookStep, list[StatePair]]:
        driver = self._driver
        assert driver is not None
        limit_s = self._tools.config.host.hang_seconds
        with ended_when_hanging([driver], limit_s, self._hangs):
            step = fold.take(items)
        idle = time.monotonic() - self._written_at < OFFSETS_S
        if not step.moved or (idle and not step.taken):
            return step, []
        return step, fold.state()

    def _hangs(self, message: str) -> None:
        """Ends the process: a call cannot be ended otherwise."""
        at = None if self._driver is None else self._driver.at
        if at is not None:
            self._tools.starts.hung(self._name, LogPosition(at.partition, at.offset))
        self._tools.end(message)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._tools.thread, call)

    # -- what is shown

    def not_ready(self) -> str | None:
        """What it waits for; None when it follows the log."""
        return None if self.follows else f"{self.book.header} is not where its state ends yet"

    def gauges(self) -> BookGauges:
        """Its position."""
        fold, source = self._fold, self._source
        offsets: Mapping[int, int] = {} if fold is None else dict(fold.offsets)
        ends: Mapping[int, int | None] = {} if source is None else source.ends(list(offsets))
        lags = {
            each: None if (end := ends.get(each)) is None else max(end - offset, 0)
            for each, offset in offsets.items()
        }
        times = self._times
        return BookGauges(
            self.book.number,
            0 if fold is None else fold.step,
            lags,
            self._slowest,
            {} if fold is None else dict(fold.events),
            times.calls,
            times.slow,
            times.seconds,
        )
