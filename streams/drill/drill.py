"""One drill from its topics to its report."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar
from uuid import uuid4

import msgspec
from msgspec import Struct

from tapeline.schemas.config.model import Config, KafkaConfig
from tapeline.schemas.topics import changelog_topic, input_log, topic_of
from tapeline.streams.drill.books import drill_config, drill_logs
from tapeline.streams.drill.comparison import (
    DrillDifferences,
    compare_letters,
    compare_offsets,
    compare_outputs,
    compare_state,
)
from tapeline.streams.drill.crew import Crew
from tapeline.streams.drill.feeding import Feeder
from tapeline.streams.drill.messages import FACTS, topic_messages
from tapeline.streams.drill.oracle import expected
from tapeline.streams.drill.readback import committed_offsets, log_ends, read_topics
from tapeline.streams.drill.report import DrillReport, checks_of
from tapeline.streams.drill.worker_process import PLAIN_PROGRAM, RAGGED_PROGRAM, WorkerProcess
from tapeline.streams.errors import TopicsError
from tapeline.streams.kafka.administration import create_topics, delete_topics
from tapeline.streams.kafka.connection import admin_client, plain_errors

RECORDS_PER_S = 200.0
LEAST_PARTITIONS = 4
LONGEST_PREFIX = 180
PATIENCE_S = 90.0
"""Without progress of what is committed, for that long, the workers are not waited for any more."""
POLL_S = 0.2
LOG_HOLE = "LogHoleError"

T = TypeVar("T")


class DrillOptions(Struct, frozen=True, kw_only=True):
    """What the command line gives.

    Attributes
    ----------
    kill_every_s
        Seconds between two faults, on average.
    minutes
        How long records come and faults happen; the end and the comparison are not counted.
    plain
        Workers as in production. Otherwise they write a few records at a time and wait at random
        between all steps, so that they do not nearly always end between two chunks.
    keep
        Leave topics and the workers' folder where they are.
    """

    kill_every_s: float = 10.0
    minutes: float = 2.0
    workers: int = 2
    seed: int = 7
    dynamic: bool = False
    plain: bool = False
    keep: bool = False


class DrillProgress(NamedTuple):
    """Where a drill is: what it does, and counts until now."""

    doing: str
    seconds: float
    records: int
    faults: int


ShowProgress = Callable[[DrillProgress], None]


async def run_drill(
    kafka: KafkaConfig, options: DrillOptions, show_progress: ShowProgress
) -> DrillReport:
    """Run workers in topics of their own, end them again and again, and compare at the end.

    Parameters
    ----------
    kafka
        Where the cluster is; the topics of its prefix are not touched.
    show_progress
        Called now and then.

    Raises
    ------
    BrokerError
        When the broker refuses, or does not answer.
    TopicsError
        When it does not make the topics.
    WorkerRefusedError
        When a worker does not start.
    """
    began = time.monotonic()
    own = own_topics(kafka, options.workers)
    config = drill_config(own)
    async with plain_errors(own.brokers, "drill"):
        with _folder(options.keep) as folder:
            async with _topics(own, options.keep):
                crew = _crew(config, folder, options)
                uncommitted = await _storm(config, crew, options, show_progress)
                show_progress(
                    DrillProgress("comparing", time.monotonic() - began, 0, crew.faults.total())
                )
                differences, records = await compare_topics(config)
                holes = [each for worker in crew.workers for each in _hole_lines(worker)]
                differences.holes.update(holes)
    return DrillReport(
        prefix=own.topic_prefix,
        folder=str(folder) if options.keep else None,
        seconds=round(time.monotonic() - began, 1),
        workers=options.workers,
        partitions=own.partitions,
        seed=options.seed,
        faults=dict(crew.faults),
        replaced=crew.replaced,
        ends=tuple(crew.ends),
        records=records,
        messages=differences.messages,
        identical=differences.identical,
        checks=checks_of(differences, uncommitted, crew.faults["sleep"] > 0),
    )


def own_topics(kafka: KafkaConfig, workers: int) -> KafkaConfig:
    """Where a drill has its topics: the same cluster, a prefix of their own."""
    prefix = f"{kafka.topic_prefix[:LONGEST_PREFIX]}.drill.{uuid4().hex[:8]}"
    partitions = max(LEAST_PARTITIONS, workers)
    return msgspec.structs.replace(kafka, topic_prefix=prefix, partitions=partitions)


@contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    if keep:
        yield Path(tempfile.mkdtemp(prefix="tapeline-drill-"))
        return
    with tempfile.TemporaryDirectory(prefix="tapeline-drill-") as name:
        yield Path(name)


@asynccontextmanager
async def _topics(kafka: KafkaConfig, keep: bool) -> AsyncIterator[None]:
    """The topics of the drill; only what was made here is deleted."""
    # Nothing of the prefix was there: it was made up just before.
    before = await create_topics(kafka, kafka.brokers)
    found = [each.wanted.name for each in before if each.found is not None]
    if found:
        raise TopicsError(f"drill: {', '.join(found)} was there before; run it again")
    try:
        yield
    finally:
        if not keep:
            await delete_topics(kafka, kafka.brokers)


def _crew(config: Config, folder: Path, options: DrillOptions) -> Crew:
    program = PLAIN_PROGRAM if options.plain else RAGGED_PROGRAM
    processes = [
        WorkerProcess(config, folder, instance=number, dynamic=options.dynamic, program=program)
        for number in range(options.workers + 1)
    ]
    return Crew(processes[:-1], processes[-1], Random(options.seed))


async def _storm(
    config: Config, crew: Crew, options: DrillOptions, show_progress: ShowProgress
) -> dict[int, int]:
    """Records and faults, then the wait until all is committed; what is not, by partition."""
    kafka = config.kafka
    feeder = Feeder(kafka, drill_logs(config, options.seed), RECORDS_PER_S)
    supervising = asyncio.create_task(crew.supervise(), name="supervisor")
    try:
        show_progress(DrillProgress("starting workers", 0.0, 0, 0))
        await _unless(supervising, crew.until_up())
        began = time.monotonic()
        until = began + options.minutes * 60
        work = asyncio.gather(
            feeder.run(until),
            crew.trouble(until, options.kill_every_s),
            _keep_showing(show_progress, "feeding", began, feeder, crew, until),
        )
        await _unless(supervising, work)
        show_progress(
            DrillProgress("catching up", time.monotonic() - began, feeder.sent, crew.faults.total())
        )
        uncommitted = await _unless(supervising, _until_committed(kafka))
        supervising.cancel()
        await crew.drain()
        return uncommitted
    finally:
        supervising.cancel()
        crew.kill()


async def _keep_showing(
    show_progress: ShowProgress, doing: str, began: float, feeder: Feeder, crew: Crew, until: float
) -> None:
    while (now := time.monotonic()) < until:
        show_progress(DrillProgress(doing, now - began, feeder.sent, crew.faults.total()))
        await asyncio.sleep(1.0)


async def _unless(watch: asyncio.Task[None], work: Awaitable[T]) -> T:
    """The result of some work, unless what goes on beside it fails first."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({watch, task}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            watch.result()
        return task.result()
    finally:
        task.cancel()


