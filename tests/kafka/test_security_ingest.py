"""`tapeline ingest` against a broker with TLS, passwords and ACLs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError

from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.feeds.live.exchange.market import SampleMarket
from tapeline.streams.feeds.live.exchange.server import SampleExchange
from tapeline.streams.feeds.live.exchange.settings import sample_settings
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.kafka.connection import make_consumer, make_producer
from tapeline.streams.kafka.lease import FeedLease, lease_group
from tapeline.streams.kafka.reading import read_spans, whole_spans
from tests.kafka.ingest_process import LEASE_S
from tests.kafka.rights import DENIED, OF_FEED, OF_FEEDS
from tests.kafka.secured import ADMIN, DENY, GROUP, LITERAL, READ, SecuredBroker
from tests.kafka.users import as_user, assert_no_secret, configured, environment_of

PREFIXES = {"ingester": OF_FEED, **{user: DENIED[user][0] for user in OF_FEEDS}}
REACH_S = 60
WAIT_S = 120.0
CONFIGURATION = """
[kafka]
bootstrap = "{bootstrap}"
topic_prefix = "{prefix}"
partitions = 1
security_protocol = "{security.security_protocol}"
sasl_mechanism = "{security.sasl_mechanism}"
ca_file = "{security.ca_file}"
"""


@pytest.fixture
async def exchange() -> AsyncIterator[SampleExchange]:
    made = SampleExchange(SampleMarket())
    await made.start()
    yield made
    await made.stop()


async def make_topics(broker: SecuredBroker, prefix: str) -> None:
    kafka = configured(broker, prefix).kafka
    await create_topics(kafka, kafka.brokers)
    async with make_producer(kafka.brokers) as producer:
        # In an empty log there is nothing to be read, and so nothing to be refused.
        await producer.send_and_wait(input_log(prefix), b"{}", partition=0)


async def ingest(
    broker: SecuredBroker, folder: Path, exchange: SampleExchange, user: str
) -> tuple[int, str]:
    """Exit code and errors of a feed that a user runs once."""
    config = folder / f"{user}.toml"
    kafka = CONFIGURATION.format(
        bootstrap=broker.bootstrap, prefix=PREFIXES[user], security=broker.security()
    )
    config.write_text(kafka + sample_settings(exchange, "demo", REACH_S))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tapeline", "ingest", "demo", "--once", "--config", str(config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment_of(user)},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode is not None
    assert_no_secret(out.decode() + err.decode())
    return process.returncode, err.decode()


async def test_a_feed_needs_the_rights_of_the_manual_and_without_one_of_them_ends_plainly(
    secured: SecuredBroker,
    exchange: SampleExchange,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_user(monkeypatch, ADMIN)
    await asyncio.gather(*(make_topics(secured, prefix) for prefix in PREFIXES.values()))
    ends = await asyncio.gather(*(ingest(secured, tmp_path, exchange, user) for user in PREFIXES))
    shown = dict(zip(PREFIXES, ends, strict=True))
    assert shown.pop("ingester") == (0, "")
    refusals = {
        "no_lease": "us a group (GroupAuthorizationFailedError: tf-feed-demo)",
        "no_reading": f"us a topic (TopicAuthorizationFailedError: {input_log('tg')})",
        "no_bars": f"us a topic (TopicAuthorizationFailedError: {input_log('th')})",
        "no_events": f"us a topic (TopicAuthorizationFailedError: {topic_of('hole', 'ti')})",
    }
    for user, (code, err) in shown.items():
        assert (code, err.count("\n")) == (2, 1), (user, err)
        assert f"the broker at {secured.bootstrap} refuses {refusals[user]}" in err, user
        assert "ask its operator for the right (docs/operations.md lists" in err
    assert await symbols_of(secured, OF_FEED) == set(exchange.market.symbols)
    assert await symbols_of(secured, DENIED["no_bars"][0]) == set()


async def test_a_writer_whose_right_is_taken_away_writes_nothing_more(
    secured: SecuredBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, prefix = "no_lease", DENIED["no_lease"][0]
    as_user(monkeypatch, ADMIN)
    await make_topics(secured, prefix)
    as_user(monkeypatch, user)
    group = lease_group("other", prefix)
    brokers = configured(secured, prefix).kafka.brokers
    lease = FeedLease(brokers, input_log(prefix), group, LEASE_S)
    await asyncio.wait_for(lease.acquire(), WAIT_S)
    await lease.confirm()
    as_user(monkeypatch, ADMIN)
    await secured.grant({user: [(GROUP, group, LITERAL, READ, DENY)]})
    with pytest.raises(GroupAuthorizationFailedError):
        await asyncio.wait_for(confirm_for_ever(lease), WAIT_S)
    await lease.stop()


async def confirm_for_ever(lease: FeedLease) -> None:
    while True:
        await lease.confirm()
        await asyncio.sleep(0.1)


async def symbols_of(broker: SecuredBroker, prefix: str) -> set[str]:
    """Symbols that have bars in a log."""
    consumer = make_consumer(configured(broker, prefix).kafka.brokers)
    await consumer.start()
    try:
        spans = await whole_spans(consumer, [TopicPartition(input_log(prefix), 0)])
        [messages] = (await read_spans(consumer, spans)).values()
    finally:
        await consumer.stop()
    records = [orjson.loads(message.value) for message in messages]
    return {record["symbol"] for record in records if record.get("type") == "bar"}
