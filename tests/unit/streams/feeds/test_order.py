"""Whether a table is in order: by a look over its times, or by its rows."""

from __future__ import annotations

import pytest

from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.feeds.order import OrderCheck, ascend_as_text
from tapeline.streams.pipeline.refusals import Refusal

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
ODD = Refusal("schema_error", "odd", None)

TEXTS = {
    "milliseconds": (["1700000000000", "1700000060000", "1700000060000"], True),
    "falling": (["1700000060000", "1700000000000"], False),
    "one only": (["1700000000000"], True),
    "of unequal length": (["999", "1000"], False),
    "lengths that make up for each other": (["100", "1001", "10"], False),
    "negative": (["-100", "-200"], False),
    "exponents": (["1.9e11", "2.1e10"], False),
    "a letter for a digit": (["17000", "17a00"], False),
    "digits beyond ASCII": (["17000", "17\u0661\u0661\u0661"], False),
    "ISO": (["2025-01-02T09:59:00Z", "2025-01-02T10:00:00Z"], True),
    "ISO without offset": (["2025-01-02 09:59", "2025-01-02 10:00"], True),
    "dates": (["2025-01-31", "2025-02-01"], True),
    "one offset": (["2025-01-02T09:59:00+01:00", "2025-01-02T10:00:00+01:00"], True),
    "clocks that go back": (["2025-10-26T02:59:00+02:00", "2025-10-26T03:00:00+01:00"], False),
    "digits of offsets": (["2025-10-26T02:30:00-01:00", "2025-10-26T02:45:00-02:00"], False),
    "another separator": (["2025-01-02T09:59", "2025-01-02 10:00"], False),
    "a mark where a digit was": (["2025-01-02T09:59", "2025-01-02T1-:00"], False),
    "day first": (["31.01.2025", "01.02.2025"], False),
    "month first": (["12/31/2024", "01/01/2025"], False),
    "empty": (["", ""], False),
    "beginnings of lines": (["1700000000000,", "1700000060000,"], True),
    "a line that is cut short": (["1700000000000,", "17000000,10.00"], False),
    "a line without a comma there": (["1700000000000,", "17000000600000"], False),
    "lines without a time": ([",", ","], False),
}


@pytest.mark.parametrize(("times", "expected"), TEXTS.values(), ids=TEXTS.keys())
def test_texts_of_one_notation_ascend_as_their_times_do(times: list[str], expected: bool) -> None:
    assert ascend_as_text(times) is expected


class Ends:
    """Bars of Z end with their hour, all others last a minute."""

    def __init__(self) -> None:
        self.lengths: dict[str, int] = {}

    def __call__(self, symbol: str, start_ms: int) -> int:
        if symbol == "Z":
            return start_ms + HOUR_MS - start_ms % HOUR_MS
        self.lengths[symbol] = MINUTE_MS
        return start_ms + MINUTE_MS


def bar(symbol: str, minute: int) -> Bar:
    return Bar(symbol, "1m", minute * MINUTE_MS, 1.0, 1.0, 1.0, 1.0)


ROWS = {
    "in order": ([bar("X", 1), bar("X", 2), bar("X", 2)], True),
    "falling": ([bar("X", 2), bar("X", 1)], False),
    "falling behind a row that cannot be read": ([bar("X", 2), ODD, bar("X", 1)], False),
    "rows that cannot be read": ([ODD, bar("X", 1), ODD, ODD, bar("X", 2)], True),
    "by end, not by start": ([bar("X", 30), bar("Z", 0), bar("X", 70)], True),
    "by end, though starts ascend": ([bar("Z", 1), bar("X", 2)], False),
}


@pytest.mark.parametrize(("rows", "expected"), ROWS.values(), ids=ROWS.keys())
def test_rows_are_in_order_when_no_bar_ends_before_one_above_it(
    rows: list[LogRecord | Refusal], expected: bool
) -> None:
    assert OrderCheck(Ends()).rows(rows) is expected
    one_by_one = OrderCheck(Ends())
    assert all(one_by_one.rows([row]) for row in rows) is expected


def test_what_is_seen_at_first_sight_is_remembered_for_what_follows() -> None:
    check = OrderCheck(Ends())
    assert check.ascending(bar("X", 5), bar("X", 9))
    assert not check.ascending(bar("X", 8), bar("X", 12))
    assert check.ascending(bar("X", 9), bar("X", 12))
    assert not check.ascending(bar("X", 13), ODD)
    assert check.rows([bar("X", 12)])


def test_starts_are_looked_at_only_where_all_bars_last_equally_long() -> None:
    ends = Ends()
    check = OrderCheck(ends)
    assert not check.have_one_length(["X"])
    ends("X", 0)
    ends("Y", 0)
    assert check.have_one_length(["X", "Y"])
    assert not check.have_one_length(["X", "Z"])
    assert not check.have_one_length([])
    ends.lengths["Y"] = 1_000
    assert not check.have_one_length(["X", "Y"])
