"""The seam between history and stream: at every connect, the first one included.

From the acknowledgement statements of the stream are held. The history of the running session is
asked first; its bars are written, then what was held, in the order in which it came. What the
history cannot have yet at that time is asked for once the slot in progress has ended (the tail).
Where the history does not answer, live goes on without it: what it brings later are corrections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS, MINUTE_MS, SECOND_MS
from tapeline.streams.feeds.live.engine.parts import Parts, session_open
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol, HeardStatement
from tapeline.streams.feeds.live.model import Instant

HISTORY_DOWN_MS: Final = 30 * SECOND_MS
HOLD_MS: Final = 5 * MINUTE_MS
STATEMENT_BYTES: Final = 512
"""What a held statement takes of memory, about."""
LOOK_MS: Final = SECOND_MS
REPLAY_MS: Final = 15 * MINUTE_MS
"""How long a connection may take to replay what was missed before it."""
RETRIES_MS: Final = (30 * SECOND_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS)
"""After the tail: a second answer, and what a provider finishes late. The first one comes sooner
where two slots are over sooner: a later row shows how far the history is."""


class Seam:
    """Holds statements back until the history is written.

    Parameters
    ----------
    take
        Takes a statement that was held.
    watch
        Looks at the silence of a symbol again.
    most_bytes
        So much may be held, about.
    """

    def __init__(
        self,
        parts: Parts,
        take: Callable[[FeedSymbol, HeardStatement, Instant], None],
        watch: Callable[[FeedSymbol, Instant], None],
        most_bytes: int,
    ) -> None:
        self._most_bytes = most_bytes
        self._parts = parts
        self._take = take
        self._watch = watch
        self._holding: dict[str, None] = {}
        self._bytes = 0
        self._looking = False

    def begin(self, states: list[FeedSymbol], now: Instant) -> None:
        """These symbols are on a connection again, or for the first time."""
        parts = self._parts
        provider_ms = parts.time.at(now)
        tail_ms = now.mono_ms
        for state in states:
            self.hold_back(state, now)
            label_ms = state.slots.at(provider_ms)
            end_ms = state.slots.end(label_ms) if label_ms <= provider_ms else provider_ms
            tail_ms = max(tail_ms, parts.time.mono_ms(end_ms + parts.history.lag_ms))
            if parts.replays:
                state.replay_until_ms = now.mono_ms + REPLAY_MS
                self.release(state, now)
            elif not parts.has_history or state.barred:
                # The slot in progress may still come.
                parts.holes.give_up(state.symbol, FAR_PAST_MS, min(label_ms, provider_ms), now)
                self.release(state, now)
            elif not self._want(state, now):
                self.release(state, now)
        symbols = tuple(state.symbol for state in states)
        parts.holes.look(symbols, now)
        if parts.replays:
            parts.agenda.enter(now.mono_ms + REPLAY_MS, "retry", symbols)
            return
        parts.agenda.enter(tail_ms, "tail", symbols)
        if parts.has_history:
            slot_ms = max((state.slots.base_ms for state in states), default=0)
            for wait_ms in sorted({min(2 * slot_ms, RETRIES_MS[0]), *RETRIES_MS}):
                parts.agenda.enter(tail_ms + wait_ms, "retry", symbols)

    def hold_back(self, state: FeedSymbol, now: Instant) -> None:
        """Hold the statements of a symbol from now on."""
        if state.holding is None:
            state.holding = now.mono_ms
        self._holding[state.symbol] = None
        if not self._looking:
            self._looking = True
            self._parts.agenda.enter(now.mono_ms + LOOK_MS, "hold", ())

    def hold(self, state: FeedSymbol, heard: HeardStatement, now: Instant) -> None:
        """Hold a statement; where that is too much, what was held the longest goes on without."""
        state.held.append(heard)
        self._bytes += STATEMENT_BYTES
        while self._bytes > self._most_bytes and self._holding:
            self.release(self._parts.states[next(iter(self._holding))], now)

    def forget(self, state: FeedSymbol, label_ms: int) -> None:
        """Hold nothing of a slot any more: the provider took it back."""
        kept = [each for each in state.held if each.statement.bar.start_ms != label_ms]
        self._bytes -= STATEMENT_BYTES * (len(state.held) - len(kept))
        state.held = kept

    def release(self, state: FeedSymbol, now: Instant) -> None:
        """Take what was held of a symbol, in the order in which it came."""
        if state.holding is None:
            return
        state.holding = None
        self._holding.pop(state.symbol, None)
        held, state.held = state.held, []
        self._bytes -= STATEMENT_BYTES * len(held)
        for heard in held:
            self._take(state, heard, now)
        self._watch(state, now)

    def look(self, now: Instant) -> None:
        """Release what was held for too long: the history is down, or slow."""
        self._looking = False
        last_ms = self._parts.desk.last_good_ms
        for symbol in list(self._holding):
            state = self._parts.states[symbol]
            assert state.holding is not None
            since_ms = state.holding if last_ms is None else max(state.holding, last_ms)
            if now.mono_ms - since_ms >= HISTORY_DOWN_MS or now.mono_ms - state.holding >= HOLD_MS:
                self.release(state, now)
        if self._holding:
            self._looking = True
            self._parts.agenda.enter(now.mono_ms + LOOK_MS, "hold", ())

    def ask_missing(self, symbols: Iterable[str], tail: bool, now: Instant) -> None:
        """Want the slots that nothing is known of, after the tail those that are still so."""
        parts = self._parts
        for symbol in symbols:
            state = parts.states[symbol]
            first_ms = state.unknown.first_ms
            if first_ms is None or state.refused or not state.connections:
                continue
            if state.replay_until_ms > now.mono_ms:
                # A later connection replays.
                continue
            if not parts.has_history or state.barred:
                parts.holes.give_up(symbol, FAR_PAST_MS, FAR_FUTURE_MS, now)
                parts.holes.look((symbol,), now)
                continue
            first_ms = max(first_ms, parts.reach_ms(state, now))
            parts.wants.add(
                "tail" if tail else "retry", symbol, first_ms, FAR_FUTURE_MS, now.mono_ms
            )

    def _want(self, state: FeedSymbol, now: Instant) -> bool:
        """Want the history of a symbol; whether its statements must wait for it."""
        parts = self._parts
        provider_ms = parts.time.at(now)
        floor_ms = parts.reach_ms(state, now)
        first_ms = state.unknown.first_ms
        if first_ms is not None and first_ms < floor_ms:
            parts.holes.give_up(state.symbol, FAR_PAST_MS, floor_ms, now)
            first_ms = floor_ms
        if state.watermark_ms is None:
            from_ms = max(self.begin_ms(state, now), floor_ms)
        else:
            known_ms = state.watermark_ms if first_ms is None else min(first_ms, state.watermark_ms)
            before_ms = parts.settings.truth.revises_for_ms + 2 * state.slots.base_ms
            from_ms = max(known_ms - before_ms, floor_ms)
        opened_ms = session_open(state, provider_ms)
        if from_ms < opened_ms:
            parts.wants.add("older", state.symbol, from_ms, opened_ms - 1, now.mono_ms)
        from_ms = max(from_ms, opened_ms)
        if from_ms > parts.wants.latest(state.symbol, provider_ms):
            return False
        parts.wants.add("seam", state.symbol, from_ms, FAR_FUTURE_MS, now.mono_ms)
        return True

    def begin_ms(self, state: FeedSymbol, now: Instant) -> int:
        """Where the history of a symbol begins that the log does not have."""
        begin = self._parts.history.begin
        if begin:
            return round(datetime.fromisoformat(begin).timestamp() * SECOND_MS)
        opened_ms = session_open(state, self._parts.time.at(now))
        return state.slots.session_before(opened_ms)[0] or opened_ms
