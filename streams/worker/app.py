"""The application: settings, table, agent and committer put together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

from aiokafka import AIOKafkaProducer
from faust.exceptions import ConsumerNotStarted
from faust.types import TP
from msgspec import Struct

from tapeline.schemas.config.model import Config
from tapeline.schemas.topics import input_log, snapshot_topic, worker_app_id
from tapeline.streams.errors import BrokerError, BrokerRefusalError, TopicsError
from tapeline.streams.kafka.administration import describe_topics
from tapeline.streams.kafka.connection import make_producer, refusal_of
from tapeline.streams.kafka.log_digest import RecordDigest
from tapeline.streams.worker.bridge.credentials import broker_credentials
from tapeline.streams.worker.bridge.table import StateTable
from tapeline.streams.worker.bridge.transport import BatchApp, BatchMessage, BatchSchema
from tapeline.streams.worker.cluster import (
    TopicsChangedError,
    explained,
    judge_topics,
    worker_reports,
)
from tapeline.streams.worker.committer import (
    OUTPUT_BATCH_BYTES,
    SNAPSHOT_BYTES_A_PERMIT,
    Committer,
    Work,
)
from tapeline.streams.worker.exits import NotWrittenError, ZombieGuard, hard_exit
from tapeline.streams.worker.fold import Counts, LogHoleError, PartitionFold, log_hole
from tapeline.streams.worker.metrics import (
    PartitionGauges,
    SymbolGauge,
    WorkerMetrics,
    symbol_gauges,
)
from tapeline.streams.worker.state.changelog import belongs, read_heads

HEARTBEAT_S = 3.0
REQUEST_S = 40.0
PRODUCE_S = 30.0
COMMIT_S = 1.0
QUEUE_CHUNKS = 2
"""Waiting to be folded, beside the committer's steps."""
TURNS = 4
"""Of the event loop after a full chunk, one after others: a request goes out, and an answer gets to
who waits for it, within a few turns, and each would otherwise wait for the next chunk to be folded.
What comes live in small chunks would only come later."""
REQUEST_BYTES = 17 * 1_048_576
FETCH_BYTES = 1_048_576
"""Of one partition at once; less than a record batch would let a busy partition hide the others."""
STATE_TABLE = "state"
STEP_BARS_AGAIN = 20_000
"""Bars that corrections may let run again in one step, beside those of the last one: a tenth of a
second."""
STEP_SNAPSHOT_BYTES = SNAPSHOT_BYTES_A_PERMIT
"""Of the states that one step may leave as snapshots, beside the last of them."""

logger = logging.getLogger("tapeline.worker")


class WorkerOptions(Struct, frozen=True, kw_only=True):
    """What one process is given beside the configuration.

    Attributes
    ----------
    instance
        Ordinal of the worker: its static membership; None: a dynamic member.
    data_dir
        Folder of the local store, of this worker alone.
    partitions
        How many the log has.
    session_s
        Seconds without a heartbeat after which another worker takes over.
    chunk_records
        Most records that are folded and written at once.
    """

    data_dir: Path
    partitions: int
    instance: int | None
    session_s: float
    chunk_records: int


