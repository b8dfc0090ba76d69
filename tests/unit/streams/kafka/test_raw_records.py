"""Records of the log come as the client would give them, but for what a chunk does not need."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from tapeline.streams.kafka.raw_records import Chunk, Fetched, RawRecord, split, unparsed
from tests.unit.streams.worker.log_records import Raw

Aborted = Sequence[tuple[int, int]]
"""Producer and first offset of transactions."""
LOG = TopicPartition("tape.bars.v1", 3)
GZIP = 1


CONTROL = 0x20
ATTRIBUTES = 21
CRC = 17
ABORT, COMMIT = 0, 1


def record_batch(
    first: int,
    values: list[bytes | None],
    compression: int = 0,
    producer: int = -1,
    key: bytes = b"ES",
) -> bytes:
    """A batch; of a transaction where it has a producer."""
    builder = DefaultRecordBatchBuilder(
        2,
        compression,
        is_transactional=int(producer >= 0),
        producer_id=producer,
        producer_epoch=0 if producer >= 0 else -1,
        base_sequence=0,
        batch_size=1_000_000,
    )
    for number, value in enumerate(values):
        builder.append(number, 1_000 * (first + number), key, value, [])
    content = bytearray(builder.build())
    content[:8] = first.to_bytes(8, "big")
    return bytes(content)


def marker(offset: int, producer: int, kind: int) -> bytes:
    """The end of a transaction, as the broker writes it."""
    key = bytes(2) + kind.to_bytes(2, "big")
    content = bytearray(record_batch(offset, [bytes(6)], producer=producer, key=key))
    content[ATTRIBUTES + 1] |= CONTROL
    content[CRC:ATTRIBUTES] = calc_crc32c(content[ATTRIBUTES:]).to_bytes(4, "big")
    return bytes(content)


async def fetched(content: bytes, position: int, aborted: Aborted = ()) -> tuple[FetchResult, Any]:
    """What the client holds after an answer of the broker, and where it reads on."""
    subscriptions = SubscriptionState()
    subscriptions.assign_from_user({LOG})
    subscriptions.seek(LOG, position)
    assignment = subscriptions.subscription.assignment
    parsed = PartitionRecords(
        LOG, MemoryRecords(content), list(aborted), position, None, None, True, READ_COMMITTED
    )
    result = FetchResult(LOG, assignment=assignment, partition_records=parsed, backoff=0.1)
    return result, assignment.state_value(LOG)


def records_of(result: FetchResult) -> Iterable[RawRecord]:
    found = unparsed(result)
    assert found is not None
    return found.records


TAKEN = record_batch(0, [b"a", b"b"], producer=7)
LATER = record_batch(1, [b"a", b"b"], producer=7)
BATCHES = (
    pytest.param(record_batch(0, [b"a", b"b", None]), 0, id="one batch"),
    pytest.param(record_batch(0, [b"a"]) + record_batch(1, [b"b", b"c"]), 0, id="two batches"),
    pytest.param(record_batch(5, [b"a", b"b", b"c"]), 7, id="from inside a batch"),
    pytest.param(record_batch(0, [b"a", b"b"]) + record_batch(9, [b"c"]), 1, id="with a hole"),
    pytest.param(record_batch(0, [b"a" * 999, b"b" * 999], GZIP), 0, id="compressed"),
    pytest.param(b"", 4, id="nothing"),
    pytest.param(TAKEN + marker(2, 7, COMMIT), 0, id="the marker of a commit comes last"),
    pytest.param(marker(2, 7, COMMIT), 2, id="nothing but a marker"),
    pytest.param(marker(2, 7, COMMIT) + record_batch(3, [b"c"]), 2, id="a marker comes first"),
    pytest.param(TAKEN + marker(2, 7, COMMIT) + record_batch(3, [b"c"]), 1, id="a marker inside"),
)
DROPPED = (
    pytest.param(TAKEN + marker(2, 7, ABORT), [(7, 0)], 0, id="all of it"),
    pytest.param(TAKEN + marker(2, 7, ABORT) + record_batch(3, [b"c"]), [(7, 0)], 0, id="first"),
    pytest.param(record_batch(0, [b"c"]) + LATER + marker(3, 7, ABORT), [(7, 1)], 0, id="last"),
    pytest.param(LATER, [(7, 0)], 1, id="begun and ended in other answers"),
    pytest.param(LATER, [(7, 0)], 2, id="from inside a batch"),
    pytest.param(
        TAKEN + record_batch(2, [b"x"], producer=8) + marker(3, 7, ABORT) + marker(4, 8, COMMIT),
        [(7, 0)],
        0,
        id="beside one that is committed",
    ),
    pytest.param(
        TAKEN + marker(2, 7, ABORT) + record_batch(3, [b"c"], producer=7) + marker(4, 7, COMMIT),
        [(7, 0)],
        0,
        id="before one of the same producer",
    ),
)


async def assert_as_the_client(content: bytes, position: int, aborted: Aborted = ()) -> None:
    result, cursor = await fetched(content, position, aborted)
    theirs, their_cursor = await fetched(content, position, aborted)
    answer = unparsed(result)
    assert answer is not None
    found = [(each.offset, each.timestamp, each.value) for each in answer.records]
    assert found == [(each.offset, each.timestamp, each.value) for each in theirs.getall()]
    assert cursor.position == their_cursor.position
    assert (answer.first, answer.end) == (position, cursor.position)


@pytest.mark.parametrize(("content", "position"), BATCHES)
async def test_offsets_times_values_and_the_next_position_are_those_of_the_client(
    content: bytes, position: int
) -> None:
    await assert_as_the_client(content, position)


@pytest.mark.parametrize(("content", "aborted", "position"), DROPPED)
async def test_an_aborted_transaction_is_left_out_as_the_client_leaves_it_out(
    content: bytes, aborted: Aborted, position: int
) -> None:
    await assert_as_the_client(content, position, aborted)


def raw(*offsets: int) -> list[Raw]:
    return [Raw(offset, 0, b"") for offset in offsets]


def answer(first: int, end: int, *offsets: int) -> Fetched:
    return Fetched(first, end, iter(raw(*offsets)))


@pytest.mark.parametrize(
    ("fetched", "expected"),
    [
        (answer(5, 5), []),
        (answer(5, 6, 5), [(5, 6, [5])]),
        (answer(5, 8, 5, 6, 7), [(5, 8, [5, 6, 7])]),
        (answer(5, 9, 5, 6, 7, 8), [(5, 8, [5, 6, 7]), (8, 9, [8])]),
        (answer(5, 9, 5, 6, 7), [(5, 8, [5, 6, 7]), (8, 9, [])]),
        (answer(5, 9, 6, 7), [(5, 9, [6, 7])]),
        (answer(5, 9), [(5, 9, [])]),
        (answer(0, 9, 1, 3, 5, 7), [(0, 6, [1, 3, 5]), (6, 9, [7])]),
    ],
)
def test_an_answer_is_split_into_chunks_that_cover_all_of_it(
    fetched: Fetched, expected: list[tuple[int, int, list[int]]]
) -> None:
    chunks = split(fetched, 3)
    assert [(each.first, each.end, offsets(each)) for each in chunks] == expected


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (0, (3, 12, [4, 5, 9])),
        (3, (3, 12, [4, 5, 9])),
        (4, (4, 12, [4, 5, 9])),
        (5, (5, 12, [5, 9])),
        (6, (6, 12, [9])),
        (10, (10, 12, [])),
        (12, (12, 12, [])),
        (15, (15, 15, [])),
    ],
)
def test_what_lies_below_an_offset_is_left_out(
    offset: int, expected: tuple[int, int, list[int]]
) -> None:
    since = Chunk(3, 12, raw(4, 5, 9)).since(offset)
    assert (since.first, since.end, offsets(since)) == expected


def offsets(chunk: Chunk) -> list[int]:
    return [each.offset for each in chunk.records]


async def test_what_was_fetched_before_a_seek_is_not_handed_out() -> None:
    result, cursor = await fetched(record_batch(0, [b"a", b"b"]), 0)
    cursor.seek(1)
    assert unparsed(result) is None
    assert cursor.position == 1


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
