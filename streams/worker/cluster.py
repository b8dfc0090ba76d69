"""What a worker needs of the cluster: a broker and all topics alike, when it starts and later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import worker_topics
from tapeline.streams.errors import BrokerError, TopicsError
from tapeline.streams.kafka.administration import describe_topics, topic_names
from tapeline.streams.kafka.topics import TopicReport
from tapeline.streams.worker.exits import NotWrittenError

ASKING_S = 10.0
"""How long to ask what became of a topic: the answer is for the last line alone."""

logger = logging.getLogger("tapeline.worker")


class TopicsChangedError(BrokenPromiseError):
    """Topics that a worker runs on are not what they were when it started."""


async def check_cluster(config: Config, registry: Registry = EVENTS) -> int:
    """Check that all topics of a worker are there and have the same number of partitions.

    Other settings that differ are named in the log: they are for who runs the cluster to judge.

    Returns
    -------
    int
        Number of partitions.

    Raises
    ------
    BrokerError
        When no broker answers, or refuses.
    TopicsError
        Naming the topics that are missing, or of another number of partitions, and the way out.
    """
    described = await describe_topics(config.kafka, config.kafka.brokers, registry)
    reports = worker_reports(described, config.kafka.topic_prefix, registry)
    judge_topics(reports)
    for report in reports:
        for difference in report.differences:
            logger.warning("%s: %s", report.wanted.name, difference)
    return config.kafka.partitions


def worker_reports(
    described: Sequence[TopicReport], prefix: str, registry: Registry = EVENTS
) -> list[TopicReport]:
    """Those of the topics that a worker reads or writes."""
    needed = worker_topics(prefix, registry)
    return [report for report in described if report.wanted.name in needed]


def judge_topics(reports: Sequence[TopicReport]) -> None:
    """Raise `TopicsError` when a worker cannot run on these topics."""
    missing = [report.wanted.name for report in reports if report.found is None]
    if missing:
        raise TopicsError(
            f"missing, or not to be read: {', '.join(missing)}; run tapeline topics create, or "
            "ask the broker's operator for the right to describe, read and write them"
        )
    unlike = {
        report.wanted.name: report.found.partitions
        for report in reports
        if report.found is not None and report.found.partitions != report.wanted.partitions
    }
    if unlike:
        named = ", ".join(f"{name} has {count}" for name, count in sorted(unlike.items()))
        raise TopicsError(
            f"[kafka] partitions is {reports[0].wanted.partitions}, but {named}: configure that "
            "number, or make new topics under another prefix and publish again, because groups "
            "would move to other partitions"
        )


async def explained(error: NotWrittenError, brokers: Brokers) -> NotWrittenError:
    """The same error with the way out: whether the topic was deleted is asked first."""
    there = True
    try:
        async with asyncio.timeout(ASKING_S):
            there = error.topic in await topic_names(brokers)
    except (BrokerError, TimeoutError):
        # Then it is the broker that fails.
        pass
    way_out = (
        ". Look after the broker and start this again: what was not acknowledged is sent again"
        if there
        else ": the topic is not there any more, and what it held is lost. Build anew: use another "
        "topic prefix, or delete the topics of this one and the data folders of its workers, and "
        "publish again"
    )
    return NotWrittenError(error.topic, f"{error}{way_out}")
