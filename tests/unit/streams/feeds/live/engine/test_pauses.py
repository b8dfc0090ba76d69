"""What a provider asks for, and what of it holds after a restart."""

from __future__ import annotations

import pytest

from tapeline.schemas.feed_events import Limit
from tapeline.schemas.ids import Held, limit_id
from tapeline.streams.feeds.live.engine.pauses import left_of, pause_of


def _limit(held: Held, status: int, wait_ms: int = 60_000, at_ms: int = 1_000_000) -> Limit:
    return Limit(limit_id("mine", held), "mine", None, at_ms, wait_ms, status)


@pytest.mark.parametrize(
    ("status", "asked_ms", "expected"),
    [
        (406, None, 30_000),
        (406, 5_000, 30_000),
        (406, 45_000, 45_000),
        (418, None, 120_000),
        (429, 17_000, 17_000),
        (429, None, 60_000),
        (1008, None, 60_000),
        (503, None, None),
        (503, 9_000, 9_000),
        (None, -5, 0),
    ],
)
def test_a_pause_is_what_the_provider_asks_for_else_that_of_its_status(
    status: int | None, asked_ms: int | None, expected: int | None
) -> None:
    assert pause_of(status, asked_ms) == expected


def test_a_pause_of_connections_holds_no_request_back_and_the_other_way_round() -> None:
    limits = [_limit("connections", 406, 30_000), _limit("history", 429), _limit("requests", 0, 9)]
    assert left_of(limits, "connections", 1_010_000) == 20_000
    assert left_of(limits, "history", 1_010_000) == 50_000
    assert left_of(limits, "requests", 1_000_004) == 5


def test_a_ban_holds_everything_back_whichever_answer_it_was() -> None:
    for held in ("connections", "history"):
        limits = [_limit(held, 418)]
        assert left_of(limits, "connections", 1_010_000) == 50_000
        assert left_of(limits, "history", 1_010_000) == 50_000


def test_a_clock_that_was_put_back_makes_no_pause_longer() -> None:
    assert left_of([_limit("history", 429)], "history", 0) == 60_000


def test_what_is_over_holds_nothing_back() -> None:
    assert left_of([_limit("history", 429)], "history", 2_000_000) == 0
    assert left_of([], "history", 0) == 0
