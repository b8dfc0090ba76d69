"""When a statement is final: by the provider's word, by time, or by its successor.

And the fence before the log: a watermark never falls, so one bar with a time in the future would
blind its symbol for good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tapeline.schemas.codec import encode
from tapeline.schemas.instants import SECOND_MS, iso_time
from tapeline.streams.feeds.live.engine.parts import Parts
from tapeline.streams.feeds.live.engine.silences import AHEAD_IN_A_ROW
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol, HeardStatement
from tapeline.streams.feeds.live.model import Closing, Instant

AHEAD_MS: Final = 5 * SECOND_MS
AHEAD_SLOTS: Final = 2
ELAPSED_MS: Final = 3 * SECOND_MS


class Finality:
    """Hands on the statements that are final.

    Parameters
    ----------
    closing
        What ends a bar whose end no message names.
    final
        Takes a final statement.
    """

    def __init__(
        self,
        parts: Parts,
        closing: Closing,
        final: Callable[[FeedSymbol, HeardStatement, Instant], None],
    ) -> None:
        self._parts = parts
        self._final = final
        self._ahead: dict[str, list[HeardStatement]] = {}
        self._by_time = closing == "elapsed"

    def take(self, state: FeedSymbol, heard: HeardStatement, now: Instant) -> None:
        """A statement of the stream."""
        parts = self._parts
        bar = heard.statement.bar
        label_ms, end_ms = bar.start_ms, state.slots.end(bar.start_ms)
        provider_ms = parts.time.at(now)
        final = heard.statement.final
        early_ms = (end_ms if final else label_ms) - provider_ms - AHEAD_MS
        if early_ms > 0:
            self._early(state, heard, early_ms, now)
            return
        state.ahead_in_a_row = 0
        connection = parts.connections.get(heard.connection)
        if connection is not None:
            connection.bar(state.symbol, end_ms if final else label_ms)
        if final:
            self._final(state, heard, now)
        elif final is None:
            self._unflagged(state, heard, label_ms, end_ms, provider_ms, now)

    def ahead_due(self, state: FeedSymbol, now: Instant) -> None:
        """Take the statements of a symbol again that were ahead of the provider's time."""
        for heard in self._ahead.pop(state.symbol, []):
            self.take(state, heard, now)

    def elapsed(self, state: FeedSymbol, label_ms: int, now: Instant) -> None:
        """Close a slot by time, if its last state came by a connection that is there since."""
        heard = state.in_progress.get(label_ms)
        if heard is None or not self._by_time or not self._parts.time.healthy:
            return
        due_ms = state.slots.end(label_ms) + ELAPSED_MS
        if self._parts.time.at(now) < due_ms:
            at_ms = self._parts.time.mono_ms(due_ms)
            self._parts.agenda.enter(at_ms, "elapsed", (state.symbol,), label_ms)
            return
        del state.in_progress[label_ms]
        self._final(state, heard, now)

    def went_down(self, state: FeedSymbol, connection: int, heard_ms: int, now: Instant) -> None:
        """A connection is gone: what it heard the end of is final, the rest is not known."""
        for label_ms, heard in sorted(state.in_progress.items()):
            if heard.connection == connection:
                del state.in_progress[label_ms]
                if self._by_time and state.slots.end(label_ms) <= heard_ms:
                    self._final(state, heard, now)

    def _unflagged(
        self,
        state: FeedSymbol,
        heard: HeardStatement,
        label_ms: int,
        end_ms: int,
        provider_ms: int,
        now: Instant,
    ) -> None:
        """A statement of a provider that names no end: its successor or time closes it."""
        for earlier_ms in sorted(state.in_progress):
            if earlier_ms < label_ms:
                self._final(state, state.in_progress.pop(earlier_ms), now)
        late_ms = provider_ms - end_ms
        followed = any(each > label_ms for each in state.in_progress) or (
            state.watermark_ms is not None and state.watermark_ms >= end_ms
        )
        by_time = self._by_time and self._parts.time.healthy and late_ms >= ELAPSED_MS
        if followed or by_time:
            if late_ms >= ELAPSED_MS:
                self._parts.lateness.add(late_ms, now.mono_ms)
            state.in_progress.pop(label_ms, None)
            self._final(state, heard, now)
            return
        if label_ms not in state.in_progress and self._by_time:
            due_ms = self._parts.time.mono_ms(end_ms + ELAPSED_MS)
            self._parts.agenda.enter(due_ms, "elapsed", (state.symbol,), label_ms)
        state.in_progress[label_ms] = heard

    def _early(self, state: FeedSymbol, heard: HeardStatement, early_ms: int, now: Instant) -> None:
        """Hold a statement that is ahead of the provider's time; refuse one that is far ahead."""
        parts = self._parts
        if early_ms <= AHEAD_SLOTS * state.slots.base_ms:
            self._ahead.setdefault(state.symbol, []).append(heard)
            parts.agenda.enter(now.mono_ms + early_ms, "ahead", (state.symbol,))
            return
        bar = heard.statement.bar
        state.ahead_in_a_row += 1
        if state.ahead_in_a_row == AHEAD_IN_A_ROW:
            parts.statements.counts["unhealthy"] += 1
        parts.statements.letter(
            state.symbol,
            "ahead_of_clock",
            f"a bar of {iso_time(bar.start_ms)} at {iso_time(parts.time.at(now))}"
            " of the provider's clock",
            encode(bar),
            heard.came,
        )
