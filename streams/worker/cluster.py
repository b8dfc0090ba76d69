"""What a worker needs of the cluster before it starts: a broker, and all topics alike."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from schemas.config import Config
from streams.kafka.administration import describe_topics
from streams.kafka.errors import TopicsError
from streams.kafka.topics import TopicReport

logger = logging.getLogger("tapeline.worker")


async def check_cluster(config: Config) -> int:
    """Check that all topics are there and have the same number of partitions.

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
    reports = await describe_topics(config.kafka, config.kafka.bootstrap)
    judge_topics(reports)
    for report in reports:
        for difference in report.differences:
            logger.warning("%s: %s", report.wanted.name, difference)
    return config.kafka.partitions


def judge_topics(reports: Sequence[TopicReport]) -> None:
    """Raise `TopicsError` when a worker cannot run on these topics."""
    missing = [report.wanted.name for report in reports if report.found is None]
    if missing:
        raise TopicsError(
            f"missing, or not to be read: {', '.join(missing)}; run tapeline topics create, or "
            "ask whoever runs the broker for the right to describe, read and write them"
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
