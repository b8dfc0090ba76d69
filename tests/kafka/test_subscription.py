"""A Python consumer of the output topics: in order, without duplicates, and able to go on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.codec import encode
from schemas.events import Output, Retract, Session, Touch, type_of
from schemas.topics import catalogue
from streams.subscription import (
    Removed,
    ResumeToken,
    Subscription,
    UnreadableEventError,
    is_final,
)
from tests.kafka.broker import Broker

START_MS = 1_751_463_000_000


def touch(seq: int, symbol: str = "ES") -> Touch:
    """A touch of a symbol."""
    name = f"Asia {seq}"
    return Touch(
        f"touch|{symbol}|Major|{name}|return",
        "upsert",
        seq,
        0,
        symbol,
        "2025-07-02",
        START_MS + seq,
        START_MS + seq,
        None,
        f"range|{symbol}|Major|{name}",
        "Major",
        name,
        "return",
        "TO",
        10.25,
        START_MS + seq,
        False,
    )


async def topic_with(broker: Broker, name: str, events: Iterable[Output]) -> str:
    """A topic of one partition that holds events as a worker writes them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        # As outputs are: by the broker's own settings, events of long ago are deleted at once.
        [settings] = [each.settings for each in catalogue() if each.type == "touch"]
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=settings)])
    finally:
        await admin.close()
    await append(broker, name, events)
    return name


async def append(broker: Broker, topic: str, events: Iterable[Output]) -> None:
    """Write events as a worker does: key, headers, event time; a retraction as a tombstone."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer:
        for event in events:
            gone = isinstance(event, Retract)
            headers = {"seq": event.seq, "rev": event.rev}
            kind = event.type if isinstance(event, Retract) else type_of(event)
            await producer.send_and_wait(
                topic,
                None if gone else encode(event),
                key=event.id.encode(),
                timestamp_ms=event.watermark_ms,
                headers=[
                    *((key, str(value).encode()) for key, value in headers.items()),
                    ("type", kind.encode()),
                    ("group", b"ES-NQ"),
                ],
            )


async def read(broker: Broker, topic: str, **options: Any) -> tuple[list[Any], Subscription]:
    """Everything a subscription gives until the end of the topic."""
    options = {"since": "beginning", **options}
    subscription = Subscription([topic], bootstrap=broker.bootstrap, follow=False, **options)
    async with subscription as events:
        return [event async for event in events], subscription


async def test_events_come_typed_and_in_order_and_each_once(
    broker: Broker, topic_prefix: str
) -> None:
    sent = [touch(1), touch(2), touch(3)]
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", sent)
    # A crash repeats what it had written.
    await append(broker, topic, [*sent[1:], touch(4)])
    found, subscription = await read(broker, topic)
    assert found == [*sent, touch(4)]
    assert subscription.duplicates == 2


async def test_a_tombstone_is_an_event(broker: Broker, topic_prefix: str) -> None:
    fact = touch(1)
    gone = Retract(
        "touch", fact.id, "retract", 2, 1, "ES", "2025-07-02", START_MS, START_MS + 60_000, None
    )
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [fact, gone])
    found, _ = await read(broker, topic)
    assert found == [fact, Removed("touch", fact.id, 2, 1, "ES", START_MS + 60_000)]


async def test_a_token_goes_on_after_the_last_event_it_saw(
    broker: Broker, topic_prefix: str
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1), touch(2), touch(3)])
    async with Subscription([topic], bootstrap=broker.bootstrap, since="beginning") as events:
        assert await anext(events) == touch(1)
        kept = events.token.text()
    await append(broker, topic, [touch(1), touch(4)])
    found, subscription = await read(broker, topic, since=ResumeToken.parse(kept))
    assert found == [touch(2), touch(3), touch(4)]
    assert subscription.duplicates == 1


async def test_a_subscription_may_begin_at_an_instant_of_market_time(
    broker: Broker, topic_prefix: str
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1), touch(2), touch(3)])
    found, _ = await read(broker, topic, since=START_MS + 2)
    assert found == [touch(2), touch(3)]
    assert (await read(broker, topic, since=START_MS + 4))[0] == []
    assert (await read(broker, topic, since="now"))[0] == []


async def test_only_the_symbols_asked_for_come(broker: Broker, topic_prefix: str) -> None:
    both = [touch(1), touch(2, "NQ"), touch(3)]
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", both)
    assert (await read(broker, topic, symbols=["NQ"]))[0] == [touch(2, "NQ")]


async def test_a_message_of_no_known_schema_is_named_and_not_skipped(
    broker: Broker, topic_prefix: str
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1)])
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        await producer.send_and_wait(topic, b'{"type":"touch","id":"x"}', key=b"x")
    with pytest.raises(UnreadableEventError, match=f"{topic}/0/1"):
        await read(broker, topic)


async def test_a_topic_that_does_not_exist_is_named(broker: Broker, topic_prefix: str) -> None:
    with pytest.raises(LookupError, match="nowhere"):
        await read(broker, f"{topic_prefix}.nowhere.v1")


def test_a_topic_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"touches\.v2"):
        Subscription(["tape.touches.v2"])


def test_a_token_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no resume token"):
        ResumeToken.parse("{}")


def test_a_fact_is_final_when_bars_in_order_cannot_change_it() -> None:
    session = Session(
        "session|ES|2025-07-02",
        "upsert",
        1,
        0,
        "ES",
        "2025-07-02",
        START_MS,
        START_MS,
        None,
        "open",
        START_MS,
        START_MS + 60_000,
        False,
        1,
        1,
        None,
        None,
        None,
    )
    assert not is_final(session)
    assert is_final(touch(1))