class WorkerApp(BatchApp):
    """The Faust application of a worker.

    Attributes
    ----------
    counts
        Of records and events.
    metrics
        Of chunks, batches and the cluster.
    folds
        By partition, as long as the partition is ours.
    took_records
        Since the partitions were dealt out: there may be something to write.
    """

    def __init__(
        self,
        config: Config,
        options: WorkerOptions,
        on_crash: Callable[[BaseException], NoReturn],
        pause: Callable[[], Awaitable[None]] | None,
    ) -> None:
        super().__init__(
            worker_app_id(config.kafka.topic_prefix),
            on_crash=on_crash,
            chunk_records=options.chunk_records,
            brokers=config.kafka.brokers,
            **faust_settings(config, options),
        )
        self.config = config
        self.options = options
        self.counts = Counts()
        self.metrics = WorkerMetrics()
        self.folds: dict[int, PartitionFold] = {}
        self.took_records = False
        self.log_name = input_log(config.kafka.topic_prefix)
        self.table = StateTable(self, STATE_TABLE)
        self.committer: Committer | None = None
        self._pause = pause
        self._revoked_at: float | None = None
        self.tables.add(self.table)
        source = self.topic(self.log_name, schema=BatchSchema())
        self.agent(source, name="fold")(self._agent)
        self.on_partitions_revoked.connect(self._forget)
        self.on_rebalance_complete.connect(self._recovered)

    # -- the agent: chunks in, steps to the committer

    async def _agent(self, stream: Any) -> None:
        try:
            await self._run(stream)
        except Exception as error:
            self.crash_with(error)

    async def _run(self, stream: Any) -> None:
        async with self._new_output_producer() as producer:
            guard = ZombieGuard(self.options.session_s / 2)
            self.committer = Committer(
                producer,
                self.table.changelog_topic_name,
                snapshot_topic(self.config.kafka.topic_prefix),
                self.table,
                guard,
                self.metrics,
                self._pause,
            )
            writing = asyncio.create_task(self._write(self.committer), name="committer")
            try:
                async for event in stream.noack().events():
                    await self._take(event, self.committer)
            finally:
                writing.cancel()

    async def _take(self, event: Any, committer: Committer) -> None:
        message: BatchMessage = event.message
        self.took_records = True
        fold = self.folds.get(message.partition)
        if fold is None:
            fold = self._open_fold(message.partition)

        def done() -> None:
            message.done = True
            event.ack()

        full = len(message.value.records) == self.options.chunk_records
        while True:
            step = fold.fold(message.value, STEP_BARS_AGAIN, STEP_SNAPSHOT_BYTES, put_off=not full)
            whole = step.next_offset >= message.next_offset
            next_ = done if whole else _go_on
            await committer.put(
                Work(step, message.handed_at, message.owned_at, next_, live=not full)
            )
            # Health is asked for, and partitions are taken away, also while history is put right.
            for _ in range(TURNS if full else 1):
                await asyncio.sleep(0)
            if whole:
                return
            if self.folds.get(message.partition) is not fold:
                # Not done, so it stays uncommitted: the owner of the partition goes on with it.
                event.ack()
                return

    async def _write(self, committer: Committer) -> None:
        try:
            await committer.run()
        except NotWrittenError as error:
            if refusal_of(error) is not None:
                self.crash_with(error)
            self.crash_with(await explained(error, self.config.kafka.brokers))
        except Exception as error:
            self.crash_with(error)

    def _open_fold(self, partition: int) -> PartitionFold:
        started = time.monotonic()
        fold = PartitionFold(
            self.config,
            self.log_name,
            partition,
            self.options.partitions,
            self.table.read(partition),
            self.counts,
        )
        self.folds[partition] = fold
        logger.info(
            "partition %s: %s groups, next offset %s, loaded in %.0f ms",
            partition,
            len(fold.groups),
            fold.next_offset,
            1000 * (time.monotonic() - started),
        )
        return fold

    def _new_output_producer(self) -> AIOKafkaProducer:
        return make_producer(
            self.config.kafka.brokers,
            client_id=f"{self.conf.id}-outputs",
            max_batch_size=OUTPUT_BATCH_BYTES,
            max_request_size=REQUEST_BYTES,
            request_timeout_ms=int(PRODUCE_S * 1000),
        )

    # -- coming and going of partitions

    async def _forget(self, *_: Any, **__: Any) -> None:
        self._revoked_at = time.monotonic()
        self.metrics.rebalances += 1
        self.folds.clear()
        self.took_records = False
        if self.committer is not None:
            self.committer.forget()

    async def _recovered(self, *_: Any, **__: Any) -> None:
        try:
            await self._open_folds()
        except Exception as error:
            self.crash_with(error)
        self.metrics.recoveries += 1
        self.metrics.stale_states = self.table.stale
        if self._revoked_at is not None:
            self.metrics.recovery_seconds = time.monotonic() - self._revoked_at

    async def _open_folds(self) -> None:
        """Load all that was recovered, while nothing is read yet and readiness is not reported.

        A state that cannot be used stops the worker now, not at the next record of its partition.
        """
        # Of a recovery before this one, which the next rebalance overtook.
        self.folds.clear()
        for tp in sorted(self.consumer.assignment()):
            if self.tables.recovery.signal_recovery_start.is_set():
                # Overtaken again: what is assigned now was not recovered yet.
                return
            if tp.topic == self.log_name:
                self._open_fold(tp.partition)
                await asyncio.sleep(0)

    async def check_changelogs(self, assigned: set[TP], generation_id: int) -> None:
        """Use local stores of the assigned changelogs alone; others are set aside, or end this."""
        if self.should_stop:
            return
        topic = self.table.changelog_topic_name
        partitions = sorted(tp.partition for tp in assigned if tp.topic == topic)
        try:
            heads = await read_heads(self.config.kafka.brokers, topic, partitions)
            for partition in partitions:
                used = self.table.data.is_open(partition)
                if not await self.table.data.open(partition, generation_id):
                    return
                local = self.table.local_state(partition)
                if belongs(topic, partition, heads[partition], local, used):
                    continue
                other = self.table.data.set_aside(partition)
                logger.warning(
                    "the local state %s is of another changelog (identity %s) than %s partition %s "
                    "(identity %s): it is kept as %s, and the state is made again from the "
                    "changelog",
                    local.path,
                    local.identity,
                    topic,
                    partition,
                    heads[partition].identity,
                    other.name,
                )
        except Exception as error:
            self.crash_with(error)

    def start_offset(self, tp: TP, committed: int | None) -> int:
        """Where to read from: where the state ends, whatever is committed."""
        checkpoint = self.table.checkpoint(tp.partition)
        if checkpoint is None and committed:
            self.crash_with(
                LogHoleError(
                    f"{tp.topic} partition {tp.partition}: the workers have committed offset "
                    f"{committed}, and there is no state: the changelog was lost. Restore it, or "
                    "use another topic prefix and publish again"
                )
            )
        return checkpoint or 0

    def last_record(self, tp: TP) -> RecordDigest | None:
        """The last record that the state includes."""
        return self.table.last_record(tp.partition)

    def check_log_end(self, tp: TP, start: int, end: int) -> None:
        """Stop where the log ends before the state: it is not the log of before."""
        if end < start:
            self.crash_with(
                LogHoleError(
                    f"{tp.topic} partition {tp.partition} ends at offset {end}, the state "
                    f"includes all below {start}: the topic was made again, its broker lost the "
                    "end of the log, or this is another cluster. Use another topic prefix, or "
                    "delete all topics of this one"
                )
            )

    def log_out_of_range(self, tp: TP, offset: int, begin: int, end: int) -> NoReturn:
        """Stop: the client must not begin elsewhere, as it would leave out what is between."""
        self.check_log_end(tp, offset, end)
        if begin <= offset:
            self.crash_with(
                LogHoleError(
                    f"{tp.topic} partition {tp.partition}: offset {offset} was out of range, "
                    f"though the log has {begin} to {end} by now: it was made again or cut. Use "
                    "another topic prefix, or delete all topics of this one"
                )
            )
        self.crash_with(log_hole(tp.topic, tp.partition, offset, begin))

    async def watch_log(self, every_s: float) -> NoReturn:
        """Look at the log from time to time, whether records come or not.

        Its partitions must be as many as at the start, and its last record the one that was read.
        """
        while True:
            await asyncio.sleep(every_s)
            await self._check_partitions()
            if not self.rebalancing:
                await self.consumer.compare()

    async def _check_partitions(self) -> None:
        try:
            kafka = self.config.kafka
            described = await describe_topics(kafka, kafka.brokers)
            reports = worker_reports(described, kafka.topic_prefix)
        except BrokerRefusalError as error:
            self.crash_with(error)
        except BrokerError as error:
            logger.info("the topics cannot be looked at just now: %s", error)
            return
        try:
            judge_topics([report for report in reports if report.found is not None])
        except TopicsError as error:
            self.crash_with(TopicsChangedError(str(error)))

    # -- what is shown

    def is_ready(self) -> str | None:
        """None when the worker is assigned, recovered and knows its lag; else what is missing."""
        if self.rebalancing or self._assignment is None:
            return "waiting for partitions"
        if not self.tables.recovery.completed.is_set() or self.in_recovery:
            return "recovering the state"
        unknown = [each.partition for each in self.gauges() if each.input_lag is None]
        return f"end of partitions {unknown} not known yet" if unknown else None

    def client_failure(self) -> BaseException | None:
        """Why the client does not take part in its group, or reads nothing; None while it does."""
        failure: BaseException | None = self.consumer.client_failure()
        return failure

    def recovery_progress(self) -> object:
        """What changes while a rebalance or a recovery goes on; None while there is none."""
        if not (self.rebalancing or self._assignment is None or self.in_recovery):
            return None
        offsets = self.tables.recovery.active_offsets
        return self.rebalancing_count, len(self.folds), sum(each or 0 for each in offsets.values())

    def gauges(self, now_ms: int | None = None) -> list[PartitionGauges]:
        """The position of each source partition.

        Parameters
        ----------
        now_ms
            By the clock of the machine, for how fresh its symbols are; None: without them.
        """
        found: list[PartitionGauges] = []
        consumer = self.consumer
        try:
            assigned = sorted(consumer.assignment())
        except ConsumerNotStarted:
            return found
        for tp in assigned:
            if tp.topic != self.log_name:
                continue
            fold = self.folds.get(tp.partition)
            symbols: list[SymbolGauge] = []
            if fold is not None and now_ms is not None:
                engines = {group: state.engine for group, state in fold.groups.items()}
                symbols = symbol_gauges(engines, now_ms)
            found.append(
                PartitionGauges(
                    tp.partition,
                    consumer.log_end(tp),
                    consumer.positions.of(tp),
                    consumer._committed_offset[tp],
                    symbols,
                    consumer.highwater(tp),
                )
            )
        return found


