"""Messages that are no bars: markers, halts, bars taken back, trades corrected."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tapeline.schemas.feed_events import Halt
from tapeline.schemas.ids import halt_id
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.feeds.live.engine.answers import Answers
from tapeline.streams.feeds.live.engine.evidence import Connected
from tapeline.streams.feeds.live.engine.parts import Parts
from tapeline.streams.feeds.live.engine.seam import Seam
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.model import Instant, Notice


class Notices:
    """What a notice changes.

    Parameters
    ----------
    watch
        Looks at the silence of a symbol again.
    """

    def __init__(
        self,
        parts: Parts,
        answers: Answers,
        seam: Seam,
        watch: Callable[[FeedSymbol, Instant], None],
    ) -> None:
        self._parts = parts
        self._answers = answers
        self._seam = seam
        self._watch = watch

    def take(self, notice: Notice, connection: Connected | None, now: Instant) -> None:
        """A notice that came by a connection."""
        parts = self._parts
        if notice.symbol is None:
            states: Iterable[FeedSymbol] = parts.states.values()
        else:
            known = parts.states.get(notice.symbol)
            states = () if known is None else (known,)
        if notice.means == "marker" and notice.start_ms is not None:
            if notice.symbol is None and connection is not None:
                connection.marked_ms = max(connection.marked_ms, notice.start_ms)
            elif notice.symbol is not None:
                for state in states:
                    state.marked_ms = max(state.marked_ms, notice.start_ms)
            if connection is not None and parts.holes.open:
                self._in_holes(notice, notice.start_ms, connection, now)
        elif notice.means in ("halt", "resume"):
            for state in states:
                self._halt(state, notice, now)
        elif notice.symbol is not None and notice.start_ms is not None:
            for state in states:
                if notice.means == "removed":
                    self._removed(state, notice.start_ms, now)
                elif notice.means == "dirty":
                    self._answers.dirty(state, notice.start_ms, now)

    def _in_holes(self, notice: Notice, label_ms: int, connection: Connected, now: Instant) -> None:
        """A marker shows slots of holes, too: what was replayed, and where the connection began."""
        parts = self._parts
        missing = {symbol for hole in parts.holes.open.values() for symbol in hole.symbols}
        named = connection.symbols if notice.symbol is None else {notice.symbol}
        symbols = sorted(missing & named & connection.symbols)
        for symbol in symbols:
            state = parts.states[symbol]
            from_ms = notice.from_ms
            if from_ms is None:
                from_ms = state.slots.at(state.connections[connection.number])
            else:
                state.replay_until_ms = FAR_PAST_MS
                # What it did not begin with comes by no other way.
                parts.holes.give_up(symbol, FAR_PAST_MS, from_ms, now)
            end_ms, reached_ms = state.slots.end(label_ms), state.reached_ms
            fresh = state.unknown.within(from_ms, end_ms)
            state.unknown.remove(from_ms, end_ms)
            state.marked.add(from_ms, end_ms)
            for begin, end in fresh:
                if reached_ms is not None:
                    parts.quiet.late(state, begin, min(end, reached_ms), "marker", now.wall_ms)
            self._watch(state, now)
        parts.holes.look(symbols, now)

    def _removed(self, state: FeedSymbol, label_ms: int, now: Instant) -> None:
        self._seam.forget(state, label_ms)
        state.in_progress.pop(label_ms, None)
        state.empty.add(label_ms)
        # What the history was asked for before is older than this.
        state.orders[label_ms] = max(now.mono_ms, state.orders.get(label_ms, now.mono_ms))
        self._parts.statements.cancel(state, label_ms, "stream", now.mono_ms, now)

    def _halt(self, state: FeedSymbol, notice: Notice, now: Instant) -> None:
        provider_ms = self._parts.time.at(now)
        begun_ms = state.halted_ms
        to_ms = None
        if notice.means == "halt":
            if begun_ms is not None:
                return
            begun_ms = state.halted_ms = notice.start_ms or provider_ms
        elif begun_ms is None:
            return
        else:
            to_ms = notice.start_ms or provider_ms
            state.halted_ms = None
            state.empty.update(
                label
                for label in state.slots.labels(max(begun_ms, state.reached_ms or begun_ms), to_ms)
                if state.slots.end(label) <= to_ms
            )
            self._watch(state, now)
        self._parts.outbox.report(
            Halt(
                id=halt_id(self._parts.settings.name, state.symbol, begun_ms),
                feed=self._parts.settings.name,
                symbol=state.symbol,
                at_ms=now.wall_ms,
                from_ms=begun_ms,
                to_ms=to_ms,
            )
        )
