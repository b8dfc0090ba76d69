"""The lines that an ingest writes into a log file."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import (
    Absent,
    Compared,
    Connection,
    Failover,
    FeedEvent,
    Halt,
    Hole,
    HoleState,
    Limit,
    Quiet,
    Revised,
    Skew,
    Subscribed,
)
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.feeds.live.model import Action, Append, FeedLetter, Instant, Report
from tapeline.streams.ingest.board import FeedBoard
from tapeline.streams.ingest.log_lines import FeedLog
from tapeline.streams.pipeline.log_writer import LogEntry
from tapeline.streams.pipeline.routing import Router

CONFIG = read_config(
    "".join(f'[instruments.{each}]\nbase = "1m"\ncalendar = "24/7"\n' for each in "ABCDE"), "test"
)
NOON_MS = 1_764_590_400_000
NOW = Instant(0, NOON_MS + 250)
STAMP = "2025-12-01T12:00:00Z demo: "


class Log:
    """A board and its log, which take the same actions."""

    def __init__(self) -> None:
        self.board = FeedBoard("demo", tuple("ABCDE"), Router(CONFIG))
        self.log = FeedLog(self.board, NOW)

    def take(self, *events: FeedEvent | Action, now: Instant = NOW) -> list[str]:
        """Lines without stamp and name."""
        actions = [each if isinstance(each, Action) else Report(each) for each in events]
        self.board.take(actions, now)
        lines = self.log.lines(actions, now)
        assert all(line.startswith(STAMP) for line in lines)
        return [line.removeprefix(STAMP) for line in lines]


def hole(state: HoleState, to_ms: int | None, fetched: int = 0, missing: int = 0) -> Hole:
    return Hole(
        "hole|demo|1|0", "demo", None, 0, 1, NOON_MS, to_ms, "disconnect", state, fetched, missing
    )


EVENTS: dict[str, tuple[FeedEvent | Action, str]] = {
    "a connection": (
        Connection("connection|demo|3", "demo", None, 0, "lost", "closed: 1006", 1),
        "connection 3 lost: closed: 1006",
    ),
    "a connection without a reason": (
        Connection("connection|demo|3", "demo", None, 0, "live", "", 1),
        "connection 3 live",
    ),
    "an attempt": (
        Connection("connection|demo|3", "demo", None, 0, "connecting", "wss://x", 1),
        "connection 3 connecting: wss://x",
    ),
    "symbols that were confirmed": (
        Subscribed("subscription|demo|1", "demo", None, 0, 5, ()),
        "5 of 5 symbols confirmed",
    ),
    "symbols that were not": (
        Subscribed("subscription|demo|1", "demo", None, 0, 5, ("A", "B", "C", "D")),
        "1 of 5 symbols confirmed, without A, B, C and 1 more",
    ),
    "a clock that cannot be right": (
        Skew("skew|demo|date", "demo", None, 0, -62_000, "date", False),
        "the provider's clock is -62.0 s to ours by date, too much: no clock is written",
    ),
    "a pause": (
        Limit("limit|demo", "demo", None, 0, 17_000, 429),
        "the provider asks for a pause of 17 s (status 429)",
    ),
    "a dead letter": (
        FeedLetter("feed:demo:1:1", "off_tick", "10.005 is off the tick", b"{}", "A"),
        "dead letter off_tick (A): 10.005 is off the tick",
    ),
    "a session that was compared": (
        Compared(
            "compared|demo|0|1", "demo", None, 0, NOON_MS, NOON_MS + 60 * MINUTE_MS, 2, 1, 118, 1,
            1, 0, 0, 0,
        ),
        (
            "session 2025-12-01T12:00:00Z to 2025-12-01T13:00:00Z compared with the history:"
            " 2 symbols, 1 changed, 1 missing, 1 symbol left out"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("event", "line"), EVENTS.values(), ids=EVENTS.keys())
def test_what_an_operator_must_know_is_a_line(event: FeedEvent | Action, line: str) -> None:
    assert Log().take(event) == [line]


def test_what_comes_in_great_numbers_is_no_line_of_its_own() -> None:
    log = Log()
    assert (
        log.take(
            Quiet("quiet|demo|A|0", "demo", "A", 0, 0, MINUTE_MS, "canary"),
            Revised("revised|demo|A|0", "demo", "A", 0, 0, 1),
            Absent("absent|demo|A|0", "demo", "A", 0, 0, 1),
            Limit("limit|demo", "demo", None, 0, 100, 0),
            Limit("limit|demo", "demo", None, 0, 1_000, 503),
            Connection("connection|demo|3", "demo", None, 0, "connecting", "wss://x", 2),
            Compared("compared|demo|0|1|A", "demo", "A", 0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0),
            Append(1, (LogEntry(Clock("A", NOON_MS), "canary", 0),)),
        )
        == []
    )
    assert "1 clocks, 1 quiet runs, 1 absent from the history in 60 s" in log.log.summary(
        Instant(60_000, NOON_MS)
    )


def test_a_hole_is_a_line_when_it_opens_when_it_ends_to_grow_and_when_it_closes() -> None:
    log = Log()
    noon, end = "2025-12-01T12:00:00Z", "2025-12-01T12:05:00Z"
    until_ms = NOON_MS + 5 * MINUTE_MS
    assert log.take(hole("open", None)) == [f"hole from {noon} and grows (disconnect)"]
    assert log.take(hole("open", None)) == []
    assert log.take(hole("open", until_ms, 0, 5)) == [
        f"hole from {noon} to {end} (disconnect), 5 slots missing"
    ]
    assert log.take(hole("open", until_ms, 0, 5)) == []
    assert log.take(hole("abandoned", until_ms, 4, 1)) == [
        f"hole from {noon} to {end} (disconnect) abandoned: 4 bars fetched, 1 slot missing"
    ]
    assert log.take(hole("filled", until_ms, 1)) == [
        f"hole from {noon} to {end} (disconnect) filled: 1 bar fetched"
    ]


def test_what_happens_to_many_symbols_at_once_is_one_line() -> None:
    moves = [
        Failover(f"failover|demo|{each}|0", "demo", each, 0, "demo", "spare", 0) for each in "ABCDE"
    ]
    halt = Halt("halt|demo|A|0", "demo", "A", 0, 0, None)
    assert Log().take(*moves, halt) == [
        "A, B, C and 2 more: bars are those of spare, no longer of demo",
        "A: trading is halted",
    ]


def test_a_summary_counts_what_came_since_the_last_one() -> None:
    log = Log()
    log.take(Connection("connection|demo|1", "demo", None, 0, "live", "", 1))
    for symbol in "ABCDE":
        record = Bar(symbol, "1m", NOON_MS - MINUTE_MS, 1.0, 1.0, 1.0, 1.0)
        log.take(Append(1, (LogEntry(record, "stream", NOON_MS),)))
    first = log.log.summary(Instant(60_000, NOON_MS))
    assert first == f"{STAMP}5 bars in 60 s; live"
    log.take(hole("open", None))
    later = log.log.summary(Instant(180_000, NOON_MS + 10 * MINUTE_MS))
    assert later == (
        "2025-12-01T12:10:00Z demo: nothing came in 120 s; live; 1 open hole;"
        " stale in session: A, B, C and 2 more"
    )
