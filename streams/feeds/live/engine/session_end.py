"""Each session against the history, a while after its close: the log becomes what that states.

No command is needed. The bars that differ are written by the same rules as those of every answer;
what was found is reported once for the feed, and once for each symbol that differed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple

from msgspec import Struct, field

from tapeline.schemas.feed_events import Compared
from tapeline.schemas.ids import compared_id
from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS, MINUTE_MS
from tapeline.streams.feeds.live.engine.parts import REACH_SLOTS, Parts
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.engine.wants import Ask
from tapeline.streams.feeds.live.model import Instant
from tapeline.streams.pipeline.log_writer import KnownLog

LEAST_MS: Final = 15 * MINUTE_MS
PIECE_SLOTS: Final = REACH_SLOTS
"""A longer session is asked for in pieces: an answer is in memory as a whole."""
AGAIN_MS: Final = MINUTE_MS

SlotFound = Literal["equal", "changed", "missing", "unclear", "cancelled"]


class AnsweredSlots(NamedTuple):
    """What an answer showed of a symbol: by label what its rows were; labels that it lacks."""

    rows: Mapping[int, SlotFound]
    extra: Collection[int]
    unreadable: int


class FoundInSession(Struct):
    """What was found of one symbol in a session.

    Attributes
    ----------
    counts
        Slots by what they were.
    extra
        Labels of the log that the history lacks, and that were not taken back.
    counted_ms
        Rows up to this label are counted: the pieces of a session overlap.
    news, reported
        Whether something changed since it was reported; whether it was.
    """

    counts: Counter[str] = field(default_factory=Counter)
    extra: set[int] = field(default_factory=set)
    counted_ms: int = FAR_PAST_MS
    news: bool = True
    reported: bool = False


class SessionComparison(Struct):
    """One session, of the symbols that have it.

    Attributes
    ----------
    waiting, skipped
        Symbols that were not answered yet; that cannot be compared.
    over
        Beyond the reach by now: nothing changes any more.
    """

    open_ms: int
    close_ms: int
    waiting: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    found: dict[str, FoundInSession] = field(default_factory=dict)
    news: bool = True
    over: bool = False


class AskedStretch(NamedTuple):
    """What is still asked for of a symbol: labels with from_ms <= label < end_ms."""

    from_ms: int
    end_ms: int


class SessionEnds:
    """Wants each session of each symbol from the history after its close, and reports on it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._after_ms = max(
            parts.settings.truth.revises_for_ms, LEAST_MS, parts.history.lag_ms + MINUTE_MS
        )
        self._comparisons: dict[tuple[int, int], SessionComparison] = {}
        self._asked: dict[str, AskedStretch] = {}
        self._begun: Mapping[str, int] = {}
        self._known: frozenset[tuple[int, int]] = frozenset()
        self._news = False

    @property
    def busy(self) -> bool:
        """Whether a session is due that was not compared yet."""
        return any(each.waiting for each in self._comparisons.values())

    def resume(self, known: KnownLog, begun: Mapping[str, int], now: Instant) -> None:
        """Begin with what the log holds: its last session may not have been compared yet.

        Parameters
        ----------
        begun
            By symbol the instant from which on the log is to hold what the provider has.
        """
        self._known = frozenset(known.compared)
        self._begun = begun
        provider_ms = self._parts.time.at(now)
        for state in self._parts.states.values():
            opened_ms, closed_ms = state.slots.session_before(provider_ms)
            if not closed_ms or state.watermark_ms is None:
                # What the log has nothing of is fetched anyway.
                closed_ms = state.slots.session(provider_ms)[1]
            elif provider_ms < closed_ms + self._after_ms:
                # It is not due yet: the one before it may have been due without a process.
                closed_ms = state.slots.session_before(opened_ms)[1] or closed_ms
            self._enter(state, closed_ms)

    def ended(self, state: FeedSymbol, close_ms: int, now: Instant) -> None:
        """Compare a session, and ask for what is open of earlier ones."""
        parts, slots = self._parts, state.slots
        open_ms = slots.session_before(close_ms)[0]
        floor_ms = parts.reach_ms(state, now)
        self._let_go(state.symbol, floor_ms)
        from_ms = self._first_ms(state, open_ms, close_ms, floor_ms)
        parts.holes.give_up(state.symbol, FAR_PAST_MS, min(from_ms, close_ms), now)
        if from_ms < close_ms:
            self._compare(state, open_ms, close_ms, from_ms, now)
        waits = [each for each in self._comparisons.values() if state.symbol in each.waiting]
        kept_ms = min(floor_ms, slots.session_before(open_ms)[0] or floor_ms)
        state.forget(min([kept_ms, *(each.open_ms for each in waits)]))
        self._enter(state, slots.session(close_ms)[1])

    def answered(self, state: FeedSymbol, ask: Ask, shown: AnsweredSlots, now: Instant) -> None:
        """Take an answer for a session, or for a piece of it."""
        symbol = state.symbol
        asked = self._asked.get(symbol)
        if asked is None:
            return
        comparisons = [each for each in self._comparisons.values() if symbol in each.waiting]
        for each in comparisons:
            _count(each, each.found.setdefault(symbol, FoundInSession()), shown)
        if ask.from_ms > asked.from_ms:
            # It was sent before more was wanted, which is asked for.
            return
        if state.slots.count(ask.to_ms + 1, asked.end_ms):
            # From its last row on: what it lacks behind that has bars on both sides then.
            last_ms = max(shown.rows, default=FAR_PAST_MS)
            from_ms = last_ms if last_ms > asked.from_ms else ask.to_ms + 1
            cut_off = ask.to_ms < self._piece_end(state, asked)
            ready_ms = now.mono_ms + (AGAIN_MS if cut_off else 0)
            self._want(state, AskedStretch(from_ms, asked.end_ms), ready_ms)
            return
        del self._asked[symbol]
        self._news = True
        for each in comparisons:
            each.waiting.discard(symbol)

    def begun_ms(self, symbol: str) -> int:
        """From where on the log of a symbol is to hold what the provider has."""
        return self._begun.get(symbol, FAR_PAST_MS)

    def end_ms(self, symbol: str) -> int:
        """Up to where a symbol is asked for; FAR_PAST_MS: it is not."""
        asked = self._asked.get(symbol)
        return FAR_PAST_MS if asked is None else asked.end_ms

    def failed(self, state: FeedSymbol, now: Instant) -> None:
        """The history gave no answer: it is asked again."""
        asked = self._asked.get(state.symbol)
        if asked is not None:
            self._want(state, asked, now.mono_ms + AGAIN_MS)

    def drop(self, symbol: str) -> None:
        """Compare a symbol no more that the provider does not give, or at other prices."""
        self._news = True
        self._asked.pop(symbol, None)
        for each in self._comparisons.values():
            _skip(each, symbol)

    def cancelled(self, symbol: str, label_ms: int) -> None:
        """A bar was taken back: a second answer lacked it."""
        self._decide(symbol, label_ms, "cancelled")

    def stated(self, symbol: str, labels: Collection[int]) -> None:
        """The history has bars; an earlier answer may have lacked them."""
        for each in self._comparisons.values():
            found = each.found.get(symbol)
            if found is not None and symbol not in each.waiting:
                for label_ms in found.extra.intersection(labels):
                    self._decide(symbol, label_ms, "equal")

    def look(self, now: Instant) -> None:
        """Report the sessions that are compared, and what changed of those that were."""
        if not self._news:
            return
        self._news = False
        for each in list(self._comparisons.values()):
            if each.waiting:
                continue
            if each.news or any(found.news for found in each.found.values()):
                self._report(each, now)
            if each.over or not any(found.extra for found in each.found.values()):
                del self._comparisons[each.open_ms, each.close_ms]

    def _first_ms(self, state: FeedSymbol, open_ms: int, close_ms: int, floor_ms: int) -> int:
        """From where on a symbol is asked for; FAR_FUTURE_MS: not at all."""
        unknown_ms = state.unknown.first_ms
        if (open_ms, close_ms) in self._known and (unknown_ms is None or unknown_ms >= close_ms):
            return FAR_FUTURE_MS
        from_ms = max(open_ms, self.begun_ms(state.symbol))
        if self._parts.history.reach_ms is not None:
            from_ms = max(from_ms, floor_ms)
        for first_ms in (unknown_ms, min(state.flapping, default=None)):
            if first_ms is not None and first_ms < close_ms:
                from_ms = min(from_ms, max(first_ms, floor_ms))
        return from_ms

    def _compare(
        self, state: FeedSymbol, open_ms: int, close_ms: int, from_ms: int, now: Instant
    ) -> None:
        self._news = True
        comparison = self._comparisons.setdefault(
            (open_ms, close_ms), SessionComparison(open_ms, close_ms)
        )
        if state.barred or state.refused:
            comparison.skipped.add(state.symbol)
            return
        comparison.news = True
        comparison.waiting.add(state.symbol)
        before = self._asked.get(state.symbol)
        asked = AskedStretch(from_ms, close_ms)
        if before is not None:
            asked = AskedStretch(min(before.from_ms, from_ms), max(before.end_ms, close_ms))
        self._want(state, asked, now.mono_ms)

    def _let_go(self, symbol: str, floor_ms: int) -> None:
        """Compare no more what is beyond the reach by now."""
        for each in self._comparisons.values():
            if each.close_ms <= floor_ms:
                self._news = each.over = True
                _skip(each, symbol)
        asked = self._asked.get(symbol)
        if asked is not None and asked.end_ms <= floor_ms:
            del self._asked[symbol]
            self._parts.wants.drop(symbol, "end")

    def _want(self, state: FeedSymbol, asked: AskedStretch, ready_ms: int) -> None:
        self._asked[state.symbol] = asked
        to_ms = self._piece_end(state, asked)
        self._parts.wants.add("end", state.symbol, asked.from_ms, to_ms, ready_ms)

    def _piece_end(self, state: FeedSymbol, asked: AskedStretch) -> int:
        return min(asked.from_ms + PIECE_SLOTS * state.slots.base_ms, asked.end_ms) - 1

    def _enter(self, state: FeedSymbol, close_ms: int) -> None:
        """Enter when a session is to be compared."""
        if self._parts.has_history and close_ms < FAR_FUTURE_MS:
            at_ms = self._parts.time.mono_ms(close_ms + self._after_ms)
            self._parts.agenda.enter(at_ms, "end", (state.symbol,), close_ms)

    def _decide(self, symbol: str, label_ms: int, kind: str) -> None:
        for each in self._comparisons.values():
            found = each.found.get(symbol)
            if found is not None and label_ms in found.extra:
                found.extra.discard(label_ms)
                found.counts[kind] += 1
                self._news = found.news = True

    def _report(self, comparison: SessionComparison, now: Instant) -> None:
        whole: Counter[str] = Counter()
        for symbol, found in sorted(comparison.found.items()):
            counts = found.counts + Counter(extra=len(found.extra))
            whole += counts
            if found.news and (found.reported or set(counts) - {"equal"}):
                self._event(comparison, symbol, counts + Counter(symbols=1), now)
                found.reported = True
            found.news = False
        whole += Counter(symbols=len(comparison.found), skipped=len(comparison.skipped))
        self._event(comparison, None, whole, now)
        comparison.news = False

    def _event(
        self,
        comparison: SessionComparison,
        symbol: str | None,
        counts: Counter[str],
        now: Instant,
    ) -> None:
        feed = self._parts.settings.name
        # When the destination holds what was found missing: a kill must not leave it out.
        self._parts.outbox.after(
            Compared(
                id=compared_id(feed, comparison.open_ms, comparison.close_ms, symbol),
                feed=feed,
                symbol=symbol,
                at_ms=now.wall_ms,
                from_ms=comparison.open_ms,
                to_ms=comparison.close_ms,
                symbols=counts["symbols"],
                skipped=counts["skipped"],
                equal=counts["equal"],
                changed=counts["changed"],
                missing=counts["missing"],
                extra=counts["extra"],
                unclear=counts["unclear"],
                cancelled=counts["cancelled"],
            )
        )


def _count(comparison: SessionComparison, found: FoundInSession, shown: AnsweredSlots) -> None:
    open_ms, close_ms = comparison.open_ms, comparison.close_ms
    labels = sorted(label for label in shown.rows if open_ms <= label < close_ms)
    for label in labels:
        if label > found.counted_ms:
            found.counts[shown.rows[label]] += 1
    found.counts["unclear"] += shown.unreadable
    found.extra.update(each for each in shown.extra if open_ms <= each < close_ms)
    found.extra.difference_update(shown.rows)
    found.counted_ms = max([found.counted_ms, *labels])


def _skip(comparison: SessionComparison, symbol: str) -> None:
    if symbol in comparison.waiting:
        comparison.waiting.discard(symbol)
        comparison.found.pop(symbol, None)
        comparison.skipped.add(symbol)
