"""The built-in calendars against tables of special days, clock changes and disputed days."""

from __future__ import annotations

import csv
from datetime import date, time, timedelta
from pathlib import Path

import pytest

from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.calendar import EARLY_CLOSE
from tests.unit.streams.calendars.wall_clock import expected_edges, session_index, weekdays

FIRST, LAST = date(2024, 1, 1), date(2026, 12, 31)
XNYS_DAYS = Path(__file__).parent / "xnys-special-days-2024-2026.csv"

# Sundays on which clocks in the United States go forward and back.
CLOCK_CHANGES = {
    2015: ("03-08", "11-01"),
    2016: ("03-13", "11-06"),
    2017: ("03-12", "11-05"),
    2018: ("03-11", "11-04"),
    2019: ("03-10", "11-03"),
    2020: ("03-08", "11-01"),
    2021: ("03-14", "11-07"),
    2022: ("03-13", "11-06"),
    2023: ("03-12", "11-05"),
    2024: ("03-10", "11-03"),
    2025: ("03-09", "11-02"),
    2026: ("03-08", "11-01"),
    2027: ("03-14", "11-07"),
    2028: ("03-12", "11-05"),
    2029: ("03-11", "11-04"),
    2030: ("03-10", "11-03"),
}

# Open and close in hours from 00:00 UTC of the session date.
WINTER_HOURS = {"CME_EQUITY": (-1.0, 22.0), "XNYS": (14.5, 21.0)}
SUMMER_HOURS = {"CME_EQUITY": (-2.0, 21.0), "XNYS": (13.5, 20.0)}

# Every Good Friday and day of mourning 2015-2030: CME_EQUITY (Central), XNYS.
DISPUTED_DAYS = [
    ("2015-04-03", time(8, 15), "closed"),
    ("2016-03-25", "closed", "closed"),
    ("2017-04-14", "closed", "closed"),
    ("2018-03-30", "closed", "closed"),
    ("2018-12-05", time(8, 30), "closed"),
    ("2019-04-19", "closed", "closed"),
    ("2020-04-10", "closed", "closed"),
    ("2021-04-02", time(8, 15), "closed"),
    ("2022-04-15", "closed", "closed"),
    ("2023-04-07", time(8, 15), "closed"),
    ("2024-03-29", "closed", "closed"),
    ("2025-01-09", time(8, 30), "closed"),
    ("2025-04-18", "closed", "closed"),
    ("2026-04-03", time(8, 15), "closed"),
    ("2027-03-26", "closed", "closed"),
    ("2028-04-14", "closed", "closed"),
    ("2029-03-30", "closed", "closed"),
    ("2030-04-19", "closed", "closed"),
]


def read_special_days(path: Path, column: str) -> dict[date, time | None]:
    """Closes of special days by date; None for a closed day."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            date.fromisoformat(row["session_date"]): (
                None if row[column] == "closed" else time.fromisoformat(row[column])
            )
            for row in csv.DictReader(file)
        }


def check_every_day(calendar_id: str, special: dict[date, time | None]) -> None:
    """Every weekday 2024-2026 is as in the table, and regular if not in it."""
    calendar = load_calendar(calendar_id)
    for day in weekdays(FIRST, LAST):
        index = session_index(calendar, day)
        if day in special and special[day] is None:
            assert index == -1, f"{calendar_id} has a session on {day}, a closed day"
            continue
        opened, closed = expected_edges(calendar_id, day, special.get(day))
        assert index >= 0, f"{calendar_id} has no session on {day}"
        assert calendar.segment_opens(index) == [opened], day
        assert calendar.segment_closes(index) == [closed], day
        assert calendar.flags(index) == (EARLY_CLOSE if day in special else 0), day


def test_cme_equity_has_all_special_days_and_no_others(data_folder: Path) -> None:
    special = read_special_days(
        data_folder / "cme-equity-index-special-days.csv", column="close_central"
    )
    assert len(special) == 39
    check_every_day("CME_EQUITY", special)


def test_xnys_has_all_special_days_and_no_others() -> None:
    special = read_special_days(XNYS_DAYS, column="close_eastern")
    assert len(special) == 39
    check_every_day("XNYS", special)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library's own, for pandas 3
def test_the_table_of_xnys_days_agrees_with_exchange_calendars() -> None:
    pytest.importorskip(
        "exchange_calendars", reason="the extra `calendars` is not installed: no second source"
    )
    library = load_library_calendar("XNYS")
    special = read_special_days(XNYS_DAYS, column="close_eastern")
    found = {day: library.get(day) for day in weekdays(FIRST, LAST) if library.get(day) != time(16)}
    assert found == special


def load_library_calendar(name: str) -> dict[date, time]:
    """Closes (wall time of the exchange) by session date, of the library exchange_calendars."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(name, start="2015-01-01", end="2030-12-31")
    closes = calendar.closes.dt.tz_convert(calendar.tz)
    return {session.date(): close.time() for session, close in closes.items()}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library's own, for pandas 3
