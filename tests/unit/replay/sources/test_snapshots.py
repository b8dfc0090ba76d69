"""States to begin with: chosen by what they hold, and only where no group lacks one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tapeline.replay.sources.protocol import Lacking, StateBound, StoredStates
from tapeline.replay.sources.snapshots import SnapshotSets, together
from tapeline.streams.errors import InputError
from tapeline.streams.kafka.snapshots import SnapshotHead, snapshot_messages
from tapeline.streams.outputs.messages import EventMessage
from tapeline.streams.pipeline.provenance import Identity

SLOTS = 4
SETTINGS = Identity("hash", None, None)
PARTITION = 2


def a_set(
    group: str, day: int, offset: int, reached_ms: int, first: int = 0, first_reached_ms: int = 0
) -> list[EventMessage]:
    """Three parts of a state that holds its own offset."""
    session = f"2025-11-{day:02}"
    head = SnapshotHead(
        group, session, offset, SETTINGS, reached_ms, first, first_reached_ms, reached_ms + 7
    )
    records = {f"record/{number}": [offset, "x" * 50] for number in range(3)}
    return snapshot_messages(head, records, 1, SLOTS, part_bytes=60)


def compacted(messages: Sequence[EventMessage]) -> list[EventMessage]:
    """The newest message of each key."""
    kept = {message.key: message for message in messages}
    return [each for each in messages if kept[each.key] is each]


def chosen(messages: Sequence[EventMessage], bound: StateBound) -> StoredStates:
    sets = SnapshotSets(bound, PARTITION)
    for message in reversed(messages):
        sets.take(message.key, message.value, dict(message.headers))
    return sets.found()


def offsets_of(found: StoredStates) -> dict[str, int]:
    for state in found.states.values():
        assert {each[0] for each in state.records.values()} == {state.offset}
        assert len(state.records) == 3
    return {group: state.offset for group, state in found.states.items()}


TWO_GROUPS = [
    *a_set("A", 3, 0, 100),
    *a_set("B", 3, 1, 100, first=1, first_reached_ms=100),
    *a_set("A", 4, 10, 200),
    # B lags: its own watermark is below, that of the partition is not.
    *a_set("B", 4, 15, 250, first=1, first_reached_ms=100),
    *a_set("A", 5, 20, 300),
    *a_set("C", 5, 21, 310, first=21, first_reached_ms=310),
    *a_set("B", 5, 25, 350, first=1, first_reached_ms=100),
]


@pytest.mark.parametrize(
    ("time_ms", "expected"),
    [
        (99, {}),
        (100, {"A": 0, "B": 1}),
        (249, {"A": 10, "B": 1}),
        (250, {"A": 10, "B": 15}),
        (309, {"A": 20, "B": 15}),
        (310, {"A": 20, "B": 15, "C": 21}),
        (9_999, {"A": 20, "B": 25, "C": 21}),
    ],
)
def test_a_state_is_taken_that_the_partition_held_before_the_instant(
    time_ms: int, expected: dict[str, int]
) -> None:
    assert offsets_of(chosen(TWO_GROUPS, StateBound(time_ms))) == expected


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (0, {}),
        (1, {"A": 0}),
        (2, {"A": 0, "B": 1}),
        (21, {"A": 20, "B": 15}),
        (22, {"A": 20, "B": 15, "C": 21}),
    ],
)
def test_a_state_is_taken_that_includes_only_records_below_the_offset(
    offset: int, expected: dict[str, int]
) -> None:
    assert offsets_of(chosen(TWO_GROUPS, StateBound(offsets={PARTITION: offset}))) == expected


RING = [
    message
    for day in range(3, 13)
    for message in (
        *a_set("A", day, 100 * day, 1_000 * day, first=300, first_reached_ms=3_000),
        *a_set("B", day, 100 * day + 1, 1_000 * day, first=301, first_reached_ms=3_000),
    )
]


def test_of_a_compacted_topic_the_last_slots_remain_and_are_used() -> None:
    left = compacted(RING)
    assert len(left) == len(RING) * SLOTS // 10
    assert offsets_of(chosen(left, StateBound(10_500))) == {"A": 1_000, "B": 1_001}


def test_a_group_whose_states_before_the_start_are_gone_keeps_its_partition_from_states() -> None:
    found = chosen(compacted(RING), StateBound(8_999))
    assert found == StoredStates({}, {PARTITION: Lacking("A", "2025-11-09")})
    # One group of them is enough.
    rest = [*compacted(RING), *a_set("A", 1, 50, 500, first=300, first_reached_ms=3_000)]
    assert chosen(rest, StateBound(8_999)).lacking == {PARTITION: Lacking("B", "2025-11-09")}


def test_a_group_that_began_later_needs_no_state() -> None:
    late = a_set("Z", 12, 1_300, 12_500, first=1_300, first_reached_ms=12_500)
    found = chosen([*compacted(RING), *late], StateBound(12_499))
    assert offsets_of(found) == {"A": 1_200, "B": 1_201}
    assert chosen([*compacted(RING), *late], StateBound(8_999)).lacking[PARTITION].group == "A"


def test_a_set_that_is_torn_or_mixed_with_another_session_of_its_slot_is_none() -> None:
    torn = a_set("A", 8, 50, 500)[:2]
    before = a_set("A", 4, 20, 200)
    # The third part is that of the session four days before, under the same key.
    assert offsets_of(chosen(compacted([*before, *torn]), StateBound(999))) == {}
    assert chosen([*before, *torn], StateBound(999)).lacking == {}
    assert offsets_of(chosen([*before, *torn], StateBound(999))) == {"A": 20}


def test_a_set_that_a_killed_worker_wrote_twice_is_one() -> None:
    once = a_set("A", 4, 20, 200)
    assert offsets_of(chosen([*once[:2], *once], StateBound(999))) == {"A": 20}
    assert offsets_of(chosen([*once, *once[:1]], StateBound(999))) == {"A": 20}


def test_a_tombstone_takes_a_set_back_whether_it_was_compacted_or_not() -> None:
    log = [*a_set("A", 4, 20, 200), *a_set("A", 5, 30, 300)]
    buried = [*log, EventMessage(1, log[-1].key, None, [])]
    assert offsets_of(chosen(buried, StateBound(999))) == {"A": 20}
    assert offsets_of(chosen([*buried, *a_set("A", 5, 30, 300)], StateBound(999))) == {"A": 30}


def test_foreign_messages_mean_nothing() -> None:
    other = [
        EventMessage(1, b"?", None, []),
        EventMessage(1, b"?", b"{}", []),
        EventMessage(1, b"", b"{}", [("type", b"other")]),
    ]
    assert chosen([*other, *TWO_GROUPS, *other], StateBound(250)) == chosen(
        TWO_GROUPS, StateBound(250)
    )


def earlier(group: str, day: int, offset: int) -> list[EventMessage]:
    """As version 0.1 wrote it: the key names the session, and nothing shows where it began."""
    headers = [("type", b"snapshot"), ("group", group.encode()), ("offset", b"%d" % offset)]
    return [
        EventMessage(
            1, f"{group}|2025-11-{day:02}|{part}".encode(), b"{}", [*headers, ("parts", b"2")]
        )
        for part in range(2)
    ]


def test_snapshots_of_other_versions_are_left_out_and_do_not_make_a_group_look_new() -> None:
    found = chosen([*earlier("A", 3, 7), *earlier("A", 4, 9)], StateBound(9_999))
    assert found == StoredStates({}, {PARTITION: Lacking("A", None)}, older=2)
    mixed = chosen([*earlier("A", 3, 7), *TWO_GROUPS], StateBound(250))
    assert (offsets_of(mixed), mixed.older) == ({"A": 10, "B": 15}, 1)


def test_partitions_are_independent() -> None:
    good, bad = chosen(TWO_GROUPS, StateBound(250)), chosen(earlier("Y", 3, 7), StateBound(250))
    found = together([good, bad])
    assert offsets_of(found) == {"A": 10, "B": 15}
    assert (found.lacking, found.older) == ({PARTITION: Lacking("Y", None)}, 1)


@pytest.mark.parametrize("value", [b"no json", b"{}", a_set("A", 3, 1, 100)[0].value])
def test_a_state_that_no_worker_wrote_so_is_refused_with_the_way_out(value: bytes) -> None:
    messages = a_set("A", 3, 0, 100)
    messages[1] = messages[1]._replace(value=value)
    with pytest.raises(InputError, match=r"group A at 2025-11-03 is not .*--no-snapshots"):
        chosen(messages, StateBound(100))
