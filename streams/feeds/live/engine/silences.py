"""Clocks in silence: on evidence, or after patience with the hole open."""

from __future__ import annotations

from typing import Final

from tapeline.schemas.feed_events import Evidence
from tapeline.schemas.instants import FAR_FUTURE_MS, MINUTE_MS, SECOND_MS
from tapeline.streams.feeds.live.engine.evidence import STRENGTH, proof_of_silence
from tapeline.streams.feeds.live.engine.parts import Parts
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.model import Instant

AFTER_CLOSE_MS: Final = MINUTE_MS
AHEAD_IN_A_ROW: Final = 3
CHECKED_SLOTS: Final = 20
OWN_EVIDENCE_MS: Final = 10 * SECOND_MS
"""How long a slot waits for evidence of the stream before the history is asked."""
APART_MS: Final = 31 * SECOND_MS
"""Between two questions for the same slot."""
LOOK_MS: Final = 200
"""New evidence concerns thousands of symbols: they are looked at together."""


class Silences:
    """Follows each symbol's first slot without a bar until something shows that it has none."""

    def __init__(self, parts: Parts, now: Instant) -> None:
        self._parts = parts
        # What an earlier process left is fetched first: patience begins with this one.
        self._begun_ms = parts.time.at(now)
        self._waiting: set[str] = set()
        self._look_ms = FAR_FUTURE_MS

    @property
    def next_ms(self) -> int:
        """When (``mono_ms``) new evidence is to be looked at."""
        return self._look_ms if self._waiting else FAR_FUTURE_MS

    def evidence_came(self, now: Instant) -> None:
        """Something came that may show a silence."""
        self._look_ms = min(self._look_ms, now.mono_ms + LOOK_MS)

    def follow(self, state: FeedSymbol, now: Instant) -> None:
        """A bar of a symbol came: its first slot without a bar is another one."""
        if not state.watched_ms or state.symbol in self._waiting:
            self.watch(state, now)

    def look(self, now: Instant) -> None:
        """Look at the symbols that wait, where evidence came."""
        if self._look_ms <= now.mono_ms:
            self._look_ms = FAR_FUTURE_MS
            for symbol in sorted(self._waiting):
                self.watch(self._parts.states[symbol], now)

    def watch(self, state: FeedSymbol, now: Instant) -> None:
        """Write the clocks that are due of a symbol, and enter when the next one may be."""
        self._waiting.discard(state.symbol)
        if (
            state.watermark_ms is None
            or state.holding is not None
            or state.refused
            or state.ahead_in_a_row >= AHEAD_IN_A_ROW
            or not self._parts.time.healthy
        ):
            return
        parts, slots = self._parts, state.slots
        provider_ms = parts.time.at(now)
        grace_ms = parts.lateness.grace_ms()
        patience_ms = parts.settings.truth.outage_patience_ms
        while True:
            reached_ms = state.reached_ms
            assert reached_ms is not None
            label_ms = slots.at(reached_ms)
            if label_ms == FAR_FUTURE_MS or state.backed.meets(label_ms, label_ms + 1):
                # Of a slot that is the backup's, the backup writes the clock.
                return
            end_ms = slots.end(label_ms)
            due_ms = end_ms + (AFTER_CLOSE_MS if slots.closes(end_ms) else grace_ms)
            if provider_ms < due_ms:
                self._enter(state, parts.time.mono_ms(due_ms))
                return
            proof = (
                None
                if label_ms in state.in_progress
                else proof_of_silence(
                    state,
                    label_ms,
                    parts.settings.truth.silence,
                    parts.connections,
                    provider_ms,
                    grace_ms,
                )
            )
            if proof is not None:
                until_ms = self._until(state, label_ms, proof.until_ms, provider_ms, grace_ms)
                self._silent(state, label_ms, until_ms, proof.evidence, now)
            elif (
                provider_ms >= max(end_ms, self._begun_ms) + patience_ms
                and now.mono_ms >= state.replay_until_ms
            ):
                until_ms = min(
                    provider_ms - patience_ms,
                    next((at_ms for at_ms, _ in state.proven if at_ms > label_ms), FAR_FUTURE_MS),
                )
                until_ms = self._until(state, label_ms, until_ms, provider_ms, grace_ms)
                self._open_hole(state, label_ms, until_ms, now)
                self._silent(state, label_ms, until_ms, "patience", now)
            else:
                self._waiting.add(state.symbol)
                self._ask(state, label_ms, end_ms, now)
                patient_ms = max(end_ms, self._begun_ms) + patience_ms
                at_ms = max(parts.time.mono_ms(patient_ms), state.replay_until_ms)
                self._enter(state, at_ms)
                return

    def _enter(self, state: FeedSymbol, at_ms: int) -> None:
        # One entry a symbol: what was entered before and is due later is dropped when it is due.
        if state.watched_ms != at_ms:
            state.watched_ms = at_ms
            self._parts.agenda.enter(at_ms, "slot", (state.symbol,), at_ms)

    def _until(
        self, state: FeedSymbol, label_ms: int, until_ms: int, provider_ms: int, grace_ms: int
    ) -> int:
        """The last end of a slot of the same session up to which an evidence reaches."""
        slots = state.slots
        end_ms = slots.end(label_ms)
        close_ms = slots.session(label_ms)[1]
        until_ms = slots.last_end(min(until_ms, provider_ms - grace_ms, close_ms))
        if slots.closes(until_ms) and provider_ms < until_ms + AFTER_CLOSE_MS:
            until_ms = slots.last_end(until_ms - 1)
        return max(until_ms, end_ms)

    def _silent(
        self, state: FeedSymbol, label_ms: int, until_ms: int, evidence: Evidence, now: Instant
    ) -> None:
        parts = self._parts
        if state.wanted and parts.wants.drop(state.symbol, "evidence"):
            state.wanted = False
        reached_ms = state.reached_ms or label_ms
        if evidence == "patience":
            parts.quiet.end(state, now.wall_ms)
        else:
            begin_ms = max(label_ms, reached_ms)
            parts.quiet.extend(state, begin_ms, until_ms, evidence, now.wall_ms)
            state.unknown.remove(label_ms, until_ms)
        state.silent_ms = until_ms
        if parts.holes.open:
            parts.holes.look((state.symbol,), now)
        every_ms = parts.settings.truth.clock_every_ms or 1
        closing = until_ms == state.slots.session(label_ms)[1]
        assert state.watermark_ms is not None
        if closing or until_ms - max(state.clock_ms, state.watermark_ms) >= every_ms:
            parts.statements.clock(state, until_ms, evidence, now.wall_ms)
        if closing:
            parts.quiet.end(state, now.wall_ms)
        if evidence == "heartbeat":
            self._sample(state, label_ms, until_ms, now)

    def _sample(self, state: FeedSymbol, label_ms: int, until_ms: int, now: Instant) -> None:
        """Compare every twentieth slot that only a heartbeat shows with the history."""
        state.silent_slots += state.slots.count(label_ms, until_ms)
        if state.silent_slots >= CHECKED_SLOTS and self._parts.has_history:
            from_ms = until_ms - state.silent_slots * state.slots.base_ms
            state.silent_slots = 0
            self._parts.wants.add("dirty", state.symbol, from_ms, until_ms, now.mono_ms)

    def _open_hole(self, state: FeedSymbol, label_ms: int, until_ms: int, now: Instant) -> None:
        """A clock without evidence stands over a hole."""
        state.unknown.add(label_ms, until_ms)
        self._parts.holes.patience(state.symbol, label_ms, until_ms, now)

    def _ask(self, state: FeedSymbol, label_ms: int, end_ms: int, now: Instant) -> None:
        parts = self._parts
        weakest = parts.settings.truth.silence
        if (
            not parts.has_history
            or state.wanted
            or state.barred
            or not state.connections
            or not STRENGTH[weakest]
        ):
            return
        wait_ms = parts.history.lag_ms + (0 if weakest == "history" else OWN_EVIDENCE_MS)
        ready_ms = max(parts.time.mono_ms(end_ms + wait_ms), now.mono_ms)
        if state.asked_label_ms == label_ms:
            # An answer did not show it: a second one is to be sent later than the first.
            ready_ms = max(ready_ms, state.asked_ms + APART_MS)
        state.asked_label_ms, state.asked_ms = label_ms, ready_ms
        state.wanted = True
        parts.wants.add("evidence", state.symbol, label_ms, FAR_FUTURE_MS, ready_ms)
