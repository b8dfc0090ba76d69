"""From the cells of a row to a bar."""

from __future__ import annotations

import pytest

from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_zone
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.columns import BarColumns
from tapeline.streams.feeds.times import TableTimes
from tapeline.streams.pipeline.refusals import Refusal
from tests.unit.streams.feeds.any_time import ANY_TIME

HEADER = ("time", "open", "high", "low", "close", "volume")


def _columns(*header: str, symbol: str | None = "X") -> BarColumns:
    return BarColumns("book.csv", header, symbol, lambda _: "5m", ANY_TIME)


def _of_look(times: TableTimes, *rows: list[str]) -> BarColumns:
    look = list(enumerate(rows, 2))
    return BarColumns("book.csv", HEADER, "X", lambda _: "1m", times, look)


def _bar(row: str, *header: str, symbol: str | None = "X") -> Bar | Refusal:
    return _columns(*(header or HEADER), symbol=symbol).checked(row.split(","))


def test_a_row_is_a_bar_of_the_base_interval() -> None:
    assert _bar("60000,1,2.5,0.5,1.25,7") == Bar("X", "5m", 60_000, 1.0, 2.5, 0.5, 1.25, 7, "file")


VOLUMES = {"": None, "  ": None, "0": 0, "7": 7, " 7 ": 7, "7.0": 7, "1e3": 1_000, "7.5": 7.5}


@pytest.mark.parametrize(("text", "volume"), VOLUMES.items())
def test_a_volume_may_be_absent_whole_or_not(text: str, volume: float | None) -> None:
    bar = _bar(f"60000,1,1,1,1,{text}")
    assert isinstance(bar, Bar)
    assert (bar.volume, type(bar.volume)) == (volume, type(volume))


def test_without_a_volume_column_there_is_no_volume() -> None:
    bar = _bar("60000,1,1,1,1", *HEADER[:5])
    assert isinstance(bar, Bar)
    assert bar.volume is None


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "0", "1e400"])
def test_odd_numbers_are_left_to_the_engine(price: str) -> None:
    assert isinstance(_bar(f"60000,{price},1,1,1,1"), Bar)


REFUSED = {
    "text for a price": ("60000,ten,1,1,1,5", "open: 'ten' is no number"),
    "empty price": ("60000,1,,1,1,5", "high: is empty"),
    "blank price": ("60000,1,1, ,1,5", "low: is empty"),
    "underscores": ("60000,1,1,1,1_0,5", "close: '1_0' is no number"),
    "digits of another script": ("60000,\u0661,1,1,1,5", "open: '\u0661' is no number"),
    "text for a volume": ("60000,1,1,1,1,much", "volume: 'much' is no number"),
    "volume beyond 64 bits": (f"60000,1,1,1,1,{2**63}", "volume: is an integer of more than"),
    "volume of many digits": (f"60000,1,1,1,1,{'9' * 5_000}", "volume: is an integer of more than"),
    "text for a time": ("soon,1,1,1,1,5", "time: 'soon' is no time"),
    "time beyond 64 bits": (f"{2**63},1,1,1,1,5", "time: '9223372036854775808' is no time"),
    "time with a fraction": ("60000.5,1,1,1,1,5", "time: '60000.5' is no time"),
    "time without offset": ("2025-07-02T09:30:00,1,1,1,1,5", "time: time '2025"),
    "too few cells": ("60000,1,1", "3 columns instead of 6"),
    "too many cells": ("60000,1,1,1,1,5,", "7 columns instead of 6"),
}


