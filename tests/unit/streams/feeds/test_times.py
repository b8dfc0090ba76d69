"""Times of table cells."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.calendars import load_zone
from tapeline.streams.calendars.zones import zone_changes
from tapeline.streams.feeds.times import (
    EPOCH,
    MILLISECOND,
    NaiveTimeError,
    RepeatedTimeError,
    TableTimes,
    TimeUnit,
    time_reader,
)

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
    assert time_reader(TableTimes())(text) == NINE_THIRTY_MS


@pytest.mark.parametrize("text", ["2025-07-02T09:30:00", "2025-07-02 09:30", "2025-07-02"])
def test_a_time_without_offset_needs_a_zone(text: str) -> None:
    with pytest.raises(NaiveTimeError, match="no offset"):
        time_reader(TableTimes())(text)
    assert time_reader(TableTimes(load_zone("America/New_York")))(text) <= NINE_THIRTY_MS


NO_TIMES = ("", "soon", "1_751", "12:30", "2025-07-02T25:00:00Z", "2025-07-02T09:75:00Z", "1.5")


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        time_reader(TableTimes())(text)


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
    read = time_reader(TableTimes(load_zone("America/New_York")))
    with pytest.raises(ValueError, match=f"'{re.escape(text)}' is no time in whole milliseconds"):
        read(text)


def test_a_time_that_is_none_is_named_as_it_is_written() -> None:
    with pytest.raises(ValueError, match="'2025-13-02T13:31:07Z' is no time"):
        time_reader(TableTimes())("2025-13-02T13:31:07Z")


def test_a_wall_time_that_a_clock_change_skips_is_refused() -> None:
    read = time_reader(TableTimes(load_zone("America/New_York")))
    with pytest.raises(ValueError, match="does not exist"):
        read("2025-03-09T02:30:00")


def test_a_wall_time_that_occurs_twice_is_neither_of_both_instants() -> None:
    read = time_reader(TableTimes(load_zone("America/New_York")))
    with pytest.raises(RepeatedTimeError) as caught:
        read("2025-11-02T01:30:00")
    error = caught.value
    assert error.first_ms == read("2025-11-02T01:30:00-04:00")
    assert error.second_ms == read("2025-11-02T01:30:00-05:00")
    assert error.change_ms == read("2025-11-02T06:00:00Z")
    assert str(error) == (
        "'2025-11-02T01:30:00' occurs twice in America/New_York, at 2025-11-02T05:30:00Z"
        " and at 2025-11-02T06:30:00Z"
    )


UNITS: list[tuple[TimeUnit, str]] = [
    ("s", "1751463000"),
    ("s", "1751463000.0"),
    ("s", "1.751463e9"),
    ("s", " 1751463000.000 "),
    ("ms", "1751463000000"),
    ("us", "1751463000000000"),
    ("us", "1.751463e15"),
    ("ns", "1751463000000000000"),
    ("s", "2025-07-02T13:30:00Z"),
]


@pytest.mark.parametrize(("unit", "text"), UNITS)
def test_a_number_counts_in_the_unit_of_its_file(unit: TimeUnit, text: str) -> None:
    assert time_reader(TableTimes(unit=unit))(text) == NINE_THIRTY_MS


def test_seconds_with_a_fraction_are_exact_to_the_millisecond() -> None:
    read = time_reader(TableTimes(unit="s"))
    assert read("1751463000.001") == NINE_THIRTY_MS + 1
    assert read("-0.25") == -250
    assert read(f"1751463000.{'250'.ljust(40, '0')}") == NINE_THIRTY_MS + 250


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("s", "1751463000.0001"),
        ("s", f"1751463000.{'1'.rjust(40, '0')}"),
        ("us", "1751463000000001"),
        ("us", "1751463000000000.5"),
        ("ns", "1751463000000000001"),
        ("s", "9223372036854775808"),
        ("s", "9223372036854775.808"),
        ("s", "1e400"),
        ("s", "nan"),
        ("s", "1_751"),
        ("ns", "1e-999999"),
    ],
)
def test_a_number_between_two_milliseconds_or_too_large_is_refused_in_any_unit(
    unit: TimeUnit, text: str
) -> None:
    with pytest.raises(ValueError, match="is no time in whole milliseconds"):
        time_reader(TableTimes(unit=unit))(text)


@given(
    st.datetimes().filter(lambda when: when.year > 1),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(("T", " ")),
)
def test_the_short_way_through_an_hour_agrees_with_the_long_one(
    when: datetime, offset: int, separator: str
) -> None:
    whole = when.replace(microsecond=when.microsecond // 1_000 * 1_000)
    aware = whole.replace(tzinfo=timezone(timedelta(minutes=offset)))
    read = time_reader(TableTimes())
    for text in (aware.isoformat(separator), aware.replace(minute=0).isoformat(separator)):
        assert read(text) == (datetime.fromisoformat(text) - EPOCH) // MILLISECOND


@given(
    st.datetimes(datetime(1985, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from(("America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Tehran")),
    st.booleans(),
)
def test_the_short_way_through_an_hour_of_a_zone_agrees_with_the_long_one(
    when: datetime, zone: str, near: bool
) -> None:
    table = load_zone(zone)
    if near:
        changes = [each.instant_ms + each.offset_ms for each in zone_changes(zone)[1:]]
        nearest = min(changes, key=lambda each: abs(each - _epoch_ms(when)))
        when = EPOCH.replace(tzinfo=None) + timedelta(
            milliseconds=nearest, minutes=when.minute * 4 - 120, seconds=when.second
        )
    when = when.replace(microsecond=0)
    read = time_reader(TableTimes(table))
    instants = table.instants_of(_epoch_ms(when))
    for text in (when.replace(minute=7).isoformat(), when.isoformat(" ")):
        try:
            found = [read(text)]
        except RepeatedTimeError as error:
            found = [error.first_ms, error.second_ms]
        except ValueError:
            found = []
    assert found == instants


def _epoch_ms(when: datetime) -> int:
    return (when.replace(tzinfo=EPOCH.tzinfo) - EPOCH) // MILLISECOND
