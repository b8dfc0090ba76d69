"""What an engine knew of one fact."""

from __future__ import annotations

from tapeline.replay.explain.engine_view import engine_view
from tests.unit.streams.core.scenario import at, equity, minutes


def test_the_session_of_an_exchange_is_shown_with_its_open_gap() -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-12-15 09:30", 3))
    tape.clock("ACME", "2025-12-15 09:35")
    assert engine_view(tape.engine, "session|ACME|2025-12-15")["ACME"]["session"] == {
        "date": "2025-12-15",
        "due": 5,
        "last_quality": {"as_of_ms": at("2025-12-15 09:35"), "due": 5, "actual": 3},
        "open_gap": {"start_ms": at("2025-12-15 09:33"), "end_ms": at("2025-12-15 09:35")},
    }
