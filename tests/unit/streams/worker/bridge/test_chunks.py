"""Chunks by what they cover: trimmed, in turn; nothing is handed out twice or left out."""

from __future__ import annotations

from typing import NamedTuple

from tapeline.streams.kafka.log_digest import RecordDigest, digest_of
from tapeline.streams.kafka.raw_records import Chunk
from tapeline.streams.worker.bridge.chunks import Positions, in_turn


class Raw(NamedTuple):
    offset: int
    timestamp: int = 0
    value: bytes | None = b""


def chunk(first: int, end: int, *missing: int) -> Chunk:
    """All records of a stretch but some, whose offsets are those of markers."""
    records = [Raw(offset) for offset in range(first, end) if offset not in missing]
    return Chunk(first, end, records)


def covered(due: Chunk | None) -> tuple[int, int, list[int]]:
    assert due is not None
    return due.first, due.end, [record.offset for record in due.records]


def test_partitions_take_turns() -> None:
    turns = list(in_turn({"a": [1, 2, 3], "b": [4], "c": [], "d": [5, 6]}))
    assert turns == [("a", 1), ("b", 4), ("d", 5), ("a", 2), ("d", 6), ("a", 3)]


def test_a_partition_that_is_not_ours_gets_nothing() -> None:
    assert covered(Positions[str]().admit("p", chunk(0, 3))) == (3, 3, [])


def test_what_was_handed_out_is_trimmed_from_what_is_read_again() -> None:
    positions = Positions[str]()
    positions.set("p", 3)
    positions.hand_out("p", chunk(3, 6))
    assert covered(positions.admit("p", chunk(0, 6))) == (6, 6, [])
    assert covered(positions.admit("p", chunk(4, 8))) == (6, 8, [6, 7])
    assert positions.of("p") == 6


def test_markers_of_transactions_are_no_holes_and_are_handed_out_with_what_is_around_them() -> None:
    positions = Positions[str]()
    positions.set("p", 3)
    positions.hand_out("p", chunk(3, 6, 5))
    assert positions.of("p") == 6
    assert covered(positions.admit("p", chunk(6, 9, 6, 7))) == (6, 9, [8])
    assert covered(positions.admit("p", chunk(6, 7, 6))) == (6, 7, [])


def test_a_skipped_stretch_is_read_again_and_handed_out_when_it_is_there() -> None:
    positions = Positions[str]()
    positions.set("p", 3)
    assert positions.admit("p", chunk(5, 9)) is None
    assert covered(positions.admit("p", chunk(3, 9))) == (3, 9, [3, 4, 5, 6, 7, 8])


def test_the_same_hole_a_second_time_is_for_the_worker_to_judge() -> None:
    positions = Positions[str]()
    positions.set("p", 3)
    assert positions.admit("p", chunk(5, 9)) is None
    assert covered(positions.admit("p", chunk(5, 9))) == (5, 9, [5, 6, 7, 8])
    positions.set("p", 3)
    assert positions.admit("p", chunk(5, 9)) is None


def test_the_last_record_is_that_which_was_handed_out_or_that_of_the_state() -> None:
    positions = Positions[str]()
    before = RecordDigest(2, 0, "00")
    positions.set("p", 3, before)
    positions.set("q", 0)
    assert (positions.last("p"), positions.last("q"), positions.last("r")) == (before, None, None)
    positions.hand_out("p", chunk(3, 5, 3, 4))
    assert positions.last("p") == before, "a marker is no record"
    positions.hand_out("p", chunk(5, 9, 8))
    assert positions.last("p") == digest_of(Raw(7))
    assert positions.ours() == ["p", "q"]
    positions.forget()
    assert (positions.last("p"), positions.ours()) == (None, [])


def test_only_what_is_written_is_committed_and_only_while_the_partition_is_ours() -> None:
    positions = Positions[str]()
    positions.set("p", 0)
    positions.hand_out("p", chunk(0, 9))
    assert positions.done_to("p") is None
    positions.done("p", 5)
    positions.done("p", 3)
    assert (positions.done_to("p"), positions.written()) == (5, ["p"])
    positions.forget()
    positions.done("p", 9)
    assert (positions.of("p"), positions.written()) == (None, [])
