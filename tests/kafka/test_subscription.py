"""A Python consumer of the output topics: in order, without duplicates, and able to go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from msgspec.structs import replace

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.events import Retract, Session, Touch, type_of
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import catalogue
from tapeline.streams.consuming.subscription import (
    LostPositionError,
    PartitionPosition,
    Removed,
    ResumeToken,
    Subscription,
    UnreadableEventError,
    is_final,
)
from tapeline.streams.consuming.topics import current_view
from tests.kafka.broker import Broker

START_MS = 1_751_463_000_000
LIMIT_SECONDS = 180


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


async def topic_with(broker: Broker, name: str, events: Iterable[Any]) -> str:
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


async def append(broker: Broker, topic: str, events: Iterable[Any]) -> None:
    """Write events as a worker does: key, headers, event time; a retraction as a tombstone."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer:
        for event in events:
            gone = isinstance(event, Retract)
            headers = {"seq": event.seq, "rev": event.rev}
            kind: str = event.type if isinstance(event, Retract) else type_of(event)
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


async def append_raw(
    broker: Broker,
    topic: str,
    value: bytes | None,
    key: bytes | None,
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Write a message that no worker writes."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, value, key=key, headers=headers)


async def make_again(broker: Broker, topic: str, events: Iterable[Any]) -> None:
    """Delete a topic and make one of the same name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    async with asyncio.timeout(LIMIT_SECONDS):
        await admin.start()
        try:
            await admin.delete_topics([topic])
        finally:
            await admin.close()
        while True:
            try:
                await topic_with(broker, topic, events)
            except TopicAlreadyExistsError:
                continue
            return


async def read(broker: Broker, topic: str, **options: Any) -> tuple[list[Any], Subscription]:
    """Everything a subscription gives until the end of the topic."""
    options = {"since": "beginning", **options}
    subscription = Subscription([topic], bootstrap=broker.bootstrap, follow=False, **options)
    async with subscription as events:
        return [event async for event in events], subscription


@pytest.mark.parametrize(
    ("topics", "options", "message"),
    [
        ("tape.touches.v1", {}, "topics='tape.touches.v1': give a list of names"),
        (["tape.touches.v1"], {"symbols": "ES"}, "symbols='ES': give a list of names"),
        (["tape.touches.v1"], {"symbols": [7]}, "symbols: 7 is no name"),
    ],
)
def test_one_name_instead_of_a_list_is_refused(
    topics: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        Subscription(topics, **options)


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the logger of subscriptions was given."""
    return [each.getMessage() for each in caplog.records if each.name == "tapeline.subscription"]


async def test_a_symbol_without_events_is_named_once_where_the_topics_ended(
    broker: Broker, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1), touch(2, "NQ")])
    found, _ = await read(broker, topic, symbols=["ES", "EX", "A\x1b[2J\u202eB"])
    assert found == [touch(1)]
    assert lines_of(caplog) == [
        rf"no event of A\x1b[2J\u202eB, EX up to the ends of {topic}; is the name right?"
    ]


async def test_a_symbol_without_events_is_named_while_its_topic_is_followed(
    broker: Broker, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1)])
    subscription = Subscription(
        [topic], bootstrap=broker.bootstrap, symbols=["ES", "EX"], since="beginning"
    )
    async with asyncio.timeout(LIMIT_SECONDS), subscription as events:
        assert await anext(events) == touch(1)
        waiting = asyncio.ensure_future(anext(events))
        while not lines_of(caplog):
            await asyncio.wait([waiting], timeout=0.05)
        await append(broker, topic, [touch(2, "EX"), touch(3)])
        assert [await waiting, await anext(events)] == [touch(2, "EX"), touch(3)]
    assert len(lines_of(caplog)) == 1


async def test_where_nothing_was_read_no_symbol_is_named(
    broker: Broker, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1)])
    assert (await read(broker, topic, symbols=["EX"], since="now"))[0] == []
    assert lines_of(caplog) == []


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


async def test_events_of_a_paper_account_come_typed_and_its_orders_can_be_shown_alone(
    broker: Broker, topic_prefix: str
) -> None:
    order: Any = EVENTS.row("order").example
    fill: Any = EVENTS.row("fill").example
    account: Any = EVENTS.row("account").example
    filled = replace(order, seq=fill.seq - 1, state="filled", closed_ms=fill.event_ms)
    events = [order, filled, fill, account]
    topic = await topic_with(broker, f"{topic_prefix}.account.v1", events)
    found, subscription = await read(broker, topic)
    assert found == events
    assert subscription.token.positions == {f"{topic}/0": PartitionPosition(4, account.seq)}
    of_es, _ = await read(broker, topic, symbols=["ES"])
    assert of_es == [order, filled, fill]
    kafka = KafkaConfig(topic_prefix=topic_prefix)
    view = await current_view(kafka, Brokers(broker.bootstrap), None, "order")
    assert view == [encode(filled)]


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


