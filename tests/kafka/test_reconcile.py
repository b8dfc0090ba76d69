"""`tapeline feed reconcile` with the log of a broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from msgspec.structs import replace

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import DAY_MS, iso_date
from tapeline.schemas.topics import input_log
from tapeline.streams.cli.main import main
from tapeline.streams.feeds.live.exchange.market import SLOT_MS, SampleMarket
from tapeline.streams.feeds.live.exchange.server import SampleExchange
from tapeline.streams.feeds.live.exchange.settings import sample_settings
from tapeline.streams.feeds.live.transports.inbox import read_clocks
from tapeline.streams.ingest.broker import feed_logs
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.pipeline.log_writer import LogBatch, LogEntry
from tests.kafka.broker import Broker
from tests.kafka.reading import read_topic


@pytest.fixture
async def exchange() -> AsyncIterator[SampleExchange]:
    made = SampleExchange(SampleMarket({"ALPHA": 99}))
    await made.start()
    yield made
    await made.stop()


async def test_a_session_of_a_broker_is_mended_under_the_lease_of_its_feed(
    exchange: SampleExchange,
    tmp_path: Path,
    broker: Broker,
    topic_prefix: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "tapeline.toml"
    kafka = f'[kafka]\nbootstrap = "{broker.bootstrap}"\ntopic_prefix = "{topic_prefix}"\n'
    config.write_text(f"{kafka}partitions = 2\n{sample_settings(exchange, 'demo')}")
    settings = read_config(config.read_text(), str(config))
    await create_topics(settings.kafka, broker.brokers)
    day = read_clocks().wall_ms // DAY_MS - 1
    labels = range(day * DAY_MS, (day + 1) * DAY_MS, SLOT_MS)
    final = [bar for label in labels if (bar := exchange.market.bar("ALPHA", label)) is not None]
    held = [replace(bar, source="live") for bar in final]
    held[100] = replace(held[100], volume=7)
    del held[50]
    log = (await feed_logs(settings, None))(settings.feeds["demo"])
    await log.read_back("demo", ("ALPHA",))
    await log.write(LogBatch(tuple(LogEntry(bar, "stream", bar.start_ms) for bar in held)))
    await log.close()

    command = ["feed", "reconcile", "demo", "--session", iso_date(day), "--config", str(config)]
    assert await asyncio.to_thread(main, [*command, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(each["start_ms"], each["kind"]) for each in found["differences"]] == [
        (final[50].start_ms, "missing"),
        (final[100].start_ms, "changed"),
    ]
    assert len(await messages(broker, topic_prefix)) == len(held)

    assert await asyncio.to_thread(main, [*command, "--publish"]) == 0
    appended = (await messages(broker, topic_prefix))[len(held) :]
    bars = [orjson.loads(value) for value, _ in appended]
    assert [(bar["start_ms"], bar["source"]) for bar in bars] == [
        (final[50].start_ms, "fill"),
        (final[100].start_ms, "fill"),
    ]
    assert {headers["feed"] for _, headers in appended} == {b"demo"}
    assert await asyncio.to_thread(main, command) == 0


async def messages(broker: Broker, prefix: str) -> list[tuple[bytes, dict[str, bytes]]]:
    """Values and headers of the log, whose bars are all of one partition."""
    log = await read_topic(broker.bootstrap, input_log(prefix))
    return [(each.value, dict(each.headers)) for partition in log for each in partition]
