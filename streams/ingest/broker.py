"""The broker of the configuration as the log of feeds, and as a source of messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aiokafka import AIOKafkaConsumer

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks
from tapeline.streams.feeds.live.transports.kafka_topic import KafkaTopics
from tapeline.streams.kafka.administration import partitions_of
from tapeline.streams.kafka.connection import COMMITTED, quiet_client
from tapeline.streams.kafka.feed_log import BrokerClients, KafkaFeedLog
from tapeline.streams.kafka.intake import intake_group, topic_intake
from tapeline.streams.kafka.lease import FeedLease, lease_group
from tapeline.streams.kafka.writer import make_producer
from tapeline.streams.pipeline.log_writer import LogWriter


async def feed_logs(config: Config, lease_s: float) -> Callable[[FeedConfig], LogWriter]:
    """Makes the log of a feed, with its lease.

    Raises
    ------
    TopicsError, BrokerError
        When topics are missing, or the broker does not answer.
    """
    quiet_client()
    prefix = config.kafka.topic_prefix
    log = input_log(prefix)
    topics = [log, topic_of("hole", prefix), topic_of("reject", prefix)]
    counts = await partitions_of(topics, config.kafka.bootstrap)

    def make(feed: FeedConfig) -> LogWriter:
        return KafkaFeedLog(
            config,
            _clients(config),
            feed.name,
            counts[log],
            lambda: read_clocks().wall_ms,
            FeedLease(
                partial(AIOKafkaConsumer, bootstrap_servers=config.kafka.bootstrap),
                log,
                lease_group(feed.name, prefix),
                lease_s,
            ),
        )

    return make


def kafka_intake(config: Config, feed: str, inbox: Inbox) -> KafkaTopics:
    """Messages of a topic at the broker of the configuration."""
    group = intake_group(feed, config.kafka.topic_prefix)
    return topic_intake(inbox, group, _clients(config))


def _clients(config: Config) -> BrokerClients:
    bootstrap = config.kafka.bootstrap
    return BrokerClients(
        partial(AIOKafkaConsumer, bootstrap_servers=bootstrap, isolation_level=COMMITTED),
        partial(make_producer, bootstrap),
        bootstrap,
    )
