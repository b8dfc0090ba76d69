"""A log whose CreateTime is not the time of its records: order, bounds and pace follow the records.

Two days of two symbols, one symbol after the other, by an ordinary producer: the key is the symbol,
the timestamp is left alone.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from tapeline.replay.bounds import parse_bound
from tapeline.replay.fold import Selection, selected
from tapeline.replay.hosting import StrategyChoice
from tapeline.replay.options import ReplayOptions
from tapeline.replay.pace.control import Control
from tapeline.replay.run import Replay
from tapeline.replay.sources.items import Release
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.host_events import IssuedSignal
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar
from tapeline.schemas.topics import input_log
from tapeline.streams.kafka.administration import create_topics
from tests.kafka.broker import Broker
from tests.kafka.test_reading import tapeline
from tests.kafka.worker_process import WorkerProcess, until_committed
from tests.unit.replay.virtual_clock import VirtualClock

SYMBOLS = ("ETHUSDT", "BTCUSDT")
WATCHING = """
from tapeline import Needs, Signal, Strategy


class Watching(Strategy):
    def setup(self, config):
        return Needs(cold=True)

    def on_bar(self, bar, now):
        delay_ms = now.ms - bar.start_ms - 60_000
        now.emit(Signal(bar.symbol, "hold", reason=str(delay_ms)))
