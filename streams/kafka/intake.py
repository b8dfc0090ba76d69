"""Feeds whose messages others write to a topic."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from tapeline.schemas.config.security import Brokers
from tapeline.schemas.topics import DEFAULT_PREFIX
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.kafka_topic import KafkaTopics
from tapeline.streams.kafka.connection import make_consumer


def intake_group(feed: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Consumer group whose committed offsets say where a feed goes on in its topic."""
    return f"{prefix}-intake-{feed}"


def topic_intake(inbox: Inbox, group: str, brokers: Brokers) -> KafkaTopics:
    """Intake of a feed from a topic of the broker; a group without offsets reads what is kept."""

    def make(topic: str) -> AIOKafkaConsumer:
        return make_consumer(brokers, topic, group_id=group, auto_offset_reset="earliest")

    return KafkaTopics(inbox, make, (KafkaError, OSError))
