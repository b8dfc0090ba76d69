"""Holes: what the stream may have lost, from its cause to its end as filled or abandoned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from tapeline.schemas.feed_events import Hole, HoleCause, HoleState
from tapeline.schemas.ids import hole_id
from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.streams.feeds.live.engine.outbox import Outbox
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.model import Instant


class OpenHole(Struct):
    """A hole that is not closed.

    Attributes
    ----------
    to_ms
        Exclusive; None while it grows.
    symbols
        Those that still have slots of it without bar and evidence.
    fetched, lost
        Bars that the history gave; slots that are given up.
    """

    id: str
    connection: int
    cause: HoleCause
    from_ms: int
    to_ms: int | None
    symbols: set[str]
    fetched: int = 0
    lost: int = 0

    @property
    def end_ms(self) -> int:
        """Its end, FAR_FUTURE_MS while it grows."""
        return FAR_FUTURE_MS if self.to_ms is None else self.to_ms


class Holes:
    """The open holes of a feed, and their events."""

    def __init__(self, feed: str, states: Mapping[str, FeedSymbol], outbox: Outbox) -> None:
        self.open: dict[str, OpenHole] = {}
        self._feed = feed
        self._states = states
        self._outbox = outbox

    def begin(
        self,
        connection: int,
        cause: HoleCause,
        from_ms: int,
        symbols: Iterable[str],
        now: Instant,
        to_ms: int | None = None,
    ) -> OpenHole:
        """A hole of a connection; its event leaves before any record that follows."""
        identity = hole_id(self._feed, connection, from_ms)
        hole = self.open.get(identity)
        if hole is None:
            hole = OpenHole(identity, connection, cause, from_ms, to_ms, set(symbols))
            self.open[identity] = hole
        else:
            hole.symbols.update(symbols)
            if to_ms is None or hole.to_ms is None:
                hole.to_ms = None
            else:
                hole.to_ms = max(hole.to_ms, to_ms)
        self._outbox.report(self._event(hole, "open", now))
        return hole

    def patience(self, symbol: str, from_ms: int, to_ms: int, now: Instant) -> None:
        """A clock goes over slots of a symbol that nothing is known of: one hole of the feed."""
        for hole in self.open.values():
            if symbol in hole.symbols and hole.from_ms <= from_ms and to_ms <= hole.end_ms:
                return
        for hole in self.open.values():
            if hole.cause == "history" and hole.from_ms <= from_ms and hole.to_ms is not None:
                hole.symbols.add(symbol)
                hole.to_ms = max(hole.to_ms, to_ms)
                return
        self.begin(0, "history", from_ms, (symbol,), now, to_ms)

    def go_on(self, event: Hole) -> OpenHole:
        """A hole that an earlier process left open."""
        named = self._states if event.symbol is None else {event.symbol}
        chosen = {symbol for symbol in named if symbol in self._states}
        hole = OpenHole(
            event.id,
            event.connection,
            event.cause,
            event.from_ms,
            event.to_ms,
            chosen,
            event.fetched,
        )
        self.open[event.id] = hole
        return hole

    def end(self, hole: OpenHole, to_ms: int, now: Instant) -> None:
        """A hole stops to grow."""
        hole.to_ms = to_ms
        self._outbox.report(self._event(hole, "open", now))

    def fetched(self, symbol: str, label_ms: int) -> None:
        """The history gave a bar that the log did not have."""
        for hole in self.open.values():
            if symbol in hole.symbols and hole.from_ms <= label_ms < hole.end_ms:
                hole.fetched += 1

    def look(self, symbols: Iterable[str], now: Instant) -> None:
        """Close what has no slot left that is not known, of these symbols."""
        changed = list(symbols)
        for hole in list(self.open.values()):
            for symbol in changed:
                if symbol in hole.symbols and not self._unknown(hole, symbol):
                    hole.symbols.discard(symbol)
            if not hole.symbols:
                del self.open[hole.id]
                state: HoleState = "abandoned" if hole.lost else "filled"
                self._outbox.after(self._event(hole, state, now))

    def give_up(self, symbol: str, from_ms: int, to_ms: int, now: Instant) -> None:
        """Abandon what is not known of a symbol in a stretch; it is not asked for any more."""
        state = self._states[symbol]
        for hole in self.open.values():
            if symbol not in hole.symbols:
                continue
            lost = 0
            begin, end = max(from_ms, hole.from_ms), min(to_ms, hole.end_ms)
            for part in state.unknown.within(begin, end):
                lost += missing_slots(state, *part)
            if lost:
                hole.lost += lost
                self._outbox.after(self._of_symbol(hole, symbol, begin, end, lost, now))
        state.unknown.remove(from_ms, to_ms)

    def _unknown(self, hole: OpenHole, symbol: str) -> bool:
        state = self._states[symbol]
        if hole.to_ms is None:
            return True
        return any(
            state.slots.at(begin) < end
            for begin, end in state.unknown.within(hole.from_ms, hole.to_ms)
        )

    def _missing(self, hole: OpenHole) -> int:
        if hole.to_ms is None:
            return 0
        return sum(
            missing_slots(self._states[symbol], *part)
            for symbol in sorted(hole.symbols)
            for part in self._states[symbol].unknown.within(hole.from_ms, hole.to_ms)
        )

    def _event(self, hole: OpenHole, state: HoleState, now: Instant) -> Hole:
        return Hole(
            id=hole.id,
            feed=self._feed,
            symbol=None,
            at_ms=now.wall_ms,
            connection=hole.connection,
            from_ms=hole.from_ms,
            # One of the history grows with every slot that it owes.
            to_ms=None if state == "open" and hole.cause == "history" else hole.to_ms,
            cause=hole.cause,
            state=state,
            fetched=hole.fetched,
            missing=hole.lost + self._missing(hole),
        )

    def _of_symbol(
        self, hole: OpenHole, symbol: str, from_ms: int, to_ms: int, lost: int, now: Instant
    ) -> Hole:
        return Hole(
            id=hole_id(self._feed, hole.connection, hole.from_ms, symbol),
            feed=self._feed,
            symbol=symbol,
            at_ms=now.wall_ms,
            connection=hole.connection,
            from_ms=from_ms,
            to_ms=to_ms,
            cause=hole.cause,
            state="abandoned",
            fetched=0,
            missing=lost,
        )


def missing_slots(state: FeedSymbol, from_ms: int, to_ms: int) -> int:
    """Slots of an unknown stretch, none of which has a bar; 0 of one that has no end yet."""
    return 0 if to_ms >= FAR_FUTURE_MS else state.slots.count(from_ms, to_ms)