"""
BEGIN_MS = 1_704_844_800_000  # 2024-01-10 00:00 UTC
MINUTE_MS = 60_000
MINUTES = 2 * 1_440
PARTITIONS = 12
STRETCH = ("--from", "2024-01-10T06:00:00Z", "--to", "2024-01-10T07:00:00Z")
HOUR = ReplayOptions(start=parse_bound("--from", STRETCH[1]), stop=parse_bound("--to", STRETCH[3]))


def settings(broker: Broker, prefix: str, partitions: int = PARTITIONS) -> str:
    return (
        f'[kafka]\nbootstrap = "{broker.bootstrap}"\ntopic_prefix = "{prefix}"\n'
        f"partitions = {partitions}\n"
        '[instruments.BTCUSDT]\ntick = "0.01"\n[instruments.ETHUSDT]\ntick = "0.01"\n'
        '[derived]\nintervals = ["5m"]\n'
    )


def bars(symbol: str, minutes: int = MINUTES) -> list[Bar]:
    found = []
    for minute in range(minutes):
        price = 100.0 + minute % 7
        start_ms = BEGIN_MS + minute * MINUTE_MS
        found.append(Bar(symbol, "1m", start_ms, price, price + 1, price - 1, price + 0.5, 5))
    return found


async def backfilled(
    broker: Broker,
    folder: Path,
    prefix: str,
    stamp_ms: int | None = None,
    partitions: int = PARTITIONS,
) -> Config:
    """The log; `stamp_ms` None leaves CreateTime to the producer: the time of writing."""
    text = settings(broker, prefix, partitions)
    folder.mkdir(exist_ok=True)
    (folder / "tapeline.toml").write_text(text)
    config = read_config(text, "test")
    await create_topics(config.kafka, broker.brokers)
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        for symbol in SYMBOLS:
            sent = [
                await producer.send(
                    input_log(prefix), encode(bar), key=symbol.encode(), timestamp_ms=stamp_ms
                )
                for bar in bars(symbol)
            ]
            for future in sent:
                await future
    return config


@pytest.fixture(scope="module")
def log(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    """Such a log, not to be changed."""
    folder = tmp_path_factory.mktemp("backfilled")
    return asyncio.run(backfilled(broker, folder, "backfilled")), folder


Log = tuple[Config, Path]


def source(config: Config, fetch_records: int = 250) -> TopicSource:
    kafka = config.kafka
    return TopicSource(kafka.brokers, kafka.topic_prefix, fetch_records, config=config)


async def released(
    config: Config, options: ReplayOptions, fetch_records: int = 250
) -> list[Release]:
    async with Replay(config, source(config, fetch_records), options) as run:
        return [release async for release in run.releases()]


def positions(releases: Sequence[Release]) -> list[tuple[int, int, int]]:
    items = [release.item for release in releases]
    return [(item.partition, item.offset, item.time_ms) for item in items]


async def test_two_symbols_backfilled_one_after_the_other_are_replayed_in_market_order(
    log: Log,
) -> None:
    _, folder = log
    done = tapeline(folder, "replay", *STRETCH, "--symbols", ",".join(SYMBOLS))
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(events) == 24
    assert len(list(groupby(events, key=lambda each: each["symbol"]))) == 24
    ends = [event["end_ms"] for event in events]
    assert ends == sorted(ends)
    printed = " ".join(done.stderr.decode().split())
    assert "CreateTime of 840 records read is not the end of their bar" in printed


async def test_a_strategy_gets_every_bar_when_it_ends(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "watching.py"
    path.write_text(WATCHING)
    config, _ = log
    options = replace(HOUR, strategies=StrategyChoice((f"{path}:Watching",)))
    async with Replay(config, source(config), options) as run:
        delays = [each.reason async for each in run.events(IssuedSignal) if each.state == "issued"]
    assert delays == ["0"] * 120


async def test_an_hour_at_speed_600_takes_six_seconds(log: Log) -> None:
    config, _ = log
    clock = VirtualClock()
    async with Replay(config, source(config), HOUR, Control(600, clock=clock)) as run:
        times = [clock.elapsed_s async for _ in run.releases()]
    assert times == pytest.approx([0.1 * (bar // 2 + 1) for bar in range(120)])


async def test_the_order_is_that_of_every_selection_fetch_and_share(log: Log) -> None:
    config, _ = log
    whole = positions(await released(config, HOUR))
    assert whole == sorted(whole, key=lambda each: (each[2], *each[:2]))
    for fetch_records in (1, 7, 5_000):
        assert positions(await released(config, HOUR, fetch_records)) == whole
    parts = []
    for share in range(2):
        selection = Selection(share=(share, 2))
        part = positions(
            await released(
                config, ReplayOptions(start=HOUR.start, stop=HOUR.stop, selection=selection)
            )
        )
        assert part == [each for each in whole if each in set(part)]
        parts += part
    assert sorted(parts) == sorted(whole)
    for symbol in SYMBOLS:
        options = ReplayOptions(
            start=HOUR.start, stop=HOUR.stop, selection=selected(config, [symbol], [])
        )
        chosen = positions(await released(config, options))
        assert chosen == [each for each in whole if each in set(chosen)]
        assert len(chosen) == 60


async def test_several_processes_write_what_one_writes_and_repeat_it(log: Log) -> None:
    _, folder = log
    manifests = []
    for out, more in (("one", ()), ("three", ("--processes", "3"))):
        done = tapeline(folder, "replay", *STRETCH, "--out", out, *more)
        assert done.returncode == 0, done.stderr
        manifests.append(json.loads((folder / out / "manifest.json").read_bytes()))
    one, three = manifests
    assert one["output_sha256"] == three["output_sha256"]
    assert (one["order"], three["untimed"]) == ("shown", one["untimed"])
    assert one["untimed"] > 800
    again = tapeline(folder, "replay", "--manifest", "three")
    assert again.stdout.startswith(b"Equal"), again
    # A manifest of a version that ordered by CreateTime.
    del one["order"]
    (folder / "one" / "manifest.json").write_text(json.dumps(one))
    again = tapeline(folder, "replay", "--manifest", "one")
    assert b"ordered records of several partitions by CreateTime" in again.stdout


async def test_the_newest_records_of_a_log_are_compared_when_its_topics_are_described(
    log: Log,
) -> None:
    _, folder = log
    done = tapeline(folder, "topics", "describe")
    assert done.returncode == 0, done.stdout
    printed = " ".join(done.stdout.decode().split())
    assert "CreateTime of 2,000 of the newest 2,000 records is not the end of their bar" in printed
    done = tapeline(folder, "topics", "describe", "--records", "10", "--json")
    first = json.loads(done.stdout)[0]
    assert (first["records"], first["untimed"]) == (20, 20)
    assert (
        "CreateTime of"
        not in tapeline(folder, "topics", "describe", "--records", "0").stdout.decode()
    )


async def test_of_a_published_log_nothing_is_remarked(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "tapeline.toml").write_text(settings(broker, topic_prefix))
    for symbol in SYMBOLS:
        lines = b"".join(encode(bar) + b"\n" for bar in bars(symbol, 500))
        (tmp_path / f"{symbol}.jsonl").write_bytes(lines + b"no record\n")
    assert tapeline(tmp_path, "topics", "create").returncode == 0
    files = [f"{symbol}.jsonl" for symbol in SYMBOLS]
    assert tapeline(tmp_path, "publish", *files).returncode == 0
    for command in (("replay", *STRETCH), ("topics", "describe")):
        done = tapeline(tmp_path, *command)
        assert done.returncode == 0, done.stderr
        assert b"CreateTime of" not in done.stdout + done.stderr


@pytest.mark.parametrize("partitions", [1, PARTITIONS])
async def test_a_replay_begins_with_snapshots_by_the_watermark_they_hold(
    broker: Broker, topic_prefix: str, tmp_path: Path, partitions: int
) -> None:
    config = await backfilled(broker, tmp_path, topic_prefix, partitions=partitions)
    with WorkerProcess(config, tmp_path / "worker") as worker:
        ends = [0] * partitions
        for symbol in SYMBOLS:
            ends[source_partition(config, symbol)] += MINUTES
        await until_committed(config, ends, [worker])
        page = metrics(worker)
        assert f"tapeline_records_untimed_total {2 * MINUTES}" in page
        assert worker.drain() == 0
    # One partition: the second symbol lies behind both days of the first.
    start = parse_bound("--from", "2024-01-11T06:00:00Z")
    stop = parse_bound("--to", "2024-01-11T07:00:00Z")
    found = {}
    for snapshots in (True, False):
        options = ReplayOptions(start=start, stop=stop, snapshots=snapshots)
        async with Replay(config, source(config), options) as run:
            found[snapshots] = [
                event async for release in run.releases() for event in release.events
            ]
        kinds = {state["kind"] for state in run.start_states.values()}
        assert ("snapshot" in kinds) == snapshots
    assert found[True] == found[False]
    assert len(found[True]) == (24 if partitions > 1 else 12)


@pytest.mark.parametrize("stamp_ms", [0, BEGIN_MS, BEGIN_MS + 10 * 86_400_000])
async def test_a_warm_up_loses_no_event_to_a_create_time_that_is_too_early_or_too_late(
    broker: Broker, topic_prefix: str, tmp_path: Path, stamp_ms: int
) -> None:
    config = await backfilled(broker, tmp_path, topic_prefix, stamp_ms)
    options = ReplayOptions(start=HOUR.start, stop=HOUR.stop, snapshots=False, warmup_sessions=0)
    async with Replay(config, source(config), options) as run:
        warm = [event async for release in run.releases() for event in release.events]
    # The warm-up begins with the session of the start: nothing lies before it in this log.
    assert len(warm) == 24
    later = ReplayOptions(
        start=parse_bound("--from", "2024-01-11T06:00:00Z"),
        stop=parse_bound("--to", "2024-01-11T07:00:00Z"),
        selection=selected(config, SYMBOLS, []),
        snapshots=False,
        warmup_sessions=0,
    )
    async with Replay(config, source(config), later) as run:
        warm = [event async for release in run.releases() for event in release.events]
    assert len(warm) == 24
    begun = {run.read_from[source_partition(config, symbol)] for symbol in SYMBOLS}
    # The bar that ends with the session before is the last one left out.
    assert begun == {1_439}


def source_partition(config: Config, symbol: str) -> int:
    return partition_for(symbol, config.kafka.partitions)


def metrics(worker: WorkerProcess) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=30) as answer:
        page: str = answer.read().decode()
    return page
