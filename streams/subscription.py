"""Events of the output topics for Python programs: typed, in order, without duplicates.

    async with Subscription(["tape.touches.v1"], symbols=["ES"]) as events:
        async for event in events:
            ...
            save(events.token)

A subscription belongs to no consumer group and commits nothing: what was seen is in its `token`,
which the program keeps beside what it made of the events. After a crash it goes on from there;
events after the last token kept come again, those before do not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal

from msgspec import Struct, json
from msgspec import ValidationError as TokenError

from schemas.codec import CodecError, decode_event
from schemas.events import (
    DerivedBar,
    Event,
    Gap,
    Pair,
    Range,
    Reject,
    Retract,
    Session,
    Touch,
)

Since = Literal["beginning", "now"]
VERSION = "v1"
POLL_MS = 500
FINISHED = ("resolved", "incomplete")


class Removed(Struct, frozen=True):
    """A fact left the view: the tombstone of `id`, with what its headers and key say."""

    type: str
    id: str
    seq: int
    rev: int
    symbol: str
    watermark_ms: int


class Position(Struct, frozen=True):
    """How far one partition of a topic was read.

    Attributes
    ----------
    offset
        First offset that was not handed out.
    seq
        Greatest `seq` that was; what does not exceed it is a duplicate.
    """

    offset: int
    seq: int


class ResumeToken(Struct, frozen=True):
    """How far a subscription was read, by ``topic/partition``."""

    positions: dict[str, Position]

    def text(self) -> str:
        """As JSON."""
        return json.encode(self).decode()

    @staticmethod
    def parse(text: str) -> ResumeToken:
        """The token of `text`.

        Raises
        ------
        ValueError
            When it is none.
        """
        try:
            return json.decode(text, type=ResumeToken)
        except (TokenError, ValueError) as error:
            raise ValueError(f"{text[:60]!r} is no resume token: {error}") from error


class UnreadableEventError(ValueError):
    """A message of an output topic that this version cannot read; nothing was skipped.

    A topic's name carries the version of its schema. Fields added to it are passed over; anything
    else needs a newer version of this package.
    """


class Subscription:
    """Events of some output topics, from a point in time on.

    Parameters
    ----------
    topics
        Names, prefix included; their last part is the version of their schema, ``v1``.
    bootstrap
        Addresses of the brokers.
    symbols
        Only facts of these; a pair is of its group and of each of its members.
    since
        ``"now"``, ``"beginning"`` (of what the topics still hold: the current view, then news), a
        `ResumeToken`, or an instant of event time: UTC milliseconds, or a datetime with offset.
    final_only
        Only facts that bars in order cannot change any more: derived bars, touches, closed sessions
        and gaps, finished ranges, whole pairs. Corrections may still change them.
    follow
        False: end where the topics ended when the subscription began.

    Attributes
    ----------
    token
        Where to go on after the last event handed out.
    duplicates
        Messages dropped because their `seq` had been seen.
    """

    def __init__(
        self,
        topics: Sequence[str],
        *,
        bootstrap: str = "127.0.0.1:9092",
        symbols: Collection[str] | None = None,
        since: Since | ResumeToken | datetime | int = "now",
        final_only: bool = False,
        follow: bool = True,
    ) -> None:
        for topic in topics:
            if topic.rpartition(".")[2] != VERSION:
                raise ValueError(f"topic {topic!r}: read here is {VERSION}")
        if not topics:
            raise ValueError("no topics: name at least one")
        if isinstance(since, datetime) and since.tzinfo is None:
            raise ValueError(f"since {since}: has no offset")
        self.duplicates = 0
        self._topics = tuple(topics)
        self._bootstrap = bootstrap
        self._symbols = None if symbols is None else frozenset(symbols)
        self._since = since
        self._final_only = final_only
        self._follow = follow
        self._consumer: Any = None
        self._ready: deque[Any] = deque()
        self._seen: dict[str, Position] = {}
        self._ends: dict[str, int] = {}

    @property
    def token(self) -> ResumeToken:
        """Where to go on after the last event handed out."""
        return ResumeToken(dict(self._seen))

    async def __aenter__(self) -> Subscription:
        from aiokafka import AIOKafkaConsumer

        partitions = await self._partitions()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",
        )
        await consumer.start()
        self._consumer = consumer
        try:
            consumer.assign(partitions)
            await self._seek(partitions)
        except BaseException:
            await consumer.stop()
            raise
        return self

    async def _partitions(self) -> list[Any]:
        from aiokafka import TopicPartition
        from aiokafka.admin import AIOKafkaAdminClient

        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        try:
            described = await admin.describe_topics(list(self._topics))
        finally:
            await admin.close()
        found = []
        for topic in described:
            if topic["error_code"]:
                raise LookupError(f"topic {topic['topic']} does not exist at {self._bootstrap}")
            for partition in topic["partitions"]:
                found.append(TopicPartition(topic["topic"], partition["partition"]))
        return sorted(found)

    async def _seek(self, partitions: list[Any]) -> None:
        consumer = self._consumer
        since = self._since
        first = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        self._ends = {_name(partition): end for partition, end in ends.items()}
        starts = dict(ends) if since == "now" else dict(first)
        if isinstance(since, datetime):
            since = int(since.timestamp() * 1000)
        if isinstance(since, int):
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
            for partition, place in found.items():
                starts[partition] = ends[partition] if place is None else place.offset
        for partition in partitions:
            name = _name(partition)
            seq = -1
            if isinstance(since, ResumeToken) and name in since.positions:
                known = since.positions[name]
                # Compaction may have removed what lay there; it never removes the newest of an id.
                starts[partition] = max(known.offset, first[partition])
                seq = known.seq
            self._seen[name] = Position(starts[partition], seq)
            consumer.seek(partition, starts[partition])

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._consumer.stop()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event | Removed | Reject:
        """The next event.

        Raises
        ------
        UnreadableEventError
            When a message is of no schema that this version knows.
        StopAsyncIteration
            At the end, with ``follow=False``.
        """
        while True:
            while self._ready:
                event = self._take(self._ready.popleft())
                if event is not None:
                    return event
            if not self._follow and await self._at_end():
                raise StopAsyncIteration
            found = await self._consumer.getmany(timeout_ms=POLL_MS)
            for partition in sorted(found):
                self._ready.extend(found[partition])

    async def _at_end(self) -> bool:
        for partition in self._consumer.assignment():
            if await self._consumer.position(partition) < self._ends[_name(partition)]:
                return False
        return True

    def _take(self, message: Any) -> Event | Removed | Reject | None:
        """The event of a message, None when it is a duplicate or was not asked for."""
        name = _name(message)
        if not self._follow and message.offset >= self._ends[name]:
            return None
        headers = dict(message.headers)
        known = self._seen[name]
        seq = int(headers["seq"]) if "seq" in headers else None
        if seq is not None and seq <= known.seq:
            self.duplicates += 1
            self._seen[name] = Position(message.offset + 1, known.seq)
            return None
        event = _decoded(message, headers, seq)
        self._seen[name] = Position(message.offset + 1, known.seq if seq is None else seq)
        if self._symbols is not None and not _symbols_of(event) & self._symbols:
            return None
        if self._final_only and not is_final(event):
            return None
        return event


def _name(place: Any) -> str:
    return f"{place.topic}/{place.partition}"


def _decoded(message: Any, headers: dict[str, bytes], seq: int | None) -> Event | Removed | Reject:
    place = f"{message.topic}/{message.partition}/{message.offset}"
    if message.value is None:
        if seq is None or "rev" not in headers or message.key is None:
            raise UnreadableEventError(f"{place}: a tombstone without key, seq and rev")
        fact_id = message.key.decode()
        kind, symbol = fact_id.split("|")[:2]
        return Removed(kind, fact_id, seq, int(headers["rev"]), symbol, message.timestamp)
    try:
        event = decode_event(message.value)
    except CodecError as error:
        raise UnreadableEventError(f"{place}: {error.reason}") from error
    if isinstance(event, Retract):
        return Removed(event.type, event.id, event.seq, event.rev, event.symbol, event.watermark_ms)
    return event


def _symbols_of(event: Event | Removed | Reject) -> frozenset[str | None]:
    if isinstance(event, Pair):
        return frozenset((event.group, *event.times))
    return frozenset((event.symbol,))


def is_final(event: Event | Removed | Reject) -> bool:
    """Whether bars in order cannot change a fact any more; a removal is final."""
    if isinstance(event, Session):
        return event.state == "closed"
    if isinstance(event, Gap):
        return event.state == "closed"
    if isinstance(event, Range):
        return event.expired or event.state in FINISHED
    if isinstance(event, Pair):
        return event.delta_min is not None
    return isinstance(event, DerivedBar | Touch | Removed | Reject)
