"""Hosts as processes of their own, what they leave on the broker, and what a replay makes of it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec.structs import replace

from tapeline.replay.bounds import Bound
from tapeline.replay.run import Replay
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, KafkaConfig
from tapeline.schemas.config.strategies import StrategyConfig
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.topics import host_state_topic, host_topics
from tapeline.streams.drill.books import troubled_book
from tapeline.streams.drill.messages import kept, topic_messages
from tapeline.streams.drill.readback import read_topics
from tapeline.streams.hosting.books import book_number
from tapeline.streams.hosting.state import StoredBook, read_book
from tapeline.streams.kafka.administration import create_topics
from tests.kafka.broker import Broker
from tests.kafka.worker_process import LONG_SESSION_S, PATIENCE_S, POLL_S, WorkerProcess

PLAIN_HOST = (sys.executable, "-P", "-m", "tapeline", "host")
RAGGED_HOST = (sys.executable, "-P", str(Path(__file__).with_name("ragged_host.py")))
PARTITIONS = 2
MINUTE_MS = 60_000
FOLLOWS = "reading from"
"""What a host logs when it has read the state of a book and begins to read the log."""
DEALT_OUT = "dealt out"
"""What it logs when the group has an order that it is part of."""
STRATEGY = '''
from tapeline import Needs, Signal, Strategy


class Busy(Strategy):
    """Emits now and then, takes some of it back, and counts what it hears."""

    def setup(self, config):
        self.every = config.settings.get("every", 7)
        return Needs(bars={"1m": 5, "5m": 3}, cold=True)

    def on_bar(self, bar, now):
        count = self.memory.get(bar.symbol, 0) + 1
        self.memory[bar.symbol] = count
        last = self.memory.pop("last " + bar.symbol, None)
        if last is not None and count % 3 == 0:
            now.cancel(last)
        if count % self.every == 0:
            bars = now.view.bars(bar.symbol, "1m", 5)
            side = "buy" if bar.close >= bars[0].close else "sell"
            found = now.emit(Signal(bar.symbol, side, valid_minutes=45, reason=f"{len(bars)} bars"))
            self.memory["last " + bar.symbol] = found

    def on_bars(self, symbol, interval, bar, now):
        self.memory["derived"] = self.memory.get("derived", 0) + 1

    def on_note(self, note, now):
        self.memory["notes"] = self.memory.get("notes", 0) + 1
'''


def symbol_in(partition: int, number: int = 0) -> str:
    """A symbol whose records lie in a partition."""
    found = -1
    for each in range(10_000):
        if partition_for(f"S{each}", PARTITIONS) == partition:
            found += 1
            if found == number:
                return f"S{each}"
    raise AssertionError(partition)


def account_in(partition: int) -> str:
    """An account whose book has a number."""
    names = (f"paper{each}" for each in range(10_000))
    return next(each for each in names if book_number(each, PARTITIONS) == partition)


FIRST, SECOND = symbol_in(0), symbol_in(1)


def host_config(kafka: KafkaConfig, folder: Path, more: str = "", books: int = 1) -> Config:
    """Two symbols in two partitions, and a strategy for both in each book."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "busy.py"
    file.write_text(STRATEGY, "utf-8")
    text = (
        f'[kafka]\nbootstrap = "{kafka.bootstrap}"\ntopic_prefix = "{kafka.topic_prefix}"\n'
        f"partitions = {PARTITIONS}\n"
    )
    for symbol in (FIRST, SECOND):
        text += f'\n[instruments.{symbol}]\ntick = 0.25\ncalendar = "24/7"\n'
    for book in range(books):
        text += (
            f"\n[accounts.{account_in(book)}]\nmin_quality = 0\n"
            f"\n[strategies.busy{book}]\n"
            f'module = "{file}:Busy"\nsymbols = ["{FIRST}", "{SECOND}"]\n'
            f'account = "{account_in(book)}"\nevery = {5 + 2 * book}\n'
        )
    return read_config(text + more, "test")


