"""Which sessions a historical window holds."""

from __future__ import annotations

import pytest

from tapeline.schemas.windows import WindowSpec
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.windows.spans import WindowSpan, months_before
from tests.unit.streams.core.scenario import day_number


def span(calendar: str, period: str, skip: bool = False) -> WindowSpan:
    """The sessions of a window on a calendar."""
    spec = WindowSpec(kind="trailing_average", field="volume", period=period, skip_early_close=skip)
    return WindowSpan(load_calendar(calendar), spec)


def dates(calendar: str, period: str, session: str, skip: bool = False) -> list[str]:
    """Dates of the sessions of a window for a session."""
    found = load_calendar(calendar)
    index = found.index_of_day(day_number(session))
    return [found.date(each) for each in span(calendar, period, skip).sessions(index)]


@pytest.mark.parametrize(
    ("calendar", "period", "session", "first", "last", "count"),
    [
        # On a Monday, the day before is Friday's session.
        ("XNYS", "1d", "2025-06-30", "2025-06-27", "2025-06-27", 1),
        ("XNYS", "1w", "2025-06-30", "2025-06-23", "2025-06-27", 5),
        ("CME_EQUITY", "1d", "2025-12-08", "2025-12-05", "2025-12-05", 1),
        ("24/7", "1d", "2025-12-08", "2025-12-07", "2025-12-07", 1),
        # The day after a holiday: 4 July was a Friday.
        ("XNYS", "1d", "2025-07-07", "2025-07-03", "2025-07-03", 1),
        ("XNYS", "5d", "2025-07-07", "2025-06-27", "2025-07-03", 5),
        ("XNYS", "1w", "2025-07-07", "2025-06-30", "2025-07-03", 4),
        ("XNYS", "1d", "2025-11-28", "2025-11-26", "2025-11-26", 1),
        # Across the turn of the year; of 24/7 the first of January is a session itself.
        ("XNYS", "1d", "2026-01-02", "2025-12-31", "2025-12-31", 1),
        ("XNYS", "1m", "2026-01-02", "2025-12-02", "2025-12-31", 21),
        ("24/7", "1y", "2026-01-01", "2025-01-01", "2025-12-31", 365),
        ("24/7", "1m", "2026-01-01", "2025-12-01", "2025-12-31", 31),
        # A month that has no such day ends where it ends.
        ("24/7", "1m", "2025-03-31", "2025-02-28", "2025-03-30", 31),
        ("XNYS", "1m", "2025-03-31", "2025-02-28", "2025-03-28", 21),
        ("24/7", "1m", "2025-03-30", "2025-02-28", "2025-03-29", 30),
        ("24/7", "3m", "2024-05-31", "2024-02-29", "2024-05-30", 92),
        ("24/7", "1y", "2024-02-29", "2023-02-28", "2024-02-28", 366),
        ("XNYS", "1y", "2024-02-29", "2023-02-28", "2024-02-28", 252),
        ("24/7", "4y", "2024-02-29", "2020-02-29", "2024-02-28", 1461),
        # 52 weeks are 364 days; seven sessions are no week.
        ("24/7", "52w", "2026-01-01", "2025-01-02", "2025-12-31", 364),
        ("XNYS", "7d", "2025-06-30", "2025-06-18", "2025-06-27", 7),
    ],
)
def test_a_window_ends_with_the_last_session_before(
    calendar: str, period: str, session: str, first: str, last: str, count: int
) -> None:
    found = dates(calendar, period, session)
    assert (found[0], found[-1], len(found)) == (first, last, count)
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        # The 3rd closed early, and so do the sessions that are not needed.
        ("3d", ["2025-06-30", "2025-07-01", "2025-07-02"]),
        ("1w", ["2025-06-30", "2025-07-01", "2025-07-02"]),
    ],
)
def test_sessions_that_close_early_may_be_passed_over(period: str, expected: list[str]) -> None:
    assert dates("XNYS", period, "2025-07-07", skip=True) == expected


def test_a_window_may_have_no_session_at_all() -> None:
    week = dates("XNYS", "1w", "2025-11-28")
    assert week == ["2025-11-21", "2025-11-24", "2025-11-25", "2025-11-26"]
    first = load_calendar("XNYS").date(0)
    assert dates("XNYS", "1w", first) == []


def test_sessions_are_needed_before_the_calendar_begins_too() -> None:
    index = 3
    assert span("XNYS", "10d").need(len(span("XNYS", "10d").sessions(index))) == 10
    assert span("XNYS", "1w").need(len(span("XNYS", "1w").sessions(index))) == 3


@pytest.mark.parametrize("calendar", ["XNYS", "CME_EQUITY", "24/7"])
@pytest.mark.parametrize("period", ["1d", "10d", "2w", "3m", "1y"])
@pytest.mark.parametrize("skip", [False, True])
def test_no_later_session_needs_an_earlier_one(calendar: str, period: str, skip: bool) -> None:
    found = load_calendar(calendar)
    window = span(calendar, period, skip)
    index = found.index_from_day(day_number("2025-01-08"))
    first = window.first(index)
    for later in range(index, index + 260):
        sessions = window.sessions(later)
        assert sessions[0] >= first
        assert window.first(later) <= sessions[0]
        assert sessions[-1] < later
        assert found.day(later) - found.day(sessions[0]) <= window.most_days + 20


def test_the_date_some_months_before_the_first_year_is_the_first_day() -> None:
    assert months_before(day_number("0001-01-15"), 2) == day_number("0001-01-01")
    assert months_before(day_number("2025-12-31"), 10) == day_number("2025-02-28")
