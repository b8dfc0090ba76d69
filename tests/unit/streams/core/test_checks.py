"""What a record must pass, in its order, and that a refusal leaves no trace."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.planning import plan_group
from tests.unit.streams.core.scenario import MINUTE_MS, Tape, at, equity, flat, minutes, run_of, utc

START = at("2025-07-02 09:33")
LATE = at("2025-07-02 09:30")


def odd(**changes: object) -> Bar:
    """The next bar of the book, changed."""
    fields: dict[str, object] = {
        "symbol": "ACME",
        "interval": "1m",
        "start_ms": START,
        "open": 100.0,
        "high": 100.0,
        "low": 100.0,
        "close": 100.0,
        "volume": 1,
    }
    return Bar(**{**fields, **changes})  # type: ignore[arg-type]


RULES: list[tuple[str, LogRecord]] = [
    ("unknown_symbol", odd(symbol="OTHER")),
    ("unknown_interval", odd(interval="5m")),
    ("unknown_interval", odd(interval="soon")),
    ("misaligned_start", odd(start_ms=START + 1)),
    ("misaligned_start", odd(start_ms=at("2025-07-02 17:00") + 1_000)),
    ("implausible_time", odd(start_ms=0)),
    ("implausible_time", odd(start_ms=at("2100-01-04 09:30"))),
    ("outside_calendar", odd(start_ms=at("1990-01-02 09:30"))),
    ("outside_calendar", odd(start_ms=at("2031-01-02 09:30"))),
    ("bad_price", odd(low=0.0)),
    ("bad_price", odd(close=-1.0)),
    ("bad_price", odd(high=float("nan"))),
    ("bad_price", odd(high=float("inf"))),
    ("off_tick", odd(high=100.005)),
    ("off_tick", odd(high=100.01000000000002)),
    ("inconsistent_ohlc", odd(high=99.99)),
    ("inconsistent_ohlc", odd(low=100.01)),
    ("inconsistent_ohlc", odd(open=100.01)),
    ("inconsistent_ohlc", odd(close=99.99)),
    ("bad_volume", odd(volume=-1)),
    ("bad_volume", odd(volume=float("nan"))),
    ("bad_volume", odd(volume=float("inf"))),
    ("bad_volume", odd(volume=1e300)),
    ("beyond_horizon", odd(start_ms=at("2025-06-16 09:30"))),
    ("ahead_of_time", odd(start_ms=at("2025-08-06 17:00"))),
    ("unknown_interval", Cancel("ACME", "5m", LATE)),
    ("misaligned_start", Cancel("ACME", "1m", LATE + 1)),
    ("implausible_time", Cancel("ACME", "1m", 0)),
    ("outside_calendar", Cancel("ACME", "1m", at("1990-01-02 09:30"))),
    ("beyond_horizon", Cancel("ACME", "1m", at("2025-06-16 09:30"))),
    ("implausible_time", Clock("ACME", 0)),
    ("implausible_time", Clock("ACME", at("2100-01-04 09:30"))),
    ("outside_calendar", Clock("ACME", at("2031-01-02 09:30"))),
    ("ahead_of_time", Clock("ACME", at("2025-08-06 17:00"))),
]


@pytest.mark.parametrize(("code", "record"), RULES)
def test_each_rule_refuses_and_leaves_the_state_as_it_was(code: str, record: LogRecord) -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-07-02 09:30", 3))
    before = tape.state()
    assert tape.take(record) == []
    assert tape.rejected == [code]
    assert tape.state() == before
    tape.take(flat("ACME", START, 100.0))
    assert tape.engine.counters("ACME")["accepted"] == 4


BEFORE = at("2014-12-31 09:30")
OLD = at("2025-06-16 09:30")
AHEAD = at("2025-08-07 09:30")

# Records that break several rules, from the first that may be named to the last.
ORDER: list[tuple[str, LogRecord]] = [
    ("unknown_symbol", odd(symbol="OTHER", interval="5m", start_ms=1, open=-1.0)),
    ("unknown_interval", odd(interval="5m", start_ms=START + 1, open=-1.0)),
    ("unknown_interval", odd(interval="5m", start_ms=1)),
    ("implausible_time", odd(start_ms=1, open=-1.0)),
    ("implausible_time", odd(start_ms=0, open=-1.0)),
    ("misaligned_start", odd(start_ms=BEFORE + 1, open=-1.0)),
    ("misaligned_start", odd(start_ms=START + 1, volume=-1)),
    ("misaligned_start", odd(start_ms=OLD + 1)),
    ("outside_calendar", odd(start_ms=BEFORE, open=-1.0)),
    ("bad_price", odd(open=100.005, close=-1.0)),
    ("bad_price", odd(low=101.0, close=float("nan"))),
    ("bad_price", odd(start_ms=OLD, open=0.0)),
    ("off_tick", odd(open=100.005, low=101.0)),
    ("off_tick", odd(open=100.005, volume=-1)),
    ("off_tick", odd(start_ms=AHEAD, open=100.005)),
    ("inconsistent_ohlc", odd(low=101.0, volume=-1)),
    ("inconsistent_ohlc", odd(low=101.0, start_ms=OLD)),
    ("bad_volume", odd(volume=-1, start_ms=OLD)),
    ("bad_volume", odd(volume=-1, start_ms=AHEAD)),
    ("beyond_horizon", odd(start_ms=OLD)),
    ("ahead_of_time", odd(start_ms=AHEAD)),
    ("bad_volume", odd(start_ms=LATE, volume=-1)),
    ("bad_price", odd(start_ms=LATE, open=-1.0)),
    ("unknown_interval", Cancel("ACME", "5m", 1)),
    ("implausible_time", Cancel("ACME", "1m", 1)),
    ("misaligned_start", Cancel("ACME", "1m", BEFORE + 1)),
    ("outside_calendar", Cancel("ACME", "1m", BEFORE)),
    ("beyond_horizon", Cancel("ACME", "1m", OLD)),
]


@pytest.mark.parametrize(("code", "record"), ORDER)
def test_of_two_broken_rules_the_earlier_one_names_the_reason(code: str, record: LogRecord) -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-07-02 09:30", 3), record)
    assert tape.rejected == [code]


NEXT: list[tuple[str, Bar]] = [
    ("bad_price", odd(open=-1.0, volume=-1)),
    ("off_tick", odd(low=99.995, volume=-1)),
    ("inconsistent_ohlc", odd(low=101.0, volume=float("nan"))),
    ("bad_volume", odd(volume=float("inf"))),
    ("unknown_interval", odd(interval="2m", open=-1.0)),
]


@pytest.mark.parametrize("bars", [1, 2, 3, 4])
@pytest.mark.parametrize(("code", "record"), NEXT)
def test_the_next_bar_of_a_run_passes_the_same_checks(code: str, record: Bar, bars: int) -> None:
    tape = equity()
    tape.take(*minutes("ACME", START - bars * MINUTE_MS, bars))
    before = tape.state()
    tape.take(record)
    assert tape.rejected == [code]
    assert tape.state() == before


def test_a_first_bar_that_is_refused_begins_no_history() -> None:
    tape = equity()
    tape.take(odd(start_ms=OLD, volume=-1), odd())
    assert tape.rejected == ["bad_volume"]
    assert tape.view["session|ACME|2025-07-02"]["bars"] == 0
    assert tape.engine.watermark_ms("ACME") == START + MINUTE_MS


# Base, label in New York, and whether it is on the grid; half seconds are of no grid.
GRID: dict[str, tuple[str, str, str, bool]] = {
    "minutes": ("XNYS", "1m", "2025-07-02 09:31", True),
    "hours are counted from the open": ("XNYS", "60m", "2025-07-02 10:30", True),
    "not from midnight": ("XNYS", "60m", "2025-07-02 10:00", False),
    "off session any whole minute": ("XNYS", "60m", "2025-07-02 17:01", True),
    "off session no half minute": ("XNYS", "60m", "2025-07-02 17:01:30", False),
    "seconds off session": ("XNYS", "1s", "2025-07-02 17:01:30", True),
    "four hours from 18:00": ("CME_EQUITY", "240m", "2025-12-09 02:00", True),
    "the last of them": ("CME_EQUITY", "240m", "2025-12-09 14:00", True),
    "not at midnight": ("CME_EQUITY", "240m", "2025-12-09 00:00", False),
    "half hours of an early close": ("CME_EQUITY", "30m", "2025-12-24 13:00", True),
    "after an early close any minute": ("CME_EQUITY", "30m", "2025-12-24 13:16", True),
    "four hours of the UTC day": ("24/7", "240m", "2025-07-02 16:00", True),
    "not of New York's": ("24/7", "240m", "2025-07-02 18:00", False),
}


@pytest.mark.parametrize(("calendar", "base", "label", "fits"), GRID.values(), ids=GRID.keys())
def test_labels_lie_on_the_slot_grid_of_their_session(
    calendar: str, base: str, label: str, fits: bool
) -> None:
    tape = Tape(f'[instruments.ANY]\ncalendar = "{calendar}"\nbase = "{base}"\n', "ANY")
    tape.take(flat("ANY", label, 10.0, base))
    assert tape.rejected == ([] if fits else ["misaligned_start"])


def test_half_a_second_is_on_no_grid() -> None:
    tape = Tape('[instruments.ANY]\ncalendar = "XNYS"\nbase = "1s"\n', "ANY")
    for label in (LATE + 500, at("2025-07-02 17:00") + 500):
        tape.take(flat("ANY", label, 10.0, "1s"))
    assert tape.rejected == ["misaligned_start"] * 2


VOLUMES: dict[str, tuple[int | float | None, str]] = {
    "the same": (1, "duplicates"),
    "the same as a double": (1.0, "duplicates"),
    "another": (2, "changed"),
    "none": (None, "changed"),
    "zero": (0, "changed"),
    "a fraction": (1.5, "changed"),
}


@pytest.mark.parametrize(("volume", "kind"), VOLUMES.values(), ids=VOLUMES.keys())
def test_volume_is_content(volume: int | float | None, kind: str) -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-07-02 09:30", 3), odd(start_ms=LATE, volume=volume))
    assert tape.rejected == []
    assert tape.kind == kind
    assert tape.engine.counters("ACME")[kind] == 1


@pytest.mark.parametrize("changed", ["open", "high", "low", "close"])
def test_each_price_is_content(changed: str) -> None:
    tape = equity()
    first = odd(start_ms=LATE, open=100.5, high=102.0, low=99.0, close=100.5)
    tape.take(first, replace(first, **{changed: getattr(first, changed) + 0.01}), first)
    assert tape.engine.counters("ACME")["changed"] == 2
    tape.take(first)
    assert tape.engine.counters("ACME")["duplicates"] == 1


def test_null_and_zero_volume_differ() -> None:
    tape = equity()
    tape.take(odd(volume=None), odd(volume=0), odd(volume=None))
    assert tape.engine.counters("ACME")["changed"] == 2


def test_off_session_bars_are_deduplicated_like_others() -> None:
    tape = equity()
    early = flat("ACME", "2025-07-02 08:00", 10.0)
    tape.take(early, odd(start_ms=LATE), early, replace(early, volume=7))
    assert tape.kind == "changed"
    assert tape.take(flat("ACME", "2025-07-02 08:01", 10.0)) == []
    assert tape.kind == "late"
    assert tape.take(Cancel("ACME", "1m", at("2025-07-02 08:01"))) == []
    assert tape.kind == "cancelled"
    counters = tape.engine.counters("ACME")
    assert (counters["off_session"], counters["duplicates"], counters["accepted"]) == (1, 1, 1)


def test_a_bar_has_its_own_outcome_where_it_takes_the_offset_of_a_duplicate() -> None:
    # A log does not keep duplicates, so the next record gets the offset they were tried with.
    engine = equity().engine
    run = minutes("ACME", "2025-07-02 09:30", 5)
    for offset, record in enumerate(run[:4]):
        engine.apply(record, offset)
    assert engine.apply(run[3], 4).kind == "duplicates"
    assert engine.apply(run[4], 4).kind == "accepted"


def test_a_refused_bar_takes_its_offset_and_leaves_no_correction_to_the_next_record() -> None:
    engine = equity().engine
    run = minutes("ACME", "2025-07-02 09:30", 5)
    for offset, record in enumerate(run[:4]):
        engine.apply(record, offset)
    changed = engine.apply(replace(run[3], volume=7), 4)
    assert (changed.kind, changed.correction is None) == ("changed", False)
    with pytest.raises(RecordRejected, match="not a multiple"):
        engine.apply(replace(run[4], open=100.001), 5)
    assert engine.offset == 5
    accepted = engine.apply(run[4], 6)
    assert (accepted.kind, accepted.correction) == ("accepted", None)


def test_a_hole_in_the_run_is_late_once_the_watermark_has_passed_it() -> None:
    tape = equity()
    tape.take(odd(start_ms=LATE), odd(start_ms=LATE + 2 * MINUTE_MS))
    tape.take(odd(start_ms=LATE + MINUTE_MS))
    assert tape.kind == "late"
    assert tape.of("gap") == {}


def test_a_bar_of_the_slot_a_clock_is_in_is_not_late() -> None:
    tape = equity()
    tape.take(odd(start_ms=LATE))
    tape.clock("ACME", LATE + MINUTE_MS + 30_000)
    tape.take(odd(start_ms=LATE + MINUTE_MS))
    assert tape.rejected == []
    assert tape.view["session|ACME|2025-07-02"]["state"] == "open"
    assert tape.of("gap") == {}


def test_beyond_the_horizon_content_does_not_matter() -> None:
    tape = equity("horizon_sessions = 0\n")
    tape.take(flat("ACME", "2025-07-01 09:30", 100.0), flat("ACME", "2025-07-02 09:30", 100.0))
    tape.take(flat("ACME", "2025-07-01 09:30", 100.0), flat("ACME", "2025-07-01 08:00", 100.0))
    tape.take(Cancel("ACME", "1m", at("2025-07-01 09:30")))
    assert tape.rejected == ["beyond_horizon"] * 3


def test_an_old_clock_does_nothing_however_old() -> None:
    tape = equity("horizon_sessions = 0\n")
    tape.take(odd())
    assert tape.clock("ACME", OLD) == []
    assert tape.rejected == []


HORIZON = {0: "2025-07-02", 1: "2025-07-01", 2: "2025-06-30", 3: "2025-06-27", 10: "2025-06-17"}


@pytest.mark.parametrize(("sessions", "oldest"), HORIZON.items())
def test_the_horizon_skips_weekends_and_holidays(sessions: int, oldest: str) -> None:
    tape = equity(f"horizon_sessions = {sessions}\n")
    tape.take(flat("ACME", "2025-07-02 10:00", 100.0))
    tape.take(flat("ACME", f"{oldest} 09:30", 100.0))
    # The hours before an open are of that session; those after a close of the next.
    previous = at(f"{oldest} 09:30") - 86_400_000 * (3 if oldest == "2025-06-30" else 1)
    tape.take(flat("ACME", previous, 100.0))
    assert tape.rejected == ["beyond_horizon"]
    assert tape.engine.counters("ACME")["late"] == 1


def test_the_base_interval_may_have_another_name() -> None:
    toml = '[instruments.ACME]\ncalendar = "XNYS"\nbase = "1h"\n'
    tape = Tape(toml, "ACME")
    tape.take(flat("ACME", "2025-07-02 09:30", 100.0, "1h"))
    tape.take(flat("ACME", "2025-07-02 10:30", 100.0, "60m"))
    assert tape.rejected == []


def test_equal_content_is_a_duplicate_whatever_its_source() -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-07-02 09:30", 3))
    again = Bar("ACME", "1m", LATE, 100.0, 100.0, 100.0, 100.0, 1, "fill")
    assert tape.take(again) == []
    assert (tape.rejected, tape.engine.counters("ACME")["duplicates"]) == ([], 1)


def test_a_repetition_is_found_in_every_session_of_the_horizon() -> None:
    tape = equity("horizon_sessions = 1\n")
    book = [
        *minutes("ACME", "2025-07-01 09:30", 390),
        *minutes("ACME", "2025-07-02 09:30", 70),
    ]
    tape.take(*book)
    tape.take(*book)
    assert tape.rejected == []
    assert tape.engine.counters("ACME")["duplicates"] == len(book)


@pytest.mark.parametrize(("sessions", "codes"), [(0, ["beyond_horizon"]), (1, [])])
def test_the_horizon_counts_calendar_sessions(sessions: int, codes: list[str]) -> None:
    tape = equity(f"horizon_sessions = {sessions}\n")
    tape.take(flat("ACME", "2025-07-01 09:30", 100.0), flat("ACME", "2025-07-02 09:30", 100.0))
    tape.take(flat("ACME", "2025-07-01 09:31", 100.0))
    assert tape.rejected == codes


def test_the_watermark_at_a_close_belongs_to_the_next_session() -> None:
    tape = equity("horizon_sessions = 0\n")
    tape.take(*minutes("ACME", "2025-07-02 09:30", 390))
    tape.take(flat("ACME", "2025-07-02 09:30", 100.0))
    assert tape.rejected == ["beyond_horizon"]


def test_before_the_first_bar_nothing_is_too_far_ahead_or_too_old() -> None:
    tape = equity()
    tape.clock("ACME", "2016-01-04 10:00")
    tape.clock("ACME", "2025-07-02 09:00")
    tape.take(flat("ACME", "2025-07-02 09:30", 100.0))
    assert tape.rejected == []


def test_max_ahead_0_lets_a_history_pause_for_long() -> None:
    tape = equity("max_ahead = 0\n")
    tape.take(flat("ACME", "2024-07-02 09:30", 100.0), flat("ACME", "2025-07-02 09:30", 100.0))
    assert tape.rejected == []
    exact = equity('max_ahead = "1d"\n')
    exact.take(flat("ACME", "2025-07-02 09:30", 100.0))
    exact.take(Clock("ACME", LATE + MINUTE_MS + 86_400_001))
    exact.take(Clock("ACME", LATE + MINUTE_MS + 86_400_000))
    assert exact.rejected == ["ahead_of_time"]


def test_negative_prices_may_be_allowed() -> None:
    tape = equity("negative_prices = true\n")
    tape.take(flat("ACME", LATE, -37.63), flat("ACME", LATE + MINUTE_MS, 0.0))
    assert tape.rejected == []


EVERY_TIME = '[time]\nearliest = "0001-01-01"\nlatest = "9999-12-31"\n'


def test_24_7_has_no_limits_but_those_of_the_calendar_of_people() -> None:
    tape = Tape(EVERY_TIME, "BTC")
    tape.take(Bar("BTC", "1m", -86_400_000, 1.0, 1.0, 1.0, 1.0))
    assert tape.rejected == []
    assert tape.view["session|BTC|1969-12-31"]["open_ms"] == -86_400_000
    for far in (10**15, 9 * 10**18, -(10**17)):
        other = Tape(EVERY_TIME, "BTC")
        other.take(Bar("BTC", "1m", far // MINUTE_MS * MINUTE_MS, 1.0, 1.0, 1.0, 1.0))
        assert other.rejected == ["implausible_time"]


# Instants of `[time]`: the first one is inside, the second one is not.
EARLIEST, LATEST = utc("2025-07-02 00:00"), utc("2025-07-03 00:00")
ONE_DAY = '[time]\nearliest = "2025-07-02"\nlatest = "2025-07-03"\n'
EDGES: dict[str, tuple[LogRecord, bool]] = {
    "a bar at the earliest": (flat("BTC", EARLIEST, 1.0), True),
    "a bar before it": (flat("BTC", EARLIEST - MINUTE_MS, 1.0), False),
    "the last bar before the latest": (flat("BTC", LATEST - MINUTE_MS, 1.0), True),
    "a bar at the latest": (flat("BTC", LATEST, 1.0), False),
    "a clock at the earliest": (Clock("BTC", EARLIEST), True),
    "a clock before it": (Clock("BTC", EARLIEST - 1), False),
    "a clock just before the latest": (Clock("BTC", LATEST - 1), True),
    "a clock at the latest": (Clock("BTC", LATEST), False),
    "a cancel at the earliest": (Cancel("BTC", "1m", EARLIEST), True),
    "a cancel before it": (Cancel("BTC", "1m", EARLIEST - MINUTE_MS), False),
    "a cancel at the latest": (Cancel("BTC", "1m", LATEST), False),
}


@pytest.mark.parametrize(("record", "inside"), EDGES.values(), ids=EDGES.keys())
def test_the_earliest_instant_is_plausible_and_the_latest_is_not(
    record: LogRecord, inside: bool
) -> None:
    tape = Tape(ONE_DAY, "BTC")
    tape.take(record)
    assert tape.rejected == ([] if inside else ["implausible_time"])


# Calendar, base, first label in New York and the number of bars before the latest instant.
RUNS: dict[str, tuple[str, str, str, int]] = {
    "seconds": ("24/7", "1s", "2025-07-02 19:50", 600),
    "minutes": ("24/7", "1m", "2025-07-02 15:00", 300),
    "hours": ("24/7", "60m", "2025-07-01 20:00", 24),
    "four hours": ("24/7", "240m", "2025-07-01 20:00", 6),
    "minutes of a session that goes on": ("CME_EQUITY", "1m", "2025-07-02 18:00", 120),
    "a slot that the latest instant cuts": ("CME_EQUITY", "240m", "2025-07-02 18:00", 1),
}


@pytest.mark.parametrize(("calendar", "base", "first", "count"), RUNS.values(), ids=RUNS.keys())
def test_an_unbroken_run_ends_at_the_latest_instant(
    calendar: str, base: str, first: str, count: int
) -> None:
    instrument = f'[instruments.ANY]\ncalendar = "{calendar}"\nbase = "{base}"\n'
    tape = Tape('[time]\nlatest = "2025-07-03"\n' + instrument, "ANY")
    book = run_of("ANY", at(first), base, count + 3)
    tape.take(*book[:count])
    assert tape.rejected == []
    before = tape.state()
    tape.take(*book[count:])
    assert tape.rejected == ["implausible_time"] * 3
    assert tape.state() == before
    whole = Tape(instrument, "ANY")
    whole.take(*book[:count])
    assert tape.state() == whole.state()


@pytest.mark.parametrize(
    ("time", "refused"), [('latest = "2025-07-02"', 5), ('earliest = "2025-07-03"', 4)]
)
def test_a_state_goes_on_under_the_times_of_today(time: str, refused: int) -> None:
    tape = Tape("", "BTC")
    run = minutes("BTC", LATEST - 10 * MINUTE_MS, 11)
    tape.take(*run[:6])
    tape.plan = plan_group(read_config(f"[time]\n{time}\n", "scenario"), "BTC")
    tape.restart()
    tape.take(*run[6:])
    assert tape.rejected == ["implausible_time"] * refused


def test_the_reason_shows_the_instant_and_the_setting_that_refuses_it() -> None:
    engine = Tape("", "BTC").engine
    for time_ms, shown in (
        (1_704_958_800, "1970-01-20T17:35:58.800Z"),
        (20_240_111_094_000, "2611-05-21T13:04:54Z"),
        (9 * 10**18, "9000000000000000000 ms since 1970"),
    ):
        with pytest.raises(RecordRejected) as caught:
            engine.apply(Clock("BTC", time_ms), 0)
        assert caught.value.reason == (
            f"{shown} is not from 1990-01-01 to before 2100-01-01: [time] earliest, latest"
        )