def with_strategy(config: Config, folder: Path, symbol: str) -> Config:
    """A configuration with a strategy for one of its symbols."""
    file = folder / "busy.py"
    file.write_text(STRATEGY, "utf-8")
    busy = StrategyConfig(module=f"{file}:Busy", symbols=(symbol,))
    return replace(config, strategies={"busy": busy})


async def prepared(
    broker: Broker, prefix: str, folder: Path, more: str = "", books: int = 1
) -> Config:
    """A configuration whose topics are there and empty."""
    kafka = KafkaConfig(bootstrap=broker.bootstrap, topic_prefix=prefix, partitions=PARTITIONS)
    await create_topics(kafka, kafka.brokers)
    return host_config(kafka, folder, more, books)


def troubled_logs(records: int, seed: int = 5) -> dict[int, list[LogRecord]]:
    """By partition a book with late, repeated, changed and cancelled bars, and clocks."""
    found = {}
    for partition, symbol in enumerate((FIRST, SECOND)):
        book = troubled_book(symbol, "24/7", seed + partition)
        found[partition] = [next(book) for _ in range(records)]
    return found


def clocks_after(logs: Mapping[int, Sequence[LogRecord]]) -> dict[int, list[LogRecord]]:
    """Two clocks of each partition behind everything: the first of each is taken for certain."""
    last_ms = max(_end_ms(each) for log in logs.values() for each in log)
    return {
        partition: [Clock(symbol, last_ms + (1 + each) * MINUTE_MS) for each in range(2)]
        for partition, symbol in enumerate((FIRST, SECOND))
    }


def _end_ms(record: LogRecord) -> int:
    if isinstance(record, Bar | Cancel):
        return record.start_ms + MINUTE_MS
    return record.time_ms


class HostProcess(WorkerProcess):
    """One `tapeline host`, or the same with small chunks and random waits."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        *,
        instance: int = 0,
        ragged: bool = False,
        dynamic: bool = False,
        session_s: float = LONG_SESSION_S,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(
            config,
            folder,
            instance=instance,
            program=(*(RAGGED_HOST if ragged else PLAIN_HOST), *options),
            dynamic=dynamic,
            session_s=session_s,
        )


class States:
    """The topic of host states, looked at again and again by one client."""

    def __init__(self, config: Config, consumer: AIOKafkaConsumer) -> None:
        self._config = config
        self._consumer = consumer
        self._topic = host_state_topic(config.kafka.topic_prefix)

    async def end(self, book: int = 0) -> int:
        """Where the state of a book ends: it grows with every step that is written."""
        partition = TopicPartition(self._topic, book)
        found: int = (await self._consumer.end_offsets([partition]))[partition]
        return found

    async def until_end(self, goal: int, host: HostProcess, book: int = 0) -> None:
        """Wait until the state of a book ends at an offset, or behind it."""
        deadline = time.monotonic() + PATIENCE_S
        while await self.end(book) < goal:
            assert host.code() is None, f"ended with {host.code()}\n{host.output()[-3_000:]}"
            assert time.monotonic() < deadline, host.output()[-3_000:]
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def states_of(config: Config) -> AsyncIterator[States]:
    """A look at the states of a cluster."""
    async with AIOKafkaConsumer(bootstrap_servers=config.kafka.bootstrap) as consumer:
        yield States(config, consumer)


async def stored_book(config: Config, book: int = 0) -> StoredBook:
    """The state of a book as the next host reads it."""
    topic = host_state_topic(config.kafka.topic_prefix)
    records = (await read_topics(config.kafka.brokers, [topic], book))[topic]
    return read_book([(each.key, each.value) for each in records], len(records))


async def begun_at(config: Config, book: int = 0) -> Mapping[int, int]:
    """Where a book began, by the first record of its state."""
    topic = host_state_topic(config.kafka.topic_prefix)
    records = (await read_topics(config.kafka.brokers, [topic], book))[topic]
    # The last of its first batch.
    first = next(each for each in records if each.key == b"|checkpoint")
    checkpoint = read_book([(first.key, first.value)], 1).checkpoint
    assert checkpoint is not None
    return checkpoint.offsets


async def until_taken(
    config: Config, ends: Mapping[int, int], hosts: Sequence[HostProcess] = (), book: int = 0
) -> StoredBook:
    """Wait until the state of a book includes all records below some offsets."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = await stored_book(config, book)
        offsets = {} if found.checkpoint is None else found.checkpoint.offsets
        if all(offsets.get(each, 0) >= end for each, end in ends.items()):
            return found
        for host in hosts:
            assert host.code() is None, f"ended with {host.code()}\n{host.output()[-3_000:]}"
        logged = "".join(each.output()[-3_000:] for each in hosts)
        assert time.monotonic() < deadline, f"taken {offsets} of {ends}\n{logged}"
        await asyncio.sleep(POLL_S)


