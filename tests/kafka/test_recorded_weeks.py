"""Two recorded weeks of ES and NQ: published, worked on, and equal to the embedded run to the byte.

The recorded books are in the folder that TAPELINE_DATA names; without it these tests skip.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from schemas.config import Config, built_in_config
from schemas.topics import input_log
from streams.drill.readback import log_ends
from streams.embedded import run_files
from streams.inputs import Source
from streams.kafka.administration import create_topics
from tests.kafka.broker import Broker
from tests.kafka.expectation import (
    FACTS,
    Said,
    embedded_run,
    read_outputs,
    view,
    without_duplicates,
)
from tests.kafka.worker_process import WorkerProcess, read, until_committed, with_kafka

ROOT = Path(__file__).resolve().parents[2]
WEEKS = "1m_2025-12-07_2025-12-19.csv"
SYMBOLS = ("ES", "NQ")
KILLS = 20
SPEED = "10000"
"""The weeks take longer than all kills; what is left then comes as fast as it can."""
LONGEST_LIFE_S = 1.0
FOLDING = "loaded in"
DELIVERY = ("seq", "rev", "corrects", "watermark_ms")


@pytest.fixture
async def config(broker: Broker, topic_prefix: str) -> Config:
    """A configuration of one partition whose topics are there and empty."""
    made = with_kafka(built_in_config(), broker.bootstrap, topic_prefix, 1)
    await create_topics(made.kafka, made.kafka.bootstrap)
    return made


@pytest.fixture
def weeks(data_folder: Path) -> list[Source]:
    return [Source(str(data_folder / f"{each.lower()}_{WEEKS}"), each) for each in SYMBOLS]


def publication(config: Config, weeks: Sequence[Source], *options: str) -> subprocess.Popen[bytes]:
    """`tapeline publish` of the weeks, in the background."""
    folder = ROOT
    command = [sys.executable, "-m", "streams.cli", "publish", *options]
    command += ["--bootstrap", config.kafka.bootstrap]
    command += [f"--bars={each.symbol}={each.path}" for each in weeks]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)


async def finished(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait)


async def assert_equal_to_the_embedded_run(
    config: Config, weeks: Sequence[Source], folder: Path
) -> None:
    """Bytes and `seq` are those of the log as it lies there, facts those of the files."""
    log = await read(config.kafka.bootstrap, input_log(config.kafka.topic_prefix), 0)
    found = await read_outputs(config, 0)
    expected = embedded_run(config, folder / "log", [each.value for each in log])
    for kind in FACTS:
        assert without_duplicates(found[kind]) == expected[kind], kind
        assert view(found[kind]) == view(expected[kind]), kind
    run_files(config, weeks, folder / "files")
    assert sum(map(len, expected.values())) > 20_000
    for kind in FACTS:
        assert facts(found[kind]) == facts_of_files(folder / "files", kind), kind


def facts(messages: Sequence[Said]) -> dict[str, dict[str, Any]]:
    """The view, without the fields of delivery: clocks between the bars change those."""
    return {key: _fact(value) for key, value in view(messages).items()}


def facts_of_files(folder: Path, kind: str) -> dict[str, dict[str, Any]]:
    """The view of an embedded run over the files themselves."""
    found: dict[str, dict[str, Any]] = {}
    (path,) = [each for each in folder.glob("*.jsonl") if each.name == f"{topic(kind)}.jsonl"]
    for line in path.read_bytes().splitlines():
        fact = _fact(line)
        found[fact["id"]] = fact
    return found
