"""One writer of a feed: the processes of one feed share a consumer group, and one of them holds it.

All partitions of the log go to the member that has them, else to the one that joined first; the
others get none, and wait. Nothing is read by the group, and nothing is committed. A process that
was frozen for longer than half a session may have lost the lease without knowing it: it writes
nothing more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from aiokafka.errors import KafkaTimeoutError

from tapeline.schemas.config.security import Brokers
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.topics import DEFAULT_PREFIX
from tapeline.streams.kafka.connection import make_consumer
from tapeline.streams.kafka.writer import STOP_SECONDS

SESSION_S = 10.0
TICK_S = 0.2
POLL_MS = 200
RANK_BYTES = 8
ORDER_SESSIONS = 2
"""Sessions that an order may take: a member that died while it was found is waited for, for one."""


class LostLeaseError(BrokenPromiseError):
    """Another process may be the writer of the feed now; what was left here was not written."""


def lease_group(feed: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Consumer group of the processes of a feed."""
    return f"{prefix}-feed-{feed}"


class FirstMember(AbstractPartitionAssignor):  # type: ignore[misc]
    """All partitions to the writer, else to the member that joined first.

    The group knows members by class, so a lease makes a class of its own.
    """

    name = "tapeline-first-member"
    joined_ns = 0
    """When this process joined."""
    writes = False
    """Whether this process is the writer: no other clock may take that from it."""

    @classmethod
    def metadata(cls, topics: Any) -> ConsumerProtocolMemberMetadata:
        """What the leader of the group, which assigns, needs to know."""
        rank = bytes([not cls.writes]) + cls.joined_ns.to_bytes(RANK_BYTES, "big")
        return ConsumerProtocolMemberMetadata(0, sorted(topics), rank)

    @classmethod
    def assign(
        cls, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Partitions by member."""
        first = min(members, key=lambda member: (members[member].user_data, member))
        found = {}
        for member, metadata in members.items():
            topics = metadata.subscription if member == first else []
            partitions = [
                (topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in topics
            ]
            found[member] = ConsumerProtocolMemberAssignment(0, partitions, b"")
        return found

    @classmethod
    def on_assignment(cls, assignment: Any) -> None:
        """Nothing is remembered."""


class FeedLease(ConsumerRebalanceListener):  # type: ignore[misc]
    """The lease of one feed.

    Parameters
    ----------
    brokers
        Of the log; the consumer of the group is made and started here.
    log
        Topic whose partitions stand for the feed.
    clock
        A monotonic clock, in seconds.
    wall_ns
        The time of day, in nanoseconds: of several that wait the one that joined first is next.

    Attributes
    ----------
    session_s
        After that long without a sign of life of the writer another process takes over.
    held
        Set while this process is the writer.
    joined
        Set once the group has an order that this process is part of.
    """

    def __init__(
        self,
        brokers: Brokers,
        log: str,
        group: str,
        session_s: float = SESSION_S,
        clock: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.held = asyncio.Event()
        self.joined = asyncio.Event()
        self._log = log
        self.session_s = session_s
        self._clock = clock
        self._wall_ns = wall_ns
        self._seen_s = clock()
        self._was_held = False
        self._lost = ""
        self._assignor: type[FirstMember] = type("Assignor", (FirstMember,), {})
        self._consumer = make_consumer(
            brokers,
            group_id=group,
            partition_assignment_strategy=(self._assignor,),
            session_timeout_ms=int(session_s * 1000),
            heartbeat_interval_ms=max(100, int(session_s * 1000 / 5)),
            auto_offset_reset="latest",
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Join the group, once; `held` is set when this process becomes the writer.

        Raises
        ------
        KafkaError
            When the broker does not answer.
        """
        if self._tasks:
            return
        self._assignor.joined_ns = self._wall_ns()
        self._consumer.subscribe([self._log], listener=self)
        # To wait for the broker is not to stand still.
        self._seen_s = self._clock()
        self._tasks = [asyncio.create_task(self._watch())]
        await self._consumer.start()
        self._tasks.append(asyncio.create_task(self._poll()))

    async def acquire(self) -> None:
        """Join the group, once, and wait until this process is the writer.

        Raises
        ------
        KafkaError
            When the broker does not answer at first, or refuses to go on.
        """
        await self.start()
        holding = asyncio.create_task(self.held.wait())
        try:
            await asyncio.wait([holding, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            holding.cancel()
        self._raise_failure()

    async def stop(self) -> None:
        """Leave the group: the next member takes over at once."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            # What one failed with was raised where it was noticed.
            await asyncio.wait(self._tasks)
        # A broker that is away is not waited for.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._consumer.stop(), STOP_SECONDS)

    async def confirm(self) -> None:
        """Return when this process is the writer; while the group finds its order, wait.

        Raises
        ------
        LostLeaseError
            When another process became the writer, or this one stood still for too long.
        KafkaError
            When the broker refuses this process its part in the group, or finds no order for it.
        """
        self._look()
        if not self._lost and not self.held.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.held.wait(), ORDER_SESSIONS * self.session_s)
        self._raise_failure()
        self.check_lost()
        if not self.held.is_set():
            raise KafkaTimeoutError("the group of this feed finds no order")

    def check_lost(self) -> None:
        """Raise `LostLeaseError` when another process may be the writer; see `confirm`."""
        self._look()
        if self._lost:
            raise LostLeaseError(self._lost)

    def _raise_failure(self) -> None:
        """Raise what ended the part of this process in its group: they run as long as it."""
        for task in self._tasks:
            if task.done():
                task.result()

    def on_partitions_assigned(self, assigned: Any) -> None:
        """The group has a new order."""
        self.joined.set()
        if assigned:
            for partition in assigned:
                self._consumer.pause(partition)
            self._was_held = self._assignor.writes = True
            self.held.set()
        elif self._was_held:
            self._lost = "another process became the writer of this feed"
            self.held.set()

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Until the next order nothing is written."""
        self.held.clear()

    async def _poll(self) -> None:
        """The client takes part in its group only while it is asked for records."""
        while True:
            await self._consumer.getmany(timeout_ms=POLL_MS)
            await asyncio.sleep(0)

    async def _watch(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(TICK_S)

    def _look(self) -> None:
        """Notice that this process, or its loop, stood still for too long."""
        now_s = self._clock()
        still_s = now_s - self._seen_s
        self._seen_s = now_s
        if still_s > self.session_s / 2 and not self._lost:
            self._lost = (
                f"this process stood still for {still_s:.1f} s, more than half the session of"
                f" {self.session_s:.0f} s: another one may be the writer of this feed now"
            )