def _go_on() -> None:
    """A step that is not the last of its chunk is written: only its state shows it."""


def make_app(
    config: Config,
    options: WorkerOptions,
    on_crash: Callable[[BaseException], NoReturn] = hard_exit,
    pause: Callable[[], Awaitable[None]] | None = None,
) -> WorkerApp:
    """The application of one worker.

    Parameters
    ----------
    on_crash
        Ends the process, whatever went wrong.
    pause
        Awaited before each stage of writing; tests put random waits there.
    """
    app = WorkerApp(config, options, on_crash, pause)
    app.finalize()
    return app


def faust_settings(config: Config, options: WorkerOptions) -> dict[str, Any]:
    """Settings of Faust that were found to work; the rest of its defaults stays."""
    brokers = ";".join(f"kafka://{each.strip()}" for each in config.kafka.bootstrap.split(","))
    instance = None
    if options.instance is not None:
        instance = f"{worker_app_id(config.kafka.topic_prefix)}-{options.instance}"
    return {
        "broker": brokers,
        "broker_credentials": broker_credentials(config.kafka.security),
        # Part of what the group remembers of a member. By default it has the name of the host, and
        # a static member that came back on another one would not take its own assignment.
        "canonical_url": "http://worker",
        "store": "rocksdb://",
        "datadir": str(options.data_dir),
        "version": 1,
        "processing_guarantee": "at_least_once",
        "stream_wait_empty": True,
        "stream_buffer_maxsize": QUEUE_CHUNKS,
        "broker_commit_interval": COMMIT_S,
        "broker_session_timeout": options.session_s,
        "broker_heartbeat_interval": min(HEARTBEAT_S, options.session_s / 3),
        "broker_request_timeout": REQUEST_S,
        # A poll takes all that was fetched, so that the next fetch asks for all partitions: one for
        # those alone that have nothing would wait while the others have.
        "broker_max_poll_records": None,
        "consumer_max_fetch_size": FETCH_BYTES,
        # Where the log has no such offset, nothing else of it will do.
        "consumer_auto_offset_reset": "none",
        "consumer_group_instance_id": instance,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "topic_partitions": options.partitions,
        "topic_replication_factor": config.kafka.replication,
        "table_standby_replicas": 0,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "web_enabled": False,
        "worker_redirect_stdouts": False,
        "autodiscover": False,
    }
