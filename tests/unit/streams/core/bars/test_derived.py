"""Derived bars: windows, their members, their order, their quality."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tapeline.schemas.records import Bar, LogRecord
from tests.unit.streams.core.scenario import (
    MINUTE_MS,
    Tape,
    at,
    coin,
    equity,
    flat,
    lunch,
    minutes,
    run_of,
    utc,
    when,
)

DAY = "2025-07-02"
OPEN = at(f"{DAY} 09:30")


def intervals(*names: str) -> str:
    """Section of the derived intervals."""
    return f"[derived]\nintervals = {list(names)!r}\n".replace("'", '"')


def bars(tape: Tape, interval: str) -> list[dict[str, Any]]:
    """Derived bars of one interval in order of start."""
    found = [fact for fact in tape.of("derived_bar").values() if fact["interval"] == interval]
    return sorted(found, key=lambda fact: int(fact["start_ms"]))


def shape(tape: Tape, interval: str) -> list[tuple[str | None, int, bool]]:
    """Start in New York, need and truncated of every bar of one interval."""
    return [
        (when(fact["start_ms"]), fact["need"], fact["truncated"]) for fact in bars(tape, interval)
    ]


def index_future(first: str, count: int) -> Tape:
    """ES from a session's open on."""
    tape = Tape()
    tape.take(*minutes("ES", first, count))
    return tape


HOURS = [(f"{DAY} {hour:02d}:30", 60, False) for hour in range(9, 15)]
EVENING = ["2025-12-08 18:00", "2025-12-08 22:00"]
MORNING = [f"2025-12-09 {hour:02d}:00" for hour in (2, 6, 10)]
WINDOWS: dict[str, tuple[str, int, str, list[tuple[str, int, bool]]]] = {
    "XNYS hours": ("ACME", 390, "60m", [*HOURS, (f"{DAY} 15:30", 30, True)]),
    "XNYS four hours": (
        "ACME",
        390,
        "240m",
        [(f"{DAY} 09:30", 240, False), (f"{DAY} 13:30", 150, True)],
    ),
    "XNYS day": ("ACME", 390, "1d", [(f"{DAY} 09:30", 390, False)]),
    "CME four hours": (
        "ES",
        1380,
        "240m",
        [
            *((start, 240, False) for start in [*EVENING, *MORNING]),
            ("2025-12-09 14:00", 180, True),
        ],
    ),
    "CME day": ("ES", 1380, "1d", [("2025-12-08 18:00", 1380, False)]),
}


@pytest.mark.parametrize(("symbol", "count", "interval", "found"), WINDOWS.values(), ids=WINDOWS)
def test_windows_are_counted_from_the_open(
    symbol: str, count: int, interval: str, found: list[tuple[str, int, bool]]
) -> None:
    tape = index_future("2025-12-08 18:00", count) if symbol == "ES" else equity()
    if symbol == "ACME":
        tape.take(*minutes("ACME", OPEN, count))
    assert shape(tape, interval) == found
    assert all(fact["complete"] and fact["have"] == fact["need"] for fact in bars(tape, interval))
    assert bars(tape, interval)[-1]["end_ms"] == tape.engine.watermark_ms(symbol)


def test_an_early_close_cuts_the_last_window_short() -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-07-03 09:30", 210))
    assert shape(tape, "60m")[-1] == ("2025-07-03 12:30", 30, True)
    assert shape(tape, "240m") == [("2025-07-03 09:30", 210, True)]
    assert when(bars(tape, "240m")[0]["end_ms"]) == "2025-07-03 13:00"
    assert shape(tape, "1d") == [("2025-07-03 09:30", 210, False)]


def test_midnight_and_a_change_of_clocks_start_no_window() -> None:
    tape = index_future("2025-10-31 16:50", 10)
    tape.take(*minutes("ES", "2025-11-02 18:00", 361))
    assert shape(tape, "240m")[-1] == ("2025-11-02 18:00", 240, False)
    assert [fact["session"] for fact in bars(tape, "60m")[-6:]] == ["2025-11-03"] * 6


def test_a_bar_has_open_and_close_of_its_ends_and_the_extremes_of_all() -> None:
    tape = equity()
    prices = [(10, 12, 9, 11), (11, 11, 11, 11), (11, 15, 10, 12), (12, 13, 5, 6), (7, 8, 6, 7)]
    for number, (opened, high, low, close) in enumerate(prices):
        tape.take(Bar("ACME", "1m", OPEN + number * MINUTE_MS, opened, high, low, close, number))
    [fact] = bars(tape, "5m")
    assert (fact["open"], fact["high"], fact["low"], fact["close"]) == (10, 15, 5, 7)
    assert (fact["volume"], fact["have"], fact["complete"]) == (10, 5, True)
    assert fact["id"] == f"derived_bar|ACME|5m|{OPEN}"
    assert (fact["session"], fact["end_ms"]) == (DAY, OPEN + 5 * MINUTE_MS)
    assert fact["event_ms"] == fact["end_ms"]


