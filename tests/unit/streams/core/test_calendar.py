"""Sessions of one and of several segments, and wall times."""

from __future__ import annotations

import pytest

from tapeline.schemas.instants import iso_date
from tapeline.schemas.intervals import parse_interval
from tapeline.streams.calendars import load_calendar, load_zone
from tapeline.streams.core.calendar import DailyCalendar, ZoneTable, week_of
from tests.unit.streams.calendars.altered import REMOVED, altered
from tests.unit.streams.core.scenario import HOUR_MS, MINUTE_MS, at, day_number, lunch_calendar, utc

CALENDAR = lunch_calendar()

SESSION_OF = {
    "2025-07-02 00:00": "2025-07-02",
    "2025-07-02 09:29": "2025-07-02",
    "2025-07-02 09:30": "2025-07-02",
    "2025-07-02 12:00": "2025-07-02",
    "2025-07-02 12:59": "2025-07-02",
    "2025-07-02 15:59": "2025-07-02",
    "2025-07-02 16:00": "2025-07-03",
    "2025-07-03 09:59": "2025-07-03",
    "2025-07-04 11:59": "2025-07-04",
    "2025-07-04 12:00": "2025-07-07",
    "2025-07-06 12:00": "2025-07-07",
}


@pytest.mark.parametrize(("instant", "date"), SESSION_OF.items())
def test_an_instant_belongs_to_the_session_it_is_in_or_to_the_next(instant: str, date: str) -> None:
    assert CALENDAR.date(CALENDAR.session_of(utc(instant))) == date


def test_after_the_last_close_there_is_no_session() -> None:
    assert not CALENDAR.has_session(CALENDAR.session_of(utc("2025-07-07 16:00")))
    assert not CALENDAR.has_session(-1)


COVERED = {
    "2025-07-01 23:59": False,
    "2025-07-02 00:00": True,
    "2025-07-05 12:00": True,
    "2025-07-07 15:59": True,
    "2025-07-07 16:00": False,
}


@pytest.mark.parametrize(("instant", "covered"), COVERED.items())
def test_a_calendar_covers_labels_from_its_first_instant_to_its_last_close(
    instant: str, covered: bool
) -> None:
    assert CALENDAR.covers(utc(instant)) == covered


def test_a_session_is_found_by_its_date_and_a_date_without_one_is_not() -> None:
    assert CALENDAR.index_of_day(day_number("2025-07-07")) == 3
    assert CALENDAR.index_of_day(day_number("2025-07-05")) == -1
    assert CALENDAR.index_of_day(day_number("2025-07-08")) == -1


def test_a_stored_date_names_the_session_that_it_named_before_others_came_or_went() -> None:
    known = load_calendar("XNYS")
    session = known.index_of_day(day_number("2025-11-10"))
    day = known.stored_day(session)
    assert day == day_number("2025-11-10")
    fewer = altered("XNYS", {"2024-05-02": REMOVED, "2025-11-05": REMOVED})
    assert fewer.date(fewer.index_from_day(day)) == "2025-11-10"
    assert fewer.index_from_day(day) == session - 2


def test_what_lies_beyond_the_last_session_is_stored_too() -> None:
    assert [CALENDAR.index_from_day(CALENDAR.stored_day(index)) for index in range(5)] == [
        0, 1, 2, 3, 4,
    ]  # fmt: skip
    assert not CALENDAR.has_session(4)
    days = DailyCalendar()
    assert [days.index_from_day(days.stored_day(day)) for day in (-1, 0, 20_000)] == [-1, 0, 20_000]


SLOTS: dict[str, tuple[int, int, int]] = {
    # 150 + 180, 120 + 180 and 150 minutes; the last slot of a segment may be short.
    "1m": (330, 300, 150),
    "5m": (66, 60, 30),
    "7m": (22 + 26, 18 + 26, 22),
    "60m": (3 + 3, 2 + 3, 3),
    "240m": (2, 2, 1),
}


