"""Workers as processes of their own, and what they leave on the broker."""

from __future__ import annotations

import asyncio
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.group import LeaveGroupRequest

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.topics import input_log, worker_app_id
from tapeline.streams.drill.readback import committed_offsets, read_topics
from tapeline.streams.drill.worker_process import PLAIN_PROGRAM, RAGGED_PROGRAM
from tapeline.streams.drill.worker_process import WorkerProcess as DrilledProcess
from tapeline.streams.kafka.connection import admin_client

PATIENCE_S = 180.0
"""How long to wait for what happens in seconds where nothing else runs."""
POLL_S = 0.05
SESSION_S = 15.0
"""Where another worker is to take over: half of it without a heartbeat ends a worker, so a shorter
one would test the machine."""
LONG_SESSION_S = 36.0
"""Where none is; less than the time that a request may take."""


class WorkerProcess(DrilledProcess):
    """One `tapeline worker`, or the same with small chunks and random waits.

    Parameters
    ----------
    program
        First words of the command; not used where it is ragged.
    ragged
        Chunks of a few records and a random wait before every step of writing, so that kills land
        everywhere.
    session_s
        `SESSION_S` where another worker takes over.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        *,
        instance: int = 0,
        program: Sequence[str] = PLAIN_PROGRAM,
        ragged: bool = False,
        dynamic: bool = False,
        session_s: float = LONG_SESSION_S,
    ) -> None:
        program = (*(RAGGED_PROGRAM if ragged else program), "--session-s", str(session_s))
        super().__init__(config, folder, instance=instance, dynamic=dynamic, program=program)

    async def start_until(self, text: str) -> None:
        """Start it and wait until it logs something."""
        self.start()
        await self.until(text)

    async def until(self, text: str, times: int = 1) -> None:
        """Wait until it has logged something so many times since its start."""
        deadline = time.monotonic() + PATIENCE_S
        while self.output_since_start().count(text) < times:
            assert self.code() is None, f"ended with {self.code()}\n{self.output()}"
            assert time.monotonic() < deadline, self.output()
            await asyncio.sleep(POLL_S)

    def drain(self) -> int:
        """End it in good order (SIGTERM); its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait until it ends by itself; its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while (code := self.bury()) is None:
            assert time.monotonic() < deadline, self.output()
            time.sleep(POLL_S)
        return code

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def shown(worker: WorkerProcess, metric: str) -> float | None:
    """A number of a worker's page, of partition 0 where it has one of each; None: not shown."""
    address = f"http://127.0.0.1:{worker.port}/metrics"
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
            page = answer.read().decode()
    except urllib.error.URLError:
        # Not served yet.
        return None
    pattern = rf'^tapeline_{metric}(?:{{partition="0"}})? (\S+)$'
    found = re.search(pattern, page, re.MULTILINE)
    return None if found is None else float(found[1])


async def until_shown(worker: WorkerProcess, expected: dict[str, float]) -> None:
    """Wait until a worker shows these numbers, all at once."""
    async with asyncio.timeout(PATIENCE_S):
        while {name: shown(worker, name) for name in expected} != expected:
            assert worker.code() is None, worker.output()
            await asyncio.sleep(POLL_S)


def configuration(config: Config) -> str:
    """A file of what the tests change, over what is built in."""
    kafka = config.kafka
    return (
        f'[kafka]\nbootstrap = "{kafka.bootstrap}"\ntopic_prefix = "{kafka.topic_prefix}"\n'
        f"partitions = {kafka.partitions}\n\n"
        '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["prior_session"]\n'
    )


async def append(config: Config, partition: int, records: Iterable[LogRecord | bytes]) -> None:
    """Append records, or whatever bytes, to a partition of the log."""
    topic = input_log(config.kafka.topic_prefix)
    async with AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap, acks="all", linger_ms=2, enable_idempotence=True
    ) as producer:
        sent = []
        for record in records:
            raw = record if isinstance(record, bytes) else encode(record)
            sent.append(
                await producer.send(
                    topic, raw, partition=partition, timestamp_ms=_timestamp_ms(record)
                )
            )
        for future in sent:
            await future


def _timestamp_ms(record: LogRecord | bytes) -> int:
    if isinstance(record, Bar | Cancel):
        return record.start_ms + 60_000
    return record.time_ms if isinstance(record, Clock) else 1_764_000_000_000


async def read(bootstrap: str, topic: str, partition: int) -> list[Any]:
    """All records of a partition as it is."""
    return (await read_topics(Brokers(bootstrap), [topic], partition))[topic]


async def until_committed(
    config: Config, ends: Sequence[int], workers: Iterable[WorkerProcess] = ()
) -> None:
    """Wait until the workers have committed the log up to its end, partition by partition."""
    async with admin_client(config.kafka.brokers) as admin:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            reached = await committed_offsets(admin, config.kafka)
            if all(reached.get(partition, 0) >= end for partition, end in enumerate(ends)):
                return
            logged = "".join(worker.output()[-3_000:] for worker in workers)
            assert time.monotonic() < deadline, f"committed {reached} of {list(ends)}\n{logged}"
            for worker in workers:
                assert worker.code() is None, f"worker ended with {worker.code()}\n{logged}"
            await asyncio.sleep(POLL_S)


async def work_off(worker: WorkerProcess, records: int) -> None:
    """Start a worker, wait until it has committed so many records of a lone partition, drain it."""
    with worker:
        await until_committed(worker.config, [records], [worker])
        assert worker.drain() == 0


async def forget_member(worker: WorkerProcess) -> None:
    """Remove a static member that ended, rather than wait until its session does."""
    config = worker.config
    group = worker_app_id(config.kafka.topic_prefix)
    async with admin_client(config.kafka.brokers) as admin:
        (answer,) = await admin.describe_consumer_groups([group])
    client = AIOKafkaClient(bootstrap_servers=config.kafka.bootstrap)
    try:
        await client.bootstrap()
        # A lone node is the coordinator of every group.
        node = client.get_random_node()
        for member, *_ in answer.groups[0][5]:
            if member.startswith(f"{group}-{worker.instance}-"):
                left = await client.send(node, LeaveGroupRequest(group, member))
                assert left.error_code == 0, left
    finally:
        await client.close()


def with_kafka(config: Config, bootstrap: str, prefix: str, partitions: int) -> Config:
    """The configuration with another prefix for its topics."""
    kafka = msgspec.structs.replace(
        config.kafka, bootstrap=bootstrap, topic_prefix=prefix, partitions=partitions
    )
    return msgspec.structs.replace(config, kafka=kafka)
