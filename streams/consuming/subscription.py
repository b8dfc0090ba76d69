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

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Literal

from msgspec import Struct, json
from msgspec import ValidationError as TokenError

from tapeline.schemas.config.security import Brokers, KafkaSecurity
from tapeline.schemas.errors import UnusableError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event
from tapeline.schemas.feed_events import Unnumbered
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.records import INT64_MAX
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.symbols import names_of
from tapeline.streams.consuming.received import (
    MessageReader,
    Removed,
    SymbolFilter,
    UnreadableEventError,
    is_final,
    seq_of,
)
from tapeline.streams.outputs.escaping import escaped

__all__ = [
    "LostPositionError",
    "PartitionPosition",
    "Removed",
    "ResumeToken",
    "Since",
    "Subscription",
    "UnreadableEventError",
    "is_final",
]

logger = logging.getLogger("tapeline.subscription")

Since = Literal["beginning", "now"]
VERSION = "v1"
POLL_MS = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class PartitionPosition(Struct, frozen=True):
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

    positions: dict[str, PartitionPosition]

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


class LostPositionError(UnusableError):
    """The position to go on from is not in the topic (any more): going on would lose something.

    So it is when the topic was deleted and made again, or lost what it held. What was made of its
    events is of the topic that was; begin again with ``since="beginning"``.
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
        Only facts of these; a pair is of its group and of each of its members. Those of which
        nothing came before the ends that the topics had at the start are named then, once, by one
        line of the logger ``tapeline.subscription``.
    since
        ``"now"``, ``"beginning"`` (of what the topics still hold: the current view, then news), a
        `ResumeToken`, or an instant of event time: UTC milliseconds, or a datetime with offset.
        Before 1970: everything; later than all that is there: what is new.
    final_only
        Only facts that bars in order cannot change any more: derived bars, touches, closed sessions
        and gaps, finished ranges, whole pairs. Corrections may still change them.
    follow
        False: end where the topics ended when the subscription began.
    registry
        The types of the events.
    security
        Of the connection; None: plain. User and password are read from the environment.

    Attributes
    ----------
    token
        Where to go on after the last event handed out.
    duplicates
        Messages dropped because their `seq` had been seen.

    Raises
    ------
    TypeError
        When `topics` or `symbols` is one text instead of a list of names.
    ValueError
        When there are no topics, one is of another version, or `since` is none of these.
    LookupError
        On entering, when a topic does not exist.
    BrokerError
        On entering, when no broker answers.
    BrokerRefusalError
        On entering, when the broker refuses this user, or a right that reading needs.
    CredentialsError
        On entering, when user or password are not in the environment, or a file cannot be used.
    LostPositionError
        On entering, when a topic does not reach as far as the `ResumeToken`.
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
        registry: Registry = EVENTS,
        security: KafkaSecurity | None = None,
    ) -> None:
        names = names_of("topics", topics)
        for topic in names:
            if topic.rpartition(".")[2] != VERSION:
                raise ValueError(f"topic {topic!r}: read here is {VERSION}")
        if not names:
            raise ValueError("no topics: name at least one")
        self.duplicates = 0
        self._topics = names
        self._brokers = Brokers(bootstrap, security or KafkaSecurity())
        self._symbols = None if symbols is None else SymbolFilter(symbols, registry)
        self._since = _checked(since)
        self._final_only = final_only
        self._registry = registry
        self._event_of = MessageReader(registry).event
        self._follow = follow
        self._consumer: Any = None
        self._ready: deque[Any] = deque()
        self._seen: dict[str, PartitionPosition] = {}
        self._ends: dict[str, int] = {}
        self._one_by_one = False
        self._symbols_checked = symbols is None

    @property
    def token(self) -> ResumeToken:
        """Where to go on after the last event handed out."""
        return ResumeToken(dict(self._seen))

    async def __aenter__(self) -> Subscription:
        from tapeline.streams.kafka.connection import make_consumer, plain_errors

        async with plain_errors(self._brokers, "reading topics"):
            partitions = await self._partitions()
            consumer = make_consumer(self._brokers, auto_offset_reset="none")
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
        from aiokafka.errors import TopicAuthorizationFailedError

        from tapeline.streams.kafka.connection import admin_client

        async with admin_client(self._brokers) as admin:
            described = await admin.describe_topics(list(self._topics))
        found = []
        for topic in described:
            if topic["error_code"] == TopicAuthorizationFailedError.errno:
                raise TopicAuthorizationFailedError(topic["topic"])
            if topic["error_code"]:
                raise LookupError(f"topic {topic['topic']} does not exist at {self._brokers}")
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
        # Kafka knows no time before 1970: that is the beginning.
        if isinstance(since, int) and since > 0:
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
            for partition, at in found.items():
                starts[partition] = ends[partition] if at is None else at.offset
        if isinstance(since, ResumeToken):
            _check_reach(since, self._topics, self._ends)
        for partition in partitions:
            name = _name(partition)
            seq = -1
            if isinstance(since, ResumeToken) and name in since.positions:
                known = since.positions[name]
                # Compaction may have removed what lay there; it never removes the newest of an id.
                starts[partition] = max(known.offset, first[partition])
                seq = known.seq
            self._seen[name] = PartitionPosition(starts[partition], seq)
            consumer.seek(partition, starts[partition])
        if starts == ends:
            # Nothing will have been read at the ends, so nothing is known about any symbol.
            self._symbols_checked = True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._consumer.stop()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event | Removed | Unnumbered | HostEvent:
        """The next event.

        Raises
        ------
        UnreadableEventError
            When a message is of no schema that this version knows; again, when asked again.
        LostPositionError
            When the topic was made again meanwhile, or lost what comes next.
        StopAsyncIteration
            At the end, with ``follow=False``.
        """
        while True:
            while self._ready:
                event = self._take(self._ready[0])
                # Only now: a message that cannot be read stays the next one.
                self._ready.popleft()
                if event is not None:
                    return event
            if not (self._follow and self._symbols_checked) and await self._at_end():
                self._name_symbols_without_events()
                if not self._follow:
                    raise StopAsyncIteration
            await self._fetch()

    async def _fetch(self) -> None:
        """Make ready what has come, waiting a little when it is nothing."""
        from aiokafka.errors import OffsetOutOfRangeError

        try:
            if self._one_by_one:
                await self._fetch_one_by_one()
                return
            found = await self._consumer.getmany(timeout_ms=POLL_MS)
        except OffsetOutOfRangeError as error:
            [(partition, offset)] = error.args[0].items()
            raise LostPositionError(
                f"{_name(partition)}: does not hold offset {offset}, the next one, any more:"
                " the topic was made again or lost messages; read it anew, from its beginning"
            ) from error
        except UnicodeDecodeError:
            self._begin_one_by_one()
            return
        for partition in sorted(found):
            self._ready.extend(found[partition])

    def _begin_one_by_one(self) -> None:
        """Read on so that the message has a position whose header the client itself cannot read.

        It reads the name of a header as text, and when it fails it has lost the whole answer.
        """
        self._one_by_one = True
        for partition in self._consumer.assignment():
            self._consumer.seek(partition, self._seen[_name(partition)].offset)

    async def _fetch_one_by_one(self) -> None:
        for partition in sorted(self._consumer.assignment()):
            try:
                found = await self._consumer.getmany(partition, max_records=1)
            except UnicodeDecodeError as error:
                if self._ready:
                    return
                position = f"{_name(partition)}/{await self._consumer.position(partition)}"
                raise UnreadableEventError(position, "the name of a header is no UTF-8") from error
            self._ready.extend(found.get(partition, ()))
        if not self._ready:
            await asyncio.sleep(POLL_MS / 1000)

    async def _at_end(self) -> bool:
        for partition in self._consumer.assignment():
            if await self._consumer.position(partition) < self._ends[_name(partition)]:
                return False
        return True

    def _name_symbols_without_events(self) -> None:
        """A name that was mistyped, or of another prefix, yields nothing: that is worth a line."""
        if self._symbols_checked or self._symbols is None:
            return
        self._symbols_checked = True
        if self._symbols.without_events:
            names = ", ".join(sorted(map(escaped, self._symbols.without_events)))
            logger.warning(
                "no event of %s up to the ends of %s; is the name right?",
                names,
                escaped(", ".join(self._topics)),
            )

    def _take(self, message: Any) -> Event | Removed | Unnumbered | HostEvent | None:
        """The event of a message, None when it is a duplicate or was not asked for."""
        name = _name(message)
        if not self._follow and message.offset >= self._ends[name]:
            return None
        known = self._seen[name]
        seq = seq_of(message)
        if seq is not None and seq <= known.seq:
            self.duplicates += 1
            self._seen[name] = PartitionPosition(message.offset + 1, known.seq)
            return None
        event = self._event_of(message)
        self._seen[name] = PartitionPosition(message.offset + 1, known.seq if seq is None else seq)
        if self._symbols is not None and not self._symbols.passes(event):
            return None
        if self._final_only and not is_final(event, self._registry):
            return None
        return event


def _checked(since: object) -> Since | ResumeToken | int:
    """Where to begin, an instant as UTC milliseconds."""
    if isinstance(since, ResumeToken):
        return since
    if since == "beginning" or since == "now":
        return since
    if isinstance(since, datetime):
        if since.utcoffset() is None:
            raise ValueError(f"since {since}: has no offset")
        return (since - EPOCH) // MILLISECOND
    if isinstance(since, int) and not isinstance(since, bool):
        if since > INT64_MAX:
            raise ValueError(f"since {since}: UTC milliseconds end at {INT64_MAX}")
        return since
    raise ValueError(
        f"since {since!r}: is none of 'beginning', 'now', a ResumeToken, a datetime with offset,"
        " an integer of UTC milliseconds"
    )


def _check_reach(token: ResumeToken, topics: Collection[str], ends: dict[str, int]) -> None:
    """Refuse a token of topics that were longer than those that are there."""
    for name, known in sorted(token.positions.items()):
        if name.rpartition("/")[0] not in topics or known.offset <= ends.get(name, -1):
            continue
        there = f"the topic ends at {ends[name]}" if name in ends else "there is no such partition"
        raise LostPositionError(
            f"{name}: the token goes on at offset {known.offset}, but {there}: it was made again"
            " or lost messages; read it anew, since='beginning'"
        )


def _name(partition: Any) -> str:
    return f"{partition.topic}/{partition.partition}"
