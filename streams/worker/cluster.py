"""What a worker needs of the cluster before it starts: a broker, and all topics alike."""

from __future__ import annotations

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from schemas.config import Config
from schemas.topics import catalogue


class ClusterUnfitError(RuntimeError):
    """Topics are missing, refused or unlike each other; the message names them."""


class BrokerUnreachableError(OSError):
    """No broker answers."""


async def check_cluster(config: Config) -> int:
    """Check that all topics are there, readable, and have the same number of partitions.

    Returns
    -------
    int
        Number of partitions.

    Raises
    ------
    ClusterUnfitError, BrokerUnreachableError
        Naming what is wrong and the way out.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=config.kafka.bootstrap)
    try:
        await admin.start()
        names = [topic.name for topic in catalogue(config.kafka.topic_prefix)]
        described = await admin.describe_topics(names)
    except KafkaError as error:
        raise BrokerUnreachableError(
            f"no broker answers at {config.kafka.bootstrap} ({error}): start it, or say --bootstrap"
        ) from error
    finally:
        await admin.close()
    return judge_topics(described, config)


def judge_topics(described: list[dict[str, Any]], config: Config) -> int:
    """Number of partitions, from the answer of the broker; raises as `check_cluster`."""
    faults = [
        f"{each['topic']}: {for_code(each['error_code']).__name__}"
        for each in described
        if each["error_code"]
    ]
    if faults:
        raise ClusterUnfitError(
            f"topics cannot be used ({'; '.join(sorted(faults))}): "
            "run tapeline topics create, or ask for the right to read and write them"
        )
    counts = {each["topic"]: len(each["partitions"]) for each in described}
    wanted = config.kafka.partitions
    unlike = {name: count for name, count in sorted(counts.items()) if count != wanted}
    if unlike:
        raise ClusterUnfitError(
            f"topics have another number of partitions than the {wanted} of the configuration "
            f"({unlike}): set [kafka] partitions, or make new topics under another prefix and "
            "publish again: groups would move to other partitions"
        )
    return wanted
