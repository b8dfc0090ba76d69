"""What a feed learns of its own operations when it starts."""

from __future__ import annotations

import pytest

from tapeline.schemas.feed_events import Compared, Connection, Hole, HoleState, Limit
from tapeline.schemas.ids import Held, connection_id, limit_id
from tapeline.streams.calendars import load_calendar
from tapeline.streams.pipeline.log_writer import KnownLog, first_known_ms
from tests.unit.streams.core.scenario import utc


def limit(at_ms: int, wait_ms: int, status: int, held: Held = "history") -> Limit:
    return Limit(limit_id("mine", held), "mine", None, at_ms, wait_ms, status)


def connecting(number: int, at_ms: int, feed: str = "mine") -> Connection:
    return Connection(connection_id(feed, number), feed, None, at_ms, "connecting", "", 1)


def hole(number: int, state: HoleState) -> Hole:
    key = f"hole|mine|1|{number}"
    return Hole(key, "mine", None, 1, 1, number, None, "disconnect", state, 0, 0)


def test_a_ban_is_not_forgotten_for_a_shorter_pause_after_it() -> None:
    known = KnownLog()
    ban, later, longer = limit(0, 300_000, 418), limit(200_000, 60_000, 429), limit(1, 300_000, 0)
    for event, held in ((ban, ban), (later, ban), (longer, longer)):
        known.take(event)
        assert known.limits_of("mine") == [held]


def test_a_pause_of_the_history_and_one_of_connections_are_both_read_back() -> None:
    known = KnownLog()
    events = [
        limit(0, 300_000, 429),
        limit(1, 5_000, 406, "connections"),
        limit(2, 9, 0, "requests"),
    ]
    for event in events:
        known.take(event)
    assert known.limits_of("mine") == events
    assert known.limits_of("other") == []


def test_of_another_feed_only_its_pauses_and_its_beginning_are_known() -> None:
    known = KnownLog()
    for event in (hole(1, "open"), limit(0, 10, 429), connecting(1, 7), connecting(2, 8)):
        known.take_other(event)
    assert known == KnownLog(limits=[limit(0, 10, 429)], begun_ms={"mine": 7})


def test_a_process_that_had_to_wait_began_with_its_wait() -> None:
    known = KnownLog()
    known.take(Connection(connection_id("mine", 0), "mine", None, 5, "waiting", "a pause", 1))
    known.take(Connection(connection_id("mine", 1), "mine", None, 6, "waiting", "refused", 1))
    assert known.begun_ms == {"mine": 5}


def test_a_hole_is_open_until_an_event_of_the_same_id_closes_it() -> None:
    known = KnownLog()
    for event in (hole(1, "open"), hole(2, "open"), hole(1, "filled"), hole(3, "abandoned")):
        known.take(event)
    assert known.open_holes == [hole(2, "open")]


def compared(session: int, extra: int = 0, symbol: str | None = None) -> Compared:
    """The comparison of a session with so many bars that the history lacks."""
    key = f"compared|demo|{session}|{session + 1}"
    return Compared(key, "demo", symbol, 0, session, session + 1, 1, 0, 9, 0, 0, extra, 0, 0)


def test_a_session_is_known_to_be_equal_by_its_last_comparison() -> None:
    known = KnownLog()
    known.take(compared(1))
    known.take(compared(2, extra=1))
    known.take(compared(3, symbol="A"))
    assert known.compared == {(1, 2)}
    known.take(compared(1, extra=1))
    known.take(compared(2))
    assert known.compared == {(2, 3)}


@pytest.mark.parametrize(
    ("at", "first"),
    [
        ("2025-12-03 15:00", "2025-12-02"),
        ("2025-12-03 14:30", "2025-12-02"),
        ("2025-12-03 14:29", "2025-12-01"),
        ("2025-12-03 21:00", "2025-12-02"),
        ("2025-12-06 12:00", "2025-12-04"),
    ],
)
def test_two_sessions_that_have_begun_are_read_back(at: str, first: str) -> None:
    calendar = load_calendar("XNYS")
    assert first_known_ms(calendar, utc(at)) == utc(f"{first} 14:30")
