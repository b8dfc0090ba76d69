"""Chunks by offset: split, trimmed, in turn; nothing is handed out twice or left out."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from streams.worker.chunks import Chunk, Positions, from_offset, in_turn, split


class Raw(NamedTuple):
    offset: int
    timestamp: int = 0
    value: bytes | None = b""


def raw(first: int, end: int) -> list[Raw]:
    return [Raw(offset) for offset in range(first, end)]


def offsets(records: Chunk | None) -> list[int]:
    assert records is not None
    return [record.offset for record in records]


@pytest.mark.parametrize(
    ("count", "size", "lengths"),
    [(0, 3, []), (1, 3, [1]), (3, 3, [3]), (7, 3, [3, 3, 1])],
)
def test_records_are_split_in_order(count: int, size: int, lengths: list[int]) -> None:
    chunks = list(split(raw(5, 5 + count), size))
    assert [len(each) for each in chunks] == lengths
    assert [record for each in chunks for record in each] == raw(5, 5 + count)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, [4, 5, 9]), (4, [4, 5, 9]), (5, [5, 9]), (6, [9]), (9, [9]), (10, [])],
)
def test_records_below_an_offset_are_left_out(offset: int, expected: list[int]) -> None:
    assert offsets(from_offset([Raw(4), Raw(5), Raw(9)], offset)) == expected


def test_partitions_take_turns() -> None:
    turns = list(in_turn({"a": [1, 2, 3], "b": [4], "c": [], "d": [5, 6]}))
    assert turns == [("a", 1), ("b", 4), ("d", 5), ("a", 2), ("d", 6), ("a", 3)]


def test_a_partition_that_is_not_ours_gets_nothing() -> None:
    assert offsets(Positions[str]().admit("p", raw(0, 3))) == []


def test_what_was_handed_out_is_trimmed_from_what_is_read_again() -> None:
    positions = Positions[str]()
    positions.set("p", 3)
    positions.hand_out("p", raw(3, 6))
    assert offsets(positions.admit("p", raw(0, 6))) == []
    assert offsets(positions.admit("p", raw(4, 8))) == [6, 7]
    assert positions.of("p") == 6


def test_a_skipped_stretch_is_read_again_and_handed_out_when_it_is_there() -> None:
    positions = Positions[str]()
    positions.set("p", 3)
    assert positions.admit("p", raw(5, 9)) is None
    assert offsets(positions.admit("p", raw(3, 9))) == [3, 4, 5, 6, 7, 8]


def test_the_same_hole_a_second_time_is_for_the_worker_to_judge() -> None:
    positions = Positions[str]()
    positions.set("p", 3)
    assert positions.admit("p", raw(5, 9)) is None
    assert offsets(positions.admit("p", raw(5, 9))) == [5, 6, 7, 8]
    positions.set("p", 3)
    assert positions.admit("p", raw(5, 9)) is None


def test_only_what_is_written_is_committed_and_only_while_the_partition_is_ours() -> None:
    positions = Positions[str]()
    positions.set("p", 0)
    positions.hand_out("p", raw(0, 9))
    assert positions.done_to("p") is None
    positions.done("p", 5)
    positions.done("p", 3)
    assert (positions.done_to("p"), positions.written()) == (5, ["p"])
    positions.forget()
    positions.done("p", 9)
    assert (positions.of("p"), positions.written()) == (None, [])
