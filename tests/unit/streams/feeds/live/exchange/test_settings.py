"""A feed of the sample exchange from its sockets to its log, in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import Connection, Hole
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.exchange.market import SLOT_MS, SampleMarket
from tapeline.streams.feeds.live.exchange.server import PER_MS, REQUESTS, SampleExchange
from tapeline.streams.feeds.live.exchange.settings import HEAD, sample_settings, write_settings
from tapeline.streams.feeds.live.mapping.compiled import compile_mapping
from tapeline.streams.feeds.live.secrets import read_secrets
from tapeline.streams.feeds.live.transports.http import HttpRequests
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks
from tapeline.streams.feeds.live.transports.opening import open_connections
from tapeline.streams.ingest.feed_run import FeedRun
from tapeline.streams.pipeline.log_writer import KnownLog, KnownSymbol, LogBatch, LogEntry, LogItem
from tapeline.streams.pipeline.routing import Router


class MemoryLog:
    """A log in memory."""

    def __init__(self) -> None:
        self.items: list[LogItem] = []

    async def read_back(self, feed: str, symbols: Sequence[str]) -> KnownLog:
        return KnownLog(symbols={symbol: KnownSymbol() for symbol in symbols})

    async def write(self, batch: LogBatch) -> None:
        self.items += batch.items

    async def close(self) -> None:
        """Nothing is held."""

    def bars(self, symbol: str) -> dict[int, Bar]:
        """By label, what the log holds last of each slot."""
        records = [each.record for each in self.items if isinstance(each, LogEntry)]
        return {
            record.start_ms: structs.replace(record, source=None)
            for record in records
            if isinstance(record, Bar) and record.symbol == symbol
        }

    def watermark_ms(self, symbol: str) -> int:
        """As records raised it."""
        records = [each.record for each in self.items if isinstance(each, LogEntry)]
        ends = [
            record.time_ms if isinstance(record, Clock) else record.start_ms + SLOT_MS
            for record in records
            if isinstance(record, Bar | Clock) and record.symbol == symbol
        ]
        return max(ends, default=0)

    def live_connections(self) -> set[str]:
        """Ids of connections that were live."""
        events = [each for each in self.items if isinstance(each, Connection)]
        return {each.id for each in events if each.state == "live"}

    def open_holes(self) -> list[str]:
        """Ids of holes that are not filled."""
        holes = {each.id: each.state for each in self.items if isinstance(each, Hole)}
        return [key for key, state in holes.items() if state != "filled"]


async def test_a_feed_fills_what_cuts_silence_and_a_missing_history_took_from_it() -> None:
    exchange = SampleExchange(SampleMarket())
    await exchange.start()
    config = read_config(sample_settings(exchange, reach_s=120), "sample")
    settings = config.feeds["sample"]
    mapping = compile_mapping(settings, config, read_secrets(settings, {}))
    inbox, log = Inbox(), MemoryLog()
    known = await log.read_back("sample", list(settings.symbols))
    engine = FeedEngine(settings, mapping, Router(config), known, Random(1))
    run = FeedRun(
        engine, inbox, open_connections(settings, mapping, inbox), HttpRequests(inbox), log
    )
    running = asyncio.create_task(run.run())

    async def until_live(count: int) -> None:
        async with asyncio.timeout(30):
            while len(log.live_connections()) < count:
                await asyncio.sleep(0.05)

    await until_live(1)
    exchange.ask("silence", 2.2)
    await asyncio.sleep(2.2)
    exchange.ask("refuse", 1.2)
    exchange.ask("no_history", 1.5)
    await until_live(2)
    async with asyncio.timeout(30):
        while not engine.caught_up or log.open_holes():
            await asyncio.sleep(0.05)
    run.stop(5)
    assert await running is None
    await exchange.stop()

    market = exchange.market
    for symbol in market.symbols:
        bars = log.bars(symbol)
        first_ms, end_ms = min(bars), log.watermark_ms(symbol)
        # The last slots may still be revised by the stream.
        last_ms = end_ms - 4 * SLOT_MS
        for start_ms in range(first_ms, last_ms, SLOT_MS):
            assert bars.get(start_ms) == market.bar(symbol, start_ms)
        assert last_ms - first_ms > 100 * SLOT_MS
        assert read_clocks().wall_ms - end_ms < 30_000
    assert {
        bar for symbol in market.symbols for bar in log.bars(symbol).values()
    } <= exchange.stated
    for at_ms in exchange.requests:
        window = [each for each in exchange.requests if at_ms <= each < at_ms + PER_MS]
        assert len(window) <= REQUESTS


@pytest.mark.parametrize("reach_s", [60, 3_600])
async def test_the_settings_name_the_port_and_the_symbols(reach_s: int) -> None:
    exchange = SampleExchange(SampleMarket({"ONE": 0, "TWO": 5}), port=1)
    feed = read_config(sample_settings(exchange, "mine", reach_s), "sample").feeds["mine"]
    assert feed.url == "ws://127.0.0.1:1/stream"
    assert list(feed.symbols) == ["ONE", "TWO"]
    assert feed.history is not None
    assert feed.history.reach_ms == reach_s * 1000


def test_settings_are_written_over_those_of_a_sample_feed_and_over_no_others(
    tmp_path: Path,
) -> None:
    path = write_settings(tmp_path / "new", f"{HEAD}first")
    assert write_settings(tmp_path / "new", f"{HEAD}second") == path
    assert path.read_text() == f"{HEAD}second"
    path.write_text("# mine")
    with pytest.raises(InputError, match="is not of a sample feed"):
        write_settings(tmp_path / "new", HEAD)
    assert path.read_text() == "# mine"
