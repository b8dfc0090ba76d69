"""What a worker published and its replay, compared; and why, from the topic itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from tapeline.replay.bounds import Bound
from tapeline.replay.compare.recorded import Coverage, RecordedError
from tapeline.replay.compare.recorded_files import recorded
from tapeline.replay.compare.runs import ParityOptions, ParityReport, parity
from tapeline.replay.explain.why import why
from tapeline.replay.results.results import replay_to_folder
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.topics import topic_of
from tapeline.streams.cli import main as cli
from tests.kafka.broker import Broker
from tests.kafka.test_worker import ACME, PAIR, acme_log, config, troubled_log
from tests.kafka.worker_process import WorkerProcess, append, configuration, read, until_committed

__all__ = ["config"]


async def replayed(config: Config, folder: Path, **options: Any) -> Path:
    """A run directory of a replay of the topic."""
    source = TopicSource(config.kafka.brokers, config.kafka.topic_prefix)
    async with Replay(config, source, ReplayOptions(**options)) as run:
        await replay_to_folder(run, folder, {})
    return folder


async def compared(config: Config, a: str, b: str, **options: Any) -> ParityReport:
    """The report of two names."""
    brokers = config.kafka.brokers
    async with recorded(a, config, brokers) as first, recorded(b, config, brokers) as second:
        return await parity(first, second, config, ParityOptions(**options))


async def published(config: Config, folder: Path) -> None:
    """A worker publishes what follows from two partitions of a log with faults."""
    pair, acme = troubled_log(), acme_log()
    ends = [0, 0]
    ends[PAIR] += len(pair) + 1
    ends[ACME] += len(acme)
    assert PAIR != ACME
    await append(config, PAIR, [*pair, b"{nonsense"])
    await append(config, ACME, acme)
    with WorkerProcess(config, folder) as worker:
        await until_committed(config, ends, [worker])
        assert worker.drain() == 0


async def sent_again(config: Config, kind: str, partition: int, count: int) -> None:
    """The last messages of a topic once more, as a worker that was killed sends them."""
    topic = topic_of(kind, config.kafka.topic_prefix)
    bootstrap = config.kafka.bootstrap
    messages = (await read(bootstrap, topic, partition))[-count:]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for each in messages:
            await producer.send_and_wait(
                topic,
                each.value,
                each.key,
                partition,
                each.timestamp,
                list(each.headers),
            )


async def test_a_recording_and_its_replay_are_equal_and_one_altered_field_is_found(
    config: Config, tmp_path: Path
) -> None:
    await published(config, tmp_path / "worker")
    whole = await replayed(config, tmp_path / "whole")
    report = await compared(config, "topics", str(whole))
    assert report.equal, report.differences
    assert report.types["reject"].equal == 1
    assert all(report.types[kind].equal > 10 for kind in ("derived_bar", "touch", "pair", "swing"))
    retracts = b'"op":"retract"'
    assert any(retracts in path.read_bytes() for path in whole.glob("tape.*.jsonl"))
    assert (await compared(config, "topics", str(whole), view=True)).equal

    # What lies before and behind a part of the log is cut from the recording.
    bounds = Bound(offsets={PAIR: 900, ACME: 100}), Bound(offsets={PAIR: 2_000, ACME: 500})
    part = await replayed(config, tmp_path / "part", start=bounds[0], stop=bounds[1])
    report = await compared(config, "topics", str(part))
    assert report.equal, report.differences
    assert report.stretch.starts == {PAIR: 900, ACME: 100}
    assert 0 < report.types["swing"].equal < 3_000

    await sent_again(config, "touch", PAIR, 5)
    report = await compared(config, "topics", str(whole))
    assert report.equal
    assert report.notes == ["topics: 5 messages sent again were dropped by seq"]

    path = whole / "tape.touches.v1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    event = orjson.loads(lines[5])
    lines[5] = orjson.dumps({**event, "price": 1.25}) + b"\n"
    path.write_bytes(b"".join(lines))
    report = await compared(config, "topics", str(whole))
    [difference] = report.differences
    assert (difference.id, list(difference.fields)) == (event["id"], ["price"])
    assert report.around is not None
    assert report.around.a == report.around.b
    assert len(report.around.a.records) == 7
    source_offset = event["seq"] // 1_000_000
    outside = Coverage(stops={difference.partition: source_offset})
    assert (await compared(config, "topics", str(whole), stretch=outside)).equal

    # The topic is a log like any other: the chain of that touch leads to records of it.
    def source() -> TopicSource:
        return TopicSource(config.kafka.brokers, config.kafka.topic_prefix)

    answer = await why(source, config, event["id"])
    assert answer is not None
    assert answer.versions[0].after == event
    assert (answer.versions[0].partition, answer.versions[0].offset) == (PAIR, source_offset)

    # And so from the command line, whose exit code shows it.
    settings = tmp_path / "tapeline.toml"
    settings.write_text(configuration(config))
    arguments = ["parity", "topics", str(whole), "--config", str(settings), "--json"]
    assert await asyncio.to_thread(cli.main, arguments) == 1
    assert await asyncio.to_thread(cli.main, [*arguments, "--ignore", "price"]) == 0


@pytest.mark.parametrize("name", ["topics:absent", "run:absent"])
async def test_topics_that_are_not_there_are_named(
    broker: Broker, config: Config, name: str
) -> None:
    with pytest.raises(RecordedError, match=r"has no topics .*absent"):
        await compared(config, name, "topics")
