"""What a running ingest knows of itself: lateness, staleness, what keeps it from being ready."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import Connection, FeedEvent, Halt, Hole, Limit, Subscribed
from tapeline.schemas.ids import limit_id
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.feeds.live.model import Append, Instant, Report
from tapeline.streams.ingest.board import FeedBoard
from tapeline.streams.pipeline.log_writer import LogEntry
from tapeline.streams.pipeline.routing import Router

CONFIG = read_config('[instruments.A]\ntick = 0.01\nbase = "1m"\ncalendar = "24/7"', "test")
NOON_MS = 1_764_590_400_000
NOW = Instant(0, NOON_MS)


def board() -> FeedBoard:
    """A board of one symbol whose connection is live and whose bars reach to noon."""
    made = FeedBoard("demo", ("A",), Router(CONFIG))
    event(made, Connection("connection|demo|1", "demo", None, 0, "live", "", 1))
    bar(made, NOON_MS - MINUTE_MS)
    return made


def event(made: FeedBoard, found: FeedEvent) -> None:
    made.take([Report(found)], NOW)


def bar(made: FeedBoard, start_ms: int, close: float = 1.0, via: str = "stream") -> None:
    record = Bar("A", "1m", start_ms, 1.0, 2.0, 1.0, close)
    made.take([Append(1, (LogEntry(record, via, start_ms + MINUTE_MS + 250),))], NOW)


def clock(made: FeedBoard, time_ms: int, via: str) -> None:
    made.take([Append(1, (LogEntry(Clock("A", time_ms), via, time_ms),))], NOW)


def test_a_row_is_of_the_last_bar_and_counts_what_came() -> None:
    made = board()
    bar(made, NOON_MS, 1.5)
    bar(made, NOON_MS - MINUTE_MS, 1.25)
    bar(made, NOON_MS - 2 * MINUTE_MS, 1.25, "history")
    row = made.rows["A"]
    assert (row.start_ms, row.close, row.late_ms) == (NOON_MS, 1.5, 250)
    assert (row.bars, row.fetched, row.revised) == (3, 1, 2)
    assert made.lateness.total == 0.5


@pytest.mark.parametrize(("minutes", "stale"), [(0, False), (3, False), (3.6, True), (60, True)])
def test_a_symbol_is_stale_when_nothing_came_for_three_slots(minutes: float, stale: bool) -> None:
    made = board()
    now_ms = NOON_MS + int(minutes * MINUTE_MS)
    assert made.stale(now_ms) == (["A"] if stale else [])
    assert made.not_ready(now_ms) == ("demo: stale in session: A" if stale else None)


def test_evidence_keeps_a_symbol_from_being_stale_and_patience_is_none() -> None:
    made = board()
    later_ms = NOON_MS + 10 * MINUTE_MS
    clock(made, later_ms, "patience")
    assert made.stale(later_ms) == ["A"]
    clock(made, later_ms, "canary")
    assert made.stale(later_ms) == []


def test_a_symbol_that_is_halted_or_refused_is_not_stale() -> None:
    made = board()
    later_ms = NOON_MS + 10 * MINUTE_MS
    event(made, Halt("halt|demo|A|0", "demo", "A", 0, 0, None))
    assert made.stale(later_ms) == []
    event(made, Halt("halt|demo|A|0", "demo", "A", 0, 0, 5))
    assert made.stale(later_ms) == ["A"]
    event(made, Subscribed("subscription|demo|1", "demo", None, 0, 1, ("A",)))
    assert made.stale(later_ms) == []
    assert made.not_ready(later_ms) == "demo: without A"
    assert made.state_of("A") == "refused"


def test_a_connection_that_is_not_live_and_an_open_hole_are_named() -> None:
    made = board()
    hole = Hole("hole|demo|1|0", "demo", None, 0, 1, 0, None, "disconnect", "open", 0, 1)
    event(made, hole)
    assert made.not_ready(NOON_MS) == "demo: 1 open holes"
    assert made.state_of("A") == "live, hole"
    event(made, Hole("hole|demo|1|0", "demo", None, 0, 1, 0, 60_000, "disconnect", "filled", 1, 0))
    assert made.not_ready(NOON_MS) is None
    event(made, Connection("connection|demo|2", "demo", None, 0, "waiting", "refused", 2))
    assert made.not_ready(NOON_MS) == "demo: waiting refused"
    assert FeedBoard("demo", ("A",), Router(CONFIG)).not_ready(NOON_MS) == "demo: standby"


def test_what_was_waited_for_is_what_the_provider_asked_for() -> None:
    made = board()
    event(made, Limit(limit_id("demo", "history"), "demo", None, 0, 17_000, 429))
    event(made, Limit(limit_id("demo", "requests"), "demo", None, 0, 60_000, 0))
    event(made, Limit(limit_id("demo", "connections"), "demo", None, 0, 3_000, 503))
    assert made.waited_ms == 20_000
