"""The consumer group of hosts: which books are this process's, and since when that is certain.

The group has the partitions of the topic of host states; nothing is read by it and nothing is
committed, because a state holds its own offsets. A process that dies is missed after its session,
and its books are given to others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiokafka import ConsumerRebalanceListener

from tapeline.schemas.config.security import Brokers
from tapeline.schemas.instants import MINUTE_MS, SECOND_MS
from tapeline.streams.kafka.connection import make_consumer
from tapeline.streams.kafka.writer import STOP_SECONDS
from tapeline.streams.worker.bridge.membership import Membership, client_failure
from tapeline.streams.worker.exits import ZombieError

POLL_MS = 200
LOOK_S = 0.05
REBALANCE_MS = MINUTE_MS
"""Of one member, to write what it has in hand before others take its books."""
HEARTBEATS = 5
"""In the time of a session."""


class HostGroup(ConsumerRebalanceListener):  # type: ignore[misc]
    """The part of this process in the group.

    Parameters
    ----------
    topic
        Of host states.
    instance
        Name of a static member, which takes up its books at once when it comes back; None: a
        dynamic one.
    session_s
        Seconds without a heartbeat after which others take over.
    lose
        Awaited before books are given to others: what is in hand is written.
    own
        Called with the numbers of the books that are this process's now.

    Attributes
    ----------
    joined
        Set once the group has an order that this process is part of.
    rebalances
        How often books were dealt out.
    """

    def __init__(
        self,
        brokers: Brokers,
        topic: str,
        group: str,
        instance: str | None,
        session_s: float,
        lose: Callable[[], Awaitable[None]],
        own: Callable[[list[int]], None],
    ) -> None:
        self.joined = asyncio.Event()
        self.rebalances = 0
        self._topic = topic
        self._session_s = session_s
        self._lose = lose
        self._own = own
        self._membership = Membership()
        self._generation = -1
        self._assigned_at = 0.0
        self._polling: asyncio.Task[None] | None = None
        self._consumer = make_consumer(
            brokers,
            group_id=group,
            group_instance_id=instance,
            session_timeout_ms=int(session_s * SECOND_MS),
            heartbeat_interval_ms=int(session_s * SECOND_MS / HEARTBEATS),
            rebalance_timeout_ms=max(REBALANCE_MS, int(session_s * SECOND_MS)),
            auto_offset_reset="latest",
        )

    async def start(self) -> None:
        """Join the group.

        Raises
        ------
        KafkaError
            When the broker does not answer.
        """
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()
        self._polling = asyncio.create_task(self._poll(), name="host-group")

    async def run(self) -> None:
        """Wait until the client cannot take part any more; raises what ended it."""
        assert self._polling is not None
        while not self._polling.done():
            failure = client_failure(self._consumer)
            if failure is not None:
                raise failure
            await asyncio.wait([self._polling], timeout=1.0)
        self._polling.result()

    async def stop(self) -> None:
        """Leave: books of a dynamic member go to others at once, else after the session."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])
        # A broker that is away is not waited for.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._consumer.stop(), STOP_SECONDS)

    async def confirm(self) -> None:
        """Return when the books that were dealt out last are certainly this process's.

        They were when they were dealt out, and are whenever the coordinator confirms a heartbeat of
        the same generation. A process that slept past its session gets no confirmation.

        Raises
        ------
        ZombieError
            When none comes for a session: another process may have them.
        """
        asked_at = time.monotonic()
        while True:
            now = time.monotonic()
            coordinator: Any = self._consumer._coordinator
            left = coordinator.generation != self._generation
            certain_at = self._membership.since(self._generation, self._assigned_at)
            if not left and now - certain_at <= self._session_s / 2:
                return
            if left or now - asked_at > self._session_s:
                raise ZombieError(
                    f"no heartbeat was confirmed for {now - certain_at:.1f} s of a session of"
                    f" {self._session_s:.0f} s: another host may own these books by now. This"
                    " process ends without writing; start it again"
                )
            await asyncio.sleep(LOOK_S)

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Before books are dealt out again."""
        self.joined.clear()
        await self._lose()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Books were dealt out."""
        for each in assigned:
            self._consumer.pause(each)
        self.rebalances += 1
        self._generation = self._membership.watch(self._consumer._coordinator)
        self._assigned_at = time.monotonic()
        self._own(sorted(each.partition for each in assigned))
        self.joined.set()

    async def _poll(self) -> None:
        """The client takes part in its group only while it is asked for records."""
        while True:
            await self._consumer.getmany(timeout_ms=POLL_MS)
            await asyncio.sleep(0)
