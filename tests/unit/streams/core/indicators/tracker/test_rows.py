"""Rows of indicators: when they come, what they hold, and what a correction does to them.

Tests named after what users of other libraries reported say so: their names are those reports.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tapeline.schemas.events import Indicators
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tests.unit.streams.core.scenario import MINUTE_MS, Tape, at, bar, coin, equity, flat, minutes

DAY = "2025-07-02"
OPEN = at(f"{DAY} 09:30")
SMA = '[indicators.own]\nlist = ["sma(2)"]\nintervals = ["5m"]\n'


def own(*listed: str, intervals: tuple[str, ...] = ("5m",), more: str = "") -> str:
    """A set named own."""
    names, lengths = json.dumps(listed), json.dumps(intervals)
    return f"[indicators.own]\nlist = {names}\nintervals = {lengths}\n{more}"


def stock(sections: str = SMA, extra: str = "") -> Tape:
    """An equity with that set."""
    return equity(f'indicators = ["own"]\n{extra}', sections)


def rising(symbol: str, start: int, count: int, first: int = 100) -> list[LogRecord]:
    """Flat bars, each 1 above the one before."""
    return [flat(symbol, start + n * MINUTE_MS, float(first + n)) for n in range(count)]


def rows(tape: Tape, interval: str = "5m") -> list[dict[str, Any]]:
    """Rows of the view, in order."""
    found = [row for row in tape.of("indicators").values() if row["interval"] == interval]
    return sorted(found, key=lambda row: int(row["start_ms"]))


def values(tape: Tape, key: str, interval: str = "5m") -> list[Any]:
    return [row["values"][key] for row in rows(tape, interval)]


def test_a_row_comes_with_the_bar_whose_end_it_is_of() -> None:
    tape = stock()
    tape.take(*rising("ACME", OPEN, 4))
    assert rows(tape) == []
    published = tape.take(flat("ACME", OPEN + 4 * MINUTE_MS, 104.0))
    [row] = [event for event in published if isinstance(event, Indicators)]
    assert row.id == f"indicators|ACME|5m|{OPEN}"
    assert (row.session, row.start_ms, row.end_ms) == (DAY, OPEN, OPEN + 5 * MINUTE_MS)
    assert (row.event_ms, row.watermark_ms) == (row.end_ms, row.end_ms)
    assert row.values == {"sma_2_5m": None}
    assert (row.cold, row.warming, row.null_volumes) == (("sma_2_5m",), (), None)
    assert [type(event).__name__ for event in published[-2:]] == ["DerivedBar", "Indicators"]


def test_values_and_lists_are_sorted_by_key() -> None:
    tape = stock(own("sma(3)", "sma(1)", "ema(2)", "sma(2)"))
    tape.take(*rising("ACME", OPEN, 10))
    first, second = rows(tape)
    keys = ["ema_2_5m", "sma_1_5m", "sma_2_5m", "sma_3_5m"]
    assert list(first["values"]) == keys
    assert first["cold"] == ["ema_2_5m", "sma_2_5m", "sma_3_5m"]
    assert (second["cold"], second["warming"]) == (["sma_3_5m"], ["ema_2_5m"])
    assert second["values"] == {
        "ema_2_5m": 106.5, "sma_1_5m": 109.0, "sma_2_5m": 106.5, "sma_3_5m": None,
    }  # fmt: skip


def test_a_bar_that_began_before_the_history_does_not_end_warming() -> None:
    """The first window is another bar than that of a history with its first minutes."""
    tape = stock(own("sma(1)", "sma(2)"))
    tape.take(*rising("ACME", OPEN + 2 * MINUTE_MS, 13))
    assert [(row["cold"], row["warming"]) for row in rows(tape)] == [
        (["sma_2_5m"], ["sma_1_5m"]),
        ([], ["sma_2_5m"]),
        ([], []),
    ]


def test_bars_outside_the_sessions_do_not_begin_the_history() -> None:
    tape = stock(own("sma(1)"))
    tape.take(flat("ACME", OPEN - 60 * MINUTE_MS, 1.0), *rising("ACME", OPEN + 2 * MINUTE_MS, 8))
    assert [row["warming"] for row in rows(tape)] == [["sma_1_5m"], []]


def test_indicators_of_base_bars_have_a_row_for_each() -> None:
    tape = stock(own("sma(2)", intervals=("1m", "5m")))
    for number, record in enumerate(rising("ACME", OPEN, 10)):
        published = [each for each in tape.take(record) if isinstance(each, Indicators)]
        assert [each.interval for each in published] == ["1m", "5m"][: 1 + (number % 5 == 4)]
        assert published[0].end_ms == OPEN + (number + 1) * MINUTE_MS
    assert values(tape, "sma_2_1m", "1m") == [None, *(100.5 + n for n in range(9))]


def test_the_fast_path_gives_the_rows_that_the_slow_one_gives() -> None:
    log: list[LogRecord] = []
    for day in (DAY, "2025-07-03", "2025-07-07"):
        book = rising("ACME", at(f"{day} 09:30"), 180)
        log += [*book[:50], *book[57:90], *book[91:]]
    text = own("sma(3)", "ema(2)", intervals=("1m", "3m", "5m", "60m", "1d"))
    fast, slow = stock(text), stock(text, 'max_ahead = "35d"\n')
    for plan in slow.plan.instruments:
        # Below the length of a bar no run is unbroken.
        plan.max_ahead_ms = 1
    slow = Tape(plan=slow.plan)
    for plan in slow.plan.instruments:
        plan.max_ahead_ms = 0
    fast.take(*log)
    slow.take(*log)
    assert len(fast.events) > 1_000
    assert fast.rejected == slow.rejected == []
    assert list(map(msgspec.json.encode, fast.events)) == list(
        map(msgspec.json.encode, slow.events)
    )


def test_one_record_may_end_two_bars_of_an_interval() -> None:
    tape = stock()
    tape.take(flat("ACME", OPEN, 100.0))
    published = tape.take(flat("ACME", OPEN + 9 * MINUTE_MS, 102.0))
    found = [each for each in published if isinstance(each, Indicators)]
    assert [each.values["sma_2_5m"] for each in found] == [None, 101.0]


@pytest.mark.parametrize("computed", [("3m", "5m", "1w"), ("5m", "1w")])
def test_intervals_that_only_indicators_ask_for_are_no_derived_bars(
    computed: tuple[str, ...],
) -> None:
    """Also where they are the finest of a chain, each of which divides the next one."""
    derived = '[derived]\nintervals = ["15m"]\n'
    tape = stock(own("sma(1)", intervals=computed) + derived)
    tape.take(*rising("ACME", OPEN, 30))
    tape.clock("ACME", "2025-07-07 09:30")
    assert {fact["interval"] for fact in tape.of("derived_bar").values()} == {"15m"}
    counts = {name: len(rows(tape, name)) for name in (*computed, "15m")}
    assert [counts[name] for name in ("5m", "15m", "1w")] == [6, 0, 1]


def test_bars_that_are_skipped_as_derived_bars_still_reach_indicators() -> None:
    tape = stock(own("sma(1)") + '[derived]\nincomplete = "skip"\n')
    tape.take(flat("ACME", OPEN, 100.0), flat("ACME", OPEN + 5 * MINUTE_MS, 101.0))
    tape.clock("ACME", f"{DAY} 09:40")
    assert tape.of("derived_bar") == {}
    assert values(tape, "sma_1_5m") == [100.0, 101.0]


def test_incomplete_bars_can_be_passed_over() -> None:
    tape = stock(own("sma(2)", more='on_incomplete = "skip"\n'))
    book = rising("ACME", OPEN, 15)
    tape.take(*book[:5], *book[6:])
    assert [row["start_ms"] for row in rows(tape)] == [OPEN, OPEN + 10 * MINUTE_MS]
    assert values(tape, "sma_2_5m") == [None, (104.0 + 114.0) / 2]


def test_bars_without_volume_are_counted_in_the_longest_look_back() -> None:
    tape = stock(own("volume_sma(2)", "sma(1)"))
    of_session = stock(own("volume_sma(2)", "vwap"))
    for each in (tape, of_session):
        for window in (1, None, 1, None, None, 1):
            at_ms = OPEN + 5 * MINUTE_MS * len(rows(each))
            each.take(flat("ACME", at_ms, 1.0, volume=window))
            each.clock("ACME", at_ms + 5 * MINUTE_MS)
    assert [row["null_volumes"] for row in rows(tape)] == [0, 1, 1, 1, 2, 1]
    assert [row["null_volumes"] for row in rows(of_session)] == [0, 1, 1, 2, 3, 3]
    none = stock(own("sma(1)"))
    none.take(*[flat("ACME", OPEN + n * MINUTE_MS, 1.0, volume=None) for n in range(5)])
    assert rows(none)[0]["null_volumes"] is None


def test_vwap_resets_each_session() -> None:
    tape = stock(own("vwap"))
    for day, price in ((DAY, 100.0), ("2025-07-03", 200.0)):
        tape.take(*minutes("ACME", f"{day} 09:30", 10, price))
    assert values(tape, "vwap_5m") == [100.0, 100.0, 200.0, 200.0]
    assert [row["warming"] for row in rows(tape)] == [["vwap_5m"]] * 2 + [[]] * 2


def test_relative_volume_with_missing_minute() -> None:
    """A minute that is missing, today or before, moves no other one."""
    tape = stock(own("rvol(1)"))
    tape.take(*minutes("ACME", OPEN, 12), *minutes("ACME", OPEN + 13 * MINUTE_MS, 377))
    tape.take(*minutes("ACME", "2025-07-03 09:30", 3), *minutes("ACME", "2025-07-03 09:34", 11))
    assert values(tape, "rvol_1_5m")[-3:] == [4 / 5, 9 / 10, 1.0]


def test_corrected_bar_reaches_indicators() -> None:
    """A changed close changes the rows that hold it, and those alone, until it is forgotten."""
    tape = stock(own("sma(2)", "ema(1)"))
    book = rising("ACME", OPEN, 30)
    tape.take(*book)
    before = {row["id"]: row for row in rows(tape)}
    published = tape.take(flat("ACME", OPEN + 4 * MINUTE_MS, 204.0))
    changed = [event for event in published if isinstance(event, Indicators)]
    assert [event.start_ms for event in changed] == [OPEN, OPEN + 5 * MINUTE_MS]
    assert {event.corrects for event in changed} == {OPEN + 4 * MINUTE_MS}
    assert [event.rev for event in changed] == [1, 1]
    after = {row["id"]: row for row in rows(tape)}
    assert [before[name] == after[name] for name in before] == [False, False, *[True] * 4]


def test_a_correction_that_no_indicator_sees_publishes_no_row() -> None:
    tape = stock()
    tape.take(*rising("ACME", OPEN, 20))
    published = tape.take(bar("ACME", OPEN + MINUTE_MS, 90.0, 130.0, 101.0))
    assert "DerivedBar" in {type(event).__name__ for event in published}
    assert [event for event in published if event.id.startswith("indicators|")] == []


def test_a_correction_that_leaves_no_bar_takes_its_row_back() -> None:
    tape = stock(own("sma(2)"))
    tape.take(flat("ACME", OPEN, 100.0), flat("ACME", OPEN + 5 * MINUTE_MS, 102.0))
    tape.take(*rising("ACME", OPEN + 10 * MINUTE_MS, 5, 104))
    published = tape.take(Cancel("ACME", "1m", OPEN + 5 * MINUTE_MS))
    found = [event for event in published if event.id.startswith("indicators|ACME|5m|")]
    assert [(event.op, event.event_ms - OPEN) for event in found] == [
        ("retract", 10 * MINUTE_MS),
        ("upsert", 15 * MINUTE_MS),
    ]
    assert values(tape, "sma_2_5m") == [None, (100.0 + 108.0) / 2]


LATEST = own("sma(2)", intervals=("5m", "1d"), more='publish = "latest"\n')


def test_the_latest_row_is_one_fact_that_grows() -> None:
    tape = stock(LATEST)
    tape.take(*rising("ACME", OPEN, 15))
    [fact] = rows(tape)
    versions = tape.versions("indicators|ACME|5m")
    assert fact["id"] == "indicators|ACME|5m"
    assert [each.event_ms - OPEN for each in versions] == [n * 5 * MINUTE_MS for n in (1, 2, 3)]
    assert {each.rev for each in versions} == {0}
    assert fact["values"] == {"sma_2_5m": (109.0 + 114.0) / 2}


def test_a_record_that_ends_two_bars_publishes_the_latest_of_them() -> None:
    tape = stock(LATEST)
    tape.take(flat("ACME", OPEN, 100.0))
    published = tape.take(flat("ACME", OPEN + 9 * MINUTE_MS, 102.0))
    found = [each for each in published if isinstance(each, Indicators)]
    assert [each.end_ms - OPEN for each in found] == [10 * MINUTE_MS]


def test_a_correction_publishes_the_latest_row_once_and_only_if_it_changed() -> None:
    tape = stock(LATEST)
    tape.take(*rising("ACME", OPEN, 30))
    seen = tape.take(flat("ACME", OPEN + 24 * MINUTE_MS, 0.5))
    [row] = [event for event in seen if isinstance(event, Indicators)]
    assert (row.rev, row.corrects) == (1, OPEN + 24 * MINUTE_MS)
    assert row.values == {"sma_2_5m": (0.5 + 129.0) / 2}
    assert rows(tape)[0]["values"] == row.values
    old = tape.take(flat("ACME", OPEN + 4 * MINUTE_MS, 0.5))
    assert [event for event in old if event.id.startswith("indicators|")] == []


@pytest.mark.parametrize("restarted", [False, True])
def test_the_latest_row_is_taken_back_when_its_interval_has_no_bar_left(restarted: bool) -> None:
    tape = stock(LATEST)
    tape.take(flat("ACME", OPEN, 100.0), Clock("ACME", OPEN + 5 * MINUTE_MS))
    if restarted:
        tape.restart()
    published = tape.take(Cancel("ACME", "1m", OPEN))
    assert [event.op for event in published if event.id == "indicators|ACME|5m"] == ["retract"]
    assert rows(tape) == []


def test_the_latest_row_goes_back_to_the_bar_before() -> None:
    tape = stock(LATEST)
    tape.take(*rising("ACME", OPEN, 5), flat("ACME", OPEN + 60 * MINUTE_MS, 150.0))
    tape.clock("ACME", f"{DAY} 10:40")
    assert rows(tape)[0]["start_ms"] == OPEN + 60 * MINUTE_MS
    tape.take(Cancel("ACME", "1m", OPEN + 60 * MINUTE_MS))
    assert rows(tape)[0]["start_ms"] == OPEN


def test_a_symbol_without_indicators_has_no_tracker_of_them() -> None:
    with_some, without = stock(), equity()
    names = [tracker.name for tracker in without.engine.tracks("ACME").rules.all.trackers]
    assert names == ["sessions", "bars", "ranges", "swings"]
    names = [tracker.name for tracker in with_some.engine.tracks("ACME").rules.all.trackers]
    assert names == ["sessions", "bars", "indicators", "ranges", "swings"]


def test_windows_count_from_the_open() -> None:
    tape = stock(own("sma(1)", intervals=("60m",)))
    for day in ("2025-03-07", "2025-03-10"):
        tape.take(*minutes("ACME", f"{day} 09:30", 390))
    starts = [row["start_ms"] for row in rows(tape, "60m")]
    opens = [at("2025-03-07 09:30"), at("2025-03-10 09:30")]
    # The change of the clocks lies between the two.
    assert opens[1] - opens[0] == (3 * 24 - 1) * 60 * MINUTE_MS
    assert starts == [opened + n * 60 * MINUTE_MS for opened in opens for n in range(7)]


def test_daily_indicator_ignores_extended_hours() -> None:
    tape = stock(own("sma(1)", intervals=("1d",)))
    tape.take(flat("ACME", f"{DAY} 08:00", 1.0), *minutes("ACME", OPEN, 390, 100.0))
    tape.take(flat("ACME", f"{DAY} 16:30", 999.0))
    assert values(tape, "sma_1_1d", "1d") == [100.0]


def test_last_minute_of_five_is_in() -> None:
    tape = stock(own("sma(1)"))
    tape.take(*rising("ACME", OPEN, 5))
    assert values(tape, "sma_1_5m") == [104.0]
    late = stock(own("sma(1)"))
    late.take(*rising("ACME", OPEN, 4))
    assert rows(late) == []
    late.clock("ACME", OPEN + 5 * MINUTE_MS)
    assert values(late, "sma_1_5m") == [103.0]


def test_fill_forward_feeds_nothing() -> None:
    tape = stock(own("sma(2)"))
    book = rising("ACME", OPEN, 5)
    tape.take(*book, flat("ACME", OPEN + 60 * MINUTE_MS, 200.0))
    tape.clock("ACME", f"{DAY} 16:00")
    assert values(tape, "sma_2_5m") == [None, (104.0 + 200.0) / 2]


def test_higher_interval_only_after_its_end() -> None:
    tape = stock(own("sma(1)", intervals=("5m", "15m")))
    for record in rising("ACME", OPEN, 40):
        assert isinstance(record, Bar)
        for event in tape.take(record):
            if isinstance(event, Indicators):
                assert event.end_ms == record.start_ms + MINUTE_MS
                assert event.values[f"sma_1_{event.interval}"] == record.close
    assert [row["end_ms"] - OPEN for row in rows(tape, "15m")] == [15 * MINUTE_MS, 30 * MINUTE_MS]


def test_open_candle_gives_no_signal() -> None:
    tape = stock(own("sma(1)"))
    for record in rising("ACME", OPEN, 9):
        tape.take(record)
    assert [row["start_ms"] for row in rows(tape)] == [OPEN]


def test_relabelled_resample_looks_ahead() -> None:
    """A row is labelled by the start of its bar, and nothing of it is out before the bar's end."""
    tape = stock(own("sma(1)", intervals=("1m", "5m")))
    for record in rising("ACME", OPEN, 30):
        tape.take(record)
    for event in tape.events:
        if isinstance(event, Indicators):
            assert event.start_ms < event.end_ms == event.event_ms <= event.watermark_ms


