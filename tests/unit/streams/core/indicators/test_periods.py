"""Bars of an interval in a year of a calendar."""

from __future__ import annotations

import pytest

from tapeline.schemas.intervals import parse_interval
from tapeline.streams.calendars.artefacts import load_calendar
from tapeline.streams.core.calendar import Calendar, DailyCalendar
from tapeline.streams.core.indicators.periods import periods_a_year


@pytest.mark.parametrize(
    ("calendar_id", "interval", "expected"),
    [
        ("24/7", "1d", 365.3),
        ("24/7", "5m", 365.3 * 288),
        ("24/7", "1w", 52.0),
        ("XNYS", "1d", 251.6),
        ("XNYS", "1m", 251.6 * 390),
        ("XNYS", "60m", 251.6 * 7),
        ("CME_EQUITY", "60m", None),
    ],
)
def test_a_year_is_the_mean_of_ten(calendar_id: str, interval: str, expected: float | None) -> None:
    found = periods_a_year(load_calendar(calendar_id), parse_interval(interval))
    if expected is None:
        assert found == pytest.approx(258.1 * 23, rel=0.01)
    else:
        assert found == pytest.approx(expected, rel=1e-12)


def test_a_calendar_without_a_whole_year_has_none() -> None:
    day = 20_000
    empty = Calendar(
        "TOY", [day], [[day * 86_400_000]], [[day * 86_400_000 + 60_000]], [0],
        day * 86_400_000, (day + 1) * 86_400_000,
    )  # fmt: skip
    assert periods_a_year(empty, parse_interval("1m")) == 0.0


def test_every_day_is_a_session_of_a_year() -> None:
    assert periods_a_year(DailyCalendar(), parse_interval("1d")) == 365.3
