"""What a feed learns of its own operations when it starts."""

from __future__ import annotations

from tapeline.schemas.feed_events import Connection, Hole, HoleState, Limit
from tapeline.schemas.ids import Held, connection_id, limit_id
from tapeline.streams.pipeline.log_writer import KnownLog


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
