"""What an answer of the history changes: bars that the log lacks, silences that it proves."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import Final

from tapeline.schemas.feed_events import Absent
from tapeline.schemas.ids import absent_id
from tapeline.schemas.instants import FAR_PAST_MS, MINUTE_MS, SECOND_MS
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.engine.history import HistoryAnswer
from tapeline.streams.feeds.live.engine.parts import Parts
from tapeline.streams.feeds.live.engine.session_end import AnsweredSlots, SessionEnds, SlotFound
from tapeline.streams.feeds.live.engine.statements import same_content
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.model import Instant

Rows = Mapping[int, tuple[Bar, int]]

APART_MS: Final = 30 * SECOND_MS
"""Between two answers without a bar, where nothing shows that the history is that far."""
ABSENT_APART_MS: Final = 5 * MINUTE_MS
NEIGHBOURS: Final = 3
"""Bars on each side of a slot that is asked for: one of them may be taken back, too."""
NEAR_WHOLE: Final = 0.02
COMPARED: Final = 50
FEED_WIDE: Final = 3
WEAK_KEPT: Final = 8
REACHED_KEPT: Final = 64
DIRTY_MS: Final = (MINUTE_MS, 10 * MINUTE_MS)
FOUND: Final[dict[str, SlotFound]] = {
    "new": "missing",
    "revised": "changed",
    "repeat": "equal",
    "refused": "unclear",
    "unclear": "unclear",
}
"""What a row was to the log; what was stated later, or by another provider, is not compared."""


class Answers:
    """Compares answers with what the log holds."""

    def __init__(self, parts: Parts, ends: SessionEnds) -> None:
        self._parts = parts
        self._ends = ends
        self._reached: deque[tuple[int, int]] = deque(maxlen=REACHED_KEPT)

    def take(self, answer: HistoryAnswer, now: Instant) -> None:
        """Write what differs, in ascending order a symbol, and note what is proven."""
        parts, ask = self._parts, answer.ask
        until_ms = answer.sent_ms - parts.history.lag_ms
        rows = {symbol: self._rows(answer, symbol, until_ms) for symbol in ask.symbols}
        self._bar_other_prices(rows, now)
        last_ms = self._reach(answer, rows)
        for bad in answer.unreadable:
            parts.statements.letter(bad.symbol, bad.code, bad.reason, bad.raw, now)
        for symbol in ask.symbols:
            state = parts.states[symbol]
            if state.barred or state.refused:
                continue
            from_ms, to_ms = self._proven(state, answer, until_ms)
            reached_ms = state.reached_ms or FAR_PAST_MS
            late = self._prove(state, answer, from_ms, to_ms, last_ms)
            found = {
                label: self._take(state, answer, label, row, now)
                for label, row in sorted(rows[symbol].items())
            }
            for begin, end in late:
                # What comes after it is reported together with its clock, or the next bar.
                parts.quiet.late(state, begin, min(end, reached_ms), "history", now.wall_ms)
            self._ends.stated(symbol, found)
            extra = self._extra(state, answer, from_ms, to_ms, rows[symbol])
            self._absences(state, answer, extra, (from_ms, to_ms), rows[symbol], now)
            if ask.purpose == "end":
                end_ms = min(to_ms, self._ends.end_ms(symbol))
                parts.holes.give_up(symbol, from_ms, end_ms, now)
                self._ended(state, answer, found, extra, now)
        parts.holes.look(ask.symbols, now)

    def _reach(self, answer: HistoryAnswer, rows: Mapping[str, Rows]) -> int:
        """Up to where the history was when an ask was sent, as its rows and those before show."""
        last_ms, sent_ms = FAR_PAST_MS, 0
        for symbol, found in rows.items():
            if found:
                label = max(found)
                end_ms = self._parts.states[symbol].slots.end(label)
                last_ms, sent_ms = max((last_ms, sent_ms), (end_ms, found[label][1]))
        earlier = (end for end, at in self._reached if at <= answer.sent_mono_ms)
        reached_ms = max(last_ms, max(earlier, default=FAR_PAST_MS))
        if last_ms > FAR_PAST_MS:
            self._reached.append((last_ms, sent_ms))
        return reached_ms

    def dirty(self, state: FeedSymbol, label_ms: int, now: Instant) -> None:
        """A trade of a bar was corrected: the history decides, after a minute and after ten."""
        for wait_ms in DIRTY_MS:
            self._parts.agenda.enter(now.mono_ms + wait_ms, "dirty", (state.symbol,), label_ms)

    def ask_around(self, state: FeedSymbol, label_ms: int, ready_ms: int) -> None:
        """Want a slot with bars on both sides of it, or its whole session."""
        if not self._parts.has_history or state.barred:
            return
        labels = [label for label, bar in state.seen.items() if bar is not None]
        before = sorted(label for label in labels if label < label_ms)[-NEIGHBOURS:]
        after = sorted(label for label in labels if label > label_ms)[:NEIGHBOURS]
        opened_ms, closed_ms = state.slots.session(label_ms)
        from_ms = before[0] if len(before) == NEIGHBOURS else min([opened_ms, *before])
        to_ms = after[-1] if len(after) == NEIGHBOURS else max([closed_ms - 1, *after])
        self._parts.wants.add("dirty", state.symbol, from_ms, to_ms, ready_ms)

    def _rows(self, answer: HistoryAnswer, symbol: str, until_ms: int) -> Rows:
        """Rows of finished bars: the last one of a history may be in progress.

        What lies before the log begins is no part of it.
        """
        state, ask = self._parts.states[symbol], answer.ask
        end_of, begun_ms = state.slots.end, self._ends.begun_ms(symbol)
        return {
            label: row
            for label, row in answer.rows.get(symbol, {}).items()
            if ask.from_ms <= label <= ask.to_ms
            and end_of(label) <= until_ms
            and (label >= begun_ms or label in state.seen)
        }

    def _take(
        self,
        state: FeedSymbol,
        answer: HistoryAnswer,
        label: int,
        row: tuple[Bar, int],
        now: Instant,
    ) -> str:
        """Take a row; returns what it was to the log."""
        parts = self._parts
        if (state.symbol, label) in answer.conflicts:
            self.dirty(state, label, now)
            return "unclear"
        bar, sent_ms = row
        if parts.settings.truth.skip_empty and bar.volume == 0:
            state.empty.add(label)
            return "empty"
        decides = answer.ask.purpose == "end"
        outcome = parts.statements.take(state, bar, "history", sent_ms, now, decides)
        if outcome == "new":
            parts.holes.fetched(state.symbol, label)
        seen = state.seen.get(label)
        if outcome == "older" and seen is not None and same_content(seen, bar):
            return "repeat"
        return outcome

    def _ended(
        self,
        state: FeedSymbol,
        answer: HistoryAnswer,
        found: Mapping[int, str],
        extra: list[int],
        now: Instant,
    ) -> None:
        """Hand on what an answer for a session, or a piece of one, showed of a symbol."""
        rows = {label: FOUND[outcome] for label, outcome in found.items() if outcome in FOUND}
        rows |= {label: "cancelled" for label in extra if state.seen[label] is None}
        extra = [label for label in extra if label not in rows]
        unreadable = sum(each.symbol in (None, state.symbol) for each in answer.unreadable)
        self._ends.answered(state, answer.ask, AnsweredSlots(rows, extra, unreadable), now)

    def _proven(self, state: FeedSymbol, answer: HistoryAnswer, until_ms: int) -> tuple[int, int]:
        """Whole slots of an ask that the history must have had when it was asked."""
        slots, ask = state.slots, answer.ask
        from_ms, to_ms = ask.from_ms, min(until_ms, slots.end(ask.to_ms))
        first = slots.at(from_ms)
        if first < from_ms:
            from_ms = slots.end(first)
        last = slots.at(to_ms)
        return from_ms, min(to_ms, last)

    def _prove(
        self,
        state: FeedSymbol,
        answer: HistoryAnswer,
        from_ms: int,
        to_ms: int,
        last_ms: int,
    ) -> list[tuple[int, int]]:
        """Note what the answer shows to be without other bars; what of it was not known before.

        An answer without any later row, of this symbol or another one, may come from a history that
        is not that far yet: it counts where the stream was heard after the slots, else together
        with a second one.
        """
        if from_ms >= to_ms or self._parts.settings.truth.silence == "none":
            return []
        found = [(from_ms, min(to_ms, last_ms))]
        for number, since_ms in state.connections.items():
            heard_ms = self._parts.connections[number].heard_ms
            found.append((max(from_ms, since_ms), min(to_ms, heard_ms)))
        for begin, end, sent_ms in state.weak:
            if answer.sent_mono_ms - sent_ms >= APART_MS:
                found.append((max(from_ms, begin), min(to_ms, end)))
        fresh: list[tuple[int, int]] = []
        for begin, end in found:
            first = state.slots.at(begin)
            begin = state.slots.end(first) if first < begin else begin
            end = min(end, state.slots.at(end))
            fresh += state.unknown.within(begin, end)
            state.proven.add(begin, end)
            state.unknown.remove(begin, end)
        reached_ms = state.reached_ms or FAR_PAST_MS
        kept = [
            each
            for each in state.weak
            if each[1] > reached_ms or state.unknown.meets(each[0], each[1])
        ]
        kept.append((from_ms, to_ms, answer.sent_mono_ms))
        state.weak = kept[-WEAK_KEPT:]
        return fresh

    def _extra(
        self, state: FeedSymbol, answer: HistoryAnswer, from_ms: int, to_ms: int, rows: Rows
    ) -> list[int]:
        """Bars of the log that an answer lacks, though it was sent after they were stated."""
        return [
            label
            for label in self._seen_labels(state, from_ms, to_ms)
            if label not in rows
            and not state.backed.meets(label, label + 1)
            and state.orders.get(label, FAR_PAST_MS) < answer.sent_mono_ms
        ]

    def _absences(
        self,
        state: FeedSymbol,
        answer: HistoryAnswer,
        extra: list[int],
        proven: tuple[int, int],
        rows: Rows,
        now: Instant,
    ) -> None:
        """Of bars that a complete answer lacks: one such answer means nothing."""
        from_ms, to_ms = proven
        if not rows or answer.unreadable:
            return
        first, last = min(rows), max(rows)
        for label in extra:
            # Bars on both sides show that the answer is complete there; so does a session's edge,
            # and that of the log.
            opened_ms, closed_ms = state.slots.session(label)
            opened_ms = max(opened_ms, self._ends.begun_ms(state.symbol))
            if (first < label or from_ms <= opened_ms) and (label < last or closed_ms <= to_ms):
                self._absent(state, label, answer, now)

    def _seen_labels(self, state: FeedSymbol, from_ms: int, to_ms: int) -> list[int]:
        seen = state.seen
        if (to_ms - from_ms) // state.slots.base_ms < len(seen):
            labels = [label for label in state.slots.labels(from_ms, to_ms) if label in seen]
        else:
            labels = sorted(label for label in seen if from_ms <= label < to_ms)
        return [label for label in labels if seen[label] is not None]

    def _absent(self, state: FeedSymbol, label: int, answer: HistoryAnswer, now: Instant) -> None:
        parts = self._parts
        first_ms = state.absent.get(label)
        if first_ms is None:
            state.absent[label] = answer.sent_mono_ms
            parts.statements.counts["absent"] += 1
            parts.outbox.report(
                Absent(
                    id=absent_id(parts.settings.name, state.symbol, label),
                    feed=parts.settings.name,
                    symbol=state.symbol,
                    at_ms=now.wall_ms,
                    start_ms=label,
                    asked_ms=answer.sent_ms,
                )
            )
            first_ms = answer.sent_mono_ms
        if not parts.settings.truth.cancels:
            return
        if answer.sent_mono_ms - first_ms >= ABSENT_APART_MS:
            if parts.statements.cancel(state, label, "history", answer.sent_mono_ms, now):
                self._ends.cancelled(state.symbol, label)
        else:
            self.ask_around(state, label, first_ms + ABSENT_APART_MS)

    def _bar_other_prices(self, rows: Mapping[str, Rows], now: Instant) -> None:
        """Bar the history of symbols whose prices it gives on another scale.

        A split-adjusted history over a raw stream differs by a whole number; the history of another
        product by any.
        """
        ratios: dict[str, float] = {}
        for symbol, found in rows.items():
            ratio = self._ratio(self._parts.states[symbol], found)
            if ratio is not None:
                ratios[symbol] = ratio
        if not ratios:
            return
        middle = median(ratios.values())
        feed_wide = len(ratios) >= FEED_WIDE and not 0.5 <= middle <= 2
        for symbol, ratio in ratios.items():
            state = self._parts.states[symbol]
            if not state.barred and (feed_wide or near_whole(ratio)):
                state.barred = True
                self._parts.statements.counts["barred"] += 1
                self._parts.wants.drop(symbol)
                self._ends.drop(symbol)
                self._parts.holes.begin(0, "history", min(rows[symbol]), (symbol,), now)

    def _ratio(self, state: FeedSymbol, rows: Rows) -> float | None:
        """Prices of the history by those of the log, in the slots that both have.

        Where they have none in common, the first open after the last close.
        """
        common = []
        for label in sorted(rows, reverse=True)[: 4 * COMPARED]:
            seen = state.seen.get(label)
            if seen is not None and seen.close > 0 < rows[label][0].close:
                common.append(rows[label][0].close / seen.close)
        if common:
            return median(common[:COMPARED])
        if not rows:
            return None
        first = min(rows)
        before = max(
            (label for label, bar in state.seen.items() if bar is not None and label < first),
            default=None,
        )
        seen = None if before is None else state.seen[before]
        if seen is None or seen.close <= 0 or rows[first][0].open <= 0:
            return None
        return rows[first][0].open / seen.close


def near_whole(ratio: float) -> bool:
    """Whether prices differ by a whole number from 2 on, or by one over it, as after a split."""
    ratio = max(ratio, 1 / ratio)
    whole = round(ratio)
    return whole >= 2 and abs(ratio / whole - 1) < NEAR_WHOLE
