"""Records of the log as the client's parser makes them, and the offsets that an answer covers.

A record of the client has eleven fields, which cost three times as much as the parsing. A chunk
needs three of them: offset, time and value, and the parser's own objects have those. An answer of
the broker holds thousands of records, and they are parsed as they are asked for: those of a chunk
are gone before the next are made, and memory is used again while the processor still has it. The
private names used here are in the list of `streams.worker.bridge.transport`.

A transactional producer leaves offsets without a record: markers of commits and aborts, and what
was aborted. So it is by what an answer covers that two of them follow each other, not by the
offsets of their records.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, dropwhile, islice
from operator import attrgetter
from typing import Any, Protocol

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition
from msgspec import Struct

_OFFSET = attrgetter("offset")


class RawRecord(Protocol):
    """What is read of a record of the log: its offset, its time and its bytes."""

    @property
    def offset(self) -> int:
        """Position in the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """CreateTime, epoch milliseconds."""
        ...

    @property
    def value(self) -> bytes | None:
        """The record; None for a tombstone, which no feed writes."""
        ...


class Fetched(Struct, frozen=True):
    """What an answer of the broker holds of one partition.

    Attributes
    ----------
    first, end
        Fetch position before and after the answer: it covers first <= offset < end. An offset
        between them that no record has is that of a marker or of an aborted transaction.
    records
        In order, parsed as they are taken; there may be none.
    """

    first: int
    end: int
    records: Iterator[RawRecord]


class Chunk(Struct, frozen=True):
    """Records that are handed on together.

    Attributes
    ----------
    first, end
        What it covers: first <= offset < end.
    records
        All records of these offsets, in order; there may be none.
    """

    first: int
    end: int
    records: Sequence[RawRecord]

    def since(self, offset: int) -> Chunk:
        """The part that covers what is at or above an offset; empty when all is below."""
        if offset <= self.first:
            return self
        if offset >= self.end:
            return Chunk(offset, offset, ())
        begin = bisect_left(self.records, offset, key=_OFFSET)
        return Chunk(offset, self.end, self.records[begin:])


def split(fetched: Fetched, size: int) -> Iterator[Chunk]:
    """The answer in chunks of at most `size` records, in order; together they cover all of it.

    Records are taken as chunks are asked for. One chunk is without records: that of an answer that
    has none, or what follows the last record of a full one.
    """
    first = fetched.first
    while first < fetched.end:
        records = list(islice(fetched.records, size))
        # A full chunk may be followed by others: it ends with its last record.
        end = records[-1].offset + 1 if len(records) == size else fetched.end
        yield Chunk(first, end, records)
        first = end


Found = dict[TopicPartition, Fetched]


async def raw_records(fetcher: Any, wanted: Collection[Any], timeout_s: float) -> Found:
    """All that was fetched of some partitions: as `Fetcher.fetched_records`, but raw.

    Parameters
    ----------
    wanted
        Partitions of the log.
    timeout_s
        How long to wait when there is nothing.

    Returns
    -------
    Found
        What each partition has; of a client that reads committed records also answers without
        records, which move its position.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        if fetcher._subscriptions.reassignment_in_progress:
            await fetcher._subscriptions.wait_for_assignment()
        found: Found = {}
        for tp in list(fetcher._records):
            if tp not in wanted:
                if not fetcher._subscriptions.is_assigned(tp):
                    del fetcher._records[tp]
                continue
            result = fetcher._records[tp]
            if type(result) is not FetchResult:
                if found:
                    return found
                # An error of the partition: raised there.
                raised: Found = await fetcher.fetched_records({tp})
                return raised
            fetched = unparsed(result)
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            if fetched is not None:
                found[tp] = fetched
        left_s = deadline - time.monotonic()
        if found or left_s <= 0:
            return found
        waiter = fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait([waiter], timeout=left_s)
        if not done or fetcher._closed:
            waiter.cancel()
            return {}
        waiter.result()


def unparsed(result: Any) -> Fetched | None:
    """The records of one partition's answer, on their way; its position is that after them.

    A client that reads committed records gets none of an aborted transaction. Markers of
    transactions are no records for a reader.

    Returns
    -------
    Fetched | None
        None when the partition is not ours any more, or was sought.

    Raises
    ------
    CorruptRecordException
        When a checksum is wrong.
    """
    if not result.has_more() or not result.check_assignment(result._topic_partition):
        return None
    parsed = result._partition_records
    # It refers back to the answer, whose megabytes would wait for the collector.
    parsed._records_iterator = None
    begin = parsed.next_fetch_offset
    found: list[Iterable[RawRecord]] = []
    batches = parsed._records
    while batches.has_next():
        batch = batches.next_batch()
        if parsed._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {result._topic_partition}")
        if not (_is_aborted(parsed, batch) or batch.is_control_batch):
            first = parsed.next_fetch_offset
            # The broker answers with whole batches, wherever the reading starts.
            whole = batch.base_offset >= first
            found.append(batch if whole else dropwhile(partial(_below, first), batch))
        parsed.next_fetch_offset = batch.next_offset
    result._update_position()
    return Fetched(begin, parsed.next_fetch_offset, chain.from_iterable(found))


def _is_aborted(parsed: Any, batch: Any) -> bool:
    """Whether a batch is of an aborted transaction; batches must be asked about in their order."""
    if parsed._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    parsed._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch:
        if parsed._contains_abort_marker(batch):
            parsed._aborted_producers.discard(batch.producer_id)
        return False
    return bool(batch.is_transactional and batch.producer_id in parsed._aborted_producers)


def _below(offset: int, record: RawRecord) -> bool:
    return record.offset < offset