def test_one_missing_bar_leaves_the_rest() -> None:
    whole, holed = stock(own("sma(3)")), stock(own("sma(3)"))
    book = rising("ACME", OPEN, 60)
    whole.take(*book)
    holed.take(*book[:7], *book[8:])
    # A minute in the midst of a window is no close of it.
    assert values(whole, "sma_3_5m") == values(holed, "sma_3_5m")
    closing = stock(own("sma(3)"))
    closing.take(*book[:9], *book[10:])
    same = [
        a == b for a, b in zip(values(whole, "sma_3_5m"), values(closing, "sma_3_5m"), strict=True)
    ]
    assert same == [True, True, False, False, *[True] * 8]


def test_history_then_live_seam() -> None:
    """An engine that is restored anywhere goes on with the same rows."""
    book = rising("ACME", OPEN, 47)
    text = own("sma(3)", "ema(2)", intervals=("1m", "5m"))
    live = stock(text)
    live.take(*book)
    for cut in (1, 4, 5, 23):
        tape = stock(text)
        tape.take(*book[:cut])
        tape.restart()
        tape.take(*book[cut:])
        assert rows(tape) == rows(live)
        assert rows(tape, "1m") == rows(live, "1m")


def test_live_bar_differs_from_history() -> None:
    """The bar of the history corrects the live one: afterwards it is as if it had always been."""
    book = rising("ACME", OPEN, 30)
    other = flat("ACME", OPEN + 9 * MINUTE_MS, 77.0)
    corrected, fresh = stock(own("ema(3)")), stock(own("ema(3)"))
    corrected.take(*book, other)
    fresh.take(*book[:9], other, *book[10:])
    assert values(corrected, "ema_3_5m") == values(fresh, "ema_3_5m")


