"""The independent provider into the log of a broker, by processes that are killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.topics import input_log
from tapeline.streams.kafka.administration import create_topics
from tests.kafka.broker import Broker
from tests.kafka.reading import read_topic
from tests.live.commands import Commands
from tests.live.configuration import configuration
from tests.live.judging import final_files, never_stated, sessions, with_secrets
from tests.live.provider import Provider
from tests.unit.streams.store.stores import view

INGEST = ("ingest", "desk", "slow", "--lease-s", "6", "--json")


async def test_after_faults_and_kills_the_log_folds_like_a_file_of_the_final_bars(
    tmp_path: Path, broker: Broker, topic_prefix: str
) -> None:
    async def log() -> list[list[Any]]:
        return await read_topic(broker.bootstrap, input_log(topic_prefix))

    async def bars() -> int:
        messages = [message for partition in await log() for message in partition]
        return sum(("via", b"stream") in message.headers for message in messages)

    async with Provider(3) as provider:
        kafka = (
            f'[kafka]\nbootstrap = "{broker.bootstrap}"\ntopic_prefix = "{topic_prefix}"\n'
            "partitions = 2\n\n"
        )
        desk = Commands(tmp_path, kafka + configuration(provider), bars)
        settings = read_config(desk.config.read_text(), str(desk.config))
        await create_topics(settings.kafka, broker.brokers)
        for fault in (provider.cut, lambda: provider.limit(2)):
            await desk.live_through(INGEST, fault, 15)
        provider.end()
        await asyncio.sleep(max(0.0, provider.tape.finished_at() - time.time()))
        for feed in ("desk", "slow"):
            for date in sessions(provider):
                await desk.run("feed", "reconcile", feed, "--session", date, "--publish")
        logs = []
        for number, messages in enumerate(await log()):
            path = tmp_path / f"partition-{number}.jsonl"
            path.write_bytes(b"".join(message.value + b"\n" for message in messages))
            logs.append(str(path))
        await desk.run("run", *logs, "--store", str(tmp_path / "live"))
        files, clocks = final_files(tmp_path, provider, tmp_path / "live")
        await desk.run("run", *files, "--store", str(tmp_path / "final"))
        await desk.run("run", clocks, "--store", str(tmp_path / "final"))
        records = [orjson.loads(message.value) for each in await log() for message in each]
    assert not provider.strange
    assert never_stated(records, provider) == []
    assert view(tmp_path / "live") == view(tmp_path / "final")
    assert (provider.desk_requests.broken, provider.slow_requests.broken) == (0, 0)
    assert with_secrets([*tmp_path.glob("*.txt"), *tmp_path.glob("*.jsonl")]) == []
