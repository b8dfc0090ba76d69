"""Several workers over several groups, and every kind of end, for as long as one likes.

Runs only when TAPELINE_SOAK names a number of minutes.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path
from random import Random

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, built_in_config
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.drill.worker_process import UP
from tapeline.streams.feeds.samples import sample_book, with_duplicates, with_late_bars
from tapeline.streams.kafka.administration import create_topics
from tests.kafka.broker import Broker
from tests.kafka.expectation import FACTS, embedded_run, read_outputs, without_duplicates
from tests.kafka.worker_process import (
    SESSION_S,
    WorkerProcess,
    append,
    configuration,
    until_committed,
    with_kafka,
)

MINUTES = float(os.environ.get("TAPELINE_SOAK", "0"))
PARTITIONS = 4
WORKERS = 3
SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
PIECE = 25
PAUSE_S = 0.25
ENDS = ("kill", "kill", "wipe", "drain", "sleep")

pytestmark = pytest.mark.skipif(MINUTES == 0, reason="TAPELINE_SOAK is not set: minutes of soak")


def book(symbol: str, number: int) -> list[LogRecord]:
    sessions = 3 + int(MINUTES * 2)
    bars = list(sample_book(symbol, load_calendar("24/7"), "2025-11-24", sessions, number))
    return list(with_late_bars(with_duplicates(bars, number), number))


def logs() -> dict[int, list[LogRecord]]:
    """A log for each partition: the books of its symbols, mixed."""
    found: dict[int, list[LogRecord]] = {}
    books = {symbol: book(symbol, number) for number, symbol in enumerate(SYMBOLS, 1)}
    longest = max(map(len, books.values()))
    for at in range(0, longest, 7):
        for symbol, bars in books.items():
            found.setdefault(partition_for(symbol, PARTITIONS), []).extend(bars[at : at + 7])
    return found


async def publish(config: Config, partition: int, log: list[LogRecord], until: float) -> int:
    """Pieces until a time, then nothing more; the number of records appended."""
    at = 0
    while at < len(log) and time.monotonic() < until:
        await append(config, partition, log[at : at + PIECE])
        at = min(at + PIECE, len(log))
        await asyncio.sleep(PAUSE_S)
    return at


async def end_somehow(worker: WorkerProcess, how: str) -> None:
    if how == "sleep":
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(1.5 * SESSION_S)
        worker.signal(signal.SIGCONT)
        return
    if how == "drain":
        # Before it takes signals, one ends a process like any other.
        await worker.until(UP)
        assert worker.drain() == 0
        return
    worker.kill()
    if how == "wipe":
        shutil.rmtree(worker.store, ignore_errors=True)


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
async def test_whatever_ends_workers_nothing_is_missing_extra_or_different(
    broker: Broker, topic_prefix: str, tmp_path: Path, dynamic: bool
) -> None:
    base = with_kafka(built_in_config(), broker.bootstrap, topic_prefix, PARTITIONS)
    config = read_config(configuration(base), "test")
    await create_topics(config.kafka, broker.brokers)
    random = Random(dynamic)
    whole = logs()
    until = time.monotonic() + MINUTES * 60
    publishing = {
        partition: asyncio.create_task(publish(config, partition, log, until))
        for partition, log in whole.items()
    }
    workers = [
        WorkerProcess(
            config,
            tmp_path / "workers",
            instance=each,
            ragged=True,
            dynamic=dynamic,
            session_s=SESSION_S,
        )
        for each in range(WORKERS)
    ]
    try:
        while time.monotonic() < until:
            worker = random.choice(workers)
            if worker.runs and worker.code() is None:
                await end_somehow(worker, random.choice(ENDS))
            else:
                if worker.runs:
                    assert worker.wait() in (0, 70), worker.output()[-3_000:]
                worker.start()
            await asyncio.sleep(4 * random.random())
        sent = {partition: await each for partition, each in publishing.items()}
        for worker in workers:
            worker.bury()
            if not worker.runs:
                worker.start()
        ends = [sent.get(partition, 0) for partition in range(PARTITIONS)]
        await until_committed(config, ends)
    finally:
        for worker in workers:
            worker.kill()
        for task in publishing.values():
            task.cancel()
    for partition, count in sent.items():
        log = whole[partition][:count]
        found = await read_outputs(config, partition)
        expected = embedded_run(config, tmp_path / f"embedded-{partition}", log)
        for kind in FACTS:
            assert without_duplicates(found[kind]) == expected[kind], kind