def test_warm_up_equals_running() -> None:
    """What a later start has warmed up is what the running history has, to the bit."""
    text = own("ema(2)", "rsi(2)", "macd(2, 3, 2)", "stochastic(3)", intervals=("1m",))
    book = [flat("ACME", OPEN + n * MINUTE_MS, float(100 + n * 7 % 13 + n % 5)) for n in range(390)]
    running, later = stock(text), stock(text)
    running.take(*book)
    later.take(*book[100:])
    due = {row["start_ms"]: row["values"] for row in rows(running, "1m")}
    compared = 0
    for row in rows(later, "1m"):
        for key in row["values"].keys() - {*row["cold"], *row["warming"]}:
            assert row["values"][key] == due[row["start_ms"]][key], key
            compared += 1
    assert compared > 1_000


def test_backtest_sees_all_live_sees_1000() -> None:
    """Sums begin with their session, so that more history before it changes none."""
    text = own("vwap", "obv", intervals=("5m",))
    today = rising("ACME", at("2025-07-03 09:30"), 60, 300)
    backtest, live = stock(text), stock(text)
    backtest.take(*rising("ACME", OPEN, 390), *today)
    live.take(*today)
    for key in ("vwap_5m", "obv_5m"):
        assert values(backtest, key)[-12:] == values(live, key)


