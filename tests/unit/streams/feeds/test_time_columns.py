"""Which columns hold the time of a row, and which files are refused for their numbers."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.time_columns import joined, time_columns
from tapeline.streams.feeds.times import TableTimes, TimeUnit, table_times

START_MS = 1_704_958_800_000
"""2024-01-11 07:40:00 UTC."""


MILLISECONDS = TableTimes()


def columns(header: str, *rows: str, times: TableTimes = MILLISECONDS) -> tuple[str, ...]:
    look = [(number, row.split(",")) for number, row in enumerate(rows, 2)]
    return time_columns("book.csv", header.split(","), look, times)


CHOSEN: dict[str, tuple[str, list[str], tuple[str, ...]]] = {
    "milliseconds": ("time", [f"{START_MS}"], ("time",)),
    "before the digits of a time": ("Time,Date", ["093000,20240111"], ("date", "time")),
    "hhmmss beside yyyymmdd": ("Date,Time", ["20240111,93000"], ("date", "time")),
    "HH:MM beside an ISO date": ("DATE,TIME", ["2024-01-11,09:30"], ("date", "time")),
    "HH:MM:SS beside yyyymmdd": ("date,time", ["20240111,9:30:00"], ("date", "time")),
    "doubles of both": ("date,time", ["20240111.0,93000.0"], ("date", "time")),
    "a day with a midnight": ("date,time", ["2024-01-11T00:00:00,09:30"], ("date", "time")),
    "a day in a column timestamp": ("timestamp,time", ["20240111,09:30"], ("timestamp", "time")),
    "a time of day in a column timestamp": (
        "date,timestamp",
        ["20240111,09:30"],
        ("date", "timestamp"),
    ),
    "a whole time beside a date": ("date,time", [f"20240111,{START_MS}"], ("time",)),
    "a whole date beside a time": ("date,time", ["2024-01-11 09:30,09:30"], ("date",)),
    "a whole timestamp beside a time of day": (
        "time,timestamp",
        [f"09:30,{START_MS}"],
        ("timestamp",),
    ),
    "both whole": ("timestamp,time", [f"{START_MS},{START_MS}"], ("time",)),
    "a label before all": ("date,time,start_ms", [f"20240111,0930,{START_MS}"], ("start_ms",)),
    "a pair before a timestamp": (
        "timestamp,date,time",
        [f"{START_MS},20240111,093000"],
        ("date", "time"),
    ),
    "a label of 0": ("start_ms", ["0"], ("start_ms",)),
    "whole stamps in a column date": ("date", ["2024-01-11 09:30"], ("date",)),
    "one row at midnight": ("time", ["2024-01-11T00:00:00Z"], ("time",)),
    "a row that cannot be read comes first": (
        "date,time",
        ["soon,soon", "20240111,093000"],
        ("date", "time"),
    ),
    "no rows": ("date,time", [], ("time",)),
    "nothing that can be read": ("date,time", ["a,b"], ("time",)),
}


@pytest.mark.parametrize(("header", "rows", "chosen"), CHOSEN.values(), ids=CHOSEN.keys())
def test_the_first_column_that_is_whole_or_has_its_other_half_is_read(
    header: str, rows: list[str], chosen: tuple[str, ...]
) -> None:
    assert columns(header, *rows) == chosen


HALVES: dict[str, tuple[str, list[str], str]] = {
    "a time of day": (
        "Time,open",
        ["120000,1"],
        (
            "book.csv:2: column Time holds times of day alone ('120000');"
            " a column date with the day (yyyymmdd or yyyy-mm-dd) is needed beside it"
        ),
    ),
    "a row that cannot be read comes first": (
        "time",
        ["soon", "120000"],
        "book.csv:3: column time holds times of day alone ('120000')",
    ),
    "a time of day with colons": ("time", ["09:30"], "column time holds times of day alone"),
    "a day": (
        "Timestamp",
        ["2024-01-11", "2024-01-12"],
        (
            "book.csv:2: column Timestamp holds days alone ('2024-01-11');"
            " a column time with the time of day (hhmmss or HH:MM[:SS]) is needed beside it"
        ),
    ),
    "digits of a day": ("Date", ["20240111"], "column Date holds days alone ('20240111')"),
    "two days": ("date,time", ["20240111,2024-01-11"], "column time holds days alone"),
    "two times of day": ("time,timestamp", ["09:30,93000"], "column time holds times of day"),
    "hours and minutes": (
        "date,time",
        ["20240111,930", "20240111,931"],
        "book.csv:2: time '930' may be hhmm or hhmmss; write it as HH:MM or HH:MM:SS",
    ),
    "hours and minutes with zeros": ("date,time", ["20240111,0930"], "may be hhmm or hhmmss"),
    "no column of a time": ("when", ["1"], "no time column; one of start_ms, start, start_utc,"),
}


@pytest.mark.parametrize(("header", "rows", "message"), HALVES.values(), ids=HALVES.keys())
def test_half_a_stamp_alone_is_refused_with_its_name(
    header: str, rows: list[str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        columns(header, *rows)
    assert message in str(caught.value)


OTHER_UNITS: dict[str, tuple[TimeUnit, str, str]] = {
    "seconds": (
        "ms",
        "1704958800",
        (
            "book.csv:2: time 1704958800 is 1970-01-20T17:35:58.800Z in milliseconds;"
            " in seconds it is 2024-01-11T07:40:00Z: give --time-unit s"
        ),
    ),
    "seconds with a fraction": (
        "ms",
        "1704958800.25",
        "is no time in milliseconds; in seconds it is 2024-01-11T07:40:00.250Z: give --time-unit s",
    ),
    "microseconds": ("ms", f"{START_MS}000", "in microseconds it is 2024-01-11T07:40:00Z: give"),
    "nanoseconds": ("ms", f"{START_MS}000000", "in nanoseconds it is 2024-01-11T07:40:00Z: give"),
    "milliseconds": ("s", f"{START_MS}", "in milliseconds it is 2024-01-11T07:40:00Z: give"),
    "a double of seconds": ("ms", "1704958800.0", "in seconds it is 2024-01-11T07:40:00Z"),
    "an exponent": ("ms", "1.7049588e9", "in seconds it is 2024-01-11T07:40:00Z"),
    "fourteen digits of a date": (
        "ms",
        "20240111094000",
        (
            "book.csv:2: time 20240111094000 is 2611-05-21T13:04:54Z in milliseconds;"
            " as digits of a date it is 2024-01-11T09:40:00: write it so, or as a date and a time"
        ),
    ),
    "twelve digits of a date": ("ms", "202401110940", "as digits of a date it is 2024-01-11T09:40"),
    "and of a column of doubles": ("ms", "20240111094000.0", "it is 2024-01-11T09:40:00: write"),
}


@pytest.mark.parametrize(("unit", "text", "message"), OTHER_UNITS.values(), ids=OTHER_UNITS.keys())
def test_numbers_in_another_unit_are_refused_with_what_they_would_be(
    unit: TimeUnit, text: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        columns("time", text, times=TableTimes(unit=unit))
    assert message in str(caught.value)


LEFT_TO_THE_CHECKS: dict[str, list[str]] = {
    "one of them is plausible": ["1704958800", f"{START_MS}"],
    "an ISO time is among them": ["1704958800", "2024-01-11T07:40:00Z"],
    "plausible in no unit": ["7", "12345678901234567890123"],
    "no numbers": ["soon"],
}


@pytest.mark.parametrize("rows", LEFT_TO_THE_CHECKS.values(), ids=LEFT_TO_THE_CHECKS.keys())
def test_a_file_that_is_not_wholly_in_another_unit_is_read_row_by_row(rows: list[str]) -> None:
    assert columns("time", *rows, "7777777") == ("time",)


def test_what_is_plausible_is_a_setting() -> None:
    config = read_config('[time]\nearliest = "1970-01-01"', "test")
    assert columns("time", "1704958800", times=table_times(config, None, None)) == ("time",)
    near = read_config('[time]\nlatest = "2024-01-01"', "test")
    assert columns("time", "1704958800", times=table_times(near, None, None)) == ("time",)


@pytest.mark.parametrize("unit", ["ms", "s"])
def test_halves_are_read_together_also_where_bars_of_1970_are_let_in(unit: TimeUnit) -> None:
    config = read_config('[time]\nearliest = "1962-01-02"', "test")
    times = table_times(config, None, unit)
    rows = ["20240111,120000", "20240112,60000", "20240112,180000"]
    assert columns("date,time", *rows, times=times) == ("date", "time")
    iso = ["2024-01-11,120000", "2024-01-12,180000"]
    assert columns("date,time", *iso, times=times) == ("date", "time")


def test_a_number_that_a_spreadsheet_has_shortened_is_refused_where_two_rows_have_it() -> None:
    with pytest.raises(InputError, match=r"book.csv:4: time 1.7049E\+12 is that of line 3, too"):
        columns("time", "1.7048E+12", "1.7049E+12", "1.7049E+12")


WHOLE = {
    "each row has its own": ["1.7049E+12,A", "1.7050E+12,A"],
    "each symbol has its own": ["1.7049E+12,A", "1.7049E+12,B"],
    "all digits are there": ["1.704958800000E+12,A", "1.704958800000E+12,A"],
    "no exponent": [f"{START_MS},A", f"{START_MS},A"],
}


@pytest.mark.parametrize("rows", WHOLE.values(), ids=WHOLE.keys())
def test_an_exponent_alone_is_no_fault(rows: list[str]) -> None:
    assert columns("time,symbol", *rows) == ("time",)


JOINED = {
    ("20240111", "093000"): "2024-01-11T09:30:00",
    ("20240111", "93000"): "2024-01-11T09:30:00",
    ("20240111", "0"): "2024-01-11T00:00:00",
    ("2024-01-11", "09:30"): "2024-01-11T09:30:00",
    (" 2024-01-11 ", " 9:30:15.250 "): "2024-01-11T09:30:15.250",
    ("2024-01-11", "09:30:00Z"): "2024-01-11T09:30:00Z",
    ("2024-01-11T00:00:00", "09:30-05:00"): "2024-01-11T09:30:00-05:00",
    ("20240111.0", "93000.0"): "2024-01-11T09:30:00",
}


@pytest.mark.parametrize(("cells", "text"), JOINED.items())
def test_a_day_and_a_time_of_day_make_a_stamp(cells: tuple[str, str], text: str) -> None:
    assert joined(*cells) == text


@pytest.mark.parametrize(
    ("day", "time", "message"),
    [
        ("soon", "093000", "'soon' is no day"),
        ("2024-01-11T07:00:00", "093000", "is no day"),
        ("20240111", "soon", "'soon' is no time of day"),
        ("20240111", "", "'' is no time of day"),
        ("20240111", "0930000", "'0930000' is no time of day"),
        ("11.01.2024", "09:30", "'11.01.2024' is no day"),
    ],
)
def test_what_is_no_half_is_refused(day: str, time: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        joined(day, time)
