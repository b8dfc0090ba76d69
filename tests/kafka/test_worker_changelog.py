"""Whose state a data folder holds: topics made again, folders mixed up, changelogs lost or cut."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tapeline.schemas.config.model import Config, KafkaConfig
from tapeline.schemas.topics import catalogue, changelog_topic
from tapeline.streams.drill.books import drill_config, drill_logs
from tapeline.streams.drill.drill import compare_topics
from tapeline.streams.drill.readback import committed_offsets, read_topics
from tapeline.streams.drill.report import checks_of
from tapeline.streams.kafka.administration import create_topics, delete_named
from tapeline.streams.kafka.connection import admin_client
from tapeline.streams.worker.state.changelog import read_heads
from tapeline.streams.worker.state.records import (
    IDENTITY_KEY,
    Checkpoint,
    Pair,
    checkpoint_pair,
    group_change,
    identity_of,
    new_identity,
)
from tests.kafka.acme import acme_log, assert_exact, prepared
from tests.kafka.broker import Broker
from tests.kafka.worker_process import (
    PATIENCE_S,
    SESSION_S,
    WorkerProcess,
    append,
    forget_member,
    until_committed,
    work_off,
)
from tests.unit.streams.worker import earlier_version

FOLDING = "loaded in"
SET_ASIDE = "is of another changelog"


async def make_again(config: Config, names: Iterable[str]) -> None:
    """Delete topics, and make them again when nothing of them is left."""
    gone = set(names)
    brokers = config.kafka.brokers
    await delete_named(sorted(gone), brokers)
    async with admin_client(brokers) as admin, asyncio.timeout(PATIENCE_S):
        while gone & set(await admin.list_topics()):
            await asyncio.sleep(0.05)
        while any(name.endswith("bars.v1") for name in gone) and await committed_offsets(
            admin, config.kafka
        ):
            await asyncio.sleep(0.05)
    await create_topics(config.kafka, brokers)


async def set_changelog(config: Config, **settings: str) -> None:
    """Change settings of the changelog; the others stay as they are in the catalogue."""
    name = changelog_topic(config.kafka.topic_prefix)
    (topic,) = [each for each in catalogue(config.kafka.topic_prefix) if each.name == name]
    changed = {each.replace("_", "."): value for each, value in settings.items()}
    async with admin_client(config.kafka.brokers) as admin:
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, {**topic.settings, **changed})]
        )


async def put(config: Config, pairs: Iterable[Pair]) -> None:
    """Write into the changelog what no worker of the test writes."""
    async with AIOKafkaProducer(bootstrap_servers=config.kafka.bootstrap) as producer:
        for key, value in pairs:
            await producer.send_and_wait(
                changelog_topic(config.kafka.topic_prefix), value, key, partition=0
            )


async def changelog(config: Config) -> list[Any]:
    name = changelog_topic(config.kafka.topic_prefix)
    return (await read_topics(config.kafka.brokers, [name], 0))[name]


async def ends_with_70(worker: WorkerProcess) -> str:
    """The last line of a worker that must not go on."""
    with worker:
        assert worker.wait() == 70
        assert FOLDING not in worker.output_since_start()
    return worker.last_words()


def store_of(worker: WorkerProcess, partition: int = 0) -> Path:
    (store,) = worker.store.rglob(f"state-{partition}.db")
    return store


async def test_a_folder_of_topics_that_were_made_again_is_set_aside_and_the_result_is_a_fresh_one(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, acme_log(1, seed=5))
    old = WorkerProcess(config, tmp_path / "old")
    await work_off(old, 390)
    await make_again(config, [each.name for each in catalogue(topic_prefix)])
    log = acme_log(4)
    await append(config, 0, log[:1_300])
    await work_off(WorkerProcess(config, tmp_path / "new"), 1_300)
    await append(config, 0, log[1_300:])
    await work_off(old, len(log))
    await assert_exact(config, tmp_path / "embedded", log)
    store = store_of(old)
    assert f"the local state {store} {SET_ASIDE}" in old.output_since_start()
    assert (store.parent / "state-0.db.other").is_dir()
    identity = identity_of((await changelog(config))[0].value)
    assert f"(identity {identity})" in old.output_since_start()
    # It is its own now.
    old.start()
    await old.until(FOLDING)
    assert old.drain() == 0
    assert SET_ASIDE not in old.output_since_start()


async def test_an_empty_changelog_beside_a_full_folder_stops_the_worker_and_the_folder_stays(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, acme_log(1))
    worker = WorkerProcess(config, tmp_path / "worker")
    await work_off(worker, 390)
    name = changelog_topic(topic_prefix)
    await make_again(config, [name])
    for _ in range(2):
        last = await ends_with_70(worker)
        assert f"{name} partition 0 is empty, the local state {store_of(worker)} is not" in last
        assert "give them an empty folder" in last
    assert await changelog(config) == []
    assert not list(worker.store.rglob("*.other"))


async def test_folders_of_two_prefixes_that_were_swapped_are_set_aside_once_each(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    logs = [acme_log(2, seed=seed) for seed in (1, 2)]
    configs = [await prepared(broker, f"{topic_prefix}{each}") for each in "ab"]
    workers = [WorkerProcess(config, tmp_path / config.kafka.topic_prefix) for config in configs]
    for config, worker, log in zip(configs, workers, logs, strict=True):
        await append(config, 0, log[:500])
        await work_off(worker, 500)
    first, second = (store_of(worker) for worker in workers)
    first.rename(tmp_path / "between")
    second.rename(first)
    (tmp_path / "between").rename(second)
    for config, worker, log in zip(configs, workers, logs, strict=True):
        await append(config, 0, log[500:])
        await work_off(worker, len(log))
        assert worker.output_since_start().count(SET_ASIDE) == 1
        await assert_exact(config, tmp_path / f"embedded-{config.kafka.topic_prefix}", log)


async def test_folders_of_two_partitions_that_were_swapped_are_set_aside_by_two_workers(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    kafka = KafkaConfig(bootstrap=broker.bootstrap, topic_prefix=topic_prefix, partitions=4)
    await create_topics(kafka, kafka.brokers)
    config = drill_config(kafka)
    logs = [
        [each.value for each in islice(log, 400) if each.value is not None]
        for log in drill_logs(config, 11).values()
    ]
    for partition, log in enumerate(logs):
        await append(config, partition, log[:200])
    workers = [
        WorkerProcess(config, tmp_path / "workers", instance=each, session_s=SESSION_S)
        for each in range(2)
    ]
    with workers[0] as alone:
        await until_committed(config, [min(200, len(log)) for log in logs], [alone])
        assert alone.drain() == 0
    stores = [store_of(alone, partition) for partition in range(4)]
    # The folder of each becomes that of the next.
    stores[0].rename(tmp_path / "between")
    for path, store in pairwise(stores):
        store.rename(path)
    (tmp_path / "between").rename(stores[3])
    for partition, log in enumerate(logs):
        await append(config, partition, log[200:])
    with workers[0] as first, workers[1] as second:
        await until_committed(config, [len(log) for log in logs], workers)
        # Partitions that another worker had come later, with their folders of before.
        assert second.drain() == 0
        await forget_member(second)
        await first.until(SET_ASIDE, times=4)
        assert first.drain() == 0
    differences, records = await compare_topics(config)
    assert records == sum(map(len, logs))
    assert not [each for each in checks_of(differences, {}, slept=False) if each.found]


async def test_the_identity_stays_the_first_record_of_a_changelog_that_is_compacted(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await set_changelog(
        config,
        segment_ms="500",
        min_compaction_lag_ms="0",
        max_compaction_lag_ms="1000",
        min_cleanable_dirty_ratio="0.01",
    )
    log = acme_log(2)
    worker = WorkerProcess(config, tmp_path / "worker", ragged=True)
    await append(config, 0, log[:500])
    await work_off(worker, 500)
    identity = (await changelog(config))[0]
    assert (identity.key, identity.offset) == (IDENTITY_KEY, 0)
    taken = 500
    async with asyncio.timeout(PATIENCE_S):
        # The segment that is written to is not compacted: what comes closes it.
        while (records := await changelog(config))[1].offset < 3:
            await asyncio.sleep(1)
            if taken < 600:
                await append(config, 0, log[taken : taken + 20])
                taken += 20
                await work_off(worker, taken)
    assert (records[0].key, records[0].value) == (IDENTITY_KEY, identity.value)
    assert records[0].offset == 0
    worker.wipe()
    await append(config, 0, log[taken:-50])
    await work_off(worker, len(log) - 50)
    await append(config, 0, log[-50:])
    await work_off(worker, len(log))
    assert SET_ASIDE not in worker.output()
    await assert_exact(config, tmp_path / "embedded", log)


async def test_of_two_workers_that_both_begin_a_changelog_the_second_ends_and_the_first_holds(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    name = changelog_topic(topic_prefix)
    log = acme_log(1)
    first = new_identity()
    with WorkerProcess(config, tmp_path / "worker") as worker:
        await worker.until("loaded in")
        # What the other one writes, which took an empty partition over, too.
        await put(config, [first, checkpoint_pair(Checkpoint(0))])
        await append(config, 0, log)
        assert worker.wait() == 70
        assert f"{name} partition 0: our batch came to offset 2, not 0" in worker.last_words()
    written = await changelog(config)
    second = written[2]
    assert second.key == IDENTITY_KEY != second.value != first[1]
    await work_off(worker, 390)
    assert SET_ASIDE not in worker.output()
    worker.wipe()
    # Whether the state is recovered or kept: the first identity is that of the folder.
    for _ in range(2):
        await worker.start_until(FOLDING)
        assert worker.drain() == 0
    assert SET_ASIDE not in worker.output()
    await assert_exact(config, tmp_path / "embedded", log)


async def test_an_identity_is_found_wherever_compaction_left_it(
    broker: Broker, topic_prefix: str
) -> None:
    config = await prepared(broker, topic_prefix)
    name = changelog_topic(topic_prefix)
    first, second = new_identity(), new_identity()
    states = group_change("ACME", 7, {"hot": [1], "ring": [2]}).pairs
    (head,) = (await read_heads(broker.brokers, name, [0])).values()
    assert (head.end, head.offset, head.identity) == (0, None, None)
    await put(config, states)
    (head,) = (await read_heads(broker.brokers, name, [0])).values()
    assert (head.end, head.key, head.identity) == (2, states[0][0], None)
    await put(config, [first, second])
    (head,) = (await read_heads(broker.brokers, name, [0])).values()
    assert (head.end, head.key, head.identity) == (4, states[0][0], identity_of(first[1]))


@pytest.mark.parametrize("kept", [True, False])
async def test_a_changelog_whose_beginning_was_deleted_is_named_with_the_way_out(
    broker: Broker, topic_prefix: str, tmp_path: Path, kept: bool
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, acme_log(2))
    worker = WorkerProcess(config, tmp_path / "worker", ragged=True)
    await work_off(worker, 780)
    name = changelog_topic(topic_prefix)
    await set_changelog(config, cleanup_policy="compact,delete")
    async with admin_client(broker.brokers) as admin:
        await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(20)})
    if not kept:
        worker.wipe()
    last = await ends_with_70(worker)
    assert f"{name} partition 0 begins at offset 20: its records before that were deleted" in last
    assert "build anew: use another topic prefix" in last


async def test_a_folder_that_is_ahead_of_its_changelog_is_named_and_the_way_out_is_exact(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    log = acme_log(2)
    worker = WorkerProcess(config, tmp_path / "worker")
    await append(config, 0, log[:500])
    await work_off(worker, 500)
    kept = await changelog(config)
    await append(config, 0, log[500:600])
    await work_off(worker, 600)
    end = len(await changelog(config))
    name = changelog_topic(topic_prefix)
    # The copy that became the leader did not have the last records.
    await make_again(config, [name])
    await put(config, [(each.key, each.value) for each in kept])
    last = await ends_with_70(worker)
    assert f"{store_of(worker)} holds {name} partition 0 up to offset {end - 1}" in last
    assert f"which ends at {len(kept) - 1}: the broker lost the rest of it" in last
    assert "Delete the folder" in last
    shutil.rmtree(store_of(worker))
    await append(config, 0, log[600:])
    await work_off(worker, len(log))
    await assert_exact(config, tmp_path / "embedded", log)


async def test_a_changelog_of_the_first_version_is_named_with_the_way_out(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await put(config, earlier_version.changelog())
    await append(config, 0, acme_log(1))
    last = await ends_with_70(WorkerProcess(config, tmp_path / "worker"))
    assert f"{changelog_topic(topic_prefix)} partition 0 has no identity" in last
    assert "the state of an older version" in last
    assert "Build anew under another prefix" in last
