"""Records of the log as the client's parser makes them.

A record of the client has eleven fields, which cost three times as much as the parsing. A chunk
needs three of them: offset, time and value, and the parser's own objects have those. An answer of
the broker holds thousands of records, and they are parsed as they are asked for: those of a chunk
are gone before the next are made, and memory is used again while the processor still has it. The
private names used here are in the list of `streams.worker.transport`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from itertools import chain, dropwhile
from typing import Any, Protocol

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition


class RawRecord(Protocol):
    """What is read of a record of the log: its place, its time and its bytes."""

    @property
    def offset(self) -> int:
        """Place in the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """CreateTime, epoch milliseconds."""
        ...

    @property
    def value(self) -> bytes | None:
        """The record; None for a tombstone, which no feed writes."""
        ...


Found = dict[TopicPartition, Iterator[RawRecord]]


async def raw_records(fetcher: Any, wanted: Collection[Any], timeout_s: float) -> Found:
    """All that was fetched of some partitions: as `Fetcher.fetched_records`, but raw.

    Parameters
    ----------
    wanted
        Partitions without transactions: those of the log.
    timeout_s
        How long to wait when there is nothing.
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
            records = unparsed(result)
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            if records is not None:
                found[tp] = records
        left_s = deadline - time.monotonic()
        if found or left_s <= 0:
            return found
        waiter = fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait([waiter], timeout=left_s)
        if not done or fetcher._closed:
            waiter.cancel()
            return {}
        waiter.result()


def unparsed(result: Any) -> Iterator[RawRecord] | None:
    """The records of one partition's answer, on their way; its position is that after them.

    Returns
    -------
    Iterator[RawRecord] | None
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
    found: list[Iterable[RawRecord]] = []
    batches = parsed._records
    while batches.has_next():
        batch = batches.next_batch()
        if parsed._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {result._topic_partition}")
        if not batch.is_control_batch:
            first = parsed.next_fetch_offset
            # The broker answers with whole batches, wherever the reading starts.
            whole = batch.base_offset >= first
            found.append(batch if whole else dropwhile(partial(_below, first), batch))
        parsed.next_fetch_offset = batch.next_offset
    result._update_position()
    return chain.from_iterable(found)


def _below(offset: int, record: RawRecord) -> bool:
    return record.offset < offset
