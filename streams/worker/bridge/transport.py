"""Faust's transport, batched: a chunk of a source partition is one message.

A message of Faust costs two to three hundred microseconds; a chunk costs it once for hundreds of
records. The cure of a loss is here too: after a recovery Faust fetches, seeks and then clears the
queues, so that records fetched in between are gone while the position has moved on. We ask only
for changelogs while a rebalance lasts, seek explicitly after it, hand out only what follows the
known position, and commit only what the worker has declared done.

Private names of Faust 0.15.3 used here, in `table` and in `app`: of the consumer `_acked`,
`_acked_index`, `_add_gap`, `_committed_offset`, `_filter_tps_with_pending_acks`, `_getmany`,
`_is_changelog_tp`, `_new_consumer_thread`, `_new_offset`, `_thread`, `_to_message`,
`_unacked_messages`, `_wait_next_records`, `_waiting_for_ack`; of its thread `_consumer`,
`_create_worker_consumer`, `_ensure_consumer`, `_fetch_records`, `_seek_wait`; of the application
`_assignment`, `_crash`, `_new_transport`; of the store `_db_for_partition`, `_dbs`,
`_new_store_by_url`, `_open_for_partition`, `_try_open_db_for_partition`; of aiokafka 0.14.0 the
class `BatchBuilder` and its `_builder` and `_relative_offset`; of its consumer `_client`,
`_closed`, `_coordinator`, `_fetch_max_bytes`, `_fetch_max_wait_ms`, `_fetcher`,
`_isolation_level`; of the client `_conns` and `send`; of the coordinator `_coordination_task`,
`_do_heartbeat`, `_pending_exception`, `generation` and `request_rejoin`; of the fetcher `_closed`,
`_create_fetch_waiter`, `_fetch_max_wait_ms`, `_notify`, `_records`, `_subscriptions`,
`_wait_consume_future`; of what it fetched the class `FetchError` and its `_error`,
`_aborted_producers`, `_check_crcs`, `_consume_aborted_up_to`, `_contains_abort_marker`,
`_isolation_level`, `_partition_records`, `_records`, `_records_iterator`, `_topic_partition`,
`_update_position`, and of its batches `is_control_batch`, `is_transactional`, `producer_id`. The
versions are pinned exactly, and the crash suite in tests/kafka gates their upgrades.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NoReturn

import faust
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition
from faust.serializers.schemas import Schema
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode.utils.futures import notify

from tapeline.schemas.config.security import Brokers
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.streams.kafka.connection import DENIALS
from tapeline.streams.kafka.log_check import LogChangedError, LogVerdict, compare
from tapeline.streams.kafka.log_digest import RecordDigest
from tapeline.streams.kafka.raw_records import Chunk, raw_records, split
from tapeline.streams.worker.bridge.chunks import Positions, in_turn
from tapeline.streams.worker.bridge.fetch_watch import FetchWatch
from tapeline.streams.worker.bridge.membership import Membership, client_failure

IDLE_POLL_MS = 500
BUSY_POLL_MS = 20
FETCH_BYTES = 2 * 1_048_576
"""Of all partitions at once; a poll takes it whole, while the next is on its way."""
REASSIGN_S = 1.0
MOST_REASSIGNED = 30
"""Refused assignments in a row, a second apart: a member that is gone leaves within its session."""

logger = logging.getLogger("tapeline.worker")


class AssignmentError(BrokenPromiseError):
    """The group hands out partitions of the log without their changelogs."""


class BatchMessage(ConsumerMessage):  # type: ignore[misc]
    """A chunk of one source partition.

    Attributes
    ----------
    next_offset
        Source offset after all that the chunk covers.
    done
        Set by the worker when everything that follows from the chunk is written.
    handed_at
        When it was handed out, by the monotonic clock.
    owned_at
        When it last was certainly ours.
    """

    def __init__(
        self,
        tp: TP,
        chunk: Chunk,
        generation_id: int,
        handed_at: float,
        owned_at: Callable[[], float],
    ) -> None:
        super().__init__(
            tp.topic,
            tp.partition,
            chunk.first,
            chunk.records[0].timestamp / 1000.0 if chunk.records else 0.0,
            0,
            None,
            None,
            chunk,
            None,
            0,
            0,
            tp,
            generation_id=generation_id,
        )
        self.next_offset = chunk.end
        self.done = False
        self.handed_at = handed_at
        self.owned_at = owned_at


class BatchSchema(Schema):  # type: ignore[misc]
    """Hands chunks through: their records are decoded by the fold."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:
        """The function that makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, None, message)

        return decode


class BatchThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread of the client, with raw records, and short long polls while there are any.

    The client has one request under way. While records of a busy partition wait to be handed out it
    asks for the others alone, and what they do not have it would wait for. When all was handed out
    it asks for all, and may wait long.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = IDLE_POLL_MS
        consumer._fetch_max_bytes = FETCH_BYTES
        # Faust asks for it only of an application that writes by transactions itself.
        consumer._isolation_level = "read_committed"
        self.consumer.fetch_watch.watch(consumer._client)
        return consumer

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        # An error that was fetched before would be raised after the seek, though it is of another
        # offset. That the client knows none yet is one, too, of every partition never committed.
        fetcher = consumer._fetcher
        for tp in partitions:
            if isinstance(fetcher._records.get(tp), FetchError):
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Any:
        fetcher = consumer._fetcher
        changelogs = any(map(self.consumer._is_changelog_tp, active_partitions))
        if changelogs or not self.consumer.flow_active or consumer._closed or fetcher._closed:
            found = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        else:
            with fetcher._subscriptions.fetch_context():
                found = await raw_records(fetcher, active_partitions, timeout or 0.0)
        # Before the client's own task goes on and makes the next request.
        fetcher._fetch_max_wait_ms = BUSY_POLL_MS if found else IDLE_POLL_MS
        return found

    def close(self) -> None:
        """Stopped amid a rebalance: the client is closed when its thread ends, and there.

        Faust would close it in the loop of the application, though it belongs to that of the
        thread: two threads in one loop of libuv at a time can end the process by a fault.
        """


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Hands out source records in chunks and commits what is done."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.positions: Positions[TP] = Positions()
        self.fetch_watch = FetchWatch()
        self._before_the_log: dict[TP, int] = {}
        self._membership = Membership()
        self._refused = 0

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    # -- coming into the group

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for the source and its changelogs, or not at all.

        Stopped before its tables are known, Faust would join for the source alone. The leader
        would then assign source partitions without their changelogs, and a static member would have
        them at its next start too: for the broker it never left.
        """
        wanted = set(topics)
        if wanted >= self.app.tables.changelog_topics:
            await super().subscribe(wanted)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take an assignment, or ask for another where partitions come without their changelogs.

        Until that comes everything stays as it is in a rebalance: nothing is read.
        """
        stateless = self._without_changelog(assigned)
        if not stateless:
            self._refused = 0
            await self.app.check_changelogs(assigned, generation_id)
            await super().on_partitions_assigned(assigned, generation_id)
            return
        self._refused += 1
        if self._refused > MOST_REASSIGNED:
            self.app.crash_with(
                AssignmentError(
                    f"partitions {stateless} of the log came {self._refused} times without their "
                    "changelogs: a member of the group subscribes to other topics than this "
                    "worker. Stop all workers for longer than a session, then start them again"
                )
            )
        logger.warning("partitions %s came without their changelogs, asking again", stateless)
        await asyncio.sleep(REASSIGN_S)
        thread = self._thread
        thread.thread_loop.call_soon_threadsafe(
            thread._ensure_consumer()._coordinator.request_rejoin
        )

    def client_failure(self) -> BaseException | None:
        """What ended the client's part in the group, or what right is missing; None: nothing."""
        client = self._thread._consumer
        return None if client is None else client_failure(client)

    def _without_changelog(self, assigned: set[TP]) -> list[int]:
        return sorted(
            {
                tp.partition
                for changelog in self.app.tables.changelog_topics
                for tp in assigned
                if not self._is_changelog_tp(tp) and TP(changelog, tp.partition) not in assigned
            }
        )

    # -- handing out

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        wanted = set(active_partitions or ())
        if self.app.rebalancing:
            wanted = {tp for tp in wanted if self._is_changelog_tp(tp)}
        if not wanted:
            await self.sleep(0.02)
            return {}
        try:
            return await super()._getmany(wanted, timeout)
        except NoOffsetForPartitionError:
            # Nothing was sought yet.
            return {}
        except OffsetOutOfRangeError as error:
            await self._out_of_range({ensure_TP(tp): at for tp, at in error.args[0].items()})
            return {}

    async def _out_of_range(self, offsets: Mapping[TP, int]) -> None:
        """The broker does not have what comes next: of the log nothing else will do."""
        partitions = [TopicPartition(*tp) for tp in offsets]
        begins = await self.earliest_offsets(*partitions)
        ends = await self.highwaters(*partitions)
        for tp, offset in offsets.items():
            if self._is_changelog_tp(tp):
                # Faust asks for what lies before its beginning, and means the beginning.
                await self._thread.seek_to_beginning(TopicPartition(*tp))
            else:
                self.app.log_out_of_range(tp, offset, begins[tp], ends[tp])

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Yield messages: chunks of source partitions, records of changelogs."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if not records or self.should_stop or not self.flow_active:
            return
        found = {ensure_TP(tp): each for tp, each in records.items()}
        changelogs = {tp: each for tp, each in found.items() if self._is_changelog_tp(tp)}
        for tp, record in self.scheduler.iterate(changelogs):
            if not self._goes_on(generation):
                return
            if active is None or tp in active:
                yield tp, self._to_message(tp, record)
        sources = {
            tp: split(each, self.app.chunk_records)
            for tp, each in found.items()
            if tp not in changelogs
        }
        member_of = self._membership.watch(self._thread._ensure_consumer()._coordinator)
        lost: set[TP] = set()
        for tp, chunk in in_turn(sources):
            if not self._goes_on(generation) or self.app.rebalancing:
                return
            if tp in lost:
                continue
            due = self.positions.admit(tp, chunk)
            if due is None:
                lost.add(tp)
                position = self.positions.of(tp)
                self.log.warning("%s: %s skipped to %s, reading again", tp, position, chunk.first)
                await self.seek_wait({tp: position})
            elif due.first < due.end:
                if tp in self.fetch_watch.doubtful:
                    unanswered = await self.compare([tp])
                    if not self._goes_on(generation) or self.app.rebalancing:
                        return
                    if unanswered:
                        lost.add(tp)
                        await self.seek_wait({tp: self.positions.of(tp)})
                        continue
                self.app.monitor.track_tp_end_offset(tp, self.log_end(tp))
                self.positions.hand_out(tp, due)
                now = time.monotonic()
                owned_at = partial(self._membership.since, member_of, now)
                yield tp, BatchMessage(tp, due, generation, now, owned_at)

    def log_end(self, tp: TP) -> int | None:
        """Offset up to which a partition can be read: behind it a transaction may be open.

        None until the first answer of the broker.
        """
        end: int | None = self._thread._ensure_consumer().last_stable_offset(TopicPartition(*tp))
        return end

    def _goes_on(self, generation: int) -> bool:
        return bool(self.flow_active) and self.app.consumer_generation_id == generation

    async def perform_seek(self) -> None:
        """Seek every source partition to where its results end."""
        sources = [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]
        if not sources:
            return
        committed = await self._committed(sources)
        positions = {tp: self.app.start_offset(tp, committed[tp]) for tp in sources}
        ends = await self.highwaters(*(TopicPartition(*tp) for tp in sources))
        for tp, end in ends.items():
            self.app.check_log_end(ensure_TP(tp), positions[ensure_TP(tp)], end)
        await self.seek_wait(positions)
        for tp, offset in positions.items():
            self.positions.set(tp, offset, self.app.last_record(tp))
            known = committed[tp]
            # What is committed follows what is written, also back.
            self._committed_offset[tp] = None if known is None or known > offset else known
            if offset and offset != known:
                self.positions.done(tp, offset)
        await self.compare(sources)

    async def compare(self, partitions: Iterable[TP] | None = None) -> set[TP]:
        """Look whether the log is still the one that was read, and end the process where not.

        Parameters
        ----------
        partitions
            Of the log; by default all that are handed out.

        Returns
        -------
        set[TP]
            Those of which the broker did not answer in time: they are asked for again before more
            of them is handed out.
        """
        wanted = self.positions.ours() if partitions is None else list(partitions)
        last = {tp: each for tp in wanted if (each := self.positions.last(tp)) is not None}
        self.fetch_watch.doubtful.difference_update(wanted)
        try:
            found = await compare(self.app.brokers, last)
        except (LogChangedError, *DENIALS) as error:
            self.app.crash_with(error)
        for tp, comparison in found.items():
            offset = last[tp].offset
            if comparison is LogVerdict.BEFORE_THE_LOG and self._before_the_log.get(tp) != offset:
                self._before_the_log[tp] = offset
                logger.warning(
                    "%s partition %s: the log begins behind offset %s, the last that the state "
                    "includes: whether it is the log of before cannot be compared", *tp, offset,
                )  # fmt: skip
        unanswered = {tp for tp, each in found.items() if each is LogVerdict.UNANSWERED}
        self.fetch_watch.doubtful.update(unanswered)
        return unanswered

    async def _committed(self, sources: list[TP]) -> dict[TP, int | None]:
        thread = self._thread
        consumer = thread._ensure_consumer()
        found = {}
        for tp in sources:
            found[tp] = await thread.call_thread(consumer.committed, TopicPartition(*tp))
        return found

    def on_buffer_full(self, tp: TP) -> None:
        """Pausing a partition would cost a second; a full queue holds the fetcher back itself."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """A chunk covers many offsets: what lies between two firsts is no gap."""

    # -- committing

    def ack(self, message: Any) -> bool:
        """Take note of a chunk that is done; one that is not done stays uncommitted."""
        if not isinstance(message, BatchMessage):
            return bool(super().ack(message))
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        if message.done:
            self.positions.done(message.tp, message.next_offset)
        notify(self._waiting_for_ack)
        return bool(message.done)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (
            tp
            for tp in self.positions.written()
            if topics is None or tp in topics or tp.topic in topics
        )

    def _new_offset(self, tp: TP) -> int | None:
        # What skipped chunks leave in the lists of the base class is not needed.
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        return self.positions.done_to(tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Everything in hand is written and committed, then forgotten."""
        await super().on_partitions_revoked(revoked)
        self.positions.forget()


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """The Kafka transport with our consumer."""

    Consumer = BatchConsumer