class Published(NamedTuple):
    """What consumers of host topics see that drop by `seq`.

    Attributes
    ----------
    messages
        By topic and partition, as (seq, id, rev, type, value).
    repeated
        Messages that came again, equal to the byte.
    """

    messages: dict[tuple[str, int], list[Any]]
    repeated: int

    def count(self, kind: str) -> int:
        """Messages of a type."""
        return sum(each.type == kind for found in self.messages.values() for each in found)


async def published(config: Config) -> Published:
    """What lies in the topics of hosts; a repetition that differs is an error."""
    topics = host_topics(config.kafka.topic_prefix)
    found: dict[tuple[str, int], list[Any]] = {}
    repeated = 0
    for partition in range(PARTITIONS):
        read = await read_topics(config.kafka.brokers, topics, partition)
        for topic, records in read.items():
            seen = kept(topic_messages(records))
            assert seen.differing == [], f"{topic}: a repetition differs"
            repeated += seen.identical
            if seen.messages:
                found[topic, partition] = seen.messages
            for each in records:
                assert dict(each.headers)["group"] == b"book-%d" % partition
    return Published(found, repeated)


async def replayed(
    config: Config, begins: Mapping[int, int], ends: Mapping[int, int]
) -> dict[int, list[bytes]]:
    """What a replay of the same records with the same strategies publishes, by book."""
    lines: dict[int, list[bytes]] = {}
    run = Replay.topic(
        config,
        start=Bound(offsets=dict(begins)),
        stop=Bound(offsets=dict(ends)),
        strategies="all",
    )
    async with run:
        async for release in run.releases():
            for event in release.hosted:
                account = event.account
                if account is None:
                    account = config.strategies[event.strategy or ""].account
                book = book_number(account, config.kafka.partitions)
                lines.setdefault(book, []).append(encode(event))
    return lines


def in_order_of_seq(found: Published) -> dict[int, list[bytes]]:
    """All values of each book, in the order in which its host published them."""
    by_book: dict[int, list[Any]] = {}
    for (_, partition), messages in found.messages.items():
        by_book.setdefault(partition, []).extend(messages)
    return {
        book: [each.value for each in sorted(messages, key=lambda each: each.seq)]
        for book, messages in by_book.items()
    }


async def assert_as_replayed(
    config: Config, begins: Mapping[int, int], books: int = 1
) -> Published:
    """Hosts published what a replay does of what their states include, to the byte."""
    found = await published(config)
    values = in_order_of_seq(found)
    for book in range(books):
        checkpoint = (await stored_book(config, book)).checkpoint
        assert checkpoint is not None
        expected = (await replayed(config, begins, checkpoint.offsets)).get(book, [])
        assert [orjson.loads(each)["id"] for each in values[book]] == [
            orjson.loads(each)["id"] for each in expected
        ]
        assert values[book] == expected, book
    return found
