"""State as records: what is packed is read again, and a checkpoint is whole or not there."""

from __future__ import annotations

import re

import pytest

from tapeline.streams.kafka.log_digest import RecordDigest
from tapeline.streams.pipeline.provenance import Identity
from tapeline.streams.pipeline.state_values import pack, unpack
from tapeline.streams.worker.state.records import (
    CHECKPOINT_KEY,
    IDENTITY_KEY,
    Checkpoint,
    ForeignRecordError,
    GroupChange,
    StateFormatError,
    StoredGroup,
    TooLargeError,
    batch_bytes,
    batches,
    check_record,
    checkpoint_pair,
    group_change,
    identity_of,
    new_identity,
    offset_of,
    read_checkpoint,
    read_partition,
)

LARGE = 1 << 70
LAST = RecordDigest(4, 1_764_000_060_000, "0123456789abcdef")
ABC = Identity("abc", 20_000, 20_100)
DEF = Identity("def", None, None)


@pytest.mark.parametrize("content", [None, {"a": [1, 2.5, "x"]}, "é", LARGE, -LARGE, 0.1])
def test_a_value_carries_its_offset_and_any_content(content: object) -> None:
    value = pack(17, content)
    assert offset_of(value) == 17
    assert unpack(value) == [17, content]


def test_the_records_of_a_partition_are_read_by_group() -> None:
    first = group_change("ES-NQ", 7, {"hot": {"v": 2}, "ES/bars/0": [1]}, ABC)
    second = group_change("ACME", 9, {"hot": {"v": 2}}, DEF)
    (batch,) = batches([first, second], Checkpoint(12, LAST), 10_000)
    found = read_partition(batch)
    assert (found.checkpoint, found.last) == (12, LAST)
    assert found.groups == {
        "ES-NQ": StoredGroup({"hot": {"v": 2}, "ES/bars/0": [1]}, ABC),
        "ACME": StoredGroup({"hot": {"v": 2}}, DEF),
    }


def test_an_empty_store_has_no_checkpoint() -> None:
    found = read_partition([])
    assert (found.checkpoint, found.last, found.groups) == (None, None, {})


def test_a_state_without_any_record_before_it_names_none() -> None:
    assert read_checkpoint(checkpoint_pair(Checkpoint(2))[1]) == Checkpoint(2)


@pytest.mark.parametrize("version", [1, 99])
def test_state_of_another_format_is_refused_with_the_way_out(version: int) -> None:
    with pytest.raises(StateFormatError, match="build anew under another topic prefix"):
        read_partition([(CHECKPOINT_KEY, pack(3, {"v": version}))])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"foo", b"[1,2]"),
        (b"foo|", b"[1,2]"),
        (b"|foo", b"[1,2]"),
        (b"\xff|foo", b"[1,2]"),
        (None, b"[1,2]"),
        (b"A|ring", None),
        (b"A|ring", b""),
        (b"A|ring", b"bar"),
        (b"A|ring", b"[]"),
        (b"A|ring", b"[1]"),
        (b"A|ring", b'["1",2]'),
        (b"A|ring", b"[1.5,2]"),
        (b"A|ring", b"[1,2,3]"),
        (b"A|ring", b"[1,{]"),
        (b"A|hot", b"[1,2]"),
        (CHECKPOINT_KEY, b"{}"),
        (IDENTITY_KEY, b"{}"),
        (IDENTITY_KEY, b'"ab"'),
    ],
)
def test_a_record_that_no_worker_writes_is_refused(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(ForeignRecordError, match="is no state of a worker"):
        check_record(key, value)


def test_whatever_a_worker_writes_is_taken() -> None:
    for offset in (-1, 0, LARGE):
        written = group_change("É", offset, {"hot": [LARGE, "é"], "É/ring/0": None}, ABC).pairs
        for pair in [
            *written,
            checkpoint_pair(Checkpoint(offset, None)),
            checkpoint_pair(Checkpoint(offset, LAST)),
        ]:
            check_record(*pair)


def test_an_identity_is_a_record_of_its_own_and_no_two_are_equal() -> None:
    first, second = new_identity(), new_identity()
    check_record(*first)
    assert first[0] == IDENTITY_KEY == b"|identity"
    assert offset_of(first[1]) == 0
    assert re.fullmatch("[0-9a-f]{32}", identity_of(first[1]))
    assert identity_of(first[1]) != identity_of(second[1])
    found = read_partition([first, checkpoint_pair(Checkpoint(5))])
    assert (found.identity, found.checkpoint, found.groups) == (identity_of(first[1]), 5, {})


def test_a_stored_record_that_no_worker_writes_is_named() -> None:
    with pytest.raises(ForeignRecordError, match=r"key b'foo' .*group\|name"):
        read_partition([checkpoint_pair(Checkpoint(5, LAST)), (b"foo", b"bar")])


def change(group: str, size: int) -> GroupChange:
    return group_change(group, 1, {"hot": "x" * size})


def keys(batch: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [key for key, _ in batch]


def test_a_checkpoint_is_one_batch_and_ends_it() -> None:
    (batch,) = batches([change("A", 10), change("B", 10)], Checkpoint(5, LAST), 1_000)
    assert keys(batch) == [b"A|hot", b"B|hot", CHECKPOINT_KEY]
    assert batch[-1] == checkpoint_pair(Checkpoint(5, LAST))


def test_a_chunk_without_state_still_moves_the_checkpoint() -> None:
    assert list(batches([], Checkpoint(5, LAST), 1_000)) == [[checkpoint_pair(Checkpoint(5, LAST))]]


def test_too_much_is_divided_between_groups_and_the_checkpoint_comes_last() -> None:
    changes = [change(group, 300) for group in ("A", "B", "C")]
    found = list(batches(changes, Checkpoint(5, LAST), 900))
    assert [keys(batch) for batch in found] == [
        [b"A|hot", b"B|hot"],
        [b"C|hot", CHECKPOINT_KEY],
    ]
    assert all(batch_bytes(batch) <= 900 for batch in found)


def test_a_group_that_fits_into_no_batch_is_named() -> None:
    with pytest.raises(TooLargeError, match="group A has"):
        list(batches([change("A", 2_000)], Checkpoint(5, LAST), 900))
