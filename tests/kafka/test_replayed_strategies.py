"""Strategies in replays of a topic, into topics of the run, numbered as a live host does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from tapeline.replay.hosting import StrategyChoice
from tapeline.replay.results.results import Sinks, replay_into
from tapeline.replay.results.topics import RunTopics, partitions_of
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.partition import partition_for
from tapeline.schemas.topics import host_topics, input_log, run_prefix
from tapeline.streams.cli.main import main
from tapeline.streams.kafka.administration import create_topics, topic_names
from tests.kafka.broker import Broker
from tests.kafka.worker_process import append, read
from tests.unit.replay.hosting.strategies import CONFIGURATION, records, write

PREFIX = "replayed-strategies"
PARTITIONS = 3
ALL = ReplayOptions(strategies=StrategyChoice(("all",)))


@pytest.fixture
async def config(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The log of the strategies in a topic; the current folder has them."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    kafka = (
        f'[kafka]\nbootstrap = "{broker.bootstrap}"\ntopic_prefix = "{PREFIX}"\n'
        f"partitions = {PARTITIONS}\n"
    )
    (tmp_path / "tapeline.toml").write_text(kafka + CONFIGURATION)
    config = load_config(None)
    if input_log(PREFIX) not in await topic_names(config.kafka.brokers):
        await create_topics(config.kafka, config.kafka.brokers)
        for partition in range(PARTITIONS):
            groups = [config.group_of(each.symbol) for each in records()]
            own = [
                record
                for record, group in zip(records(), groups, strict=True)
                if partition_for(group, PARTITIONS) == partition
            ]
            await append(config, partition, own)
    return config


async def run_into(config: Config, run_id: str, folder: Path, fetch_records: int) -> None:
    kafka = config.kafka
    source = TopicSource(kafka.brokers, kafka.topic_prefix, fetch_records, config=config)
    async with Replay(config, source, ALL) as run:
        partitions = partitions_of(run.source)
        topics = RunTopics(kafka, kafka.brokers, run_id, partitions, hosted=True)
        async with topics:
            await replay_into(run, Sinks(folder, topics), {})


async def test_topics_of_a_run_hold_what_strategies_published_by_book(
    config: Config, tmp_path: Path
) -> None:
    await run_into(config, "hosted", tmp_path / "out", 250)
    own = run_prefix("hosted", PREFIX)
    for name in host_topics():
        lines = (tmp_path / "out" / f"{name}.jsonl").read_bytes().splitlines()
        topic = f"{own}.{name.removeprefix('tape.')}"
        values: list[bytes] = []
        for book in range(PARTITIONS):
            last = -1
            for message in await read(config.kafka.bootstrap, topic, book):
                event = orjson.loads(message.value)
                headers = {key: value.decode() for key, value in message.headers}
                assert partition_for(event["account"], PARTITIONS) == book
                assert headers == {
                    "seq": str(event["seq"]),
                    "rev": str(event["rev"]),
                    "type": event["type"],
                    "group": f"book-{book}",
                }
                assert (message.key.decode(), message.timestamp) == (event["id"], event["event_ms"])
                assert event["seq"] > last, "a consumer drops what is not later"
                last = event["seq"]
                values.append(message.value)
        assert sorted(values) == sorted(lines) != []


async def test_a_run_of_strategies_is_the_same_in_any_fetch_size_and_is_repeated_and_deleted(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run_id, size in (("one", 1), ("many", 500)):
        await run_into(config, run_id, tmp_path / run_id, size)
    for name in host_topics():
        one, many = (tmp_path / each / f"{name}.jsonl" for each in ("one", "many"))
        assert one.read_bytes() == many.read_bytes()
    return_codes = []

    def in_a_thread() -> None:
        return_codes.append(main(["replay", "--manifest", "one"]))
        return_codes.append(main(["parity", "run:one", "many"]))
        return_codes.append(main(["runs", "delete", "one", "many"]))

    await asyncio.to_thread(in_a_thread)
    assert return_codes == [0, 0, 0], capsys.readouterr()
    left = await topic_names(config.kafka.brokers)
    assert not [each for each in left if each.startswith(run_prefix("one", PREFIX))]
