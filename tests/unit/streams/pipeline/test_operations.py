"""What feeds reported, joined with slots that have no bar."""

from __future__ import annotations

import pytest

from tapeline.schemas.feed_events import FeedEvent, Halt, Hole, HoleState, Limit, Quiet, Subscribed
from tapeline.streams.pipeline.operations import Operations

MEMBERS = {"demo": ["A", "B"]}
MINUTE_MS = 60_000


def minutes(count: int) -> int:
    return count * MINUTE_MS


def slots(from_ms: int, to_ms: int) -> int:
    """Labels of whole minutes."""
    return -(-to_ms // MINUTE_MS) - -(-from_ms // MINUTE_MS)


def hole(
    first: int,
    end: int | None,
    symbol: str | None = None,
    state: HoleState = "open",
    feed: str = "demo",
) -> Hole:
    to_ms = None if end is None else minutes(end)
    identity = f"hole|{feed}|1|{first}|{symbol}"
    return Hole(identity, feed, symbol, 0, 1, minutes(first), to_ms, "disconnect", state, 0, 0)


def quiet(first: int, end: int, symbol: str = "A", evidence: str = "history") -> Quiet:
    identity = f"quiet|demo|{symbol}|{first}"
    return Quiet(identity, "demo", symbol, 0, minutes(first), minutes(end), evidence)  # type: ignore[arg-type]


def halt(first: int, end: int | None, symbol: str = "A") -> Halt:
    to_ms = None if end is None else minutes(end)
    return Halt(f"halt|demo|{symbol}|{first}", "demo", symbol, 0, minutes(first), to_ms)


def subscribed(minute: int, *missing: str) -> Subscribed:
    return Subscribed("subscription|demo", "demo", None, minutes(minute), 2, missing)


def operations(*events: FeedEvent) -> Operations:
    found = Operations(MEMBERS)
    for event in events:
        found.take(event)
    return found


def explained(found: Operations, symbol: str = "A", first: int = 10, end: int = 20) -> list[str]:
    """Parts of a gap as ``reason detail first-end missing``, in minutes."""
    return [
        f"{part.reason} {part.detail} {part.start_ms // MINUTE_MS}-{part.end_ms // MINUTE_MS}"
        f" {part.missing}".replace("  ", " ")
        for part in found.explain(symbol, minutes(first), minutes(end), slots)
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], ["unknown 10-20 10"]),
        ([hole(0, 30)], ["outage disconnect 10-20 10"]),
        ([hole(0, None)], ["outage disconnect 10-20 10"]),
        ([hole(0, 30, state="abandoned")], ["outage disconnect 10-20 10"]),
        ([hole(0, 30, state="filled")], ["unknown 10-20 10"]),
        ([hole(0, 30, symbol="B")], ["unknown 10-20 10"]),
        ([hole(0, 10), hole(20, 30)], ["unknown 10-20 10"]),
        ([quiet(0, 30)], ["quiet history 10-20 10"]),
        ([quiet(0, 30, "B")], ["unknown 10-20 10"]),
        ([quiet(0, 30, evidence="patience")], ["outage patience 10-20 10"]),
        ([halt(5, None)], ["halt 10-20 10"]),
        ([halt(5, 12)], ["halt 10-12 2", "unknown 12-20 8"]),
        ([subscribed(0, "A")], ["not expected 10-20 10"]),
        ([subscribed(0, "B")], ["unknown 10-20 10"]),
        ([subscribed(0, "A"), subscribed(15)], ["not expected 10-15 5", "unknown 15-20 5"]),
        (
            [hole(12, 16), quiet(14, 18), halt(17, 19)],
            [
                "unknown 10-12 2",
                "outage disconnect 12-14 2",
                "quiet history 14-17 3",
                "halt 17-19 2",
                "unknown 19-20 1",
            ],
        ),
        ([quiet(8, 15), quiet(15, 22)], ["quiet history 10-20 10"]),
        # One long window before many short ones is not forgotten.
        ([hole(0, 30), quiet(2, 3), quiet(4, 5)], ["outage disconnect 10-20 10"]),
    ],
)
def test_a_gap_has_the_reason_that_a_feed_reported(
    events: list[FeedEvent], expected: list[str]
) -> None:
    assert explained(operations(*events)) == expected


def test_the_later_state_of_a_hole_holds() -> None:
    found = operations(hole(0, None))
    assert explained(found) == ["outage disconnect 10-20 10"]
    found.take(hole(0, 15, state="abandoned"))
    assert explained(found) == ["outage disconnect 10-15 5", "unknown 15-20 5"]


def test_slots_that_no_window_edge_splits_are_counted_by_their_labels() -> None:
    found = Operations(MEMBERS)
    found.take(Quiet("q", "demo", "A", 0, minutes(12) + 1, minutes(13) - 1, "canary"))
    assert explained(found) == ["unknown 10-20 10"]


def test_an_event_of_a_whole_feed_concerns_its_symbols_alone() -> None:
    found = operations(hole(0, None))
    assert [each.id for each in found.holes("B")] == ["hole|demo|1|0|None"]
    assert found.holes("C") == []
    assert found.strangers == set()


def test_a_feed_whose_symbols_are_not_known_is_named() -> None:
    found = operations(hole(0, None, feed="other"), hole(0, None, "C", feed="another"))
    assert found.strangers == {"other"}
    assert found.holes("A") == []
    assert [each.feed for each in found.holes("C")] == ["another"]


def test_what_is_not_about_bars_is_passed_over() -> None:
    found = operations(Limit("limit|demo", "demo", None, 0, 1_000, 429))
    assert explained(found) == ["unknown 10-20 10"]


def test_a_symbol_is_refused_while_the_last_subscription_lacks_it() -> None:
    found = operations(subscribed(0, "A"))
    assert (found.is_refused("A"), found.is_refused("B"), found.is_refused("C")) == (
        True,
        False,
        False,
    )
    found.take(subscribed(1))
    assert not found.is_refused("A")


def test_a_halt_lasts_until_its_end_is_reported() -> None:
    found = operations(halt(5, None))
    assert found.is_halted("A")
    assert not found.is_halted("B")
    found.take(halt(5, 9))
    assert not found.is_halted("A")
