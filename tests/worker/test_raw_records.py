"""Records of the log come as the client would give them, but for what a chunk does not need."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from itertools import islice
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.kafka.raw_records import RawRecord, unparsed

LOG = TopicPartition("tape.bars.v1", 3)
GZIP = 1


def record_batch(first: int, values: list[bytes | None], compression: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(
        2,
        compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=0,
        batch_size=1_000_000,
    )
    for number, value in enumerate(values):
        builder.append(number, 1_000 * (first + number), b"ES", value, [])
    content = bytearray(builder.build())
    content[:8] = first.to_bytes(8, "big")
    return bytes(content)


async def fetched(content: bytes, position: int) -> tuple[FetchResult, Any]:
    """What the client holds after an answer of the broker, and where it reads on."""
    subscriptions = SubscriptionState()
    subscriptions.assign_from_user({LOG})
    subscriptions.seek(LOG, position)
    assignment = subscriptions.subscription.assignment
    parsed = PartitionRecords(LOG, MemoryRecords(content), [], position, None, None, True, 0)
    result = FetchResult(LOG, assignment=assignment, partition_records=parsed, backoff=0.1)
    return result, assignment.state_value(LOG)


def records_of(result: FetchResult) -> Iterable[RawRecord]:
    found = unparsed(result)
    assert found is not None
    return found


BATCHES = (
    pytest.param(record_batch(0, [b"a", b"b", None]), 0, id="one batch"),
    pytest.param(record_batch(0, [b"a"]) + record_batch(1, [b"b", b"c"]), 0, id="two batches"),
    pytest.param(record_batch(5, [b"a", b"b", b"c"]), 7, id="from inside a batch"),
    pytest.param(record_batch(0, [b"a", b"b"]) + record_batch(9, [b"c"]), 1, id="with a hole"),
    pytest.param(record_batch(0, [b"a" * 999, b"b" * 999], GZIP), 0, id="compressed"),
    pytest.param(b"", 4, id="nothing"),
)


@pytest.mark.parametrize(("content", "position"), BATCHES)
async def test_offsets_times_values_and_the_next_position_are_those_of_the_client(
    content: bytes, position: int
) -> None:
    result, place = await fetched(content, position)
    theirs, their_place = await fetched(content, position)
    found = [(each.offset, each.timestamp, each.value) for each in records_of(result)]
    assert found == [(each.offset, each.timestamp, each.value) for each in theirs.getall()]
    assert place.position == their_place.position


async def test_what_was_fetched_before_a_seek_is_not_handed_out() -> None:
    result, place = await fetched(record_batch(0, [b"a", b"b"]), 0)
    place.seek(1)
    assert unparsed(result) is None
    assert place.position == 1


async def test_a_batch_that_was_damaged_on_its_way_is_refused() -> None:
    content = bytearray(record_batch(0, [b"a", b"b"]))
    content[-2] ^= 1
    result, _ = await fetched(bytes(content), 0)
    with pytest.raises(CorruptRecordException, match=r"tape\.bars\.v1"):
        unparsed(result)


async def test_an_answer_goes_with_its_last_record_and_needs_no_collector() -> None:
    result, _ = await fetched(record_batch(0, [b"a", b"b", b"c"]), 0)
    answer = weakref.ref(result._partition_records)
    gc.collect()
    gc.disable()
    try:
        records = iter(records_of(result))
        del result
        assert [each.offset for each in islice(records, 2)] == [0, 1]
        assert [each.offset for each in records] == [2]
        assert answer() is None
    finally:
        gc.enable()