def test_a_window_with_holes_is_published_and_one_without_bars_is_not() -> None:
    tape = equity()
    tape.take(flat("ACME", OPEN + MINUTE_MS, 10.0), flat("ACME", OPEN + 12 * MINUTE_MS, 11.0))
    [fact] = bars(tape, "5m")
    assert (fact["start_ms"], fact["have"], fact["need"]) == (OPEN, 1, 5)
    assert (fact["complete"], fact["truncated"]) == (False, False)
    tape.clock("ACME", f"{DAY} 10:00")
    assert [fact["start_ms"] for fact in bars(tape, "5m")] == [OPEN, OPEN + 10 * MINUTE_MS]
    assert [fact["have"] for fact in bars(tape, "30m")] == [2]


def test_a_window_is_published_when_the_watermark_reaches_its_end() -> None:
    tape = equity()
    tape.take(*minutes("ACME", OPEN, 4))
    assert bars(tape, "5m") == []
    assert tape.clock("ACME", f"{DAY} 09:34:59") == []
    tape.clock("ACME", f"{DAY} 09:35")
    [event] = tape.versions(f"derived_bar|ACME|5m|{OPEN}")
    assert (event.have, event.event_ms, event.watermark_ms) == (4, OPEN + 300_000, OPEN + 300_000)
    late = equity()
    late.take(*minutes("ACME", OPEN, 4), flat("ACME", OPEN + 7 * MINUTE_MS, 10.0))
    [event] = late.versions(f"derived_bar|ACME|5m|{OPEN}")
    assert (event.event_ms, event.watermark_ms) == (OPEN + 300_000, OPEN + 480_000)


def test_incomplete_bars_may_be_skipped() -> None:
    toml = intervals("5m", "15m", "1d") + 'incomplete = "skip"\n'
    tape = equity(sections=toml)
    book = minutes("ACME", OPEN, 390)
    del book[7]
    tape.take(*book)
    assert len(bars(tape, "5m")) == 77
    assert len(bars(tape, "15m")) == 25
    assert bars(tape, "1d") == []
    assert OPEN + 5 * MINUTE_MS not in [fact["start_ms"] for fact in bars(tape, "5m")]
    assert tape.view[f"session|ACME|{DAY}"]["bars"] == 389


def test_windows_closed_by_one_record_come_by_end_then_length() -> None:
    tape = equity()
    tape.take(*minutes("ACME", OPEN, 58))
    published = tape.take(flat("ACME", OPEN + 75 * MINUTE_MS, 10.0))
    closed = [event.id.split("|")[2:] for event in published if event.id.startswith("derived_bar")]
    assert closed == [
        ["5m", str(OPEN + 55 * MINUTE_MS)],
        ["15m", str(OPEN + 45 * MINUTE_MS)],
        ["30m", str(OPEN + 30 * MINUTE_MS)],
        ["60m", str(OPEN)],
    ]
    published = tape.clock("ACME", "2025-07-07 09:00")
    closed = [event.id.split("|")[2:] for event in published if event.id.startswith("derived_bar")]
    ends = [event.event_ms for event in published if event.id.startswith("derived_bar")]
    assert [name for name, _ in closed] == ["5m", "15m", "30m", "60m", "240m", "1d", "1w"]
    assert ends == sorted(ends)


def test_lengths_that_do_not_divide_each_other_are_folded_from_the_base_bars() -> None:
    tape = equity(sections=intervals("7m", "5m", "35m"))
    for number in range(70):
        price = 100.0 + (number * 37) % 70
        start = OPEN + number * MINUTE_MS
        tape.take(Bar("ACME", "1m", start, price, price + 1, price - 1, price, number))
    for length in (5, 7, 35):
        found = bars(tape, f"{length}m")
        assert len(found) == 70 // length
        for number, fact in enumerate(found):
            members = range(number * length, (number + 1) * length)
            prices = [100.0 + (member * 37) % 70 for member in members]
            assert (fact["open"], fact["close"]) == (prices[0], prices[-1])
            assert (fact["high"], fact["low"]) == (max(prices) + 1, min(prices) - 1)
            assert (fact["volume"], fact["have"]) == (sum(members), length)


