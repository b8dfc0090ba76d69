"""What an ingest writes into a log file: connections, holes and failures, and a line a minute.

What comes in great numbers (runs of quiet slots, revisions, absences) is counted in that line; all
of it is in `tape.feeds.v1`, and in the output of ``--json``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tapeline.schemas.feed_events import (
    Absent,
    Compared,
    Connection,
    Failover,
    FeedEvent,
    Halt,
    Hole,
    Limit,
    Quiet,
    Skew,
    Subscribed,
)
from tapeline.schemas.ids import connection_number
from tapeline.schemas.instants import SECOND_MS, iso_time
from tapeline.streams.feeds.live.model import Action, FeedLetter, Instant, Report
from tapeline.streams.ingest.board import FeedBoard
from tapeline.streams.pipeline.view import set_version

NAMED: Final = 3
"""Symbols that a line names; more of them are counted."""
ASKED: Final = (418, 429, 1008)
"""By which status a provider asks for a pause; other ones are of our own."""
KINDS: Final = ("changed", "missing", "extra", "unclear", "cancelled")


class FeedLog:
    """The lines of one feed.

    Parameters
    ----------
    board
        What the feed did until now; it takes actions before this one does.
    """

    def __init__(self, board: FeedBoard, now: Instant) -> None:
        self._board = board
        self._holes: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._before: Counter[str] = Counter()
        self._since = now

    def lines(self, actions: Sequence[Action], now: Instant) -> list[str]:
        """What is worth a line at once."""
        events = [action.event for action in actions if isinstance(action, Report)]
        texts = [*self._of_feed(events), *self._of_symbols(events)]
        for action in actions:
            if isinstance(action, FeedLetter):
                of = "" if action.symbol is None else f" ({action.symbol})"
                texts.append(f"dead letter {action.code}{of}: {action.reason}")
        return [self._line(text, now) for text in texts]

    def summary(self, now: Instant) -> str:
        """What came since the last summary, and how the feed is now."""
        board = self._board
        totals = Counter(
            {
                "bars": sum(row.bars for row in board.rows.values()),
                "fetched": sum(row.fetched for row in board.rows.values()),
                "changed": sum(row.revised for row in board.rows.values()),
                "clocks": sum(row.clocks for row in board.rows.values()),
                "dead letters": board.letters.total(),
                **self._counts,
            }
        )
        news = [f"{totals[name] - self._before[name]} {name}" for name in totals]
        shown = [each for each in news if not each.startswith("0 ")] or ["nothing came"]
        seconds = round((now.mono_ms - self._since.mono_ms) / SECOND_MS)
        self._before, self._since = totals, now
        state = [f"{board.state} {board.reason}".rstrip()]
        if board.holes:
            state.append(_counted(len(board.holes), "open hole"))
        if board.missing:
            state.append(f"without {_names(board.missing)}")
        stale = board.stale(now.wall_ms)
        if stale:
            state.append(f"stale in session: {_names(stale)}")
        return self._line(f"{', '.join(shown)} in {seconds} s; {'; '.join(state)}", now)

    def _line(self, text: str, now: Instant) -> str:
        return f"{iso_time(now.wall_ms - now.wall_ms % SECOND_MS)} {self._board.feed}: {text}"

    def _of_feed(self, events: Iterable[FeedEvent]) -> Iterator[str]:
        for event in events:
            if isinstance(event, Connection):
                if event.state == "connecting" and event.attempt > 1:
                    # Why the attempt before it failed is a line.
                    continue
                number = connection_number(event.id)
                yield f"connection {number} {event.state}{_because(event.reason)}"
            elif isinstance(event, Subscribed):
                confirmed = event.wanted - len(event.missing)
                without = f", without {_names(event.missing)}" if event.missing else ""
                yield f"{confirmed} of {_counted(event.wanted, 'symbol')} confirmed{without}"
            elif isinstance(event, Hole):
                yield from self._hole(event)
            elif isinstance(event, Skew):
                health = "" if event.healthy else ", too much: no clock is written"
                seconds = event.offset_ms / SECOND_MS
                yield f"the provider's clock is {seconds:+.1f} s to ours by {event.witness}{health}"
            elif isinstance(event, Limit) and event.status in ASKED:
                seconds = event.wait_ms / SECOND_MS
                yield f"the provider asks for a pause of {seconds:.0f} s (status {event.status})"
            elif isinstance(event, Compared) and event.symbol is None:
                yield _compared(event)

    def _hole(self, event: Hole) -> Iterator[str]:
        """A hole, when it opens, ends to grow and closes; those of symbols are parts of it."""
        if event.symbol is not None:
            return
        grows = " and grows" if event.to_ms is None else f" to {iso_time(event.to_ms)}"
        text = f"hole from {iso_time(event.from_ms)}{grows} ({event.cause})"
        if event.state == "open":
            text = f"{text}, {_counted(event.missing, 'slot')} missing" if event.missing else text
        else:
            text = f"{text} {event.state}: {_counted(event.fetched, 'bar')} fetched"
            if event.missing:
                text = f"{text}, {_counted(event.missing, 'slot')} missing"
        known = self._holes.get(event.id)
        set_version(self._holes, event.id, text if event.state == "open" else None)
        if text != known:
            yield text

    def _of_symbols(self, events: Iterable[FeedEvent]) -> Iterator[str]:
        """Events of single symbols: what happens to many of them at once is one line."""
        alike: dict[str, list[str]] = {}
        for event in events:
            symbol = event.symbol
            if isinstance(event, Failover) and symbol is not None:
                change = f"bars are those of {event.to_feed}, no longer of {event.from_feed}"
                alike.setdefault(change, []).append(symbol)
            elif isinstance(event, Halt) and symbol is not None:
                change = "trading is halted" if event.to_ms is None else "trading goes on"
                alike.setdefault(change, []).append(symbol)
            elif isinstance(event, Quiet):
                self._counts["quiet runs"] += 1
            elif isinstance(event, Absent):
                self._counts["absent from the history"] += 1
        for change, symbols in alike.items():
            yield f"{_names(symbols)}: {change}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _compared(event: Compared) -> str:
    kinds = [(getattr(event, kind), kind) for kind in KINDS]
    found = ", ".join(f"{count} {kind}" for count, kind in kinds if count) or "all equal"
    skipped = f", {_counted(event.skipped, 'symbol')} left out" if event.skipped else ""
    session = f"{iso_time(event.from_ms)} to {iso_time(event.to_ms)}"
    symbols = _counted(event.symbols, "symbol")
    return f"session {session} compared with the history: {symbols}, {found}{skipped}"


def _names(symbols: Sequence[str]) -> str:
    more = len(symbols) - NAMED
    named = ", ".join(symbols[:NAMED])
    return f"{named} and {more} more" if more > 0 else named


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
