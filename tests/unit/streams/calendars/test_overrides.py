"""Reading of the override file."""

from __future__ import annotations

import re
from datetime import date, time
from importlib.resources import files

import pytest

from tapeline.streams.calendars.overrides import Override, OverrideError, read_overrides

CALENDARS = ("CME_EQUITY", "XNYS")
CLOSED = 'calendar = "XNYS"\ndate = 2024-03-29\nchange = "closed"\nnote = "why"'
EARLY = 'calendar = "XNYS"\ndate = 2024-07-03\nchange = "early_close"\ntime = "13:00"\nnote = "why"'


def table(*entries: str) -> str:
    return "\n".join(f"[[override]]\n{entry}\n" for entry in entries)


def test_entries_are_read_in_the_order_of_the_file() -> None:
    assert read_overrides(table(EARLY, CLOSED), CALENDARS) == [
        Override("XNYS", date(2024, 7, 3), "early_close", time(13), "why"),
        Override("XNYS", date(2024, 3, 29), "closed", None, "why"),
    ]


def test_a_session_may_be_shortened_at_both_ends() -> None:
    late = EARLY.replace("early_close", "late_open").replace("13:00", "11:00")
    assert [o.change for o in read_overrides(table(EARLY, late), CALENDARS)] == [
        "early_close",
        "late_open",
    ]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("[[override", "not TOML"),
        ("[[overrides]]\n", "only tables [[override]], found ['overrides']"),
        (table(CLOSED + "\nclose = 1"), "override 1: unknown key 'close'; allowed: calendar, date"),
        (table(CLOSED.replace("2024-03-29", '"2024-03-29"')), "date = '2024-03-29'; write it as"),
        (table(CLOSED.replace("2024-03-29", "2024-03-29T00:00:00")), "without quotes"),
        (table(CLOSED.replace("date = 2024-03-29\n", "")), "date = None"),
        (table(CLOSED.replace("XNYS", "XLON")), "calendar = 'XLON'; allowed: CME_EQUITY, XNYS"),
        (table(CLOSED.replace("closed", "shut")), "change = 'shut'; allowed: closed, early_close"),
        (table(CLOSED.replace('"why"', '" "')), "override 1 (2024-03-29): note is missing"),
        (table(CLOSED + '\ntime = "08:15"'), "time = '08:15', but a closed day has none"),
        (table(EARLY.replace('time = "13:00"\n', "")), "time = None; write the wall time"),
        (table(EARLY.replace("13:00", "1pm")), "time = '1pm'; write the wall time"),
        (table(EARLY.replace("13:00", "24:00")), "time = '24:00'; write the wall time"),
        (table(EARLY, EARLY), "XNYS 2024-07-03: early_close and early_close contradict"),
        (table(CLOSED, EARLY.replace("07-03", "03-29")), "closed and early_close contradict"),
    ],
)
def test_a_wrong_entry_is_refused_with_key_and_what_is_allowed(text: str, finding: str) -> None:
    with pytest.raises(OverrideError, match=re.escape(finding)):
        read_overrides(text, CALENDARS)


def test_the_committed_overrides_name_every_known_error_and_disputed_day() -> None:
    text = files("tapeline.streams.calendars").joinpath("data", "overrides.toml").read_text("utf-8")
    named = {(o.calendar, o.day.isoformat()) for o in read_overrides(text, CALENDARS)}
    assert named >= {
        ("CME_EQUITY", "2024-03-29"),
        ("CME_EQUITY", "2025-01-09"),
        ("CME_EQUITY", "2025-04-18"),
        ("CME_EQUITY", "2015-04-03"),
        ("CME_EQUITY", "2021-04-02"),
        ("CME_EQUITY", "2023-04-07"),
        ("XNYS", "2018-12-05"),
        ("XNYS", "2025-01-09"),
    }
