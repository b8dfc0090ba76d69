"""Snapshots: parts of bounded size that join to the state, and closes noticed once."""

from __future__ import annotations

import msgspec
import pytest

from streams.calendars import load_calendar
from streams.kafka.snapshots import CloseClock, SnapshotPart, joined, snapshot_messages

CALENDAR = load_calendar("XNYS")
RECORDS = {f"record/{number}": ["x" * 100, number] for number in range(20)}


def parts(part_bytes: int) -> list[SnapshotPart]:
    found = []
    messages = snapshot_messages("ACME", "2025-11-24", 17, "hash", RECORDS, 5, part_bytes)
    for message in messages:
        assert message.value is not None
        part = msgspec.json.decode(message.value, type=SnapshotPart)
        assert message.key.decode() == f"ACME|2025-11-24|{part.part}"
        assert dict(message.headers)["offset"] == b"17"
        found.append(part)
    return found


@pytest.mark.parametrize(("part_bytes", "count"), [(100_000, 1), (1_000, 3), (10, 20)])
def test_parts_of_any_size_join_to_the_state(part_bytes: int, count: int) -> None:
    found = parts(part_bytes)
    assert len(found) == count
    assert joined(reversed(found)) == RECORDS


def test_a_set_that_lacks_a_part_or_mixes_moments_is_no_state() -> None:
    found = parts(1_000)
    assert joined([]) is None
    assert joined(found[1:]) is None
    assert joined([*found[:-1], msgspec.structs.replace(found[-1], offset=18)]) is None


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
