"""The port by which what comes in live reaches a log: read back what it has, then append.

A log is the topic of a broker or the log of a store. One writer appends the bars of a symbol; all
that it knows when it starts is what it reads back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from tapeline.schemas.events import Reject
from tapeline.schemas.feed_events import Compared, Connection, FeedEvent, Hole, Limit
from tapeline.schemas.ids import connection_number
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.core.calendar import Calendar

SESSIONS_KNOWN = 2
"""Sessions of a symbol that a writer reads back; one that has not begun is none."""


class LogEntry(Struct, frozen=True):
    """One record for the log, with its provenance, which decides nothing.

    Attributes
    ----------
    via
        How a bar came (``stream``, ``history``, ``poll``, ``failover``); of a clock its evidence.
    recv_ms
        When it came, by the clock of the ingester.
    """

    record: LogRecord
    via: str
    recv_ms: int


LogItem = LogEntry | FeedEvent | Reject
"""A record, an event of the operations of the feed, or a dead letter."""


class LogBatch(Struct, frozen=True):
    """What is appended at once, in this order: none is there before those that it follows."""

    items: tuple[LogItem, ...]


@dataclass
class KnownSymbol:
    """What the log holds of a symbol.

    Attributes
    ----------
    watermark_ms
        As the engine of the group has it; None: the log has no record of the symbol.
    seen
        By label of slots from `first_known_ms` on the bar that the log holds last, None where that
        was a cancel.
    feeds
        Names of the feeds that wrote these bars; "" is a file.
    """

    watermark_ms: int | None = None
    seen: dict[int, Bar | None] = field(default_factory=dict)
    feeds: set[str] = field(default_factory=set)


@dataclass
class KnownLog:
    """What a feed finds when it starts: all the memory it has.

    Attributes
    ----------
    limits
        Of each id the `Limit` that ends last, of every feed: a pause that was asked for outlives a
        kill.
    begun_ms
        By feed, when (UTC) the process before this one began to connect.
    open_holes
        Holes that no later event closed.
    compared
        Open and close of sessions in which log and history are the same since they were compared.
    """

    symbols: dict[str, KnownSymbol] = field(default_factory=dict)
    limits: list[Limit] = field(default_factory=list)
    begun_ms: dict[str, int] = field(default_factory=dict)
    open_holes: list[Hole] = field(default_factory=list)
    compared: set[tuple[int, int]] = field(default_factory=set)

    def take(self, event: FeedEvent) -> None:
        """Learn from an event of the feed; the later one of an id holds, of pauses the longest."""
        if isinstance(event, Limit):
            others = [each for each in self.limits if each.id != event.id]
            longer = [
                each for each in self.limits if each.id == event.id and _end(each) > _end(event)
            ]
            self.limits = [*others, *(longer or [event])]
        elif isinstance(event, Connection):
            # A process that has to wait first reports that of the connection 0.
            if (connection_number(event.id), event.state) in ((0, "waiting"), (1, "connecting")):
                self.begun_ms[event.feed] = event.at_ms
        elif isinstance(event, Hole):
            self.open_holes = [each for each in self.open_holes if each.id != event.id]
            if event.state == "open":
                self.open_holes.append(event)
        elif isinstance(event, Compared) and event.symbol is None:
            session = event.from_ms, event.to_ms
            same = not (event.extra or event.unclear or event.skipped)
            (self.compared.add if same else self.compared.discard)(session)

    def take_other(self, event: FeedEvent) -> None:
        """Learn from an event of another feed, which may be the backup of this one."""
        if isinstance(event, Limit | Connection):
            self.take(event)

    def limits_of(self, feed: str) -> list[Limit]:
        """Pauses of a feed."""
        return [each for each in self.limits if each.feed == feed]


def first_known_ms(calendar: Calendar, at_ms: int) -> int:
    """Open of the first of the sessions that a writer reads back at an instant."""
    index = calendar.session_of(at_ms)
    if calendar.has_session(index) and calendar.open_ms(index) <= at_ms:
        index += 1
    index -= SESSIONS_KNOWN
    return calendar.open_ms(index) if calendar.has_session(index) else calendar.first_ms


def _end(limit: Limit) -> int:
    return limit.at_ms + limit.wait_ms


class LogWriter(Protocol):
    """A log that one feed writes to."""

    async def read_back(self, feed: str, symbols: Sequence[str]) -> KnownLog:
        """What the log holds of some symbols and of the feed.

        Raises
        ------
        BrokenPromiseError
            When another feed writes the bars of one of them.
        """
        ...

    async def write(self, batch: LogBatch) -> None:
        """Append what the feed made; all of it is durable when this returns.

        Raises
        ------
        InputOutputError
            When the destination is gone, or full.
        """
        ...

    async def close(self) -> None:
        """Write nothing more."""
        ...