@pytest.mark.parametrize(("base", "counts"), SLOTS.items())
def test_slots_are_counted_from_the_open_of_each_segment(
    base: str, counts: tuple[int, int, int]
) -> None:
    base_ms = parse_interval(base).length_ms
    assert tuple(CALENDAR.slot_count(index, base_ms) for index in range(3)) == counts


SLOT_LABELS = {
    "2025-07-02 09:30": True,
    "2025-07-02 10:00": False,
    "2025-07-02 11:30": True,  # short: 30 minutes to lunch
    "2025-07-02 12:30": False,  # lunch
    "2025-07-02 13:00": True,
    "2025-07-02 13:30": False,  # on the morning's grid, not on the afternoon's
    "2025-07-02 16:00": False,
    "2025-07-03 09:30": False,  # opens late
    "2025-07-03 10:00": True,
    "2025-07-05 10:30": False,
    "2025-07-08 09:30": False,
}


@pytest.mark.parametrize(("label", "is_slot"), SLOT_LABELS.items())
def test_an_hour_is_a_slot_on_the_grid_of_its_segment(label: str, is_slot: bool) -> None:
    assert CALENDAR.is_slot(utc(label), HOUR_MS) == is_slot


ENDS = {
    "2025-07-02 09:30": "2025-07-02 10:30",
    "2025-07-02 11:30": "2025-07-02 12:00",
    "2025-07-02 15:00": "2025-07-02 16:00",
    "2025-07-02 12:15": "2025-07-02 13:15",  # off session: start + interval
    "2025-07-07 16:00": "2025-07-07 17:00",
}


@pytest.mark.parametrize(("label", "end"), ENDS.items())
def test_a_bar_ends_after_its_interval_or_at_the_close_of_its_segment(label: str, end: str) -> None:
    assert CALENDAR.slot_end(utc(label), HOUR_MS) == utc(end)


WINDOWS = {
    "one segment": ("2025-07-02 09:30", "2025-07-02 12:00", 150),
    "over lunch": ("2025-07-02 11:00", "2025-07-02 13:30", 90),
    "lunch itself": ("2025-07-02 12:00", "2025-07-02 13:00", 0),
    "over the night": ("2025-07-02 15:00", "2025-07-03 10:30", 90),
    "over the weekend": ("2025-07-04 11:50", "2025-07-07 09:40", 20),
    "a whole session between": ("2025-07-02 15:59", "2025-07-04 09:31", 302),
    "nothing at all": ("2025-07-05 00:00", "2025-07-06 00:00", 0),
    "half open": ("2025-07-02 09:30", "2025-07-02 09:31", 1),
}


@pytest.mark.parametrize(("start", "end", "count"), WINDOWS.values(), ids=WINDOWS.keys())
def test_a_window_holds_the_slots_labelled_inside_it(start: str, end: str, count: int) -> None:
    assert CALENDAR.count_slots(utc(start), utc(end), MINUTE_MS) == count


def test_an_iso_week_holds_the_sessions_the_calendar_has() -> None:
    assert [CALENDAR.week_bounds(index) for index in range(4)] == [(0, 2)] * 3 + [(3, 3)]
    assert week_of(day_number("2025-07-06")) + 1 == week_of(day_number("2025-07-07"))
    assert week_of(day_number("2025-12-29")) == week_of(day_number("2026-01-02"))


def test_every_utc_day_is_a_full_session_of_24_7() -> None:
    calendar = DailyCalendar()
    index = calendar.session_of(utc("2024-02-29 12:00"))
    assert calendar.date(index) == "2024-02-29"
    assert calendar.open_ms(index) == utc("2024-02-29 00:00")
    assert calendar.close_ms(index) == utc("2024-03-01 00:00")
    assert (calendar.flags(index), calendar.slot_count(index, MINUTE_MS)) == (0, 1440)
    assert calendar.session_of(calendar.close_ms(index)) == index + 1
    assert calendar.session_of(-1) == -1
    assert calendar.date(-1) == iso_date(-1) == "1969-12-31"