def test_cached_value_changes_later() -> None:
    """Of bars in order no row has a second version."""
    tape = stock(own("ema(2)", "rsi(2)", "donchian(3)", intervals=("1m", "5m")))
    tape.take(*rising("ACME", OPEN, 60))
    found = [*rows(tape, "1m"), *rows(tape)]
    assert len(found) == 72
    assert {len(tape.versions(row["id"])) for row in found} == {1}


def test_data_dependent_warm_up() -> None:
    """A key that is cold keeps no other from its value."""
    tape = stock(own("sma(1)", "sma(50)"))
    tape.take(*rising("ACME", OPEN, 10))
    assert [row["values"] for row in rows(tape)] == [
        {"sma_1_5m": 104.0, "sma_50_5m": None},
        {"sma_1_5m": 109.0, "sma_50_5m": None},
    ]


def test_restore_points_grow_with_look_backs_and_not_with_the_history() -> None:
    tape = coin('indicators = ["own"]\n', own("sma(20)", "ema(50)", intervals=("1m", "5m")))
    sizes = []
    for number in range(1, 4_001):
        tape.take(flat("COIN", at("2025-07-02 00:00") + number * MINUTE_MS, float(number % 7 + 1)))
        if number % 1_000 == 0:
            sizes.append(len(json.dumps(tape.engine.snapshot()["hot"])))
    assert max(sizes) < 1.2 * min(sizes)


def test_the_revision_of_the_latest_row_goes_on_however_long_it_waits_for_a_bar() -> None:
    tape = stock(LATEST, "horizon_sessions = 0\n")
    tape.take(*rising("ACME", OPEN, 10), flat("ACME", OPEN + 9 * MINUTE_MS, 0.5))
    for day in ("2025-07-03", "2025-07-08", "2025-07-09", "2025-07-10"):
        tape.clock("ACME", f"{day} 16:00")
    tape.take(*rising("ACME", at("2025-07-11 09:30"), 5))
    assert [each.rev for each in tape.versions("indicators|ACME|5m")] == [0, 0, 1, 1]
