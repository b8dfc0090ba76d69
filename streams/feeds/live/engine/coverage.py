"""Which connection has which symbol, since when; and what that leaves unknown."""

from __future__ import annotations

from typing import Final

from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS, SECOND_MS
from tapeline.streams.feeds.live.engine.evidence import Connected
from tapeline.streams.feeds.live.engine.finality import Finality
from tapeline.streams.feeds.live.engine.parts import Parts
from tapeline.streams.feeds.live.engine.seam import Seam
from tapeline.streams.feeds.live.engine.session_end import SessionEnds
from tapeline.streams.feeds.live.engine.signals import RefusedSymbols, WentDown, WentLive
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.model import Instant
from tapeline.streams.pipeline.log_writer import KnownLog

POLLED_AFTER_MS: Final = 30 * SECOND_MS
LEAST_POLL_MS: Final = 10 * SECOND_MS


class FeedCoverage:
    """Begins and ends holes as connections come and go, and asks the history for them."""

    def __init__(self, parts: Parts, seam: Seam, finality: Finality, ends: SessionEnds) -> None:
        self._parts = parts
        self._seam = seam
        self._finality = finality
        self._polling = False
        self._ends = ends

    def went_live(self, signal: WentLive, now: Instant) -> None:
        """Symbols were acknowledged on a connection."""
        parts = self._parts
        since_ms = parts.time.at(signal.since)
        connection = parts.connections.get(signal.connection)
        if connection is None:
            connection = Connected(signal.connection, set(), since_ms)
            parts.connections[signal.connection] = connection
        fresh = []
        for symbol in signal.symbols:
            state = parts.states.get(symbol)
            if state is None:
                continue
            if state.refused:
                state.refused = False
                state.unknown.add(state.watermark_ms or since_ms, FAR_FUTURE_MS)
            connection.symbols.add(symbol)
            if not state.connections:
                fresh.append(state)
                state.unknown.remove(self._covered_from(state, since_ms), FAR_FUTURE_MS)
            state.connections[signal.connection] = since_ms
        self._end_holes(since_ms, now)
        if fresh:
            self._seam.begin(fresh, now)

    def _covered_from(self, state: FeedSymbol, since_ms: int) -> int:
        """First instant of whole slots that a connection has: the slot in progress is not one."""
        label_ms = state.slots.at(since_ms)
        return state.slots.end(label_ms) if label_ms < since_ms else since_ms

    def _end_holes(self, since_ms: int, now: Instant) -> None:
        """End the holes that grow, once every symbol is on a connection or refused."""
        parts = self._parts
        if any(
            state.unknown.meets(FAR_FUTURE_MS - 1, FAR_FUTURE_MS) for state in parts.states.values()
        ):
            return
        to_ms = max(
            (self._covered_from(state, since_ms) for state in parts.states.values()),
            default=since_ms,
        )
        for hole in list(parts.holes.open.values()):
            if hole.to_ms is None:
                parts.holes.end(hole, max(to_ms, hole.from_ms), now)

    def went_down(self, signal: WentDown, now: Instant) -> None:
        """A connection is gone: what it may have lost is a hole, if no other one has it."""
        parts = self._parts
        connection = parts.connections.pop(signal.connection, None)
        if connection is None:
            return
        heard_ms = parts.time.at(signal.last_heard)
        from_ms, lost = FAR_FUTURE_MS, []
        for symbol in sorted(connection.symbols):
            state = parts.states[symbol]
            since_ms = state.connections.pop(signal.connection)
            self._finality.went_down(state, signal.connection, heard_ms, now)
            others = state.connections
            follower = signal.replaced_by
            if follower is None or follower not in others:
                follower = min(
                    (number for number, other_ms in others.items() if other_ms <= heard_ms),
                    default=None,
                )
            if follower is not None and follower in others:
                # Nothing was lost between the two: the one follows the other.
                others[follower] = min(others[follower], since_ms)
                continue
            begin_ms = self._lost_from(state, heard_ms)
            to_ms = FAR_FUTURE_MS
            if others:
                to_ms = self._covered_from(state, min(others.values()))
            else:
                state.halted_ms = None
            state.unknown.add(begin_ms, to_ms)
            from_ms = min(from_ms, begin_ms)
            lost.append(symbol)
        if lost:
            parts.holes.begin(signal.connection, signal.cause, from_ms, lost, now)
            self.poll_from(now.mono_ms + POLLED_AFTER_MS)

    def _lost_from(self, state: FeedSymbol, heard_ms: int) -> int:
        """First instant of which bars may be lost: what was due and had not come is, too."""
        label_ms = state.slots.at(heard_ms)
        begin_ms = min(label_ms, heard_ms)
        reached_ms = state.reached_ms
        return begin_ms if reached_ms is None else min(begin_ms, reached_ms)

    def refuse(self, signal: RefusedSymbols, now: Instant) -> None:
        """The provider does not give symbols: no hole, no clock, no history of them."""
        parts = self._parts
        for symbol in signal.symbols:
            state = parts.states.get(symbol)
            if state is None or state.connections:
                continue
            state.refused = True
            self._ends.drop(symbol)
            state.unknown.remove(FAR_PAST_MS, FAR_FUTURE_MS + 1)
            parts.wants.drop(symbol)
            for hole in parts.holes.open.values():
                hole.symbols.discard(symbol)
        self._end_holes(parts.time.at(now), now)
        parts.holes.look((), now)

    def poll_from(self, at_ms: int) -> None:
        """Ask the history from then on (``mono_ms``) where no connection is there."""
        if self._parts.has_history and not self._polling:
            self._polling = True
            self._parts.agenda.enter(at_ms, "poll", ())

    def poll(self, now: Instant) -> None:
        """Without a connection the history is asked as it grows."""
        self._polling = False
        step_ms = FAR_FUTURE_MS
        for state in self._parts.states.values():
            first_ms = state.unknown.first_ms
            if state.connections or state.refused or state.barred or first_ms is None:
                continue
            step_ms = min(step_ms, max(state.slots.base_ms, LEAST_POLL_MS))
            first_ms = max(first_ms, self._parts.reach_ms(state, now))
            self._parts.wants.add("evidence", state.symbol, first_ms, FAR_FUTURE_MS, now.mono_ms)
        if step_ms < FAR_FUTURE_MS:
            self.poll_from(now.mono_ms + step_ms)

    def resume(self, known: KnownLog, now: Instant) -> None:
        """Go on from what the log holds: a kill is an outage, too."""
        parts = self._parts
        from_ms = FAR_FUTURE_MS
        begun: dict[str, int] = {}
        for state in parts.states.values():
            parts.statements.begin(state)
            first_ms = max(self._seam.begin_ms(state, now), parts.reach_ms(state, now))
            begun[state.symbol] = first_ms
            if state.watermark_ms is not None:
                first_ms = state.watermark_ms
            state.unknown.add(first_ms, FAR_FUTURE_MS)
            from_ms = min(from_ms, first_ms)
        for event in known.open_holes:
            hole = parts.holes.go_on(event)
            for symbol in sorted(hole.symbols):
                self._reopen(parts.states[symbol], hole.from_ms, hole.end_ms)
        parts.holes.begin(0, "restart", from_ms, parts.states, now)
        self._ends.resume(known, begun, now)
        self.poll_from(now.mono_ms + POLLED_AFTER_MS)

    def _reopen(self, state: FeedSymbol, from_ms: int, to_ms: int) -> None:
        state.unknown.add(from_ms, to_ms)
        for label, bar in state.seen.items():
            if bar is not None and from_ms <= label < to_ms:
                state.unknown.remove(label, state.slots.end(label))