async def test_an_instant_before_1970_is_the_beginning_and_a_late_one_is_the_end(
    broker: Broker, topic_prefix: str
) -> None:
    sent = [touch(1), touch(2)]
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", sent)
    for early in (0, -5, -(2**63) - 1, datetime(1960, 1, 1, tzinfo=UTC)):
        assert (await read(broker, topic, since=early))[0] == sent
    for late in (2**63 - 1, datetime.max.replace(tzinfo=UTC)):
        assert (await read(broker, topic, since=late))[0] == []


async def test_a_message_of_no_known_schema_is_named_and_not_skipped(
    broker: Broker, topic_prefix: str
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1)])
    await append_raw(broker, topic, b'{"type":"touch","id":"x"}', b"x")
    with pytest.raises(UnreadableEventError, match=f"{topic}/0/1"):
        await read(broker, topic)


async def test_what_cannot_be_read_is_still_the_next_message_when_asked_again(
    broker: Broker, topic_prefix: str
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1)])
    await append_raw(broker, topic, None, b"touch", [("seq", b"2"), ("rev", b"1")])
    await append(broker, topic, [touch(3)])
    async with Subscription([topic], bootstrap=broker.bootstrap, since="beginning") as events:
        assert await anext(events) == touch(1)
        for _ in range(2):
            with pytest.raises(UnreadableEventError, match=f"{topic}/0/1"):
                await anext(events)
        assert events.token.positions == {f"{topic}/0": PartitionPosition(1, 1)}


async def test_a_header_that_the_client_cannot_read_has_a_position_too(
    broker: Broker, topic_prefix: str
) -> None:
    class Latin(str):
        def encode(self, *_: Any) -> bytes:
            return b"\xe9"

    sent = [touch(1), touch(2), touch(3)]
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", sent)
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, False, -1, -1, -1, 1_000)
        batch.append(timestamp=START_MS, key=b"x", value=b"{}", headers=[(Latin("e"), b"")])
        await (await producer.send_batch(batch, topic, partition=0))
    async with Subscription([topic], bootstrap=broker.bootstrap, since="beginning") as events:
        assert [await anext(events) for _ in sent] == sent
        for _ in range(2):
            with pytest.raises(UnreadableEventError, match=f"{topic}/0/3: .*name of a header"):
                await anext(events)


async def test_a_token_that_goes_on_beyond_the_end_of_a_topic_is_refused(
    broker: Broker, topic_prefix: str
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1), touch(2), touch(3)])
    _, subscription = await read(broker, topic)
    token = subscription.token
    assert (await read(broker, topic, since=token))[0] == []
    await make_again(broker, topic, [touch(1), touch(2)])
    for follow in (False, True):
        events = Subscription([topic], bootstrap=broker.bootstrap, since=token, follow=follow)
        with pytest.raises(LostPositionError, match=f"{topic}/0: .* offset 3, .* ends at 2"):
            await events.__aenter__()


async def test_a_token_of_a_partition_that_is_not_there_is_refused(
    broker: Broker, topic_prefix: str
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1)])
    other = "tape.pairs.v1/7"
    token = ResumeToken({f"{topic}/0": PartitionPosition(0, -1), other: PartitionPosition(5, 5)})
    # What it has for topics that are not read does not matter.
    assert (await read(broker, topic, since=token))[0] == [touch(1)]
    token = ResumeToken(
        {f"{topic}/0": PartitionPosition(1, 1), f"{topic}/1": PartitionPosition(0, -1)}
    )
    with pytest.raises(LostPositionError, match=f"{topic}/1: .* no such partition"):
        await read(broker, topic, since=token)


async def test_a_topic_made_again_while_it_is_read_is_named(
    broker: Broker, topic_prefix: str
) -> None:
    sent = [touch(1), touch(2), touch(3)]
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", sent)
    async with Subscription([topic], bootstrap=broker.bootstrap, since="beginning") as events:
        assert [await anext(events) for _ in sent] == sent
        await make_again(broker, topic, [touch(1)])
        with pytest.raises(LostPositionError, match=f"{topic}/0: .* offset 3"):
            async with asyncio.timeout(LIMIT_SECONDS):
                await anext(events)


async def test_a_topic_that_does_not_exist_is_named(broker: Broker, topic_prefix: str) -> None:
    with pytest.raises(LookupError, match="nowhere"):
        await read(broker, f"{topic_prefix}.nowhere.v1")


def test_a_topic_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"touches\.v2"):
        Subscription(["tape.touches.v2"])


@pytest.mark.parametrize(
    "since",
    ["latest", "Beginning", "", 1.5e12, True, None, 2**63, datetime(2025, 7, 2), b"now"],
)
def test_a_beginning_that_is_none_is_refused(since: Any) -> None:
    with pytest.raises(ValueError, match=r"^since "):
        Subscription(["tape.touches.v1"], since=since)


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
