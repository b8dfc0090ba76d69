"""What a host needs of the cluster: a broker, the log, snapshots, and topics of its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import (
    DEFAULT_PREFIX,
    host_state_topic,
    host_topics,
    input_log,
    snapshot_topic,
)
from tapeline.streams.kafka.administration import describe_topics
from tapeline.streams.kafka.topics import TopicReport
from tapeline.streams.worker.cluster import judge_topics

logger = logging.getLogger("tapeline.host")


def host_group(prefix: str = DEFAULT_PREFIX) -> str:
    """Consumer group of the hosts of a prefix."""
    return f"{prefix}-host"


def hosting_topics(prefix: str = DEFAULT_PREFIX, registry: Registry = EVENTS) -> tuple[str, ...]:
    """Names of the topics that a host reads or writes."""
    return (
        input_log(prefix),
        snapshot_topic(prefix),
        *host_topics(prefix, registry),
        host_state_topic(prefix),
    )


async def check_host_cluster(config: Config, registry: Registry = EVENTS) -> None:
    """Check that all topics of a host are there and have the same number of partitions.

    Other settings that differ are named in the log: they are for who runs the cluster to judge.

    Raises
    ------
    BrokerError
        When no broker answers, or refuses.
    TopicsError
        Naming the topics that are missing, or of another number of partitions, and the way out.
    """
    kafka = config.kafka
    described = await describe_topics(kafka, kafka.brokers, registry)
    found = host_reports(described, kafka.topic_prefix, registry)
    judge_topics(found)
    for report in found:
        for difference in report.differences:
            logger.warning("%s: %s", report.wanted.name, difference)


def host_reports(
    described: Sequence[TopicReport], prefix: str, registry: Registry = EVENTS
) -> list[TopicReport]:
    """Those of the topics that a host reads or writes."""
    needed = hosting_topics(prefix, registry)
    return [report for report in described if report.wanted.name in needed]
