"""What a feed learns of its own operations when it starts."""

from __future__ import annotations

from tapeline.schemas.feed_events import Hole, HoleState, Limit
from tapeline.streams.pipeline.log_writer import KnownLog


def limit(at_ms: int, wait_ms: int, status: int) -> Limit:
    return Limit("limit|mine", "mine", None, at_ms, wait_ms, status)


def hole(number: int, state: HoleState) -> Hole:
    key = f"hole|mine|1|{number}"
    return Hole(key, "mine", None, 1, 1, number, None, "disconnect", state, 0, 0)


def test_a_ban_is_not_forgotten_for_a_shorter_pause_after_it() -> None:
    known = KnownLog()
    ban, later, longer = limit(0, 300_000, 418), limit(200_000, 60_000, 429), limit(1, 300_000, 0)
    for event, held in ((ban, ban), (later, ban), (longer, longer)):
        known.take(event)
        assert known.limit == held


def test_a_hole_is_open_until_an_event_of_the_same_id_closes_it() -> None:
    known = KnownLog()
    for event in (hole(1, "open"), hole(2, "open"), hole(1, "filled"), hole(3, "abandoned")):
        known.take(event)
    assert known.open_holes == [hole(2, "open")]
