"""What a record must pass, in its order, and that a refusal leaves no trace."""

from __future__ import annotations

import json

import pytest

from schemas.records import Bar, Cancel, Clock, LogRecord
from tests.core.scenario import MINUTE_MS, Tape, at, equity, flat, minutes

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
    ("outside_calendar", odd(start_ms=0)),
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
    ("beyond_horizon", odd(start_ms=at("2025-06-16 09:30"))),
    ("ahead_of_time", odd(start_ms=at("2025-08-06 17:00"))),
    ("changed_bar", odd(start_ms=LATE, volume=2)),
    ("changed_bar", odd(start_ms=LATE, volume=None)),
    ("late_bar", odd(start_ms=at("2025-07-01 09:30"))),
    ("cancel", Cancel("ACME", "1m", LATE)),
    ("unknown_interval", Cancel("ACME", "5m", LATE)),
    ("misaligned_start", Cancel("ACME", "1m", LATE + 1)),
    ("outside_calendar", Cancel("ACME", "1m", 0)),
    ("beyond_horizon", Cancel("ACME", "1m", at("2025-06-16 09:30"))),
    ("outside_calendar", Clock("ACME", 0)),
    ("outside_calendar", Clock("ACME", at("2031-01-02 09:30"))),
    ("ahead_of_time", Clock("ACME", at("2025-08-06 17:00"))),
]


@pytest.mark.parametrize(("code", "record"), RULES)
def test_each_rule_refuses_and_leaves_the_state_as_it_was(code: str, record: LogRecord) -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-07-02 09:30", 3))
    before = tape.engine.snapshot()["symbols"]
    assert tape.take(record) == []
    assert tape.rejected == [code]
    assert json.dumps(tape.engine.snapshot()["symbols"]) == json.dumps(before)
    tape.take(flat("ACME", START, 100.0))
    assert tape.engine.counters("ACME")["accepted"] == 4


ORDER: list[tuple[str, Bar]] = [
    ("unknown_interval", odd(interval="5m", start_ms=START + 1)),
    ("misaligned_start", odd(start_ms=1)),
    ("outside_calendar", odd(start_ms=0, open=-1.0)),
    ("bad_price", odd(open=100.005, close=-1.0)),
    ("off_tick", odd(open=100.005, low=101.0)),
    ("inconsistent_ohlc", odd(low=101.0, volume=-1)),
    ("bad_volume", odd(volume=-1, start_ms=at("2025-06-16 09:30"))),
    ("beyond_horizon", odd(start_ms=at("2025-06-16 09:30"))),
]


@pytest.mark.parametrize(("code", "record"), ORDER)
def test_of_two_broken_rules_the_earlier_one_names_the_reason(code: str, record: Bar) -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-07-02 09:30", 3), record)
    assert tape.rejected == [code]


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


@pytest.mark.parametrize(("sessions", "code"), [(0, "beyond_horizon"), (1, "late_bar")])
def test_the_horizon_counts_calendar_sessions(sessions: int, code: str) -> None:
    tape = equity(f"horizon_sessions = {sessions}\n")
    tape.take(flat("ACME", "2025-07-01 09:30", 100.0), flat("ACME", "2025-07-02 09:30", 100.0))
    tape.take(flat("ACME", "2025-07-01 09:31", 100.0))
    assert tape.rejected == [code]


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


def test_max_ahead_0_lets_a_history_be_silent_for_long() -> None:
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


def test_24_7_has_no_limits_but_those_of_the_calendar_of_people() -> None:
    tape = Tape("", "BTC")
    tape.take(Bar("BTC", "1m", -86_400_000, 1.0, 1.0, 1.0, 1.0))
    assert tape.rejected == []
    assert tape.view["session|BTC|1969-12-31"]["open_ms"] == -86_400_000
    for far in (10**15, 9 * 10**18, -(10**17)):
        other = Tape("", "BTC")
        other.take(Bar("BTC", "1m", far // MINUTE_MS * MINUTE_MS, 1.0, 1.0, 1.0, 1.0))
        assert other.rejected == ["outside_calendar"]