def test_seven_minutes_leave_five_at_the_close() -> None:
    tape = equity(sections=intervals("5m", "7m"))
    tape.take(*minutes("ACME", OPEN, 390))
    assert len(bars(tape, "7m")) == 56
    assert shape(tape, "7m")[-1] == (f"{DAY} 15:55", 5, True)
    published = [
        event.id.split("|")[2] for event in tape.events if event.event_ms == at(f"{DAY} 16:00")
    ]
    assert [name for name in published if name in ("5m", "7m")] == ["5m", "7m"]


BASES = {
    # Slots of a session of CME_EQUITY, XNYS and 24/7, and the default intervals that apply.
    "1s": (82_800, 23_400, 86_400, ["5m", "15m", "30m", "60m", "240m", "1d", "1w"]),
    "1m": (1380, 390, 1440, ["5m", "15m", "30m", "60m", "240m", "1d", "1w"]),
    "5m": (276, 78, 288, ["15m", "30m", "60m", "240m", "1d", "1w"]),
    "15m": (92, 26, 96, ["30m", "60m", "240m", "1d", "1w"]),
    "30m": (46, 13, 48, ["60m", "240m", "1d", "1w"]),
    "60m": (23, 7, 24, ["240m", "1d", "1w"]),
    "240m": (6, 2, 6, ["1d", "1w"]),
}
OPENS = {
    "CME_EQUITY": at("2025-12-08 18:00"),
    "XNYS": at("2025-12-09 09:30"),
    "24/7": utc("2025-12-09 00:00"),
}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("index", range(3))
def test_the_default_intervals_that_are_coarser_multiples_of_the_base(
    base: str, index: int
) -> None:
    calendar = list(OPENS)[index]
    toml = f'[instruments.ANY]\ncalendar = "{calendar}"\nbase = "{base}"\n'
    tape = Tape(toml, "ANY")
    tape.take(flat("ANY", OPENS[calendar], 10.0, base))
    tape.clock("ANY", utc("2025-12-15 00:00"))
    slots, names = BASES[base][index], BASES[base][3]
    found = [event.id.split("|")[2] for event in tape.events if "derived_bar" in event.id]
    assert found == names
    assert tape.view["session|ANY|2025-12-09"]["expected"] == slots
    assert bars(tape, "1d")[0]["need"] == slots


def test_the_last_bar_of_four_hours_ends_at_the_close() -> None:
    tape = Tape('[instruments.LONG]\ncalendar = "CME_EQUITY"\nbase = "4h"\n', "LONG")
    start = at("2025-12-08 18:00")
    tape.take(*run_of("LONG", start, "4h", 5))
    assert tape.view["session|LONG|2025-12-09"]["state"] == "open"
    tape.take(flat("LONG", "2025-12-09 14:00", 10.0, "4h"))
    assert tape.engine.watermark_ms("LONG") == at("2025-12-09 17:00")
    [day] = bars(tape, "1d")
    assert (day["have"], day["need"], day["end_ms"]) == (6, 6, at("2025-12-09 17:00"))


def test_half_hours_of_an_early_close_leave_a_short_slot() -> None:
    # 2025-12-24 closes 13:15 New York: 38 half hours and a quarter of one.
    toml = '[instruments.HALF]\ncalendar = "CME_EQUITY"\nbase = "30m"\n'
    tape = Tape(toml, "HALF")
    tape.take(*run_of("HALF", at("2025-12-23 18:00"), "30m", 39))
    assert tape.rejected == []
    assert shape(tape, "60m")[-1] == ("2025-12-24 13:00", 1, True)
    assert bars(tape, "60m")[-1]["end_ms"] == at("2025-12-24 13:15")
    assert shape(tape, "1d") == [("2025-12-23 18:00", 39, False)]


WEEKS = {
    "early close and holiday": ("XNYS", "2025-07-02 10:00", "06-30 09:30", "07-03 13:00", 1380),
    "Thanksgiving": ("XNYS", "2025-11-28 10:00", "11-24 09:30", "11-28 13:00", 1380),
    "over New Year": ("XNYS", "2025-12-30 10:00", "12-29 09:30", "01-02 16:00", 1560),
    "index futures": ("CME_EQUITY", "2025-12-10 10:00", "12-07 18:00", "12-12 17:00", 6900),
    "two early closes": ("CME_EQUITY", "2025-07-01 10:00", "06-29 18:00", "07-04 13:00", 6435),
    "Good Friday": ("CME_EQUITY", "2025-04-17 10:00", "04-13 18:00", "04-17 17:00", 5520),
    "clocks change": ("CME_EQUITY", "2025-03-10 10:00", "03-09 18:00", "03-14 17:00", 6900),
    "every day": ("24/7", "2025-07-02 10:00", "06-29 20:00", "07-06 20:00", 10_080),
}


