"""Two recorded weeks of ES and NQ: published, worked on, and equal to the embedded run to the byte.

The recorded books are in the folder that TAPELINE_DATA names; without it these tests skip.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from tapeline.schemas.config.model import Config, built_in_config
from tapeline.schemas.config.rendering import to_toml
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.kafka.administration import create_topics
from tests.kafka.broker import Broker
from tests.kafka.expectation import FACTS, embedded_run, read_outputs, view, without_duplicates
from tests.kafka.worker_process import WorkerProcess, read, until_committed, with_kafka

ROOT = Path(__file__).resolve().parents[2]
WEEKS = "1m_2025-12-07_2025-12-19.csv"
KILLS = 20
SPEED = "2000"
"""So slow that they do not end before the kills: what is left is published at once."""
"""At this speed the weeks take longer than all kills; the rest then comes as fast as it can."""
LONGEST_LIFE_S = 0.8
FOLDING = "loaded in"
DELIVERY = ("seq", "rev", "corrects", "watermark_ms")
BARS = 2 * 13_000


class Weeks:
    """The recorded weeks, and the topics of one partition that they go into."""

    def __init__(self, config: Config, data: Path, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.sources = [
            Source(str(data / f"{symbol.lower()}_{WEEKS}"), symbol) for symbol in ("ES", "NQ")
        ]
        self._file = folder / "tapeline.toml"
        self._file.write_text(to_toml(config), "utf-8")

    def publication(self, *options: str) -> subprocess.Popen[bytes]:
        """`tapeline publish` of the weeks, in the background."""
        command = [sys.executable, "-m", "tapeline", "publish", "--config", str(self._file)]
        command += [f"--bars={each.symbol}={each.path}" for each in self.sources]
        return subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.DEVNULL)

    async def log(self) -> list[bytes]:
        """What lies in the log."""
        kafka = self.config.kafka
        records = await read(kafka.bootstrap, input_log(kafka.topic_prefix), 0)
        return [each.value for each in records]

    async def assert_outputs_are_those_of_the_embedded_run(self) -> None:
        """Bytes and `seq` are those of the log as it lies there, facts those of the files."""
        log = await self.log()
        assert len(log) > BARS
        found = await read_outputs(self.config, 0)
        expected = embedded_run(self.config, self.folder / "log", log)
        run_files(self.config, self.sources, self.folder / "files")
        for kind in FACTS:
            assert without_duplicates(found[kind]) == expected[kind], kind
            assert view(found[kind]) == view(expected[kind]), kind
            lines = (self.folder / "files" / f"{topic_of(kind)}.jsonl").read_bytes().splitlines()
            assert facts(view(found[kind]).values()) == facts(lines), kind
        assert min(len(expected[kind]) for kind in ("touch", "pair", "range", "swing")) > 100


def facts(lines: Any) -> dict[str, dict[str, Any]]:
    """The view of events without the fields of delivery: clocks between the bars change those."""
    found = {}
    for line in lines:
        fact = orjson.loads(line)
        for name in DELIVERY:
            del fact[name]
        found[fact["id"]] = fact
    return found


async def finished(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait)


@pytest.fixture
async def weeks(broker: Broker, topic_prefix: str, data_folder: Path, tmp_path: Path) -> Weeks:
    config = with_kafka(built_in_config(), broker.bootstrap, topic_prefix, 1)
    await create_topics(config.kafka, config.kafka.brokers)
    return Weeks(config, data_folder, tmp_path)


async def test_a_worker_publishes_of_two_weeks_what_the_embedded_run_publishes(
    weeks: Weeks,
) -> None:
    with WorkerProcess(weeks.config, weeks.folder / "worker") as worker:
        assert await finished(weeks.publication()) == 0
        await until_committed(weeks.config, [len(await weeks.log())], [worker])
        assert worker.drain() == 0
    await weeks.assert_outputs_are_those_of_the_embedded_run()


async def test_a_worker_killed_twenty_times_while_two_weeks_stream_in_publishes_the_same(
    weeks: Weeks,
) -> None:
    random = Random(20)
    worker = WorkerProcess(weeks.config, weeks.folder / "worker", ragged=True)
    feed = weeks.publication("--speed", SPEED)
    try:
        for _ in range(KILLS):
            await worker.start_until(FOLDING)
            # Somewhere in the middle of reading, writing or committing.
            await asyncio.sleep(LONGEST_LIFE_S * random.random())
            worker.kill()
        assert feed.poll() is None, "the weeks streamed in while all kills happened"
        feed.send_signal(signal.SIGINT)
        assert await finished(feed) == 130
        assert await finished(weeks.publication("--resume")) == 0
        # In whole chunks: the rest has to be caught up with, not survived.
        worker = WorkerProcess(weeks.config, weeks.folder / "worker")
        worker.start()
        await until_committed(weeks.config, [len(await weeks.log())], [worker])
        assert worker.drain() == 0
    finally:
        worker.kill()
        feed.kill()
    await weeks.assert_outputs_are_those_of_the_embedded_run()
