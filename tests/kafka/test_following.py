"""A replay that runs into live: no hole, no duplicate; and one that is left leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from pathlib import Path

import pytest

from tapeline.replay.bounds import parse_bound
from tapeline.replay.results.release_messages import ReleaseWriter
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Session
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import topic_of
from tests.kafka.broker import Broker
from tests.kafka.recording import (
    PARTITIONS,
    Log,
    Outputs,
    add_copies,
    assert_equal,
    between,
    logs,
    prepare,
    recorded,
    starts_of,
)
from tests.kafka.worker_process import PATIENCE_S, WorkerProcess, append, until_committed

PIECES = 15


async def publish(config: Config, parts: Sequence[Log]) -> None:
    """Append what remains of each partition, in turns, piece by piece."""
    for number in range(PIECES):
        for partition, log in enumerate(parts):
            piece = log[len(log) * number // PIECES : len(log) * (number + 1) // PIECES]
            await append(config, partition, piece)


@pytest.mark.parametrize("start", [None, "2025-11-24T12:00:00Z"])
async def test_a_replay_that_follows_publishes_each_event_once_while_the_log_grows_and_after(
    broker: Broker, topic_prefix: str, tmp_path: Path, start: str | None
) -> None:
    config = await prepare(broker.bootstrap, topic_prefix)
    log = logs(2)
    ends = [len(each) for each in log]
    there = [end // 2 for end in ends]
    for partition in range(PARTITIONS):
        await append(config, partition, log[partition][: there[partition]])
    source = TopicSource(broker.brokers, topic_prefix, 50)
    options = ReplayOptions(
        start=None if start is None else parse_bound("--from", start), follow=True
    )
    with WorkerProcess(config, tmp_path) as worker:
        await until_committed(config, there, [worker])
        found: Outputs = {}
        writer, kinds = ReleaseWriter("tape"), {topic_of(kind): kind for kind in EVENTS.folded}
        before_live = []
        async with Replay(config, source, options) as run:
            rest = [each[begin:] for each, begin in zip(log, there, strict=True)]
            # So the seam lies in the middle of what is fetched, and not only at its end.
            for partition in range(PARTITIONS):
                await append(config, partition, rest[partition][:200])
            rest = [each[200:] for each in rest]
            publishing = asyncio.create_task(publish(config, rest))
            async for release in run.releases():
                add_copies(found, release, writer, kinds)
                inside = release.item.offset < there[release.item.partition]
                assert inside == (not run.live.is_set()), "live begins where the seam lies"
                before_live.append(inside)
                if [span.next_offset for span in run.fold.spans.values()] == ends:
                    run.stop()
            await publishing
        await until_committed(config, ends, [worker])
        assert worker.drain() == 0
    assert run.seam_offsets == dict(enumerate(there))
    assert {True, False} == set(before_live)
    assert_equal(found, between(await recorded(config), starts_of(run), ends))


async def test_a_followed_log_that_is_empty_is_live_at_once(
    broker: Broker, topic_prefix: str
) -> None:
    config = await prepare(broker.bootstrap, topic_prefix)
    source = TopicSource(broker.brokers, topic_prefix)
    async with Replay(config, source, ReplayOptions(follow=True)) as run:
        reading = asyncio.create_task(anext(aiter(run)))
        await asyncio.wait_for(run.live.wait(), PATIENCE_S)
        await append(config, 0, logs(1)[0][:400])
        first = await asyncio.wait_for(reading, PATIENCE_S)
        assert isinstance(first, Session)
        assert first.seq // 1_000_000 < 400
    assert run.seam_offsets == dict.fromkeys(range(PARTITIONS), 0)


@pytest.mark.parametrize("way", ["break", "cancel", "cancel idle", "error"])
async def test_a_replay_that_is_left_in_the_middle_leaves_nothing_open(
    broker: Broker, topic_prefix: str, way: str
) -> None:
    config = await prepare(broker.bootstrap, topic_prefix)
    for partition, log in enumerate(logs(1)):
        await append(config, partition, log)
    tasks_before = asyncio.all_tasks()
    opened: asyncio.Queue[Replay] = asyncio.Queue()
    held = asyncio.Event()

    async def watch() -> None:
        source = TopicSource(broker.brokers, topic_prefix, 10)
        async with Replay(config, source, ReplayOptions(follow=True)) as run:
            opened.put_nowait(run)
            async for event in run:
                if way == "break":
                    break
                assert way != "error", event.id
                if way == "cancel":
                    held.set()
                    await asyncio.Future()

    task = asyncio.create_task(watch())
    run = await opened.get()
    if way.startswith("cancel"):
        await (held.wait() if way == "cancel" else run.live.wait())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    elif way == "error":
        with pytest.raises(AssertionError):
            await task
    else:
        await task
    del task, run
    # Whatever was not closed warns when it is collected, and a warning fails the test.
    gc.collect()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == tasks_before