@pytest.mark.parametrize(("calendar", "label", "start", "end", "need"), WEEKS.values(), ids=WEEKS)
def test_a_week_has_all_sessions_of_the_calendar_also_those_before_the_first_bar(
    calendar: str, label: str, start: str, end: str, need: int
) -> None:
    tape = Tape(f'[instruments.ANY]\ncalendar = "{calendar}"\n', "ANY")
    tape.take(flat("ANY", label, 10.0))
    tape.clock("ANY", at(label) + 9 * 86_400_000)
    [week] = bars(tape, "1w")
    year = "2026" if end.startswith("01") else "2025"
    assert (when(week["start_ms"]), when(week["end_ms"])) == (f"2025-{start}", f"{year}-{end}")
    assert (week["have"], week["need"], week["truncated"]) == (1, need, False)
    assert week["quality"] == 100 / need
    monday = {"06-29 20:00": "06-30", "12-07 18:00": "12-08", "06-29 18:00": "06-30"}
    monday |= {"04-13 18:00": "04-14", "03-09 18:00": "03-10"}
    assert week["session"] == f"2025-{monday.get(start, start[:5])}"


def test_a_week_of_two_sessions_is_published_at_the_close_of_its_last() -> None:
    tape = equity()
    tape.take(*minutes("ACME", OPEN, 390), *minutes("ACME", "2025-07-03 09:30", 209))
    assert bars(tape, "1w") == []
    tape.take(flat("ACME", "2025-07-03 12:59", 100.0))
    [week] = bars(tape, "1w")
    assert (week["have"], week["need"], week["complete"]) == (600, 1380, False)
    assert week["quality"] == 100 * 600 / 1380
    assert week["event_ms"] == at("2025-07-03 13:00")


def test_quality_runs_from_the_open_of_the_session_to_the_end_of_the_bar() -> None:
    tape = equity()
    book = minutes("ACME", OPEN, 390)
    del book[5]
    tape.take(*book)
    assert [fact["quality"] for fact in bars(tape, "5m")[:4]] == [
        100.0,
        100 * 9 / 10,
        100 * 14 / 15,
        100 * 19 / 20,
    ]
    assert bars(tape, "60m")[-1]["quality"] == 100 * 389 / 390
    assert bars(tape, "1d")[0]["quality"] == 100 * 389 / 390


def test_quality_counts_the_minutes_before_the_first_bar() -> None:
    tape = equity()
    tape.take(*minutes("ACME", f"{DAY} 11:00", 5))
    assert bars(tape, "5m")[0]["quality"] == 100 * 5 / 95


VOLUMES: dict[str, tuple[list[int | float | None], str]] = {
    "whole": ([1, 2, 3, 4, 5], "15"),
    "no volume at all": ([None] * 5, "null"),
    "some without": ([None, 2, None, 0, 1], "3"),
    "nothing but zero": ([None, 0, None, None, None], "0"),
    "fractions in order of start": ([0.1, 0.2, 0.3, None, 0], "0.6000000000000001"),
    "fractions that become whole": ([0.5, 1, 0.5, 0, 0], "2"),
    "whole doubles": ([5.0, 5.0, 0, 0, 0], "10"),
    "whole before fractions": ([1, 2, 0.25, 4, 8], "15.25"),
    "beyond what a double counts": ([9007199254740993, 2, 0, 0, 0], "9007199254740995"),
}


@pytest.mark.parametrize(("volumes", "text"), VOLUMES.values(), ids=VOLUMES.keys())
def test_volumes_are_summed_in_order_and_written_without_a_needless_fraction(
    volumes: list[int | float | None], text: str
) -> None:
    tape = equity()
    for number, volume in enumerate(volumes):
        tape.take(flat("ACME", OPEN + number * MINUTE_MS, 10.0, volume=volume))
    [event] = [event for event in tape.events if event.id.startswith("derived_bar|ACME|5m")]
    assert f'"volume":{text},'.encode() in msgspec.json.encode(event)


@pytest.mark.parametrize("cut", [None, 3, 7])
def test_fractions_run_through_every_interval_bar_by_bar(cut: int | None) -> None:
    tape = equity(sections=intervals("5m", "10m", "1d"))
    for number in range(10):
        if number == cut:
            tape.restart()
        tape.take(flat("ACME", OPEN + number * MINUTE_MS, 10.0, volume=0.1))
    assert [fact["volume"] for fact in bars(tape, "5m")] == [0.5, 0.5]
    assert [fact["volume"] for fact in bars(tape, "10m")] == [0.9999999999999999]
    tape.clock("ACME", f"{DAY} 16:00")
    assert tape.view[f"session|ACME|{DAY}"]["volume"] == 0.9999999999999999


