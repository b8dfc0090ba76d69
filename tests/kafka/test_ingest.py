"""`tapeline ingest` into the log of a broker: one writer, kills, freezes, a broker that is away."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import DAY_MS, iso_date
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.feeds.live.exchange.market import SLOT_MS, SampleMarket
from tapeline.streams.feeds.live.exchange.server import SampleExchange
from tapeline.streams.feeds.live.exchange.settings import sample_settings
from tapeline.streams.feeds.live.transports.inbox import read_clocks
from tapeline.streams.kafka.administration import create_topics
from tests.kafka.broker import Broker
from tests.kafka.reading import read_topic

WAIT_S = 90.0
REACH_S = 60
PARTITIONS = 2


@pytest.fixture
async def exchange() -> AsyncIterator[SampleExchange]:
    made = SampleExchange(SampleMarket())
    await made.start()
    yield made
    await made.stop()


class Desk:
    """A configuration, its topics, and processes of `tapeline ingest`."""

    def __init__(self, place: Path, exchange: SampleExchange, broker: Broker, prefix: str) -> None:
        self.config = place / "tapeline.toml"
        kafka = (
            f'[kafka]\nbootstrap = "{broker.bootstrap}"\ntopic_prefix = "{prefix}"\n'
            f"partitions = {PARTITIONS}\n"
        )
        self.config.write_text(kafka + sample_settings(exchange, "demo", REACH_S))
        self._broker = broker
        self._prefix = prefix
        self._started: list[asyncio.subprocess.Process] = []

    async def make_topics(self) -> None:
        """The topics of the catalogue."""
        settings = read_config(self.config.read_text(), str(self.config))
        await create_topics(settings.kafka, self._broker.brokers)

    async def ingest(self, *options: str) -> asyncio.subprocess.Process:
        """A process that runs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tapeline", "ingest", "demo", "--config", str(self.config),
            "--lease-s", "6", *options,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._started.append(process)
        return process

    async def records(self) -> list[Any]:
        """Messages of the log."""
        log = await read_topic(self._broker.bootstrap, input_log(self._prefix))
        return [message for partition in log for message in partition]

    async def operations(self, kind: str) -> list[dict[str, Any]]:
        """Events of a type of the operations."""
        topic = await read_topic(self._broker.bootstrap, topic_of("hole", self._prefix))
        found = [orjson.loads(message.value) for partition in topic for message in partition]
        return [event for event in found if event["type"] == kind]

    async def until_records(self, count: int) -> None:
        """Wait until the log has so many messages."""
        async with asyncio.timeout(WAIT_S):
            while len(await self.records()) < count:
                over = [each for each in self._started if each.returncode not in (None, -9)]
                assert not over, [(each.returncode, await ended(each)) for each in over]
                await asyncio.sleep(0.2)

    async def end_all(self) -> None:
        """Kill what still runs."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.fixture
async def desk(
    tmp_path: Path, exchange: SampleExchange, broker: Broker, topic_prefix: str
) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, exchange, broker, topic_prefix)
    await made.make_topics()
    yield made
    await made.end_all()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Exit code and what was written to standard error."""
    _, errors = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode is not None
    return process.returncode, errors.decode()


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


async def test_one_process_writes_and_the_other_takes_over_when_it_is_killed(
    desk: Desk, exchange: SampleExchange
) -> None:
    first = await desk.ingest()
    await desk.until_records(100)
    second = await desk.ingest()
    await asyncio.sleep(3)
    connections = len(exchange._clients)
    assert connections == 1
    first.kill()
    await first.wait()
    await desk.until_records(len(await desk.records()) + 30)
    second.send_signal(signal.SIGTERM)
    assert await ended(second) == (0, "")
    third = await desk.ingest("--once")
    assert await ended(third) == (0, "")
    check_records(await desk.records(), exchange)
    assert {event["state"] for event in await desk.operations("hole")} >= {"open", "filled"}


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
    process = await desk.ingest()
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


async def test_without_topics_nothing_starts(desk: Desk, tmp_path: Path) -> None:
    desk.config.write_text(
        desk.config.read_text().replace('topic_prefix = "', 'topic_prefix = "no')
    )
    code, errors = await ended(await desk.ingest())
    assert code == 2
    assert "tapeline topics create" in errors
