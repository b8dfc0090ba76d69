"""The log as a feed writes it: what is read back, provenance, and one writer of a feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.feed_events import Hole, Limit
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.kafka.feed_log import KafkaFeedLog
from tapeline.streams.kafka.lease import FeedLease, LostLeaseError, lease_group
from tapeline.streams.pipeline.log_writer import KnownSymbol, LogBatch, LogEntry
from tapeline.streams.pipeline.refusals import Refusal, dead_letter
from tests.kafka.broker import Broker
from tests.kafka.reading import read_topic

OPEN_MS = 1_764_599_400_000
"""2025-12-01 14:30 UTC: the open of XNYS."""
DAY_MS = 1440 * MINUTE_MS
RECEIVED_MS = OPEN_MS + 90_250
WAIT_S = 30
SESSION_S = 6.0


@pytest.fixture
async def config(broker: Broker, topic_prefix: str) -> Config:
    text = f"""
    [kafka]
    topic_prefix = "{topic_prefix}"
    partitions = 3
    [instruments.ACME]
    tick = 0.01
    calendar = "XNYS"
    [instruments.BETA]
    tick = 0.01
    calendar = "XNYS"
    """
    found = read_config(text, "test")
    await create_topics(found.kafka, broker.brokers)
    return found


def bar(symbol: str, minute: int, close: float = 41.0) -> Bar:
    return Bar(symbol, "1m", OPEN_MS + minute * MINUTE_MS, 41.0, 41.5, 40.5, close, 10, "live")


def entry(record: Bar | Cancel | Clock, via: str = "stream") -> LogEntry:
    return LogEntry(record, via, RECEIVED_MS)


def feed_log(
    config: Config,
    broker: Broker,
    feed: str = "demo",
    now_ms: int = OPEN_MS + 5 * MINUTE_MS,
    lease: FeedLease | None = None,
) -> KafkaFeedLog:
    return KafkaFeedLog(
        config,
        broker.brokers,
        feed,
        config.kafka.partitions,
        lambda: now_ms,
        lease,
    )


def new_lease(
    config: Config, broker: Broker, wall_ns: Callable[[], int] = time.time_ns
) -> FeedLease:
    return FeedLease(
        broker.brokers,
        input_log(config.kafka.topic_prefix),
        lease_group("demo", config.kafka.topic_prefix),
        SESSION_S,
        wall_ns=wall_ns,
    )


async def test_what_was_written_is_read_back(broker: Broker, config: Config) -> None:
    hole = Hole("hole|demo|1|5", "demo", None, 5, 1, 5, None, "disconnect", "open", 0, 1)
    limit = Limit("limit|demo|history", "demo", None, RECEIVED_MS, 17_000, 429)
    first = feed_log(config, broker)
    assert (await first.read_back("demo", ["ACME", "BETA"])).symbols == {
        "ACME": KnownSymbol(),
        "BETA": KnownSymbol(),
    }
    records = (bar("ACME", 0), bar("ACME", 1), bar("ACME", 1, 40.9), bar("BETA", 0))
    await first.write(LogBatch((*map(entry, records), hole, limit)))
    await first.write(
        LogBatch(
            (
                entry(Cancel("ACME", "1m", OPEN_MS)),
                entry(Clock("BETA", OPEN_MS + 3 * MINUTE_MS), "canary"),
            )
        )
    )
    await first.close()
    second = feed_log(config, broker)
    known = await second.read_back("demo", ["ACME", "BETA"])
    await second.close()
    acme, beta = known.symbols["ACME"], known.symbols["BETA"]
    assert acme.seen == {OPEN_MS: None, OPEN_MS + MINUTE_MS: bar("ACME", 1, 40.9)}
    assert acme.watermark_ms == OPEN_MS + 2 * MINUTE_MS
    assert beta.seen == {OPEN_MS: bar("BETA", 0)}
    assert beta.watermark_ms == OPEN_MS + 3 * MINUTE_MS
    assert acme.feeds == beta.feeds == {"demo"}
    assert (known.limits_of("demo"), known.open_holes) == ([limit], [hole])
    other = feed_log(config, broker, "other")
    found = await other.read_back("other", ["ACME"])
    await other.close()
    assert found.symbols["ACME"].feeds == {"demo"}
    assert (found.limits_of("other"), found.open_holes) == ([], [])
    assert found.limits_of("demo") == [limit], "it may be the backup of the other"


async def test_messages_have_their_provenance_their_key_and_the_end_of_their_bar(
    broker: Broker, config: Config
) -> None:
    log = feed_log(config, broker)
    await log.read_back("demo", ["ACME"])
    letter = dead_letter("feed:demo:1:1", b"{", Refusal("decode_error", "truncated", None))
    await log.write(
        LogBatch(
            (letter, entry(bar("ACME", 0)), entry(Clock("ACME", OPEN_MS + 120_000), "history"))
        )
    )
    await log.close()
    prefix = config.kafka.topic_prefix
    [written] = [part for part in await read_topic(broker.bootstrap, input_log(prefix)) if part]
    assert [(each.key, each.timestamp) for each in written] == [
        (b"ACME", OPEN_MS + MINUTE_MS),
        (b"ACME", OPEN_MS + 120_000),
    ]
    assert [dict(each.headers) for each in written] == [
        {"feed": b"demo", "recv_ms": str(RECEIVED_MS).encode(), "via": via}
        for via in (b"stream", b"history")
    ]
    letters = await read_topic(broker.bootstrap, topic_of("reject", prefix))
    assert [each.key for each in letters[0]] == [b"reject|feed:demo:1:1"]


async def test_bars_of_two_sessions_are_read_back_and_none_before_them(
    broker: Broker, config: Config
) -> None:
    log = feed_log(config, broker)
    await log.read_back("demo", ["ACME"])
    starts = [OPEN_MS + day * DAY_MS for day in range(3)]
    bars = [Bar("ACME", "1m", start_ms, 41.0, 41.5, 40.5, 41.0, 10) for start_ms in starts]
    await log.write(LogBatch(tuple(map(entry, bars))))
    await log.close()
    later = feed_log(config, broker, now_ms=starts[2] + 5 * MINUTE_MS)
    known = (await later.read_back("demo", ["ACME"])).symbols["ACME"]
    await later.close()
    assert list(known.seen) == starts[1:]
    assert known.watermark_ms == starts[2] + MINUTE_MS


async def test_of_two_processes_the_first_writes_and_the_second_takes_over(
    broker: Broker, config: Config
) -> None:
    first, second = new_lease(config, broker), new_lease(config, broker)
    await first.start()
    await asyncio.wait_for(first.held.wait(), WAIT_S)
    writer = feed_log(config, broker, lease=first)
    await writer.read_back("demo", ["ACME"])
    await second.start()
    joined = asyncio.create_task(second.joined.wait())
    minutes = 0
    while not joined.done():
        # Whatever order the group finds meanwhile, the first one stays the writer.
        await writer.write(LogBatch((entry(bar("ACME", minutes)),)))
        await asyncio.wait([joined], timeout=0.1)
        minutes += 1
    await writer.write(LogBatch((entry(bar("ACME", minutes)),)))
    assert not second.held.is_set()
    waiting = feed_log(config, broker, lease=second)
    reading = asyncio.create_task(waiting.read_back("demo", ["ACME"]))
    await writer.close()
    known = await asyncio.wait_for(reading, WAIT_S)
    assert len(known.symbols["ACME"].seen) == minutes + 1
    await waiting.write(LogBatch((entry(bar("ACME", minutes + 1)),)))
    await waiting.close()


async def test_a_process_whose_clock_is_behind_takes_no_lease_from_the_writer(
    broker: Broker, config: Config
) -> None:
    first, second = new_lease(config, broker), new_lease(config, broker, wall_ns=lambda: 1)
    await first.start()
    await asyncio.wait_for(first.held.wait(), WAIT_S)
    await second.start()
    await asyncio.wait_for(second.joined.wait(), WAIT_S)
    await first.confirm()
    assert not second.held.is_set()
    await second.stop()
    await first.stop()


async def test_a_process_that_stood_still_writes_nothing_more(
    broker: Broker, config: Config
) -> None:
    now_s = 0.0
    lease = FeedLease(
        broker.brokers,
        input_log(config.kafka.topic_prefix),
        lease_group("demo", config.kafka.topic_prefix),
        SESSION_S,
        lambda: now_s,
    )
    await lease.start()
    log = feed_log(config, broker, lease=lease)
    await asyncio.wait_for(log.read_back("demo", ["ACME"]), WAIT_S)
    now_s = SESSION_S / 2
    await log.write(LogBatch((entry(bar("ACME", 0)),)))
    now_s += SESSION_S / 2 + 0.1
    for _ in range(2):
        with pytest.raises(LostLeaseError, match=r"stood still for 3\.1 s"):
            await log.write(LogBatch((entry(bar("ACME", 1)),)))
    await log.close()
    log = feed_log(config, broker)
    known = await log.read_back("demo", ["ACME"])
    await log.close()
    assert list(known.symbols["ACME"].seen) == [OPEN_MS]
