"""What topics hold that operators ask for; see `streams.pipeline.status`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from tapeline.schemas.codec import CodecError, FeedEventDecoder, RecordDecoder
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.host_events import StrategyState
from tapeline.schemas.instants import DAY_MS
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.schemas.topics import input_log, output_topics, topic_of
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import TopicsError
from tapeline.streams.feeds.clocked_feed import Marks
from tapeline.streams.kafka.connection import make_consumer, plain_errors
from tapeline.streams.kafka.reading import SpanReader, whole_spans
from tapeline.streams.pipeline.missing import feed_members
from tapeline.streams.pipeline.operations import Operations
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.status import (
    RECENT_MS,
    CorrectedFact,
    DatedLetter,
    HostedStrategy,
    OpenGap,
    StatusFacts,
    SymbolFacts,
    hosted_strategy,
    session_index,
    session_so_far,
)
from tapeline.streams.pipeline.warm_up import RowTable, indicator_history, window_history

LOOK_BACK_MS = 4 * DAY_MS
"""How much of the log is read: over the longest weekend, the session before it."""
_UNCAUSED = b'"corrects":null'


async def facts_of_topics(config: Config, brokers: Brokers, now_ms: int) -> StatusFacts:
    """What the topics hold of the last four days; nothing is committed.

    Corrections are those of the last hour by market time, which is the time of the messages.

    Parameters
    ----------
    now_ms
        By the clock of the machine.

    Raises
    ------
    BrokerError
        When the broker does not answer or refuses.
    TopicsError
        When there is no log.
    """
    async with _reading(brokers) as consumer:
        return await _TopicStatus(config, consumer, now_ms).facts()


async def read_operations(config: Config, brokers: Brokers) -> Operations:
    """What live feeds reported of themselves, as far as the topic goes back.

    Raises
    ------
    BrokerError
        When the broker does not answer or refuses.
    """
    async with _reading(brokers) as consumer:
        return await _TopicStatus(config, consumer, 0).operations(await consumer.topics())


@asynccontextmanager
async def _reading(brokers: Brokers) -> AsyncIterator[AIOKafkaConsumer]:
    async with plain_errors(brokers, "reading topics"):
        consumer = make_consumer(brokers, auto_offset_reset="none")
        try:
            await consumer.start()
            yield consumer
        finally:
            # Also one that found no broker has to be closed.
            await consumer.stop()


class _TopicStatus:
    def __init__(self, config: Config, consumer: AIOKafkaConsumer, now_ms: int) -> None:
        self._config = config
        self._prefix = config.kafka.topic_prefix
        self._consumer = consumer
        self._now_ms = now_ms
        self._router = Router(config)
        self._bars: dict[str, dict[int, Bar]] = {}
        self._marks: dict[str, int] = {}

    async def facts(self) -> StatusFacts:
        names = await self._consumer.topics()
        log = input_log(self._prefix)
        if log not in names:
            raise TopicsError(f"topic {log} is missing; make it: tapeline topics create")
        since_ms = self._now_ms - RECENT_MS
        await self._read_log(log)
        gaps = await self._open_gaps()
        operations = await self.operations(names)
        rejects = topic_of("reject", self._prefix)
        letters = [
            DatedLetter(orjson.loads(message.value)["code"], message.timestamp)
            async for message in self._messages(rejects, since_ms)
        ]
        corrected = []
        for topic in output_topics(self._prefix):
            if topic != rejects:
                corrected += await self._corrected(topic, since_ms)
        members = [each for feed in self._config.feeds.values() for each in feed.symbols]
        symbols = sorted({*self._marks, *self._bars, *members})
        table = await self._table(names)
        return StatusFacts(
            symbols=[self._symbol(each, gaps.get(each, ()), table) for each in symbols],
            operations=operations,
            letters=letters,
            corrected=corrected,
            strategies=await self._strategies(names),
        )

    async def _strategies(self, names: Collection[str]) -> list[HostedStrategy]:
        """Strategies as hosts reported them last; none where the topic was not made."""
        topic = topic_of("strategy", self._prefix)
        found: dict[bytes, HostedStrategy] = {}
        if topic in names:
            async for message in self._messages(topic, None):
                event = msgspec.json.decode(message.value or b"", type=StrategyState)
                found[message.key] = hosted_strategy(event)
        return list(found.values())

    async def operations(self, names: Collection[str]) -> Operations:
        """What feeds reported, of one of the topics that there are."""
        found = Operations(feed_members(self._config))
        topic = topic_of("hole", self._prefix)
        if topic in names:
            decode = FeedEventDecoder().decode
            async for message in self._messages(topic, None):
                # What a newer version reports is nothing that this one knows the meaning of.
                with suppress(CodecError):
                    found.take(decode(message.value or b""))
        return found

    async def _messages(self, topic: str, since_ms: int | None) -> AsyncIterator[Any]:
        """Messages of a topic from a time on, or all of them."""
        consumer = self._consumer
        partitions = [TopicPartition(topic, n) for n in range(self._config.kafka.partitions)]
        spans = dict(await whole_spans(consumer, partitions))
        if since_ms is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, max(since_ms, 0)))
            for partition, (begin, end) in spans.items():
                at = found.get(partition)
                spans[partition] = (end if at is None else max(begin, at.offset), end)
        reader = SpanReader(consumer, spans)
        while reader.open:
            for messages in (await reader.fetch()).values():
                for message in messages:
                    yield message

    async def _read_log(self, log: str) -> None:
        marks = Marks(self._router)
        decode = RecordDecoder().decode
        async for message in self._messages(log, self._now_ms - LOOK_BACK_MS):
            try:
                record = decode(message.value or b"")
                self._router.check(record)
            except (CodecError, RecordRejected):
                continue
            if isinstance(record, Bar | Clock):
                marks.take(record)
                watermark_ms = marks.watermark_ms(record.symbol)
                if watermark_ms is not None:
                    self._marks[record.symbol] = watermark_ms
            if isinstance(record, Bar):
                self._bars.setdefault(record.symbol, {})[record.start_ms] = record
            elif isinstance(record, Cancel):
                self._bars.get(record.symbol, {}).pop(record.start_ms, None)

    async def _open_gaps(self) -> dict[str, tuple[OpenGap, ...]]:
        """By symbol the gaps that may still grow."""
        view: dict[bytes, dict[str, Any] | None] = {}
        topic = topic_of("gap", self._prefix)
        async for message in self._messages(topic, self._now_ms - LOOK_BACK_MS):
            view[message.key] = orjson.loads(message.value) if message.value else None
        found: dict[str, tuple[OpenGap, ...]] = {}
        for gap in view.values():
            if gap is not None and gap["state"] == "open":
                symbol = gap["symbol"]
                each = OpenGap(gap["start_ms"], gap["end_ms"], gap["missing"])
                found[symbol] = (*found.get(symbol, ()), each)
        return found

    async def _table(self, names: Collection[str]) -> RowTable:
        """Rows of indicators and values of windows, if the configuration has any."""
        found = RowTable()
        config = self._config
        default = () if config.default is None else (config.default,)
        asked = {
            "indicators": any(each.indicators for each in (*config.instruments.values(), *default)),
            "window": bool(config.windows),
        }
        takes = {"indicators": found.take_indicators, "window": found.take_window}
        for kind, take in takes.items():
            topic = topic_of(kind, self._prefix)
            if not asked[kind] or topic not in names:
                continue
            async for message in self._messages(topic, self._now_ms - LOOK_BACK_MS):
                if message.value:
                    take(message.value)
                else:
                    found.drop(message.key.decode())
        return found

    async def _corrected(self, topic: str, since_ms: int) -> list[CorrectedFact]:
        found = []
        async for message in self._messages(topic, since_ms):
            if message.value and _UNCAUSED not in message.value:
                event = orjson.loads(message.value)
                found.append(
                    CorrectedFact(
                        event["type"], event["symbol"], event["corrects"], message.timestamp
                    )
                )
        return found

    def _symbol(self, symbol: str, gaps: tuple[OpenGap, ...], table: RowTable) -> SymbolFacts:
        config = self._config
        instrument = config.instrument(symbol)
        assert instrument is not None, f"{symbol} had a record that was checked, or is of a feed"
        calendar = load_calendar(instrument.calendar)
        base_ms = parse_interval(instrument.base).length_ms
        group = config.group_of(symbol)
        watermark_ms = self._marks.get(symbol)
        if watermark_ms is None:
            return SymbolFacts(symbol, group, calendar, base_ms, None, None)
        bars = self._bars.get(symbol, {})
        index = session_index(calendar, watermark_ms)
        open_ms = watermark_ms if index is None else calendar.open_ms(index)
        running = (
            (start_ms, bars[start_ms].high, bars[start_ms].low)
            for start_ms in sorted(bars)
            if start_ms >= open_ms
        )
        return SymbolFacts(
            symbol=symbol,
            group=group,
            calendar=calendar,
            base_ms=base_ms,
            watermark_ms=watermark_ms,
            last_bar_ms=max(bars, default=None),
            session=session_so_far(calendar, base_ms, watermark_ms, running),
            gaps=gaps,
            indicators=tuple(
                # How many bars there were before, these messages do not show.
                indicator_history(each, table.rows(symbol, each.interval).latest, None)
                for each in config.indicators_for(instrument)
            ),
            windows=tuple(
                window_history(name, table.window(symbol, name))
                for name in config.windows_of(symbol)
            ),
        )