EDGES = {
    "winter": ("XNYS", "2025-03-07", "2025-03-07 14:30", "2025-03-07 21:00"),
    "summer": ("XNYS", "2025-03-10", "2025-03-10 13:30", "2025-03-10 20:00"),
    "early close": ("XNYS", "2025-07-03", "2025-07-03 13:30", "2025-07-03 17:00"),
    "Friday in winter": ("CME_EQUITY", "2025-03-07", "2025-03-06 23:00", "2025-03-07 22:00"),
    "Monday in summer": ("CME_EQUITY", "2025-03-10", "2025-03-09 22:00", "2025-03-10 21:00"),
    "Monday in winter": ("CME_EQUITY", "2025-11-03", "2025-11-02 23:00", "2025-11-03 22:00"),
    "Thanksgiving": ("CME_EQUITY", "2025-11-27", "2025-11-26 23:00", "2025-11-27 18:00"),
    "mourning": ("CME_EQUITY", "2025-01-09", "2025-01-08 23:00", "2025-01-09 14:30"),
}


@pytest.mark.parametrize(("name", "date", "opened", "closed"), EDGES.values(), ids=EDGES.keys())
def test_sessions_follow_the_clocks_of_their_exchange(
    name: str, date: str, opened: str, closed: str
) -> None:
    calendar = load_calendar(name)
    index = calendar.index_of_day(day_number(date))
    assert (calendar.open_ms(index), calendar.close_ms(index)) == (utc(opened), utc(closed))


NO_SESSION = {
    "XNYS": ("2025-01-09", "2025-04-18", "2025-07-04", "2025-12-25", "2026-04-03"),
    "CME_EQUITY": ("2024-03-29", "2025-04-18", "2025-12-25", "2026-01-01"),
}


@pytest.mark.parametrize(
    ("name", "date"), [(name, date) for name, dates in NO_SESSION.items() for date in dates]
)
def test_closed_days_have_no_session(name: str, date: str) -> None:
    assert load_calendar(name).index_of_day(day_number(date)) == -1


# Two hours ahead of UTC in the year's first part, one hour after the change.
BACK = ZoneTable("Back", [-(1 << 62), utc("2025-06-01 00:00")], [2 * HOUR_MS, HOUR_MS])
FORWARD = ZoneTable("Forward", [-(1 << 62), utc("2025-06-01 00:00")], [HOUR_MS, 2 * HOUR_MS])

WALL_TIMES: dict[str, tuple[ZoneTable, str, str | None]] = {
    "before the change": (BACK, "2025-05-31 12:00", "2025-05-31 10:00"),
    "just before it happens twice": (BACK, "2025-06-01 00:59", "2025-05-31 22:59"),
    "twice: the first": (BACK, "2025-06-01 01:00", "2025-05-31 23:00"),
    "twice: the first still": (BACK, "2025-06-01 01:59", "2025-05-31 23:59"),
    "once again": (BACK, "2025-06-01 02:00", "2025-06-01 01:00"),
    "just before it is skipped": (FORWARD, "2025-06-01 00:59", "2025-05-31 23:59"),
    "skipped": (FORWARD, "2025-06-01 01:00", None),
    "still skipped": (FORWARD, "2025-06-01 01:59", None),
    "after the change": (FORWARD, "2025-06-01 02:00", "2025-06-01 00:00"),
}


@pytest.mark.parametrize(("zone", "wall", "instant"), WALL_TIMES.values(), ids=WALL_TIMES.keys())
def test_a_wall_time_twice_means_the_first_and_one_skipped_is_none(
    zone: ZoneTable, wall: str, instant: str | None
) -> None:
    assert zone.to_utc(utc(wall)) == (None if instant is None else utc(instant))


def test_new_york_as_data_agrees_with_its_wall_clock() -> None:
    zone = load_zone("America/New_York")
    for wall in ("2025-03-08 18:00", "2025-03-09 03:00", "2025-07-01 00:00", "2025-11-02 01:30"):
        assert zone.to_utc(utc(wall)) == at(wall)
    assert zone.to_utc(utc("2025-03-09 02:30")) is None
