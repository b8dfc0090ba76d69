"""`tapeline ingest` into the log of a broker: one writer, kills, freezes, a broker that is away."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from tapeline.schemas.instants import DAY_MS, iso_date
from tapeline.streams.feeds.live.exchange.market import SLOT_MS, SampleMarket
from tapeline.streams.feeds.live.exchange.server import SampleExchange
from tapeline.streams.feeds.live.exchange.settings import sample_settings
from tapeline.streams.feeds.live.transports.inbox import read_clocks
from tests.kafka.broker import Broker
from tests.kafka.ingest_process import Desk, ended

REACH_S = 300
KILLS = 3


@pytest.fixture
async def exchange() -> AsyncIterator[SampleExchange]:
    made = SampleExchange(SampleMarket())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def desk(
    tmp_path: Path, exchange: SampleExchange, broker: Broker, topic_prefix: str
) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, broker, topic_prefix, sample_settings(exchange, "demo", REACH_S))
    await made.make_topics()
    yield made
    await made.end_all()


def check_records(messages: list[Any], exchange: SampleExchange) -> None:
    """Every bar was stated, and of slots that are final the log has the final bar or none."""
    stated = {(bar.symbol, bar.start_ms, bar.close, bar.volume) for bar in exchange.stated}
    last: dict[tuple[str, int], tuple[float, Any]] = {}
    for message in messages:
        record = orjson.loads(message.value)
        if record["type"] == "bar":
            key = (record["symbol"], record["start_ms"])
            last[key] = (record["close"], record["volume"])
            assert (*key, record["close"], record["volume"]) in stated
            assert message.timestamp == record["start_ms"] + SLOT_MS
            assert dict(message.headers)["feed"] == b"demo"
    for symbol in exchange.market.symbols:
        labels = [start_ms for name, start_ms in last if name == symbol]
        for start_ms in range(min(labels), max(labels) - 15 * SLOT_MS, SLOT_MS):
            bar = exchange.market.bar(symbol, start_ms)
            assert last.get((symbol, start_ms)) == (
                None if bar is None else (bar.close, bar.volume)
            )


def check_holes(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last states of all holes: filled or abandoned, with numbers."""
    last = {event["id"]: event for event in events}
    for hole in last.values():
        assert hole["state"] in ("filled", "abandoned"), hole
        assert hole["from_ms"] < hole["to_ms"], hole
        assert (hole["missing"] == 0) == (hole["state"] == "filled"), hole
    return list(last.values())


async def test_one_process_writes_and_the_next_takes_over_whenever_it_is_killed(
    desk: Desk, exchange: SampleExchange
) -> None:
    chance = Random(KILLS)
    running = await desk.ingest()
    await desk.until_records(100)
    for _ in range(KILLS):
        waiting = await desk.ingest()
        await asyncio.sleep(chance.uniform(0, 3))
        assert len(exchange._clients) == 1
        running.kill()
        await running.wait()
        await desk.until_records(len(await desk.records()) + 1)
        running = waiting
    running.send_signal(signal.SIGTERM)
    assert await ended(running) == (0, "")
    last = await desk.ingest("--once")
    assert await ended(last) == (0, "")
    check_records(await desk.records(), exchange)
    check_holes(await desk.operations("hole"))


async def test_a_process_that_was_frozen_writes_nothing_more(
    desk: Desk, exchange: SampleExchange
) -> None:
    process = await desk.ingest()
    await desk.until_records(100)
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(7)
    count = len(await desk.records())
    process.send_signal(signal.SIGCONT)
    code, errors = await ended(process)
    assert code == 70, errors
    assert "stood still" in errors
    assert len(await desk.records()) == count


async def test_a_broker_that_is_away_for_a_while_loses_nothing(
    desk: Desk, exchange: SampleExchange, broker: Broker
) -> None:
    process = await desk.ingest(lease_s=60)
    await desk.until_records(100)
    broker.pause()
    try:
        await asyncio.sleep(3)
    finally:
        broker.resume()
    await desk.until_records(len(await desk.records()) + 30)
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == (0, "")
    check_records(await desk.records(), exchange)


async def test_a_session_is_not_mended_while_its_feed_runs(
    desk: Desk, exchange: SampleExchange
) -> None:
    process = await desk.ingest()
    await desk.until_records(100)
    today = iso_date(read_clocks().wall_ms // DAY_MS)
    command = [sys.executable, "-m", "tapeline", "feed", "reconcile", "demo", "--session", today]
    command += ["--config", str(desk.config), "--publish", "--lease-s", "6"]
    mending = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    code, errors = await ended(mending)
    assert code == 2, errors
    assert "feed demo: another process holds its lease; stop its ingest, and try again" in errors
    # The feed goes on.
    await desk.until_records(len(await desk.records()) + 30)
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == (0, "")
    check_records(await desk.records(), exchange)


async def test_a_broker_that_is_away_for_longer_ends_the_process_and_the_next_one_fetches_the_rest(
    desk: Desk, exchange: SampleExchange, broker: Broker
) -> None:
    process = await desk.ingest()
    await desk.until_records(100)
    broker.pause()
    try:
        code, errors = await ended(process)
    finally:
        broker.resume()
    assert (code, errors.count("\n")) == (74, 1), errors
    assert f"no answer from a broker at {broker.bootstrap}" in errors
    held = await desk.records()
    assert await ended(await desk.ingest("--once")) == (0, "")
    check_records(await desk.records(), exchange)
    assert len(await desk.records()) > len(held)
    holes = check_holes(await desk.operations("hole"))
    away = max(holes, key=lambda hole: hole["from_ms"])
    assert (away["cause"], away["state"]) == ("restart", "filled"), holes
    assert away["fetched"] > 0


async def test_without_topics_nothing_starts(desk: Desk, tmp_path: Path) -> None:
    desk.config.write_text(
        desk.config.read_text().replace('topic_prefix = "', 'topic_prefix = "no')
    )
    code, errors = await ended(await desk.ingest())
    assert code == 2
    assert "tapeline topics create" in errors
