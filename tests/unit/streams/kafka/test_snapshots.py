"""Snapshots: parts of bounded size that join to the state, and closes noticed once."""

from __future__ import annotations

import msgspec
import pytest

from tapeline.streams.calendars import load_calendar
from tapeline.streams.kafka.snapshots import (
    CloseClock,
    SnapshotHead,
    SnapshotLabel,
    SnapshotPart,
    group_of_key,
    joined,
    label_of,
    slot_of,
    snapshot_messages,
)
from tapeline.streams.pipeline.provenance import Identity

CALENDAR = load_calendar("XNYS")
IDENTITY = Identity("hash", 20_000, 20_100)
RECORDS = {f"record/{number}": ["x" * 100, number] for number in range(20)}
SLOTS = 64
HEAD = SnapshotHead(
    "AC|ME", "2025-11-24", 17, IDENTITY, reached_ms=30, first=2, first_reached_ms=-5, shown_ms=40
)


def parts(part_bytes: int) -> list[SnapshotPart]:
    found = []
    slot = slot_of(HEAD.session, SLOTS)
    for message in snapshot_messages(HEAD, RECORDS, 5, SLOTS, part_bytes):
        assert message.value is not None
        part = msgspec.json.decode(message.value, type=SnapshotPart)
        assert message.key.decode() == f"AC|ME|{slot}|{part.part}"
        label = label_of(message.key, dict(message.headers))
        assert label == SnapshotLabel(
            "AC|ME", "2025-11-24", 17, 30, 2, -5, 40, part.part, part.parts
        )
        found.append(part)
    return found


@pytest.mark.parametrize(("part_bytes", "count"), [(100_000, 1), (1_000, 3), (10, 20)])
def test_parts_of_any_size_join_to_the_state(part_bytes: int, count: int) -> None:
    found = parts(part_bytes)
    assert len(found) == count
    assert joined(reversed(found)) == RECORDS


def test_a_set_that_lacks_a_part_or_mixes_snapshots_is_no_state() -> None:
    found = parts(1_000)
    assert joined([]) is None
    assert joined(found[1:]) is None
    for other in ({"offset": 18}, {"session": "2025-09-21"}):
        assert joined([*found[:-1], msgspec.structs.replace(found[-1], **other)]) is None


@pytest.mark.parametrize(
    ("session", "slots", "slot"),
    [
        ("1970-01-01", 64, 0),
        ("1969-12-31", 64, 63),
        ("2025-11-24", 64, 20_416 % 64),
        ("2026-01-27", 64, 20_416 % 64),
        ("2025-11-24", 1, 0),
    ],
)
def test_a_session_takes_the_slot_of_the_one_so_many_days_before(
    session: str, slots: int, slot: int
) -> None:
    assert slot_of(session, slots) == slot


def test_a_part_of_another_version_names_its_group_and_has_no_label() -> None:
    [message] = snapshot_messages(HEAD, RECORDS, 5, SLOTS)
    headers = dict(message.headers)
    for version in ({}, {"version": b"1.2"}):
        rest = {name: value for name, value in headers.items() if name != "version"}
        assert label_of(message.key, rest | version) is None
    assert group_of_key(b"AC|ME|2025-11-24|0") == group_of_key(message.key) == "AC|ME"


def session_edges(number: int) -> tuple[int, int]:
    index = CALENDAR.index_of_day(20_416) + number  # 2025-11-24
    return CALENDAR.open_ms(index), CALENDAR.close_ms(index)


def test_a_close_is_noticed_once_by_the_record_that_reaches_it() -> None:
    opens, closes = session_edges(0)
    clock = CloseClock(CALENDAR, opens)
    assert clock.passed(opens + 1) is None
    assert clock.passed(closes - 1) is None
    assert clock.passed(closes) == "2025-11-24"
    assert clock.passed(closes) is None
    assert clock.passed(closes + 1) is None


def test_the_first_watermark_of_a_group_passes_the_close_before_it() -> None:
    opens, closes = session_edges(1)
    clock = CloseClock(CALENDAR, None)
    assert clock.passed(opens) == "2025-11-24"
    assert clock.passed(closes - 1) is None


def test_several_closes_at_once_leave_the_date_of_the_last() -> None:
    clock = CloseClock(CALENDAR, session_edges(0)[0])
    assert clock.passed(session_edges(2)[0]) == "2025-11-25"


def test_a_restored_clock_does_not_notice_a_close_again() -> None:
    closes = session_edges(0)[1]
    assert CloseClock(CALENDAR, closes).passed(closes + 60_000) is None
    assert CloseClock(CALENDAR, closes - 1).passed(closes) == "2025-11-24"


def test_the_first_watermark_in_the_first_session_of_a_calendar_has_the_date_of_that() -> None:
    opens = CALENDAR.open_ms(0)
    assert CloseClock(CALENDAR, None).passed(opens + 60_000) == CALENDAR.date(0)
