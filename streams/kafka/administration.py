"""Topics of a cluster: looked at, made, deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    NoError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.symbols import names_of
from tapeline.streams.errors import TopicsError
from tapeline.streams.kafka.connection import administered
from tapeline.streams.kafka.topics import (
    FoundTopic,
    TopicReport,
    WantedTopic,
    refusal,
    reports,
    wanted_topics,
)

VISIBLE_SECONDS = 15.0
POLL_SECONDS = 0.05
OF_THE_CONFIGURATION = (
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    PolicyViolationError,
)


async def describe_topics(
    kafka: KafkaConfig, brokers: Brokers, registry: Registry = EVENTS
) -> tuple[TopicReport, ...]:
    """The state of each topic of the catalogue in the cluster.

    Raises
    ------
    BrokerError
        When the broker does not answer or refuses.
    """
    async with administered(brokers, "describing topics") as admin:
        return await _reports(admin, wanted_topics(kafka, registry))


async def create_topics(
    kafka: KafkaConfig, brokers: Brokers, registry: Registry = EVENTS
) -> tuple[TopicReport, ...]:
    """Make the topics of the catalogue that are missing; returns what was found before.

    Nothing is made when one that is there differs.

    Raises
    ------
    TopicsError
        Naming every difference, or why the broker does not make a topic as configured.
    BrokerError
        When the broker does not answer or refuses.
    """
    wanted = wanted_topics(kafka, registry)
    async with administered(brokers, "making topics") as admin:
        before = await _reports(admin, wanted)
        _refuse_differing(before)
        missing = [report.wanted for report in before if report.found is None]
        if missing:
            await _make(admin, missing)
            # Another process may have made one in between, and otherwise.
            _refuse_differing(await _until_visible(admin, wanted))
    return before


async def delete_topics(kafka: KafkaConfig, brokers: Brokers) -> tuple[str, ...]:
    """Delete what there is of the catalogue's topics, with all they hold; returns their names.

    Raises
    ------
    BrokerError
        When the broker does not answer or refuses.
    """
    async with administered(brokers, "deleting topics") as admin:
        there = await _reports(admin, wanted_topics(kafka))
        names = tuple(each.wanted.name for each in there if each.found is not None)
        await _delete(admin, names)
    return names


async def topic_names(brokers: Brokers) -> list[str]:
    """Names of all topics that are for us to see, sorted.

    Raises
    ------
    BrokerError
        When the broker does not answer or refuses.
    """
    async with administered(brokers, "listing topics") as admin:
        return sorted(await admin.list_topics())


async def create_new(wanted: Sequence[WantedTopic], brokers: Brokers) -> None:
    """Make topics of which none may be there yet.

    Raises
    ------
    TopicsError
        Naming those that are there, or why the broker does not make one as wanted.
    BrokerError
        When the broker does not answer or refuses.
    """
    async with administered(brokers, "making topics") as admin:
        there = {*await admin.list_topics()}.intersection(each.name for each in wanted)
        if there:
            raise TopicsError(f"{', '.join(sorted(there))}: there already; nothing was written")
        await _make(admin, wanted)
        _refuse_differing(await _until_visible(admin, wanted))


async def delete_named(names: Sequence[str], brokers: Brokers) -> None:
    """Delete topics, with all they hold; what is not there is no error.

    Raises
    ------
    BrokerError
        When the broker does not answer or refuses.
    TypeError
        When `names` is one text instead of a list.
    """
    names_of("names", names)
    async with administered(brokers, "deleting topics") as admin:
        await _delete(admin, names)


async def _delete(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    if not names:
        return
    answer = await admin.delete_topics(list(names))
    for _, code in answer.topic_error_codes:
        error = for_code(code)
        if error not in (NoError, UnknownTopicOrPartitionError):
            raise error()
    await _until_gone(admin, names)


async def partitions_of(names: Sequence[str], brokers: Brokers) -> dict[str, int]:
    """Numbers of partitions of topics that must be there.

    Raises
    ------
    TopicsError
        Naming those that are missing.
    BrokerError
        When the broker does not answer or refuses.
    """
    names_of("names", names)
    async with administered(brokers, "looking for topics") as admin:
        counts = {
            each["topic"]: len(each["partitions"])
            for each in await admin.describe_topics()
            if each["topic"] in names
        }
    missing = [name for name in names if name not in counts]
    if missing:
        raise TopicsError(
            f"{', '.join(missing)}: not at {brokers}, or not for us to see;"
            " make the topics by `tapeline topics create`"
        )
    return counts


def _refuse_differing(found: Sequence[TopicReport]) -> None:
    differing = [report for report in found if report.differences]
    if differing:
        raise TopicsError(refusal(differing))


async def _make(admin: AIOKafkaAdminClient, topics: Sequence[WantedTopic]) -> None:
    answer = await admin.create_topics(
        [
            NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=topic.settings)
            for topic in topics
        ]
    )
    for name, code, message in answer.topic_errors:
        error = for_code(code)
        if error in OF_THE_CONFIGURATION:
            raise TopicsError(f"{name}: the broker does not make it so: {message}")
        if error not in (NoError, TopicAlreadyExistsError):
            raise error(f"{name}: {message}")


async def _until_visible(
    admin: AIOKafkaAdminClient, wanted: Sequence[WantedTopic]
) -> tuple[TopicReport, ...]:
    """A topic that was made is known to every broker a little later."""
    deadline = time.monotonic() + VISIBLE_SECONDS
    while True:
        found = await _reports(admin, wanted)
        missing = [report.wanted.name for report in found if report.found is None]
        if not missing:
            return found
        if time.monotonic() > deadline:
            raise TopicsError(
                f"{', '.join(missing)}: made, but not to be seen; describe them later"
            )
        await asyncio.sleep(POLL_SECONDS)


async def _until_gone(admin: AIOKafkaAdminClient, names: Collection[str]) -> None:
    deadline = time.monotonic() + VISIBLE_SECONDS
    while set(names) & set(await admin.list_topics()):
        if time.monotonic() > deadline:
            raise TopicsError(
                f"{', '.join(names)}: deleted, but still to be seen; look again later"
            )
        await asyncio.sleep(POLL_SECONDS)


async def _reports(
    admin: AIOKafkaAdminClient, wanted: Sequence[WantedTopic]
) -> tuple[TopicReport, ...]:
    names = {topic.name for topic in wanted}
    # All topics are asked for: a question for one that is missing can make it.
    known = [each for each in await admin.describe_topics() if each["topic"] in names]
    if not known:
        return reports(wanted, {})
    settings = await _settings(admin, [each["topic"] for each in known])
    return reports(
        wanted,
        {each["topic"]: _found(each, settings.get(each["topic"], {})) for each in known},
    )


def _found(described: dict[str, Any], settings: dict[str, str]) -> FoundTopic:
    partitions = described["partitions"]
    return FoundTopic(
        described["topic"],
        len(partitions),
        min((len(each["replicas"]) for each in partitions), default=0),
        settings,
    )


async def _settings(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(asked):
        for code, message, _, name, entries in answer.resources:
            error = for_code(code)
            if error is UnknownTopicOrPartitionError:
                # Deleted since it was listed.
                continue
            if error is not NoError:
                raise error(f"{name}: {message}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
