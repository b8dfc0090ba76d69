"""Times of table cells."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.calendars import load_zone
from streams.feeds.times import EPOCH, MILLISECOND, NaiveTimeError, time_reader

NINE_THIRTY_MS = 1_751_463_000_000

SAME_INSTANT = (
    "1751463000000",
    "1751463000000.0",
    " 1751463000000 ",
    "2025-07-02T13:30:00Z",
    "2025-07-02T13:30:00+00:00",
    "2025-07-02 13:30:00+00:00",
    "2025-07-02T09:30:00-04:00",
    "2025-07-02T09:30-04:00",
    "2025-07-02T09:30:00.000-04:00",
    "2025-07-02T13:30:00.000000Z",
    "2025-07-02T13:30:00,000000000Z",
    "1751463000000.000000",
    "1.751463e12",
    "20250702T133000Z",
)


@pytest.mark.parametrize("text", SAME_INSTANT)
def test_an_instant_may_be_written_in_many_ways(text: str) -> None:
    assert time_reader(None)(text) == NINE_THIRTY_MS


@pytest.mark.parametrize("text", ["2025-07-02T09:30:00", "2025-07-02 09:30", "2025-07-02"])
def test_a_time_without_offset_needs_a_zone(text: str) -> None:
    with pytest.raises(NaiveTimeError, match="no offset"):
        time_reader(None)(text)
    assert time_reader(load_zone("America/New_York"))(text) <= NINE_THIRTY_MS


NO_TIMES = ("", "soon", "1_751", "12:30", "2025-07-02T25:00:00Z", "2025-07-02T09:75:00Z", "1.5")


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        time_reader(None)(text)


BETWEEN_MILLISECONDS = (
    "2025-07-02T13:30:00.000001Z",
    "2025-07-02T13:30:00.0000001Z",
    "2025-07-02T13:30:00.000000001Z",
    "2025-07-02 13:30:00,1234+00:00",
    "20250702T133000.0001Z",
    "2025-07-02T09:30:00.000001",
    "2025-07-02T09:30:00.000000001",
    "1751463000000.5",
    "1751463000000.0001",
    "1751463000000.00000000000000000001",
)


@pytest.mark.parametrize("text", BETWEEN_MILLISECONDS)
def test_a_time_between_two_milliseconds_is_refused_however_it_is_written(text: str) -> None:
    read = time_reader(load_zone("America/New_York"))
    with pytest.raises(ValueError, match=f"'{re.escape(text)}' is no time in whole milliseconds"):
        read(text)


def test_a_time_that_is_none_is_named_as_it_is_written() -> None:
    with pytest.raises(ValueError, match="'2025-13-02T13:31:07Z' is no time"):
        time_reader(None)("2025-13-02T13:31:07Z")


def test_a_wall_time_that_a_clock_change_skips_is_refused() -> None:
    read = time_reader(load_zone("America/New_York"))
    with pytest.raises(ValueError, match="does not exist"):
        read("2025-03-09T02:30:00")


def test_of_a_wall_time_that_occurs_twice_the_first_is_meant() -> None:
    read = time_reader(load_zone("America/New_York"))
    assert read("2025-11-02T01:30:00") == read("2025-11-02T01:30:00-04:00")


@given(
    st.datetimes().filter(lambda moment: moment.year > 1),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(("T", " ")),
)
def test_the_short_way_through_an_hour_agrees_with_the_long_one(
    moment: datetime, offset: int, separator: str
) -> None:
    whole = moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
    aware = whole.replace(tzinfo=timezone(timedelta(minutes=offset)))
    read = time_reader(None)
    for text in (aware.isoformat(separator), aware.replace(minute=0).isoformat(separator)):
        assert read(text) == (datetime.fromisoformat(text) - EPOCH) // MILLISECOND
