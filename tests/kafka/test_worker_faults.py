"""Faults around the worker: the broker goes, the store is broken, the log is another one."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.errors import GroupCoordinatorNotAvailableError

from tapeline.schemas.config.model import Config, built_in_config
from tapeline.schemas.topics import changelog_topic, input_log, topic_of, worker_app_id
from tapeline.streams.drill.worker_process import CONFIGURATION_FILE
from tapeline.streams.kafka.administration import create_topics, delete_named
from tapeline.streams.kafka.connection import admin_client
from tests.kafka.acme import acme_log, assert_exact, prepared
from tests.kafka.broker import SOON_MISSED, Broker, require_broker
from tests.kafka.worker_process import (
    PATIENCE_S,
    POLL_S,
    WorkerProcess,
    append,
    until_committed,
    with_kafka,
    work_off,
)

FOLDING = "loaded in"
SHORTEST_SESSION_S = 6.0
"""That a broker allows by default; for a worker that is started again whenever it ends."""
FILE_BYTES = 64 * 1024
"""Too little for the local store of nine sessions."""
ELSEWHERE = "import socket; socket.gethostname = lambda: 'elsewhere'\n"
ELSEWHERE_PROGRAM = (
    sys.executable, "-P", "-c", f"{ELSEWHERE}from tapeline.__main__ import main; main()", "worker",
)  # fmt: skip
"""The worker on another host: what a container is that was made again."""
HALF_PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("half_member.py")))
"""A worker that joins for the log alone, so that no worker has its changelogs."""


class LimitedWorker(WorkerProcess):
    """A worker whose files cannot grow beyond a size: to a store the same as a full disk."""

    file_bytes = FILE_BYTES

    def start(self) -> None:
        super().start()
        assert self.pid is not None
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (self.file_bytes, self.file_bytes))


async def until_member(config: Config, topics: set[str]) -> None:
    """Wait until the group of the workers has one member, which subscribes to these topics."""
    group = worker_app_id(config.kafka.topic_prefix)
    async with admin_client(config.kafka.brokers) as admin, asyncio.timeout(PATIENCE_S):
        found: list[set[str]] = []
        while found != [topics]:
            # The broker makes the topic of commits when the first group asks for it.
            with suppress(GroupCoordinatorNotAvailableError):
                found = await subscriptions(admin, group)
            await asyncio.sleep(POLL_S)


async def subscriptions(admin: AIOKafkaAdminClient, group: str) -> list[set[str]]:
    """Topics of each member of a group that is not assigning just now."""
    (answer,) = await admin.describe_consumer_groups([group])
    state, members = answer.groups[0][2], answer.groups[0][5]
    if state != "Stable":
        return []
    return [set(ConsumerProtocolMemberMetadata.decode(each[3]).subscription) for each in members]


async def keep_running(worker: WorkerProcess) -> None:
    """What a supervisor does: an end with another code than 0 is followed by a start."""
    while True:
        if worker.code() is not None:
            # The second where the broker was away when it was started.
            assert worker.wait() in (70, 74)
            worker.start()
        await asyncio.sleep(0.2)


async def test_a_broker_that_stops_dies_or_freezes_costs_nothing(tmp_path: Path) -> None:
    require_broker()
    log = acme_log(6)
    third = len(log) // 3
    with Broker(tmp_path / "broker", SOON_MISSED) as broker:
        config = await prepared(broker, "tape")
        worker = WorkerProcess(
            config, tmp_path / "worker", ragged=True, session_s=SHORTEST_SESSION_S
        )
        await worker.start_until("health on")
        supervisor = asyncio.create_task(keep_running(worker))
        try:
            await append(config, 0, log[:third])
            await until_committed(config, [20])
            broker.stop()
            broker.start()
            await append(config, 0, log[third : 2 * third])
            await until_committed(config, [third + 20])
            broker.kill()
            broker.start()
            await append(config, 0, log[2 * third :])
            await until_committed(config, [2 * third + 20])
            broker.pause()
            # Longer than a session of the worker.
            await asyncio.sleep(1.3 * SHORTEST_SESSION_S)
            broker.resume()
            await until_committed(config, [len(log)])
        finally:
            supervisor.cancel()
            worker.kill()
        await assert_exact(config, tmp_path / "embedded", log)


async def test_a_broken_store_stops_the_worker_with_the_way_out_which_is_exact(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    log = acme_log(2)
    await append(config, 0, log[:300])
    worker = WorkerProcess(config, tmp_path / "worker")
    try:
        await worker.start_until(FOLDING)
        await until_committed(config, [300], [worker])
        assert worker.drain() == 0
        (store,) = worker.store.rglob("state-0.db")
        (store / "CURRENT").write_bytes(b"nonsense\n")
        worker.start()
        assert worker.wait() == 70
        assert "Delete the folder: it is made again from the changelog" in worker.last_words()
        for each in store.iterdir():
            each.unlink()
        await append(config, 0, log[300:])
        await worker.start_until(FOLDING)
        await until_committed(config, [len(log)], [worker])
    finally:
        worker.kill()
    await assert_exact(config, tmp_path / "embedded", log)


async def test_a_damaged_block_stops_the_worker_before_it_reads_and_a_new_store_is_exact(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    log = acme_log(4)
    await append(config, 0, log[:-50])
    worker = WorkerProcess(config, tmp_path / "worker")
    await work_off(worker, len(log) - 50)
    # What was in its journal becomes a file when it is opened again.
    try:
        await worker.start_until(FOLDING)
        assert worker.drain() == 0
    finally:
        worker.kill()
    (store,) = worker.store.rglob("state-0.db")
    for file in store.glob("*.sst"):
        content = bytearray(file.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 8] = bytes(each ^ 0xFF for each in content[middle : middle + 8])
        file.write_bytes(content)
    with worker:
        assert worker.wait() == 70
        assert f"the local state {store} is damaged (Corruption: " in worker.last_words()
        assert "Delete the folder: it is made again from the changelog" in worker.last_words()
    shutil.rmtree(store)
    await append(config, 0, log[-50:])
    await work_off(worker, len(log))
    await assert_exact(config, tmp_path / "embedded", log)


async def test_a_foreign_record_in_the_changelog_is_named_whether_the_store_is_kept_or_not(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, acme_log(1))
    worker = WorkerProcess(config, tmp_path / "worker")
    await work_off(worker, 390)
    changelog = changelog_topic(topic_prefix)
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        sent = await producer.send_and_wait(changelog, b"bar", b"foo", partition=0)
    for _ in range(2):
        with worker:
            assert worker.wait() == 70
        assert f"{changelog} partition 0 offset {sent.offset}: " in worker.last_words()
        assert "key b'foo' is no state of a worker" in worker.last_words()
        assert "use another topic prefix" in worker.last_words()
        worker.wipe()


async def test_a_state_of_other_settings_stops_the_worker_before_it_is_ready(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, acme_log(1))
    await work_off(WorkerProcess(config, tmp_path / "worker"), 390)
    (tmp_path / "worker" / CONFIGURATION_FILE).unlink()
    acme = config.instrument("ACME")
    assert acme is not None
    other = msgspec.structs.replace(
        config,
        instruments={**config.instruments, "ACME": msgspec.structs.replace(acme, ranges=())},
    )
    # There is no record to read: the state alone shows it.
    with WorkerProcess(other, tmp_path / "worker") as worker:
        assert worker.wait() == 70
        assert "the state of group ACME was made with other settings" in worker.last_words()
        assert FOLDING not in worker.output_since_start()


async def test_a_full_disk_stops_the_worker_plainly_and_with_room_again_it_is_exact(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    log = acme_log(9)
    await append(config, 0, log)
    with LimitedWorker(config, tmp_path / "worker") as limited:
        assert limited.wait() == 74
        (store,) = limited.store.rglob("state-0.db")
        assert f"the local state {store} cannot be written" in limited.last_words()
        assert "Make room" in limited.last_words()
        assert "Traceback" not in limited.output()
        # No room was made, not even for opening it: it ends the same way.
        limited.file_bytes = FILE_BYTES // 4
        limited.start()
        assert limited.wait() == 74
        assert f"the local state {store} cannot be written" in limited.last_words()
        assert "Make room" in limited.last_words()
    await work_off(WorkerProcess(config, tmp_path / "worker"), len(log))
    await assert_exact(config, tmp_path / "embedded", log)


async def test_a_broker_that_refuses_a_worker_is_named_and_nothing_starts(tmp_path: Path) -> None:
    require_broker()
    with Broker(tmp_path / "broker", refusing=True) as refusing:
        config = with_kafka(built_in_config(), refusing.bootstrap, "tape", 1)
        with WorkerProcess(config, tmp_path / "worker") as worker:
            assert worker.wait() == 2
    last = worker.last_words()
    assert f"missing, or not to be read: {input_log('tape')}" in last
    assert "ask the broker's operator for the right" in last
    assert not list(worker.store.rglob("*.db")), "no state was begun"


async def test_a_log_that_was_made_again_stops_the_worker_with_both_offsets(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, acme_log(1))
    name = input_log(topic_prefix)
    with WorkerProcess(config, tmp_path / "worker") as worker:
        await until_committed(config, [390], [worker])
        assert worker.drain() == 0
        async with admin_client(broker.brokers) as admin:
            await admin.delete_topics([name])
            while name in await admin.list_topics():
                await asyncio.sleep(0.05)
        await create_topics(config.kafka, broker.brokers)
        await append(config, 0, acme_log(1)[:50])
        worker.start()
        assert worker.wait() == 70
        assert f"{name} partition 0 ends at offset 50, the state includes all below 390" in (
            worker.output()
        )


async def test_a_topic_that_is_deleted_under_a_worker_is_named_with_the_way_out(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    # Both workers at once: each waits half a minute for the topic to come back.
    deleted = {
        f"{topic_prefix}a": topic_of("derived_bar", f"{topic_prefix}a"),
        f"{topic_prefix}b": changelog_topic(f"{topic_prefix}b"),
    }
    log = acme_log(1)
    with ExitStack() as workers:
        running = {}
        for prefix, name in deleted.items():
            config = await prepared(broker, prefix)
            await append(config, 0, log[:100])
            worker = workers.enter_context(WorkerProcess(config, tmp_path / prefix))
            await until_committed(config, [100], [worker])
            await delete_named([name], broker.brokers)
            await append(config, 0, log[100:])
            running[name] = worker
        for name, worker in running.items():
            assert worker.wait() == 70
            assert f"{name} partition 0 cannot be written (" in worker.last_words()
            assert "the topic is not there any more" in worker.last_words()
            assert "Build anew: use another topic prefix" in worker.last_words()


@pytest.mark.parametrize("instance", [0, 1])
async def test_a_second_worker_of_the_same_ordinal_is_refused_and_of_another_is_not(
    broker: Broker, topic_prefix: str, tmp_path: Path, instance: int
) -> None:
    config = await prepared(broker, topic_prefix)
    with WorkerProcess(config, tmp_path / "workers") as first:
        await first.until("health on")
        second = WorkerProcess(config, tmp_path / "workers", instance=instance)
        if instance == 0:
            second.start()
            assert second.wait() == 2
            assert "instance 0 already runs" in second.output()
        else:
            # A worker that is stopped while it starts stops in good order, too.
            await second.start_until("health on")
            assert second.drain() == 0


async def test_a_static_member_that_comes_back_on_another_host_goes_on_at_once(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    log = acme_log(2)
    await append(config, 0, log[:300])
    await work_off(WorkerProcess(config, tmp_path / "worker"), 300)
    await append(config, 0, log[300:])
    elsewhere = WorkerProcess(config, tmp_path / "worker", program=ELSEWHERE_PROGRAM)
    await work_off(elsewhere, len(log))
    await assert_exact(config, tmp_path / "embedded", log)


async def test_a_worker_whose_client_left_its_group_ends(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    with WorkerProcess(config, tmp_path / "worker") as worker:
        await until_member(config, {input_log(topic_prefix), changelog_topic(topic_prefix)})
        assert worker.drain() == 0
    # It is assigned what it had before, of which it does not want the half.
    with WorkerProcess(config, tmp_path / "worker", program=HALF_PROGRAM) as half:
        assert half.wait() == 70
        assert "the client left its group: " in half.last_words()
        assert half.last_words().endswith("Start it again")


async def test_partitions_that_come_without_their_state_are_not_taken_but_asked_for_again(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    log = acme_log(2)
    with WorkerProcess(config, tmp_path / "worker", program=HALF_PROGRAM):
        await until_member(config, {input_log(topic_prefix)})
    await append(config, 0, log)
    # A static member that comes back within its session is given what it had before.
    worker = WorkerProcess(config, tmp_path / "worker")
    await work_off(worker, len(log))
    assert "partitions [0] came without their changelogs, asking again" in worker.output()
    await assert_exact(config, tmp_path / "embedded", log)
