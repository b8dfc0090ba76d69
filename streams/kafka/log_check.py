"""Whether the log is still the one that the state was made of: its last record is read again.

Offsets alone do not show: a topic that was made again counts from 0, and a broker that lost the end
of its log gives the same offsets to other records. The client has neither ids of topics nor epochs
of leaders to compare, so a record is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from tapeline.schemas.config.security import Brokers
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.streams.kafka.connection import DENIALS, make_consumer
from tapeline.streams.kafka.log_digest import RecordDigest, digest_of

Partition = TypeVar("Partition", bound=tuple[str, int])
"""Topic and number, as a client names them."""
LEAST_BYTES = 1
"""Of a fetch: the broker gives the first batch whole, whatever is asked for, and one is enough."""
FETCH_WAIT_MS = 100
ANSWER_S = 3.0
"""For one partition: a leader that is away must not keep the others from being compared."""
PATIENCE_S = 10.0
"""For all of them."""


class LogChangedError(BrokenPromiseError):
    """The log has another record where the state includes one; the message names both."""


class LogVerdict(Enum):
    """What reading a record again came to, where it is not another one."""

    SAME = "same"
    BEFORE_THE_LOG = "the log begins behind it"
    UNANSWERED = "the broker did not answer"


async def compare(
    brokers: Brokers, last: Mapping[Partition, RecordDigest]
) -> dict[Partition, LogVerdict]:
    """Read records again, without a group.

    Parameters
    ----------
    last
        By partition, a record that was read of it.

    Raises
    ------
    LogChangedError
        At the first that is another one, or not there though the log does not begin behind it.
    KafkaError
        When the right to read is missing.
    """
    found = dict.fromkeys(last, LogVerdict.UNANSWERED)
    if not last:
        return found
    deadline = time.monotonic() + PATIENCE_S
    try:
        async with asyncio.timeout(PATIENCE_S), _client(brokers) as client:
            for partition, digest in last.items():
                try:
                    async with asyncio.timeout(min(ANSWER_S, deadline - time.monotonic())):
                        found[partition] = await _compare(
                            client, TopicPartition(*partition), digest
                        )
                except DENIALS:
                    raise
                except (KafkaError, TimeoutError):
                    continue
    except DENIALS:
        raise
    except (KafkaError, TimeoutError, OSError):
        return found
    return found


@asynccontextmanager
async def _client(brokers: Brokers) -> AsyncIterator[Any]:
    client = make_consumer(
        brokers,
        auto_offset_reset="none",
        max_partition_fetch_bytes=LEAST_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


async def _compare(client: Any, partition: TopicPartition, last: RecordDigest) -> LogVerdict:
    client.assign([partition])
    client.seek(partition, last.offset)
    while True:
        record = await _first(client, partition)
        if record is not None and digest_of(record) == last:
            return LogVerdict.SAME
        begin = (await client.beginning_offsets([partition]))[partition]
        if begin > last.offset:
            return LogVerdict.BEFORE_THE_LOG
        if record is not None:
            raise _changed(partition, last, f"has {digest_of(record)} there")
        end = (await client.end_offsets([partition]))[partition]
        if end <= last.offset:
            raise _changed(partition, last, f"ends at offset {end}")


async def _first(client: Any, partition: TopicPartition) -> Any:
    """The first record from the position on, None where none came yet."""
    try:
        found = await client.getmany(partition, timeout_ms=2 * FETCH_WAIT_MS, max_records=1)
    except OffsetOutOfRangeError:
        return None
    return next((records[0] for records in found.values()), None)


def _changed(partition: TopicPartition, last: RecordDigest, found: str) -> LogChangedError:
    return LogChangedError(
        f"{partition.topic} partition {partition.partition}: the state includes the record at "
        f"{last}, the log {found}: the topic was made again, or its broker lost the end of the log "
        "and went on. Restore the log, or use another topic prefix and publish again"
    )
