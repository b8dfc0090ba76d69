"""A topic that others write: each value is a message, committed once what it led to is written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from tapeline.streams.feeds.live.model import (
    Connect,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.links import ConnectionTask

POLL_MS: Final = 250
COMMIT_S: Final = 1.0


class TopicConsumer(Protocol):
    """What is needed of a consumer of one topic; it commits nothing by itself."""

    async def start(self) -> None:
        """Connect and join."""
        ...

    async def getmany(self, *, timeout_ms: int) -> Mapping[Any, Sequence[Any]]:
        """Messages by partition."""
        ...

    async def commit(self, offsets: dict[Any, int]) -> None:
        """Commit the next offset of partitions."""
        ...

    async def stop(self) -> None:
        """Leave."""
        ...


class _Message(NamedTuple):
    partition: Any
    offset: int


class KafkaTopics:
    """Intake of one feed from a topic.

    A restart begins at the committed offsets; what was in the log and not committed comes twice,
    and equal content is no news to the engine. A connection that ends in good order is left at
    `stop`: until then acknowledgements of its messages may come.

    Parameters
    ----------
    make
        Makes a consumer of a topic, in the group of the feed.
    failures
        Errors of its client.
    """

    def __init__(
        self,
        inbox: Inbox,
        make: Callable[[str], TopicConsumer],
        failures: tuple[type[Exception], ...],
    ) -> None:
        self._inbox = inbox
        self._make = make
        self._failures = failures
        self._held: deque[_Message | None] = deque()
        self._due: dict[Any, int] = {}
        self._consumer: TopicConsumer | None = None

    def acknowledged(self, count: int) -> None:
        """The oldest so many messages need not come again: what they led to is in the log."""
        for _ in range(min(count, len(self._held))):
            message = self._held.popleft()
            if message is not None:
                self._due[message.partition] = message.offset + 1

    async def run(self, link: ConnectionTask, action: Connect) -> None:
        """Read the topic until the connection is ended."""
        await self._leave()
        consumer = self._make(urlsplit(action.http.url).netloc)
        # The engine may have dropped what was on its way when the last connection ended: that
        # comes again, and its acknowledgement commits nothing.
        self._held = deque([None] * len(self._held))
        self._due.clear()
        opened = False
        self._consumer = consumer
        try:
            await consumer.start()
            self._inbox.put(ConnectionOpened(link.number))
            opened = True
            await self._read(link.number, consumer)
        except self._failures as error:
            reason = type(error).__name__
            if opened:
                self._inbox.put(ConnectionClosed(link.number, None, reason))
            else:
                self._inbox.put(ConnectFailed(link.number, reason))
            await self._leave()
        except asyncio.CancelledError:
            if link.aborted:
                # Of what is on its way the engine takes no more: its acknowledgement means nothing.
                await self.stop()
            raise

    async def _read(self, number: int, consumer: TopicConsumer) -> None:
        loop = asyncio.get_running_loop()
        committed_s = loop.time()
        while True:
            batches = await consumer.getmany(timeout_ms=POLL_MS)
            for partition, messages in batches.items():
                for message in messages:
                    await self._inbox.room()
                    self._held.append(_Message(partition, message.offset))
                    self._inbox.put(Received(number, message.value or b""))
            if self._due and loop.time() - committed_s >= COMMIT_S:
                await self._commit(consumer)
                committed_s = loop.time()

    async def _commit(self, consumer: TopicConsumer) -> None:
        due, self._due = self._due, {}
        if due:
            await consumer.commit(due)

    async def stop(self) -> None:
        """Commit what was acknowledged after the connection was ended, and leave."""
        if self._consumer is not None:
            with suppress(*self._failures):
                await self._commit(self._consumer)
        await self._leave()

    async def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()
