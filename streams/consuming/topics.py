"""Output topics read back: the current view, and the events of a topic in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.events import Event
from tapeline.schemas.feed_events import Unnumbered
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import topic_of
from tapeline.streams.consuming.received import Removed
from tapeline.streams.consuming.subscription import Since, Subscription
from tapeline.streams.errors import TopicsError
from tapeline.streams.kafka.connection import plain_errors
from tapeline.streams.pipeline.view import fold


def topic_named(name: str, prefix: str) -> str:
    """Full name of an output topic: itself, without prefix and version, or the type of its events.

    Raises
    ------
    TopicsError
        When there is no such topic.
    """
    for kind in EVENTS.types:
        topic = topic_of(kind, prefix)
        short = topic.removeprefix(f"{prefix}.").rpartition(".")[0]
        if name in (topic, short, kind):
            return topic
    known = ", ".join(dict.fromkeys(topic_of(kind, prefix) for kind in EVENTS.types))
    raise TopicsError(f"topic {name}: is none of {known}")


async def current_view(
    kafka: KafkaConfig, brokers: Brokers, symbol: str | None, kind: str | None
) -> list[bytes]:
    """Every fact of the topics once, sorted by id: one event a line.

    Parameters
    ----------
    symbol, kind
        Only facts of these; a pair is of its group and of its members. Events of strategies and
        accounts are shown where `kind` asks for them.

    Raises
    ------
    BrokerError, TopicsError
        When the broker does not answer, or a topic is missing.
    UnreadableEventError
        When a message is no event.
    """
    known = (*EVENTS.facts, *EVENTS.hosted)
    if kind is not None and kind not in known:
        raise TopicsError(f"type {kind}: is none of {', '.join(known)}")
    kinds = EVENTS.facts if kind is None else (kind,)
    facts: dict[str, Event | HostEvent] = {}
    topics = [topic_of(each, kafka.topic_prefix) for each in kinds]
    async with aclosing(_events(topics, brokers, symbol, "beginning", follow=False)) as events:
        async for event in events:
            # Types of hosts share topics; of facts each has its own.
            if (
                isinstance(event, Event | HostEvent) and EVENTS.row_of(event).tag in kinds
            ) or isinstance(event, Removed):
                fold(facts, (event,), Removed)
    return [encode(facts[fact_id]) for fact_id in sorted(facts)]


async def topic_lines(
    topic: str, brokers: Brokers, symbol: str | None, from_ms: int | None, follow: bool
) -> AsyncGenerator[bytes, None]:
    """Events of a topic in their order, duplicates dropped.

    A removed fact is a line too: ``"op":"retract"`` with what its tombstone holds.

    Parameters
    ----------
    from_ms
        Begin with what was published at this market time or later; before 1970: with everything.
    follow
        Wait for more at the end.

    Raises
    ------
    BrokerError, TopicsError
        When the broker does not answer, or the topic is missing.
    LostPositionError
        When the topic is made again while it is followed.
    UnreadableEventError
        When a message is no event.
    """
    since: Since | int = "beginning" if from_ms is None else from_ms
    async with aclosing(_events([topic], brokers, symbol, since, follow)) as events:
        async for event in events:
            if isinstance(event, Removed):
                yield orjson.dumps(
                    {
                        "type": event.type,
                        "id": event.id,
                        "op": "retract",
                        "seq": event.seq,
                        "rev": event.rev,
                        "symbol": event.symbol,
                        "watermark_ms": event.watermark_ms,
                    }
                )
            else:
                yield encode(event)


async def _events(
    topics: list[str], brokers: Brokers, symbol: str | None, since: Since | int, follow: bool
) -> AsyncGenerator[Event | Removed | Unnumbered | HostEvent, None]:
    symbols = None if symbol is None else [symbol]
    async with plain_errors(brokers, "reading topics"):
        subscription = Subscription(
            topics,
            bootstrap=brokers.bootstrap,
            symbols=symbols,
            since=since,
            follow=follow,
            security=brokers.security,
        )
        try:
            async with subscription as events:
                async for event in events:
                    yield event
        except LookupError as error:
            raise TopicsError(f"{error.args[0]}; make it: tapeline topics create") from error
