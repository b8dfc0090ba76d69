"""Sessions and zone changes as text: equal where the schedules are, one digest a month."""

from __future__ import annotations

import pytest

from tapeline.schemas.instants import day_of, iso_minute
from tapeline.streams.calendars import load_calendar, load_zone
from tapeline.streams.calendars.schedules import (
    is_arithmetic,
    month_digests,
    month_of,
    session_rows,
    zone_rows,
)
from tapeline.streams.core.calendar import DailyCalendar
from tests.unit.streams.calendars.altered import REMOVED, altered
from tests.unit.streams.core.scenario import at, lunch_calendar

XNYS = load_calendar("XNYS")


def rows(first: str, last: str) -> dict[str, str]:
    return session_rows(XNYS, day_of(first), day_of(last))


def test_a_session_is_shown_by_its_edges_in_utc_and_by_what_makes_it_shorter() -> None:
    assert rows("2025-11-26", "2025-12-01") == {
        "2025-11-26": "2025-11-26T14:30Z/2025-11-26T21:00Z",
        "2025-11-28": "2025-11-28T14:30Z/2025-11-28T18:00Z early close",
        "2025-12-01": "2025-12-01T14:30Z/2025-12-01T21:00Z",
    }


def test_a_session_of_two_segments_shows_both() -> None:
    found = session_rows(lunch_calendar(), day_of("2025-07-03"), day_of("2025-07-03"))
    assert list(found.values()) == [
        "2025-07-03T10:00Z/2025-07-03T12:00Z 2025-07-03T13:00Z/2025-07-03T16:00Z late open"
    ]


def test_a_session_that_opens_on_the_evening_before_is_named_by_its_date() -> None:
    calendar = load_calendar("CME_EQUITY")
    found = session_rows(calendar, day_of("2025-12-08"), day_of("2025-12-08"))
    assert found == {"2025-12-08": "2025-12-07T23:00Z/2025-12-08T22:00Z"}


def test_no_session_lies_in_a_holiday_and_none_beyond_the_calendar() -> None:
    assert rows("2025-11-27", "2025-11-27") == {}
    assert rows("2031-01-01", "2031-03-01") == {}


def test_each_month_has_a_digest_of_the_days_between_the_dates() -> None:
    whole = month_digests(XNYS, day_of("2025-10-01"), day_of("2025-12-31"))
    assert list(whole) == ["2025-10", "2025-11", "2025-12"]
    part = month_digests(XNYS, day_of("2025-10-15"), day_of("2025-12-31"))
    assert part["2025-10"] != whole["2025-10"]
    assert part["2025-11"] == whole["2025-11"]


@pytest.mark.parametrize("change", [REMOVED, "18:00"])
def test_a_changed_day_changes_the_digest_of_its_month_alone(change: str | None) -> None:
    other = altered("XNYS", {"2025-11-10": change})
    span = day_of("2025-10-01"), day_of("2025-12-31")
    before, now = month_digests(XNYS, *span), month_digests(other, *span)
    assert [month for month in before if before[month] != now[month]] == ["2025-11"]


def test_a_zone_is_the_offset_at_the_beginning_and_the_changes_in_between() -> None:
    new_york = load_zone("America/New_York")
    assert zone_rows(new_york, day_of("2025-07-01"), day_of("2025-11-02")) == {
        "2025-07-01T00:00Z": "-04:00",
        "2025-11-02T06:00Z": "-05:00",
    }
    assert zone_rows(new_york, day_of("2025-07-01"), day_of("2025-11-01")) == {
        "2025-07-01T00:00Z": "-04:00"
    }
    assert list(zone_rows(load_zone("Asia/Kolkata"), 20_000, 20_001).values()) == ["+05:30"]


INSTANTS = {
    0: "1970-01-01T00:00Z",
    1_500: "1970-01-01T00:00:01.500Z",
    -1_000: "1969-12-31T23:59:59Z",
}


@pytest.mark.parametrize(("instant_ms", "text"), INSTANTS.items())
def test_an_instant_has_seconds_where_it_needs_them(instant_ms: int, text: str) -> None:
    assert iso_minute(instant_ms) == text


def test_a_month_begins_with_its_first_day() -> None:
    assert month_of(day_of("2024-02-29")) == day_of("2024-02-01")
    assert month_of(day_of("2024-02-01")) == day_of("2024-02-01")
    assert day_of("2025-12-08") == at("2025-12-08 12:00") // 86_400_000


def test_the_days_of_24_7_are_a_rule() -> None:
    assert is_arithmetic(DailyCalendar())
    assert not is_arithmetic(XNYS)