class BatchApp(faust.App):  # type: ignore[misc]
    """An application over the batched transport; whatever crashes it ends the process.

    Parameters
    ----------
    on_crash
        Called with the reason; does not return.
    chunk_records
        Most records of one message.
    brokers
        Addresses of the brokers, for a look at the log beside the client.
    """

    def __init__(
        self,
        *arguments: Any,
        on_crash: Callable[[BaseException], NoReturn],
        chunk_records: int,
        brokers: Brokers,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.chunk_records = chunk_records
        self.brokers = brokers
        self._on_crash = on_crash

    async def check_changelogs(self, assigned: set[TP], generation_id: int) -> None:
        """Compare local stores with the changelogs of an assignment, before any is used."""

    def start_offset(self, tp: TP, committed: int | None) -> int:
        """Where to read a source partition from."""
        return committed or 0

    def last_record(self, tp: TP) -> RecordDigest | None:
        """The last record before that offset, None where it is not known."""

    def check_log_end(self, tp: TP, start: int, end: int) -> None:
        """Raise when a partition ends before the offset to read from."""

    def log_out_of_range(self, tp: TP, offset: int, begin: int, end: int) -> None:
        """End the process: a partition of the log has no record at an offset that comes next."""

    def crash_with(self, error: BaseException) -> NoReturn:
        """End the process because of an error that Faust would only log."""
        self._on_crash(error)

    def _new_transport(self) -> Any:
        return BatchTransport(self.conf.broker_consumer, self)

    def _crash(self, reason: BaseException) -> None:
        if isinstance(reason, asyncio.CancelledError) and self.should_stop:
            return
        self._on_crash(reason)
