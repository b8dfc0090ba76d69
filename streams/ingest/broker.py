"""The broker of the configuration as the log of feeds, and as a source of messages."""

from __future__ import annotations

from collections.abc import Callable

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks
from tapeline.streams.feeds.live.transports.kafka_topic import KafkaTopics
from tapeline.streams.kafka.administration import partitions_of
from tapeline.streams.kafka.connection import quiet_client
from tapeline.streams.kafka.feed_log import KafkaFeedLog
from tapeline.streams.kafka.intake import intake_group, topic_intake
from tapeline.streams.kafka.lease import FeedLease, lease_group
from tapeline.streams.pipeline.log_writer import LogWriter


async def feed_logs(
    config: Config, lease_s: float | None, at_ms: int | None = None
) -> Callable[[FeedConfig], LogWriter]:
    """Makes the log of a feed, with its lease.

    Parameters
    ----------
    lease_s
        Of the lease; None: the log is read alone, and needs none.
    at_ms
        Bars are read back from the session before that of this instant on; None: of now.

    Raises
    ------
    TopicsError, BrokerError
        When topics are missing, or the broker does not answer.
    """
    quiet_client()
    prefix = config.kafka.topic_prefix
    log = input_log(prefix)
    topics = [log, topic_of("hole", prefix), topic_of("reject", prefix)]
    counts = await partitions_of(topics, config.kafka.brokers)

    def make(feed: FeedConfig) -> LogWriter:
        return KafkaFeedLog(
            config,
            config.kafka.brokers,
            feed.name,
            counts[log],
            lambda: read_clocks().wall_ms if at_ms is None else at_ms,
            None
            if lease_s is None
            else FeedLease(
                config.kafka.brokers,
                log,
                lease_group(feed.name, prefix),
                lease_s,
            ),
        )

    return make


def kafka_intake(config: Config, feed: str, inbox: Inbox) -> KafkaTopics:
    """Messages of a topic at the broker of the configuration."""
    group = intake_group(feed, config.kafka.topic_prefix)
    return topic_intake(inbox, group, config.kafka.brokers)
