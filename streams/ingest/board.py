"""What a running ingest shows of itself: per symbol its last bar, lateness, state and holes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from tapeline.schemas.feed_events import Connection, FeedEvent, Halt, Hole, Limit, Skew, Subscribed
from tapeline.schemas.ids import held_by_limit
from tapeline.schemas.instants import SECOND_MS
from tapeline.schemas.records import Bar, Cancel
from tapeline.streams.feeds.live.model import Action, Append, FeedLetter, Instant, Report
from tapeline.streams.monitoring.page import Histogram, Page, counted
from tapeline.streams.pipeline.log_writer import KnownLog, LogEntry
from tapeline.streams.pipeline.operations import NO_PROOF
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.status import is_stale

LATENESS_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
BY_STREAM: Final = ("stream", "poll")


class SymbolRow(Struct):
    """One symbol of a feed, as it is now.

    Attributes
    ----------
    start_ms, close
        Of the last bar by label; None before the first one.
    late_ms
        From the end of that bar to its receipt.
    known_ms
        Up to here every slot has its bar or evidence, as far as this process wrote it.
    bars, fetched, revised, clocks
        Records since the process began: bars of the stream, of the history, changed ones, clocks.
    """

    feed: str
    symbol: str
    start_ms: int | None = None
    close: float | None = None
    late_ms: int | None = None
    known_ms: int | None = None
    bars: int = 0
    fetched: int = 0
    revised: int = 0
    clocks: int = 0


class FeedBoard:
    """What one feed did since its process began.

    Attributes
    ----------
    state, reason
        Of its newest connection; before the first one ``standby``: the log is read back, or another
        process writes it.
    rows
        By symbol.
    missing
        Symbols that the provider did not confirm.
    """

    def __init__(self, feed: str, symbols: Sequence[str], router: Router) -> None:
        self.feed = feed
        self.state = "standby"
        self.reason = ""
        self.rows = {symbol: SymbolRow(feed, symbol) for symbol in symbols}
        self._known = KnownLog()
        self.missing: tuple[str, ...] = ()
        self.lateness = Histogram(LATENESS_SECONDS)
        self.evidence: Counter[str] = Counter()
        self.letters: Counter[str] = Counter()
        self.connections = 0
        self.waited_ms = 0
        self.skews: dict[str, Skew] = {}
        self.halted: set[str] = set()
        self._router = router

    def take(self, actions: Sequence[Action], now: Instant) -> None:
        """Learn from the actions of the engine."""
        for action in actions:
            if isinstance(action, Append):
                for entry in action.entries:
                    self._take_entry(entry)
            elif isinstance(action, Report):
                self._take_event(action.event)
            elif isinstance(action, FeedLetter):
                self.letters[action.code] += 1

    def _take_entry(self, entry: LogEntry) -> None:
        record = entry.record
        row = self.rows[record.symbol]
        if isinstance(record, Bar):
            end_ms = self._router.slot_end_ms(row.symbol, record.start_ms)
            row.known_ms = max(row.known_ms or end_ms, end_ms)
            if entry.via in BY_STREAM:
                row.bars += 1
            else:
                row.fetched += 1
            if row.start_ms is None or record.start_ms > row.start_ms:
                late_ms = entry.recv_ms - end_ms
                row.start_ms, row.close, row.late_ms = record.start_ms, record.close, late_ms
                if entry.via in BY_STREAM:
                    self.lateness.observe(late_ms / SECOND_MS)
            else:
                row.revised += 1
        elif isinstance(record, Cancel):
            row.revised += 1
        else:
            row.clocks += 1
            self.evidence[entry.via] += 1
            if entry.via != NO_PROOF:
                row.known_ms = max(row.known_ms or record.time_ms, record.time_ms)

    def _take_event(self, event: FeedEvent) -> None:
        if isinstance(event, Connection):
            self.connections += event.state == "connecting"
            self.state, self.reason = event.state, event.reason
        elif isinstance(event, Hole):
            self._known.take(event)
        elif isinstance(event, Subscribed):
            self.missing = event.missing
        elif isinstance(event, Halt) and event.symbol is not None:
            (self.halted.add if event.to_ms is None else self.halted.discard)(event.symbol)
        elif isinstance(event, Limit) and held_by_limit(event.id) != "requests":
            self.waited_ms += event.wait_ms
        elif isinstance(event, Skew):
            self.skews[event.witness] = event

    @property
    def holes(self) -> list[Hole]:
        """Those that are open."""
        return self._known.open_holes

    def state_of(self, symbol: str) -> str:
        """What a symbol is in: live, a hole, missing, or the state of the connection."""
        if symbol in self.missing:
            return "refused"
        if any(hole.symbol in (None, symbol) for hole in self.holes):
            return f"{self.state}, hole"
        return self.state

    def stale(self, now_ms: int) -> list[str]:
        """Symbols in session of which neither bars nor evidence come; see `is_stale`."""
        found = []
        for symbol, row in self.rows.items():
            plan = self._router.plan(symbol)
            silent = symbol in self.halted or symbol in self.missing
            if not silent and is_stale(plan.calendar, plan.base_ms, row.known_ms, now_ms):
                found.append(symbol)
        return found

    def not_ready(self, now_ms: int) -> str | None:
        """What the feed still waits for; None when it is live without a hole."""
        if self.state != "live":
            return f"{self.feed}: {self.state} {self.reason}".rstrip()
        if self.holes:
            return f"{self.feed}: {len(self.holes)} open holes"
        if self.missing:
            return f"{self.feed}: without {', '.join(self.missing)}"
        stale = self.stale(now_ms)
        return f"{self.feed}: stale in session: {', '.join(stale)}" if stale else None


def ingest_page(boards: Sequence[FeedBoard], started_s: float, now_ms: int) -> str:
    """The page of ``/metrics`` of an ingest; what is stale is so by ``now_ms``."""
    page = Page()
    page.metric("start_time_seconds", "gauge", "When the process began.", [({}, started_s)])
    of_feed = [({"feed": board.feed}, board) for board in boards]
    page.metric(
        "feed_live",
        "gauge",
        "1 when a connection of the feed is live.",
        [(labels, int(board.state == "live")) for labels, board in of_feed],
    )
    page.metric(
        "feed_holes_open",
        "gauge",
        "Holes that are neither filled nor abandoned.",
        [(labels, len(board.holes)) for labels, board in of_feed],
    )
    page.metric(
        "feed_hole_oldest_ms",
        "gauge",
        "When the oldest open hole was opened, UTC epoch milliseconds.",
        [
            (labels, min((hole.at_ms for hole in board.holes), default=None))
            for labels, board in of_feed
        ],
    )
    page.metric(
        "feed_connections_total",
        "counter",
        "Attempts to connect.",
        [(labels, board.connections) for labels, board in of_feed],
    )
    page.metric(
        "feed_waited_ms_total",
        "counter",
        "Pauses that the provider asked for.",
        [(labels, board.waited_ms) for labels, board in of_feed],
    )
    page.metric(
        "feed_skew_ms",
        "gauge",
        "The provider's clock less ours, by witness.",
        [
            ({**labels, "witness": witness}, skew.offset_ms)
            for labels, board in of_feed
            for witness, skew in sorted(board.skews.items())
        ],
    )
    for name, meaning, attribute in (
        ("feed_evidence_total", "Clocks by what showed the silence.", "evidence"),
        ("feed_rejects_total", "Dead letters of the feed by code.", "letters"),
    ):
        label = "via" if attribute == "evidence" else "code"
        page.metric(
            name,
            "counter",
            meaning,
            [
                ({**labels, **own}, value)
                for labels, board in of_feed
                for own, value in counted(getattr(board, attribute), label)
            ],
        )
    stale = {board.feed: set(board.stale(now_ms)) for board in boards}
    page.metric(
        "feed_symbol_stale",
        "gauge",
        "1 while a symbol is in session and neither bars nor evidence come.",
        [
            ({"feed": row.feed, "symbol": row.symbol}, int(row.symbol in stale[row.feed]))
            for board in boards
            for row in board.rows.values()
        ],
    )
    rows = [(board, row) for board in boards for row in board.rows.values()]
    for name, meaning, attribute in (
        ("feed_bars_total", "Bars of the stream.", "bars"),
        ("feed_fetched_total", "Bars of the history.", "fetched"),
        ("feed_revised_total", "Bars of slots that the log had.", "revised"),
    ):
        page.metric(
            name,
            "counter",
            meaning,
            [
                ({"feed": row.feed, "symbol": row.symbol}, getattr(row, attribute))
                for _, row in rows
            ],
        )
    page.histograms(
        "feed_lateness_seconds",
        "From the end of a slot to its first bar by the stream.",
        [(labels, board.lateness) for labels, board in of_feed],
    )
    return page.text()
