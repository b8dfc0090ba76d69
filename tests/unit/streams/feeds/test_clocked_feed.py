"""Clocks where a table has holes, and refusals where a row cannot pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.clocked_feed import ClockedFeed, clock_times
from tapeline.streams.feeds.csv_feed import CsvFeed
from tapeline.streams.feeds.times import TableTimes
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tests.unit.streams.core.scenario import MINUTE_MS, lunch_calendar, utc
from tests.unit.streams.embedded.books import CONFIGURATION, OPEN_MS, row, write

CALENDAR = lunch_calendar()

# Sessions of the calendar: 09:30 to 12:00 and 13:00 to 16:00 on July 2, later days differ.
TIMES = {
    "the next bar": ("2025-07-02 09:31", "2025-07-02 09:31", ""),
    "a hole": ("2025-07-02 09:31", "2025-07-02 09:34", "2025-07-02 09:34"),
    "an hour of lunch": ("2025-07-02 12:00", "2025-07-02 13:00", ""),
    "the last bars before lunch": ("2025-07-02 11:58", "2025-07-02 13:00", "2025-07-02 13:00"),
    "a night": ("2025-07-02 16:00", "2025-07-03 10:00", ""),
    "the last bar of a session": ("2025-07-02 15:59", "2025-07-03 10:00", "2025-07-02 16:00"),
    "the first bar of a session": ("2025-07-02 16:00", "2025-07-03 10:01", "2025-07-03 10:01"),
    "the end of one and the start of the next": (
        "2025-07-02 15:00",
        "2025-07-03 10:30",
        "2025-07-02 16:00, 2025-07-03 10:30",
    ),
    "a whole session": ("2025-07-02 16:00", "2025-07-04 09:30", "2025-07-03 16:00"),
    "a bar after the close": ("2025-07-02 15:59", "2025-07-02 16:30", "2025-07-02 16:00"),
    "a late bar": ("2025-07-02 09:40", "2025-07-02 09:31", ""),
}


@pytest.mark.parametrize(("watermark", "label", "clocks"), TIMES.values(), ids=TIMES.keys())
def test_clocks_close_what_is_missing_before_a_bar(watermark: str, label: str, clocks: str) -> None:
    expected = [utc(each) for each in clocks.split(", ") if each]
    assert list(clock_times(CALENDAR, MINUTE_MS, utc(watermark), utc(label))) == expected


def test_a_short_last_slot_is_a_slot() -> None:
    calendar = load_calendar("CME_EQUITY")
    index = calendar.session_of(utc("2025-11-28 12:00"))
    close = calendar.close_ms(index)
    hours = 60 * MINUTE_MS
    last = calendar.slot_start(index, calendar.slot_count(index, hours) - 1, hours)
    assert close - last < hours
    assert list(clock_times(calendar, hours, last, close + 3 * hours)) == [close]


def items(tmp_path: Path, rows: list[str], toml: str = CONFIGURATION) -> list[str]:
    """What the feed hands over: minutes of bars, clocks with ``!``, codes of refusals."""
    path = write(tmp_path / "acme.csv", rows)
    router = Router(read_config(toml, "test"))
    feed = ClockedFeed(CsvFeed(str(path), "ACME", router.base_of, TableTimes()), router)
    shown = []
    for content, _, line in feed:
        if isinstance(content, Bar):
            shown.append(str((content.start_ms - OPEN_MS) // MINUTE_MS))
        elif isinstance(content, Clock):
            shown.append(f"!{(content.time_ms - OPEN_MS) // MINUTE_MS}")
        else:
            assert isinstance(content, Refusal)
            shown.append(f"{content.code}@{line}")
    assert feed.rows == len(rows)
    return shown


DAY = 24 * 60
SESSION = 390
FILES = {
    "no clock before the first bar": ([5, 6], "5 6"),
    "a clock before the bar after a hole": ([0, 1, 4], "0 1 !4 4"),
    "a clock at the close, and one at a late first bar": (
        [0, DAY + 3],
        f"0 !{SESSION} !{DAY + 3} {DAY + 3}",
    ),
    "no clock at the end of the file": ([0, 1], "0 1"),
    "no clock for a late bar": ([0, 3, 1, 4], "0 !3 3 1 4"),
    "no clock for a bar again": ([0, 1, 1, 2], "0 1 1 2"),
}


@pytest.mark.parametrize(("minutes", "shown"), FILES.values(), ids=FILES.keys())
def test_a_file_has_its_clocks(tmp_path: Path, minutes: list[int], shown: str) -> None:
    assert items(tmp_path, [row(minute) for minute in minutes]) == shown.split()


def test_a_row_that_cannot_pass_is_refused_where_it_is_and_raises_nothing(tmp_path: Path) -> None:
    rows = [row(0), row(1, "10.001"), "odd", row(2)]
    assert items(tmp_path, rows) == ["0", "off_tick@3", "schema_error@4", "!2", "2"]


def test_clocks_do_not_lead_up_to_a_bar_that_is_too_far_ahead(tmp_path: Path) -> None:
    rows = [row(0), row(40 * DAY), row(1)]
    assert items(tmp_path, rows) == ["0", str(40 * DAY), "1"]
    unlimited = CONFIGURATION + "max_ahead = 0\n"
    assert items(tmp_path, rows, unlimited).count(f"!{SESSION}") == 1