def test_fractions_after_whole_volumes_keep_what_is_below_them() -> None:
    tape = equity(sections=intervals("5m", "15m"))
    for number in range(15):
        volume = 0.5 if number == 7 else 1
        tape.take(flat("ACME", OPEN + number * MINUTE_MS, 10.0, volume=volume))
    assert [fact["volume"] for fact in bars(tape, "5m")] == [5, 4.5, 5]
    assert [fact["volume"] for fact in bars(tape, "15m")] == [14.5]


def test_off_session_bars_are_no_members() -> None:
    tape = equity()
    tape.take(flat("ACME", f"{DAY} 09:25", 1.0), *minutes("ACME", OPEN, 390))
    tape.take(flat("ACME", f"{DAY} 16:00", 999.0))
    tape.clock("ACME", f"{DAY} 17:00")
    assert {fact["low"] for fact in tape.of("derived_bar").values()} == {100.0}
    assert {fact["high"] for fact in tape.of("derived_bar").values()} == {100.0}


def test_a_break_at_noon_ends_windows_and_starts_others() -> None:
    tape = lunch()
    morning: list[LogRecord] = minutes("HK", utc(f"{DAY} 09:30"), 150)
    afternoon = minutes("HK", utc(f"{DAY} 13:00"), 180)
    del afternoon[0]
    tape.take(*morning, *afternoon)
    hours = [
        (fact["start_ms"], fact["end_ms"], fact["have"], fact["need"], fact["truncated"])
        for fact in bars(tape, "60m")
    ]
    edges = ["09:30", "10:30", "11:30", "13:00", "14:00", "15:00"]
    ends = ["10:30", "11:30", "12:00", "14:00", "15:00", "16:00"]
    have, need = [60, 60, 30, 59, 60, 60], [60, 60, 30, 60, 60, 60]
    assert hours == [
        (utc(f"{DAY} {start}"), utc(f"{DAY} {end}"), count, full, full == 30)
        for start, end, count, full in zip(edges, ends, have, need, strict=True)
    ]
    halves = [(fact["need"], fact["truncated"], fact["quality"]) for fact in bars(tape, "240m")]
    assert halves == [(150, True, 100.0), (180, True, 100 * 329 / 330)]
    assert bars(tape, "60m")[3]["quality"] == 100 * 209 / 210
    [day] = bars(tape, "1d")
    assert (day["have"], day["need"], day["end_ms"]) == (329, 330, utc(f"{DAY} 16:00"))


def test_hours_as_base_are_counted_from_each_segment() -> None:
    tape = lunch("60m", ("240m", "1d"))
    for label in ("09:30", "10:30", "11:30", "13:00", "14:00", "15:00"):
        tape.take(flat("HK", utc(f"{DAY} {label}"), 10.0, "60m"))
    assert tape.rejected == []
    assert [(fact["have"], fact["need"], fact["truncated"]) for fact in bars(tape, "240m")] == [
        (3, 3, True),
        (3, 3, True),
    ]
    assert tape.engine.watermark_ms("HK") == utc(f"{DAY} 16:00")


def test_a_window_with_its_nominal_count_is_not_truncated() -> None:
    # Seven hours of a session of six and a half: the last slot is short, but all seven are there.
    tape = Tape(
        '[instruments.H]\ncalendar = "XNYS"\nbase = "60m"\n' + intervals("420m", "480m"), "H"
    )
    tape.take(*run_of("H", OPEN, "60m", 7))
    [seven], [eight] = bars(tape, "420m"), bars(tape, "480m")
    assert (seven["have"], seven["need"], seven["truncated"]) == (7, 7, False)
    assert (eight["have"], eight["need"], eight["truncated"]) == (7, 7, True)
    assert eight["end_ms"] == at(f"{DAY} 16:00")


def test_prices_of_24_7_are_windows_of_the_utc_day() -> None:
    tape = coin()
    tape.take(*minutes("COIN", utc("2025-11-02 00:00"), 1440))
    assert [fact["start_ms"] for fact in bars(tape, "240m")] == [
        utc(f"2025-11-02 {hour:02d}:00") for hour in range(0, 24, 4)
    ]
    assert not any(fact["truncated"] for fact in tape.of("derived_bar").values())
