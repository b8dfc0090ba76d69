"""Which changelog a local store follows: compared before a store is used.

Topics that are deleted and made again have the names and the offsets of before, so neither shows
whether a store holds the state of this changelog or of another one. The first record of a changelog
partition does: an identity, of which the store has a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aiokafka import TopicPartition
from msgspec import Struct

from tapeline.schemas.config.security import Brokers
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.streams.kafka.connection import make_consumer, plain_errors
from tapeline.streams.kafka.reading import SpanReader, whole_spans
from tapeline.streams.worker.state.records import (
    IDENTITY_KEY,
    ForeignRecordError,
    check_record,
    identity_of,
)

REQUEST_MS = 40_000
FETCH_BYTES = 64 * 1024
"""Of a partition: only its first record is wanted, mostly."""
ANEW = (
    "build anew: use another topic prefix, or delete the topics of this one and the data folders "
    "of its workers, and publish again"
)


class ChangelogError(BrokenPromiseError):
    """The changelog cannot be what the state is recovered from; the message gives the reason."""


class LocalAheadError(BrokenPromiseError):
    """The local store holds more of the changelog than there is of it."""


class Head(Struct):
    """How a changelog partition begins.

    Attributes
    ----------
    begin, end
        First offset that is kept, and the one after the last record.
    key, value, offset
        Of the first record; None where there is no record.
    identity
        Of the partition; None where no record holds one.
    """

    begin: int
    end: int
    offset: int | None = None
    key: bytes | None = None
    value: bytes | None = None
    identity: str | None = None


class LocalState(Struct, frozen=True):
    """What a local store holds about the changelog that it follows.

    Attributes
    ----------
    path
        Its folder.
    empty
        Nothing was ever written to it.
    identity
        Of its changelog; None where it has none.
    offset
        Of the last record of the changelog that it holds; None where it has none.
    """

    path: Path
    empty: bool
    identity: str | None
    offset: int | None


async def read_heads(brokers: Brokers, topic: str, partitions: Sequence[int]) -> dict[int, Head]:
    """The beginnings of some partitions of a changelog, read by a client without a group.

    The identity is the first record. Where a worker that was about to be replaced wrote a second
    one, compaction leaves that alone, somewhere behind: so where the first record is none, the
    partition is read on until one comes.

    Raises
    ------
    BrokerError
        When the broker does not answer, or refuses.
    """
    if not partitions:
        return {}
    topic_partitions = [TopicPartition(topic, each) for each in partitions]
    async with (
        plain_errors(brokers, f"reading the beginning of {topic}"),
        make_consumer(
            brokers, max_partition_fetch_bytes=FETCH_BYTES, request_timeout_ms=REQUEST_MS
        ) as consumer,
    ):
        spans = await whole_spans(consumer, topic_partitions)
        heads = {partition: Head(*span) for partition, span in spans.items()}
        # Without a limit: a worker waits for its broker.
        await _read(SpanReader(consumer, spans, idle_s=None), heads)
    return {each.partition: head for each, head in heads.items()}


async def _read(reader: SpanReader, heads: dict[TopicPartition, Head]) -> None:
    while reader.open:
        for partition, records in (await reader.fetch()).items():
            for record in records:
                _take(heads[partition], record.offset, record.key, record.value)
            if heads[partition].identity is not None:
                reader.leave(partition)


def _take(head: Head, offset: int, key: bytes | None, value: bytes | None) -> None:
    if head.offset is None:
        head.offset, head.key, head.value = offset, key, value
    if head.identity is None and key == IDENTITY_KEY and value is not None:
        head.identity = identity_of(value)


def belongs(topic: str, partition: int, head: Head, local: LocalState, used: bool) -> bool:
    """Whether a local store may be used for a changelog partition; else it is of another one.

    Parameters
    ----------
    used
        This process has worked with the store already: it was of the changelog then.

    Raises
    ------
    ChangelogError
        When the changelog was lost, cut, or made again under this process, or is of a version
        without identities.
    ForeignRecordError
        When it begins with a record that no worker writes.
    LocalAheadError
        When the store holds more of it than there is.
    """
    name = f"{topic} partition {partition}"
    _check_begin(name, head, local)
    if local.empty:
        return True
    if local.identity != head.identity:
        if used:
            raise ChangelogError(
                f"{name} was made again while this worker ran (identity {head.identity}, before "
                f"{local.identity}): start the worker again"
            )
        return False
    if local.offset is not None and local.offset >= head.end:
        raise LocalAheadError(
            f"the local state {local.path} holds {name} up to offset {local.offset}, which ends "
            f"at {head.end - 1}: the broker lost the rest of it. Delete the folder: the state is "
            "made again from what the changelog has, and from the log"
        )
    return True


def _check_begin(name: str, head: Head, local: LocalState) -> None:
    if head.offset is None and not local.empty:
        raise ChangelogError(
            f"{name} is empty, the local state {local.path} is not: the changelog was lost, or "
            "these are other topics. If they are others, give them an empty folder (--data-dir, "
            "or move this one away); if the changelog was lost, " + ANEW
        )
    if head.begin > 0:
        raise ChangelogError(
            f"{name} begins at offset {head.begin}: its records before that were deleted, and what "
            f"they held of the state is lost. Let nothing but compaction delete there, and {ANEW}"
        )
    if head.offset is None or head.identity is not None:
        return
    try:
        check_record(head.key, head.value)
    except ForeignRecordError as error:
        raise foreign(name, head.offset, error) from error
    raise ChangelogError(
        f"{name} has no identity: it holds the state of an older version, which this one does not "
        "read. Build anew under another prefix ([kafka] topic_prefix), or run the version that "
        "wrote it"
    )


def foreign(name: str, offset: int, error: ForeignRecordError) -> ForeignRecordError:
    """The same error with the position of the record and the way out."""
    return ForeignRecordError(
        f"{name} offset {offset}: {error}. Another client writes to the changelog. Let only "
        "workers do so, then build anew: use another topic prefix, or delete the topics of this "
        "one and publish again"
    )
