"""The status of topics: what a live feed and a worker wrote there."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Gap, Indicators, Reject, Session, Touch, WindowValue
from tapeline.schemas.feed_events import Hole
from tapeline.schemas.ids import indicators_id, window_id
from tapeline.schemas.instants import DAY_MS, MINUTE_MS, iso_time
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.topics import topic_of
from tapeline.streams.cli import main as cli
from tapeline.streams.errors import TopicsError
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.kafka.status import facts_of_topics
from tapeline.streams.pipeline.status import OpenGap, status_of
from tapeline.streams.pipeline.warm_up import IndicatorHistory, KeyHistory, WindowHistory
from tests.kafka.broker import Broker
from tests.kafka.worker_process import append

OPEN_MS = 1_764_599_400_000
"""2025-12-01 14:30 UTC: the open of XNYS."""
NOW_MS = OPEN_MS + 20 * MINUTE_MS
PARTITIONS = 3


def _text(bootstrap: str, prefix: str) -> str:
    """Any symbol of XNYS, one of them of a live feed, with another one that never came."""
    return f"""
    [kafka]
    bootstrap = "{bootstrap}"
    topic_prefix = "{prefix}"
    partitions = {PARTITIONS}
    [instruments.default]
    tick = 0.01
    calendar = "XNYS"
    indicators = ["own"]
    [indicators.own]
    list = ["sma(200)", "vwap"]
    intervals = ["5m"]
    [windows.volume]
    kind = "sum"
    field = "volume"
    period = "3d"
    [feeds.demo]
    use = "kraken"
    symbols = {{ ACME = "ACME/USD", NONE = "NONE/USD" }}
    """


@pytest.fixture
def config(broker: Broker, topic_prefix: str) -> Config:
    """A configuration whose topics are not there."""
    return read_config(_text(broker.bootstrap, topic_prefix), "test")


def bar(symbol: str, start_ms: int, price: float = 41.0) -> Bar:
    return Bar(symbol, "1m", start_ms, price, price + 0.5, price - 0.5, price)


async def send(config: Config, *messages: tuple[str, str, bytes | None, int]) -> None:
    """Messages as type, key, value and CreateTime, into the topics of their types."""
    async with AIOKafkaProducer(bootstrap_servers=config.kafka.bootstrap) as producer:
        for kind, key, value, time_ms in messages:
            topic = topic_of(kind, config.kafka.topic_prefix)
            await producer.send_and_wait(
                topic, value, key.encode(), partition=1, timestamp_ms=time_ms
            )


def gap(minute: int, state: str) -> tuple[str, str, bytes, int]:
    start_ms, end_ms = OPEN_MS + minute * MINUTE_MS, OPEN_MS + (minute + 2) * MINUTE_MS
    found = Gap(
        f"gap|ACME|1m|{start_ms}", "upsert", 0, 0, "ACME", "2025-12-01", end_ms, end_ms, None,
        "1m", start_ms, end_ms, 2, state,  # type: ignore[arg-type]
    )  # fmt: skip
    return "gap", found.id, encode(found), end_ms


def session_event() -> tuple[str, str, bytes, int]:
    found = Session(
        "session|ACME|2025-12-01", "upsert", 0, 0, "ACME", "2025-12-01", OPEN_MS, OPEN_MS, None,
        "open", OPEN_MS, OPEN_MS + 390 * MINUTE_MS, False, 1, 390, 1, 1.0, 1.0,
    )  # fmt: skip
    return "session", found.id, encode(found), OPEN_MS


def touch(minute: int, corrects: int | None) -> tuple[str, str, bytes, int]:
    at_ms = OPEN_MS + minute * MINUTE_MS
    found = Touch(
        f"touch|{minute}", "upsert", 0, 0, "ACME", "2025-12-01", at_ms, at_ms, corrects,
        "r", "k", "n", "first", "high", 1.0, at_ms, False,
    )  # fmt: skip
    return "touch", found.id, encode(found), at_ms


def row(minute: int) -> tuple[str, str, bytes, int]:
    """A row of indicators."""
    start_ms, end_ms = OPEN_MS + minute * MINUTE_MS, OPEN_MS + (minute + 5) * MINUTE_MS
    found = Indicators(
        indicators_id("ACME", "5m", start_ms), "upsert", 0, 0, "ACME", "2025-12-01", end_ms, end_ms,
        None, "5m", start_ms, end_ms, {"sma_200_5m": None, "vwap_5m": 41.0}, ("sma_200_5m",),
        ("vwap_5m",), 0,
    )  # fmt: skip
    return "indicators", found.id, encode(found), end_ms


def window_value() -> tuple[str, str, bytes, int]:
    found = WindowValue(
        window_id("ACME", "volume", "2025-12-01"), "upsert", 0, 0, "ACME", "2025-12-01", OPEN_MS,
        OPEN_MS, None, "sum", "volume", "daily", "3d", 7, "2025-11-25", "2025-11-28", 2, 3, False,
    )  # fmt: skip
    return "window", found.id, encode(found), OPEN_MS


async def test_the_status_of_topics_is_that_of_what_was_written(
    broker: Broker, config: Config, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(TopicsError, match="tapeline topics create"):
        await facts_of_topics(config, broker.brokers, NOW_MS)
    await create_topics(config.kafka, broker.brokers)
    records: list[LogRecord | bytes] = [
        bar("ACME", OPEN_MS - 30 * DAY_MS, 99.0),
        bar("ACME", OPEN_MS),
        bar("ACME", OPEN_MS + MINUTE_MS, 43.0),
        bar("ACME", OPEN_MS + 2 * MINUTE_MS, 50.0),
        Cancel("ACME", "1m", OPEN_MS + 2 * MINUTE_MS),
        Clock("ACME", OPEN_MS + 4 * MINUTE_MS),
        b"{",
    ]
    await append(config, partition_for("ACME", PARTITIONS), records)
    await append(config, partition_for("LATE", PARTITIONS), [bar("LATE", OPEN_MS - 30 * DAY_MS)])
    await append(config, partition_for("FINE", PARTITIONS), [bar("FINE", NOW_MS - MINUTE_MS)])
    hole = Hole("h", "demo", None, NOW_MS, 1, OPEN_MS + 4 * MINUTE_MS, None, "stale", "open", 0, 0)
    letter = Reject("x", "bad_price", "none", "feed:demo:1:1", "", "ACME")
    closed_later = gap(2, "closed")
    taken_back = row(10)
    await send(
        config,
        ("hole", "h", encode(hole), 0),
        ("reject", "x", encode(letter), 0),
        gap(2, "open"),
        closed_later,
        gap(8, "open"),
        touch(1, None),
        touch(2, OPEN_MS),
        touch(3, OPEN_MS + 7),
        row(0),
        row(5),
        taken_back,
        (*taken_back[:2], None, taken_back[3]),
        window_value(),
    )
    facts = await facts_of_topics(config, broker.brokers, NOW_MS)
    acme, fine, none = facts.symbols
    assert [each.symbol for each in facts.symbols] == ["ACME", "FINE", "NONE"]
    assert (acme.watermark_ms, acme.last_bar_ms) == (OPEN_MS + 4 * MINUTE_MS, OPEN_MS + MINUTE_MS)
    session = acme.session
    assert session is not None
    assert (session.bars, session.due, session.high, session.low) == (2, 4, 43.5, 40.5)
    assert acme.gaps == (OpenGap(OPEN_MS + 8 * MINUTE_MS, OPEN_MS + 10 * MINUTE_MS, 2),)
    # How many bars were there before, four days of rows do not show.
    assert acme.indicators == (
        IndicatorHistory(
            "5m",
            2,
            OPEN_MS + 5 * MINUTE_MS,
            OPEN_MS + 10 * MINUTE_MS,
            (KeyHistory("sma_200_5m", None, 200),),
            (KeyHistory("vwap_5m", None, None),),
        ),
    )
    assert acme.windows == (WindowHistory("volume", "2025-12-01", 2, 3),)
    assert fine.indicators == (IndicatorHistory("5m", 2, None, None, (), ()),)
    assert fine.windows == (WindowHistory("volume", None, None, None),)
    assert (fine.watermark_ms, none.watermark_ms) == (NOW_MS, None)
    found = status_of(facts, NOW_MS)
    assert {each.symbol: each.state for each in found.symbols} == {
        "ACME": "stale",
        "NONE": "stale",
        "FINE": "current",
    }
    assert found.symbols[0].holes == [hole]
    assert (found.corrected_bars, found.corrected) == (2, {"touch": 2})
    file = tmp_path / "live.toml"
    file.write_text(_text(config.kafka.bootstrap, config.kafka.topic_prefix))
    command = ["status", "--config", str(file), "--now", iso_time(NOW_MS), "--json", "--fail"]
    capsys.readouterr()
    # In a thread: the command has a loop of its own.
    assert await asyncio.to_thread(cli.main, command) == 1
    assert json.loads(capsys.readouterr().out)["stale"] == ["ACME", "NONE"]
    await send(config, session_event())
    for command in (["gaps", "--config", str(file)], ["gaps", "--config", str(file), "--json"]):
        capsys.readouterr()
        assert await asyncio.to_thread(cli.main, command) == 0
    missing = json.loads(capsys.readouterr().out)
    assert (missing["expected"], missing["present"], missing["missing"]) == (None, None, 4)
    reasons = [[part["reason"] for part in each["reasons"]] for each in missing["holes"]]
    assert reasons == [["unknown"], ["outage"]]
    # The broker stamps dead letters with the time at which it took them.
    now = status_of(await facts_of_topics(config, broker.brokers, _machine_ms()), _machine_ms())
    assert now.rejects == {"bad_price": 1}


def _machine_ms() -> int:
    return int(time.time() * 1000)