async def _until_committed(kafka: KafkaConfig) -> dict[int, int]:
    """Wait until the workers have committed all, or do not get on; what is left, by partition."""
    ends = await log_ends(kafka)
    async with admin_client(kafka.brokers) as admin:
        reached: dict[int, int] = {}
        moved_at = time.monotonic()
        while True:
            found = await committed_offsets(admin, kafka)
            if found and found != reached:
                reached, moved_at = found, time.monotonic()
            left = {each: end - reached.get(each, 0) for each, end in ends.items()}
            left = {each: count for each, count in left.items() if count > 0}
            if not left or time.monotonic() - moved_at > PATIENCE_S:
                return left
            await asyncio.sleep(POLL_S)


async def compare_topics(config: Config) -> tuple[DrillDifferences, int]:
    """Read the topics of a drill back and compare them, partition by partition.

    Returns the differences and the number of records of the log.
    """
    prefix = config.kafka.topic_prefix
    log, letters, changelog = input_log(prefix), topic_of("reject", prefix), changelog_topic(prefix)
    of_facts = {kind: topic_of(kind, prefix) for kind in FACTS}
    topics = [log, *of_facts.values(), letters, changelog]
    found, count = DrillDifferences(), 0
    for partition in range(config.kafka.partitions):
        there = await read_topics(config.kafka.brokers, topics, partition)
        count += len(there[log])
        compare_offsets(f"{log}/{partition}", (each.offset for each in there[log]), found)
        values = [each.value for each in there[log]]
        due = await asyncio.to_thread(expected, config, partition, values)
        facts = {kind: topic_messages(there[topic]) for kind, topic in of_facts.items()}
        compare_outputs(due, facts, found)
        compare_letters(due, there[letters], found)
        compare_state(config, partition, due, there[changelog], found)
    return found, count


def _hole_lines(worker: WorkerProcess) -> list[str]:
    """Lines in which a worker reports that the log did not go on where its state ended."""
    return [
        f"worker {worker.instance}: {line}"
        for line in worker.output().splitlines()
        if LOG_HOLE in line
    ]
