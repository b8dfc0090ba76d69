"""Gaps joined with what feeds reported, by the calendars of the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import Hole
from tapeline.streams.pipeline.missing import explained_by, feed_members, unexplained
from tapeline.streams.pipeline.operations import Operations

CONFIG = read_config(
    """
[instruments.A]
tick = 0.01
calendar = "CME_EQUITY"

[instruments.B]
tick = 0.01
calendar = "CME_EQUITY"

[feeds.demo]
use = "kraken"
symbols = { A = "A/USD" }
""",
    "test",
)
MINUTE_MS = 60_000
CLOSE_MS = 1_751_490_000_000
"""2025-07-02 16:00 Chicago: the close of CME_EQUITY, which opens again an hour later."""
OPEN_MS = CLOSE_MS + 60 * MINUTE_MS


def gap(symbol: str, start_ms: int, end_ms: int, missing: int) -> dict[str, Any]:
    return {"symbol": symbol, "start_ms": start_ms, "end_ms": end_ms, "missing": missing}


def operations(from_ms: int, to_ms: int) -> Operations:
    found = Operations(feed_members(CONFIG))
    found.take(Hole("h", "demo", None, 0, 1, from_ms, to_ms, "restart", "open", 0, 0))
    return found


def test_slots_are_those_of_the_calendar() -> None:
    # Over the hour in which the market is closed.
    explain = explained_by(CONFIG, operations(CLOSE_MS - 2 * MINUTE_MS, OPEN_MS + 3 * MINUTE_MS))
    parts = explain(gap("A", CLOSE_MS - 5 * MINUTE_MS, OPEN_MS + 5 * MINUTE_MS, 10))
    assert [(part.reason, part.detail, part.feed, part.missing) for part in parts] == [
        ("unknown", "", None, 3),
        ("outage", "restart", "demo", 5),
        ("unknown", "", None, 2),
    ]


@pytest.mark.parametrize("symbol", ["B", "NONE"])
def test_a_gap_of_a_symbol_that_no_feed_has_is_unknown(symbol: str) -> None:
    of_a_file = gap(symbol, CLOSE_MS - 5 * MINUTE_MS, CLOSE_MS, 5)
    [part] = explained_by(CONFIG, operations(0, CLOSE_MS))(of_a_file)
    assert (part.reason, part.feed, part.missing) == ("unknown", None, 5)
    assert unexplained(of_a_file) == [part]


def test_members_are_our_symbols() -> None:
    assert feed_members(CONFIG) == {"demo": ["A"]}