@pytest.mark.parametrize(("row", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_row_that_is_no_bar_names_the_column(row: str, reason: str) -> None:
    refusal = _bar(row)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.symbol) == ("schema_error", "X")
    assert refusal.reason.startswith(reason)


def test_the_greatest_integers_of_64_bits_are_read() -> None:
    bar = _bar(f"{2**63 - 1},1,1,1,1,{2**63 - 1}")
    assert isinstance(bar, Bar)
    assert (bar.start_ms, bar.volume) == (2**63 - 1, 2**63 - 1)


SYMBOLS = {
    "named by the column": (None, "ABC", "ABC"),
    "agrees": ("ABC", "ABC", "ABC"),
    "blanks around": ("ABC", " ABC ", "ABC"),
    "disagrees": ("ABC", "ABD", None),
    "empty": (None, "", None),
    "no name": (None, "A|B", None),
}


@pytest.mark.parametrize(("given", "cell", "symbol"), SYMBOLS.values(), ids=SYMBOLS.keys())
def test_a_symbol_column_names_the_symbol_or_agrees(
    given: str | None, cell: str, symbol: str | None
) -> None:
    content = _bar(f"{cell},60000,1,1,1,1", "symbol", *HEADER[:5], symbol=given)
    assert isinstance(content, Refusal if symbol is None else Bar)
    assert content.symbol == symbol


def test_a_symbol_with_digits_and_underscores_is_a_symbol() -> None:
    content = _bar("1_000,60000,1,1,1,1", "symbol", *HEADER[:5], symbol=None)
    assert content.symbol == "1_000"


FIRST_TIMES = [
    ("timestamp", "time", "start_utc", "start", "start_ms"),
    ("timestamp", "time", "start_utc", "start"),
    ("timestamp", "time", "start_utc"),
    ("timestamp", "time"),
    ("timestamp",),
]


@pytest.mark.parametrize("names", FIRST_TIMES, ids=lambda names: names[-1])
def test_of_several_time_columns_the_first_of_the_list_counts(names: tuple[str, ...]) -> None:
    cells = ["soon"] * (len(names) - 1) + ["60000"]
    columns = _columns(*names, *HEADER[1:5])
    bar = columns.checked([*cells, "1", "1", "1", "1"])
    assert isinstance(bar, Bar)
    assert bar.start_ms == 60_000
    assert columns.ignored == names[:-1]


def test_names_of_columns_may_be_written_in_capitals() -> None:
    columns = _columns("Time", " OPEN", "High", "Low", "Close", "VWAP")
    assert isinstance(columns.checked(["0", "1", "1", "1", "1", "x"]), Bar)
    assert columns.ignored == ("VWAP",)


HEADERS = {
    "no time": (("when", *HEADER[1:]), "X", "no time column"),
    "two prices missing": (("time", "open", "close"), "X", "column high, low is missing"),
    "no symbol": (HEADER, None, "no symbol column; give --bars SYMBOL=book.csv"),
    "close twice": ((*HEADER, "Close"), "X", "column close is there twice"),
}


@pytest.mark.parametrize(("header", "symbol", "message"), HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_cannot_be_used_is_refused(
    header: tuple[str, ...], symbol: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _columns(*header, symbol=symbol)


def test_a_first_row_without_offset_asks_for_the_zone() -> None:
    row = ["2025-07-02T09:30:00", "1", "1", "1", "1", "1"]
    with pytest.raises(InputError, match=r"'2025-07-02T09:30:00' has no offset; give --tz ZONE"):
        _of_look(TableTimes(), row)
    bar = _of_look(TableTimes(load_zone("America/New_York")), row).checked(row)
    assert isinstance(bar, Bar)
    assert bar.start_ms == 1_751_463_000_000


@pytest.mark.parametrize("row", [["soon", "1", "1", "1", "1", "1"], ["60000"], []])
def test_any_other_first_row_is_left_for_the_run(row: list[str]) -> None:
    _of_look(TableTimes(), row)


def test_the_first_time_that_can_be_read_shows_whether_a_zone_is_needed() -> None:
    naive = ["2025-07-02T09:30:00", "1", "1", "1", "1", "1"]
    whole = ["2025-07-02T09:30:00Z", "1", "1", "1", "1", "1"]
    _of_look(TableTimes(), ["soon"], whole, naive)
    with pytest.raises(InputError, match="give --tz ZONE"):
        _of_look(TableTimes(), ["soon", "1", "1", "1", "1", "1"], naive, whole)


def test_a_refused_row_has_the_label_of_its_bar_where_its_time_can_be_read() -> None:
    (priceless, timeless) = (_bar("60000,ten,1,1,1,5"), _bar("soon,1,1,1,1,5"))
    assert isinstance(priceless, Refusal)
    assert isinstance(timeless, Refusal)
    assert (priceless.labels, timeless.labels) == ((60_000,), ())


PAIRS = {
    "a day that is none": ("2024-13-41,09:30", "date and time: '2024-13-41T09:30:00' is no time"),
    "no day": (",09:30", "date and time: '' is no day"),
    "no time of day": ("2024-01-11,soon", "date and time: 'soon' is no time of day"),
    "underscores": ("2024_01_11,09:30", "date: '2024_01_11' is no number"),
}


@pytest.mark.parametrize(("cells", "reason"), PAIRS.values(), ids=PAIRS.keys())
def test_a_row_whose_two_columns_make_no_time_names_both(cells: str, reason: str) -> None:
    look = [(2, ["2024-01-11", "09:30", "1", "1", "1", "1"])]
    header = ("Date", "Time", *HEADER[1:5])
    times = TableTimes(load_zone("America/New_York"))
    columns = BarColumns("book.csv", header, "X", lambda _: "1m", times, look)
    good, bad = columns.checked(look[0][1]), columns.checked([*cells.split(","), *"1111"])
    assert isinstance(good, Bar)
    assert good.start_ms == 1_704_983_400_000
    assert bad == Refusal("schema_error", reason, "X")


def test_half_a_stamp_twice_is_refused() -> None:
    row = ["2024-01-11", "2024-01-11", "09:30", "1", "1", "1", "1"]
    header = ("date", "Date", "time", *HEADER[1:5])
    with pytest.raises(InputError, match="column date is there twice"):
        BarColumns("book.csv", header, "X", lambda _: "1m", TableTimes(), [(2, row)])