def test_every_disagreement_with_the_second_cme_source_is_a_known_one() -> None:
    pytest.importorskip(
        "exchange_calendars", reason="the extra `calendars` is not installed: no second source"
    )
    calendar = load_calendar("CME_EQUITY")
    library = load_library_calendar("CMES")
    days = weekdays(date(2015, 1, 1), date(2030, 12, 31))
    ours = {day for day in days if session_index(calendar, day) >= 0}
    shortened = {date.fromisoformat(day) for day, cme, _ in DISPUTED_DAYS if cme != "closed"}
    assert ours - set(library) == shortened
    assert set(library) - ours == set()


@pytest.mark.parametrize("calendar_id", ["CME_EQUITY", "XNYS"])
@pytest.mark.parametrize("year", CLOCK_CHANGES)
def test_utc_edges_move_by_an_hour_over_each_clock_change(calendar_id: str, year: int) -> None:
    calendar = load_calendar(calendar_id)
    forward, back = (date.fromisoformat(f"{year}-{day}") for day in CLOCK_CHANGES[year])
    winter, summer = WINTER_HOURS[calendar_id], SUMMER_HOURS[calendar_id]
    for sunday, before, after in ((forward, winter, summer), (back, summer, winter)):
        friday, monday = sunday - timedelta(days=2), sunday + timedelta(days=1)
        for day, hours in ((friday, before), (monday, after)):
            index = session_index(calendar, day)
            midnight_ms = (day - date(1970, 1, 1)).days * 86_400_000
            assert calendar.open_ms(index) == midnight_ms + round(hours[0] * 3_600_000), day
            assert calendar.close_ms(index) == midnight_ms + round(hours[1] * 3_600_000), day
            assert calendar.flags(index) == 0, day


@pytest.mark.parametrize(("day", "cme_equity", "xnys"), DISPUTED_DAYS)
def test_good_fridays_and_days_of_mourning_are_as_chosen(
    day: str, cme_equity: time | str, xnys: time | str
) -> None:
    for calendar_id, choice in (("CME_EQUITY", cme_equity), ("XNYS", xnys)):
        calendar = load_calendar(calendar_id)
        index = session_index(calendar, date.fromisoformat(day))
        if isinstance(choice, str):
            assert index == -1
        else:
            edges = (calendar.open_ms(index), calendar.close_ms(index))
            assert edges == expected_edges(calendar_id, date.fromisoformat(day), choice)
            assert calendar.flags(index) == EARLY_CLOSE


@pytest.mark.parametrize(
    ("closed_day", "next_session"),
    [
        ("2024-03-29", "2024-04-01"),  # Friday: the next one opens on Sunday
        ("2024-12-25", "2024-12-26"),  # Wednesday: on the closed day itself
        ("2025-12-25", "2025-12-26"),
        ("2026-01-01", "2026-01-02"),
        ("2021-12-24", "2021-12-27"),
    ],
)
def test_cme_equity_reopens_on_the_eve_of_the_session_after_a_closed_day(
    closed_day: str, next_session: str
) -> None:
    calendar = load_calendar("CME_EQUITY")
    day = date.fromisoformat(next_session)
    opened, _ = expected_edges("CME_EQUITY", day)
    assert session_index(calendar, date.fromisoformat(closed_day)) == -1
    assert calendar.open_ms(session_index(calendar, day)) == opened
    assert calendar.session_of(opened - 1) == session_index(calendar, day), "the next one"


@pytest.mark.parametrize("calendar_id", ["CME_EQUITY", "XNYS"])
def test_sessions_of_2015_to_2030_are_one_segment_each_and_never_overlap(calendar_id: str) -> None:
    calendar = load_calendar(calendar_id)
    first = session_index(calendar, date(2015, 1, 2))
    last = session_index(calendar, date(2030, 12, 31))
    assert (first, calendar.has_session(last + 1)) == (0, False)
    assert calendar.first_ms <= calendar.open_ms(first)
    assert calendar.last_ms == calendar.close_ms(last)
    for index in range(last + 1):
        assert len(calendar.segment_opens(index)) == len(calendar.segment_closes(index)) == 1
        assert calendar.open_ms(index) < calendar.close_ms(index)
        assert index == 0 or calendar.close_ms(index - 1) < calendar.open_ms(index)
