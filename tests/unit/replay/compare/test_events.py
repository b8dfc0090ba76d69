"""Two sequences of events, compared: what is reported is what differs, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.replay.compare.events import (
    Difference,
    Differences,
    Piece,
    TypeComparison,
    TypeResult,
)
from tapeline.replay.compare.recorded import Entry, entry_of

MINUTE_MS = 60_000


def gap(record: int, number: int = 0, partition: int = 0, **fields: Any) -> Entry:
    """The gap that a record published."""
    event = {
        "type": "gap",
        "id": f"gap|ES|1m|{record // 2}",
        "op": "upsert",
        "seq": record * 1_000_000 + number,
        "rev": 0,
        "symbol": "ES",
        "watermark_ms": record * MINUTE_MS,
        "missing": 1,
        **fields,
    }
    return entry_of(orjson.dumps(event), partition, "test")


def other(entry: Entry, **fields: Any) -> Entry:
    """The event with other values."""
    assert entry.raw is not None
    return entry_of(orjson.dumps({**orjson.loads(entry.raw), **fields}), entry.partition, "test")


EVENTS = tuple(gap(record) for record in range(40))


def compare(
    kind: str,
    a: Sequence[Entry],
    b: Sequence[Entry],
    ignored: frozenset[str] = frozenset(),
    compacted: tuple[bool, bool] = (False, False),
    limit: int = 20,
) -> tuple[TypeResult, list[Difference]]:
    """Compare two whole sequences of events of one type."""
    differences = Differences(limit)
    comparison = TypeComparison(kind, differences, ignored, compacted)
    comparison.run(Piece(a, ended=True), Piece(b, ended=True))
    return comparison.finish(), differences.listed()


def found(a: Sequence[Entry], b: Sequence[Entry], **options: Any) -> list[tuple[str, str, int]]:
    """What differs: kind, id, record."""
    return [(each.what, each.id, each.record) for each in compare("gap", a, b, **options)[1]]


def test_equal_sequences_have_no_difference() -> None:
    result, differences = compare("gap", EVENTS, EVENTS)
    assert (result.a, result.b, result.equal, result.same) == (40, 40, 40, True)
    assert differences == []


def test_an_event_that_one_side_lacks_is_missing_or_added() -> None:
    fewer = [*EVENTS[:7], *EVENTS[8:]]
    assert found(EVENTS, fewer) == [("missing", "gap|ES|1m|3", 7)]
    assert found(fewer, EVENTS) == [("added", "gap|ES|1m|3", 7)]


def test_a_changed_field_is_named_with_both_values() -> None:
    changed = [*EVENTS[:7], other(EVENTS[7], missing=2), *EVENTS[8:]]
    result, [difference] = compare("gap", EVENTS, changed)
    assert (difference.what, difference.record) == ("changed", 7)
    assert difference.fields == {"missing": (1, 2)}
    assert (result.changed, result.equal, result.fields) == (1, 39, {"missing": 1})


def test_other_bytes_of_equal_values_are_a_change() -> None:
    raw = EVENTS[7].raw
    assert raw is not None
    spaced = EVENTS[7]._replace(raw=raw.replace(b",", b", ", 1))
    _, [difference] = compare("gap", EVENTS, [*EVENTS[:7], spaced, *EVENTS[8:]])
    assert list(difference.fields) == ["bytes"]


@pytest.mark.parametrize("to", [3, 8, 30])
def test_an_event_that_was_moved_is_reordered_and_nothing_else(to: int) -> None:
    moved = list(EVENTS)
    moved.insert(to, moved.pop(7))
    result, [difference] = compare("gap", EVENTS, moved)
    assert difference.what == "reordered"
    assert (result.reordered, result.missing, result.added, result.changed) == (1, 0, 0, 0)
    assert compare("gap", moved, moved)[0].same


def test_a_repeated_event_is_added() -> None:
    assert found(EVENTS, [*EVENTS[:8], EVENTS[7], *EVENTS[8:]]) == [("added", "gap|ES|1m|3", 7)]


def test_partitions_may_be_mixed_in_any_way() -> None:
    one = [gap(record, partition=0) for record in range(20)]
    two = [other(gap(record, partition=1), id=f"gap|NQ|1m|{record}") for record in range(20)]
    mixed = [*one, *two]
    random = Random(3)
    for _ in range(5):
        queues = [list(one), list(two)]
        merged = []
        while any(queues):
            merged.append(random.choice([queue for queue in queues if queue]).pop(0))
        assert compare("gap", mixed, merged)[0].same


def test_what_is_ignored_may_differ_and_nothing_else() -> None:
    later = [other(each, seq=each.seq + 5_000_000) for each in EVENTS]
    assert len(found(EVENTS, later)) == 20
    assert not compare("gap", EVENTS, later)[0].same
    assert compare("gap", EVENTS, later, frozenset({"seq"}))[0].same
    changed = [*later[:7], other(later[7], missing=2), *later[8:]]
    _, [difference] = compare("gap", EVENTS, changed, frozenset({"seq"}))
    assert (difference.what, difference.record, difference.record_b) == ("changed", 7, 12)
    assert compare("gap", EVENTS, changed, frozenset({"seq", "missing"}))[0].same


def test_a_version_that_compaction_removed_is_superseded_not_missing() -> None:
    # Two records publish each id; compaction keeps the second.
    compacted = EVENTS[1::2]
    result = compare("gap", EVENTS, compacted, compacted=(False, True))[0]
    assert (result.same, result.superseded, result.equal) == (True, 20, 20)
    assert compare("gap", EVENTS, compacted)[0].missing == 20
    assert compare("gap", compacted, EVENTS, compacted=(True, False))[0].superseded == 20


def test_the_last_version_of_an_id_is_missing_from_a_compacted_topic_too() -> None:
    result = compare("gap", EVENTS, EVENTS[1:-1:2], compacted=(False, True))[0]
    assert (result.same, result.missing) == (False, 2)


def test_a_tombstone_is_compared_by_what_its_headers_hold() -> None:
    line = other(EVENTS[7], op="retract", rev=1)
    headers = {"seq": "7000000", "rev": "1", "type": "gap", "group": "ES-NQ"}
    tombstone = Entry(0, 7_000_000, line.id, 1, 999, "ES", None, True, headers, 999)

    def compared(a: Entry, b: Entry, group: str) -> dict[str, Any]:
        comparison = TypeComparison("gap", differences := Differences(), group_of=lambda _: group)
        comparison.run(Piece([a], ended=True), Piece([b], ended=True))
        comparison.finish()
        return {name: each for found in differences.listed() for name, each in found.fields.items()}

    assert compared(line, tombstone, "ES-NQ") == {}
    assert compared(line, tombstone, "ES") == {"group": ("ES", "ES-NQ")}
    wrong = tombstone._replace(rev=2)
    assert compared(line, wrong, "ES-NQ") == {"rev": (1, 2)}
    assert compared(tombstone, tombstone._replace(time_ms=1_000), "ES") == {"time_ms": (999, 1_000)}


def test_the_first_difference_comes_first_and_the_limit_keeps_the_earliest() -> None:
    changed = [other(each, missing=2) for each in EVENTS]
    shuffled = list(zip(EVENTS, changed, strict=True))
    Random(5).shuffle(shuffled)
    before, after = [each for each, _ in shuffled], [each for _, each in shuffled]
    listed = compare("gap", before, after, limit=3)[1]
    assert [each.record for each in listed] == [0, 1, 2]


def test_a_side_that_begins_late_waits_however_few_may_wait() -> None:
    for late in (False, True):
        comparison = TypeComparison("gap", Differences(), pending_limit=5)
        pieces = (Piece(EVENTS, ended=True), Piece(EVENTS[30:], ended=True))
        comparison.run(*(reversed(pieces) if late else pieces))
        result = comparison.finish()
        assert (result.equal, result.missing + result.added) == (10, 30)


@given(
    st.lists(st.sampled_from(["keep", "drop", "change"]), min_size=40, max_size=40),
    st.integers(1, 40),
)
def test_any_edit_is_counted_exactly_however_the_pieces_are_cut(edits: list[str], cut: int) -> None:
    b = []
    for edit, entry in zip(edits, EVENTS, strict=True):
        if edit != "drop":
            b.append(other(entry, missing=2) if edit == "change" else entry)
    comparison = TypeComparison("gap", Differences())
    first, second = Piece(EVENTS[:cut]), Piece(b[: 41 - cut])
    comparison.run(first, second)
    first.items, second.items = [*first.items, *EVENTS[cut:]], b
    first.ended = second.ended = True
    comparison.run(first, second)
    result = comparison.finish()
    assert (result.missing, result.changed, result.added, result.reordered) == (
        edits.count("drop"),
        edits.count("change"),
        0,
        0,
    )
