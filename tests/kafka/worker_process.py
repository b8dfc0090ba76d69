"""Workers as processes of their own, and what they leave on the broker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from schemas.codec import encode
from schemas.config import Config
from schemas.records import Bar, Cancel, Clock, LogRecord
from schemas.topics import input_log, worker_app_id

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
POLL_S = 0.05


class WorkerProcess:
    """One `tapeline worker`, or the same with small chunks and random waits.

    Parameters
    ----------
    folder
        Of its configuration, its log and its data.
    ragged
        Chunks of a few records and a random wait before every step of writing, so that kills land
        everywhere.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        *,
        instance: int = 0,
        ragged: bool = False,
        dynamic: bool = False,
    ) -> None:
        self.config = config
        self.folder = folder
        self.instance = instance
        self.data_dir = folder / "data"
        self.log_file = folder / f"worker-{instance}.log"
        self._ragged = ragged
        self._dynamic = dynamic
        self._heard = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Of its health server."""
        return 19_464 + os.getpid() % 5_000 * 2 + self.instance

    @property
    def store(self) -> Path:
        """Folder of its local store."""
        return self.data_dir / f"worker-{self.instance}"

    def start(self) -> None:
        """Start it; it goes on in the background."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "tapeline.toml"
        path.write_text(configuration(self.config), "utf-8")
        command = [sys.executable, "-m"]
        command += ["tests.kafka.ragged_worker"] if self._ragged else ["streams.cli", "worker"]
        command += ["--config", str(path), "--data-dir", str(self.data_dir)]
        command += ["--instance", str(self.instance), "--http-port", str(self.port)]
        command += ["--dynamic"] if self._dynamic else []
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
            )

    async def start_until(self, text: str) -> None:
        """Start it and wait until it says something."""
        self._heard = len(self.said()) if self.log_file.exists() else 0
        self.start()
        await self.until(text)

    async def until(self, text: str, times: int = 1) -> None:
        """Wait until it has said something so many times since its start."""
        deadline = time.monotonic() + PATIENCE_S
        while self.said()[self._heard :].count(text) < times:
            assert self.code() is None, f"ended with {self.code()}\n{self.said()}"
            assert time.monotonic() < deadline, self.said()
            await asyncio.sleep(POLL_S)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def drain(self) -> int:
        """End it in good order (SIGTERM); its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it ends by itself; its exit code."""
        assert self._process is not None
        code = self._process.wait(PATIENCE_S)
        self._process = None
        return code

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended by us."""
        return self._process is not None

    def code(self) -> int | None:
        """Exit code of one that ended, None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def said(self) -> str:
        """What it logged."""
        return self.log_file.read_text("utf-8", errors="replace")

    def __enter__(self) -> WorkerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


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
    """All records of a partition as it stands."""
    place = TopicPartition(topic, partition)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        found: list[Any] = []
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                found += records
        return found


async def until_committed(
    config: Config, ends: Sequence[int], workers: Iterable[WorkerProcess] = ()
) -> None:
    """Wait until the workers have committed the log up to its end, partition by partition."""
    prefix = config.kafka.topic_prefix
    group, topic = worker_app_id(prefix), input_log(prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=config.kafka.bootstrap)
    await admin.start()
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = {}
            # The broker makes the topic of commits when the first group asks for it.
            with contextlib.suppress(GroupCoordinatorNotAvailableError):
                found = await admin.list_consumer_group_offsets(group)
            reached = {
                place.partition: each.offset
                for place, each in found.items()
                if place.topic == topic
            }
            if all(
                end == 0 or reached.get(partition, 0) >= end for partition, end in enumerate(ends)
            ):
                return
            said = "".join(worker.said()[-3_000:] for worker in workers)
            assert time.monotonic() < deadline, f"committed {reached} of {list(ends)}\n{said}"
            for worker in workers:
                assert worker.code() is None, f"worker ended with {worker.code()}\n{said}"
            await asyncio.sleep(POLL_S)
    finally:
        await admin.close()


def with_kafka(config: Config, bootstrap: str, prefix: str, partitions: int) -> Config:
    """The configuration with another place for its topics."""
    kafka = msgspec.structs.replace(
        config.kafka, bootstrap=bootstrap, topic_prefix=prefix, partitions=partitions
    )
    return msgspec.structs.replace(config, kafka=kafka)
