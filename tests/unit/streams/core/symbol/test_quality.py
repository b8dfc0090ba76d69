"""Quality of the session of the watermark, between the facts that are published of it."""

from __future__ import annotations

import pytest

from tapeline.schemas.records import Cancel, Clock
from tests.unit.streams.core.scenario import (
    HOUR_MS,
    MINUTE_MS,
    Tape,
    at,
    equity,
    flat,
    lunch,
    minutes,
    utc,
)

DAY = "2025-07-02"
OPEN = at(f"{DAY} 09:30")
CLOSE = at(f"{DAY} 16:00")


def quality(tape: Tape, symbol: str = "ACME") -> float | None:
    found = tape.engine.quality(symbol)
    tape.restart()
    assert tape.engine.quality(symbol) == found, "the same after a restart"
    return found


def test_it_is_that_of_the_slots_that_are_due() -> None:
    tape = equity()
    assert quality(tape) is None
    tape.take(*minutes("ACME", OPEN, 4))
    assert quality(tape) == 100.0
    tape.take(flat("ACME", OPEN + 5 * MINUTE_MS, 1.0))
    assert quality(tape) == 100 * 5 / 6
    tape.clock("ACME", OPEN + 7 * MINUTE_MS + 30_000)
    assert quality(tape) == 100 * 5 / 7
    tape.take(flat("ACME", OPEN + 4 * MINUTE_MS, 1.0), Cancel("ACME", "1m", OPEN))
    assert quality(tape) == 100 * 5 / 7
    tape.take(flat("ACME", OPEN, 1.0))
    assert quality(tape) == 100 * 6 / 7


def test_it_is_none_before_the_first_slot_is_due_and_where_no_session_is() -> None:
    tape = equity()
    tape.take(flat("ACME", OPEN - HOUR_MS, 1.0))
    assert quality(tape) is None
    tape.take(Clock("ACME", OPEN))
    assert quality(tape) is None
    tape.take(Clock("ACME", OPEN + 30_000))
    assert quality(tape) is None
    tape.take(Clock("ACME", OPEN + MINUTE_MS))
    assert quality(tape) == 0.0
    tape.take(Clock("ACME", CLOSE + 1))
    assert quality(tape) is None


@pytest.mark.parametrize("horizon", [10, 1])
def test_at_a_close_it_is_that_of_the_session_that_closes(horizon: int) -> None:
    tape = equity(f"horizon_sessions = {horizon}\n")
    tape.take(*minutes("ACME", OPEN, 389), Clock("ACME", CLOSE))
    assert quality(tape) == 100 * 389 / 390
    tape.take(flat("ACME", CLOSE - MINUTE_MS, 1.0))
    assert quality(tape) == 100.0
    tape.take(flat("ACME", "2025-07-03 09:30", 1.0))
    assert quality(tape) == 100.0


def test_at_a_close_that_is_forgotten_at_once_it_is_not_known() -> None:
    tape = equity("horizon_sessions = 0\n")
    tape.take(*minutes("ACME", OPEN, 388), flat("ACME", CLOSE - 2 * MINUTE_MS, 1.0))
    assert quality(tape) == 100 * 389 / 389
    tape.take(flat("ACME", CLOSE - MINUTE_MS, 1.0))
    assert quality(tape) is None


def test_a_break_inside_a_session_belongs_to_it() -> None:
    tape = lunch()
    tape.take(*minutes("HK", utc(f"{DAY} 09:30"), 150), Clock("HK", utc(f"{DAY} 12:30")))
    assert quality(tape, "HK") == 100.0
    tape.take(Clock("HK", utc(f"{DAY} 13:10")))
    assert quality(tape, "HK") == 100 * 150 / 160


def test_it_is_100_where_quality_is_switched_off() -> None:
    tape = equity("quality = false\n")
    tape.take(flat("ACME", OPEN + 9 * MINUTE_MS, 1.0))
    assert quality(tape) == 100.0
