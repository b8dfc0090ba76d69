"""Whatever order, repetition or revision the log brings, the folded view is that of the final bars.

`TAPELINE_LONG=<seed>` runs far more steps, with that seed.
"""

from __future__ import annotations

import os

import hypothesis
import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tapeline.schemas.events import Event, Output, Retract, Swing
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.core.correct.corrections import Change, Correction
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.plan import GroupPlan
from tests.properties.corrected import (
    CORRECTIONS,
    CorrectedTape,
    content,
    labels_before,
    restored,
    stored,
)
from tests.properties.disorder import disordered
from tests.properties.markets import GROUP, SYMBOLS, PairOfBooks, pairs_of_books

MINUTE_MS = 60_000
ORACLE_EVERY = 10
"""The naive computation is slow: it looks at every tenth step, and at the last."""

symbols = st.sampled_from(SYMBOLS)
how_far_back = st.one_of(st.integers(0, 4), *[st.integers(0, 30)] * 3, st.integers(0, 2000))
delays = st.sampled_from((0, 0, 2, 7, 20))
how_many = st.integers(1, 3)
ticks = st.one_of(st.integers(-4, 4), st.integers(-400, 400))
changes = st.sampled_from(("high", "low", "open", "close", "all", "volume", "no volume"))


class Corrections(RuleBasedStateMachine):
    """Two symbols of a group, and everything that feeds and vendors do to their bars."""

    @initialize(books=pairs_of_books(), first=st.integers(0, 200), second=st.integers(0, 200))
    def open_the_books(self, books: PairOfBooks, first: int, second: int) -> None:
        self.tape = CorrectedTape(books.config(), GROUP)
        self.coming = {symbol: books.book(symbol) for symbol in SYMBOLS}
        self.waiting: dict[str, list[Bar]] = {symbol: [] for symbol in SYMBOLS}
        self.base = books.shape().base
        self.steps = 0
        self.records = stored(self.engine.snapshot())
        self.engine.changed()
        for symbol, count in zip(SYMBOLS, (first, second), strict=True):
            self.the_next_bars(symbol, count, 0)

    @property
    def engine(self) -> GroupEngine:
        engine = self.tape.engine
        assert isinstance(engine, GroupEngine)
        return engine

    @rule(who=st.sampled_from(("A", "B", "AB")), count=st.integers(1, 60), delayed=delays)
    def the_next_bars(self, who: str, count: int, delayed: int) -> None:
        bars = [bar for symbol in who for bar in self._next(symbol, count)]
        bars.sort(key=lambda each: (each.start_ms, each.symbol))
        for number, bar in enumerate(bars, 1):
            if delayed and number % delayed == 0:
                self.waiting[bar.symbol].append(bar)
            else:
                self._take(bar)

    @precondition(lambda self: any(self.waiting.values()))
    @rule(symbol=symbols, which=how_far_back, count=how_many)
    def delayed_bars_come(self, symbol: str, which: int, count: int) -> None:
        for _ in range(count):
            waiting = self.waiting[symbol]
            if waiting:
                self._take(waiting.pop(-1 - which % len(waiting)))

    @rule(symbol=symbols, which=how_far_back, count=how_many, change=changes, by=ticks)
    def bars_are_revised(self, symbol: str, which: int, count: int, change: str, by: int) -> None:
        for bar in self._known(symbol, which, count):
            self._take(revised(bar, change, by))

    @rule(symbol=symbols, which=how_far_back, count=how_many, again=st.sampled_from((0, 0, 1)))
    def bars_are_cancelled_or_come_again(
        self, symbol: str, which: int, count: int, again: int
    ) -> None:
        for bar in self._known(symbol, which, count):
            if again:
                self._take(msgspec.structs.replace(bar, source="fill"))
            else:
                self._take(Cancel(symbol, self.base, bar.start_ms))
                self.waiting[symbol].append(bar)

    @rule(symbol=symbols, which=how_far_back, price=st.integers(19_800, 20_200))
    def a_bar_for_any_slot(self, symbol: str, which: int, price: int) -> None:
        if self.tape.books.marks[symbol] is not None:
            label = labels_before(self.tape, symbol, 1 + which % 200)[0]
            if price % 4:
                self._take(revised(flat(symbol, self.base, label, price), "high", price % 4))
            else:
                self._take(Cancel(symbol, self.base, label))

    @rule(symbol=symbols, minutes=st.sampled_from((1, 10, 30, 60, 120, 300, 600, 1440, 4320, -30)))
    def a_clock_strikes(self, symbol: str, minutes: int) -> None:
        mark = self.tape.books.marks[symbol]
        if mark is None:
            mark = self.coming[symbol][0].start_ms if self.coming[symbol] else None
        if mark is not None:
            self._take(Clock(symbol, mark + minutes * MINUTE_MS))

    @rule()
    def the_state_is_stored(self) -> None:
        self.records |= stored(self.engine.changed())

    @rule(from_snapshot=st.booleans())
    def the_engine_stops_and_another_goes_on(self, from_snapshot: bool) -> None:
        """From what was stored some time ago, or with a snapshot as the first stored state."""
        if from_snapshot:
            self.records = stored(self.engine.snapshot())
        self.tape.go_on_from(self.records)

    @invariant()
    def the_fold_is_the_view_of_the_final_bars(self) -> None:
        self.tape.check()
        self.steps += 1
        if self.steps % ORACLE_EVERY == 0:
            self.tape.check_with_oracle()

    def teardown(self) -> None:
        if hasattr(self, "tape"):
            self.tape.check_with_oracle()

    def _next(self, symbol: str, count: int) -> list[Bar]:
        coming = self.coming[symbol]
        bars, self.coming[symbol] = coming[:count], coming[count:]
        return bars

    def _known(self, symbol: str, which: int, count: int) -> list[Bar]:
        """Neighbours among the accepted bars; the last of them lies so many bars back."""
        book = self.tape.books.bars[symbol]
        if not book:
            return []
        last = len(book) - which % len(book)
        return [book[label] for label in sorted(book)[max(0, last - count) : last]]

    def _take(self, record: LogRecord) -> None:
        if not isinstance(record, Bar) or self.tape.books.pairs_remember(record):
            self.tape.take(record)


def flat(symbol: str, base: str, label: int, price: int) -> Bar:
    """A bar without movement, at a price in ticks."""
    return Bar(symbol, base, label, price / 4, price / 4, price / 4, price / 4, 1)


def revised(bar: Bar, change: str, by: int) -> Bar:
    """The bar with a price moved by some ticks, and what must move with it, or another volume."""
    replace = msgspec.structs.replace
    if change == "volume":
        return replace(bar, volume=abs(by))
    if change == "no volume":
        return replace(bar, volume=None)
    open_, high, low, close = (
        price + by / 4 if change in (name, "all") else price
        for name, price in (
            ("open", bar.open),
            ("high", bar.high),
            ("low", bar.low),
            ("close", bar.close),
        )
    )
    top, bottom = max(open_, high, low, close), min(open_, high, low, close)
    return replace(bar, open=open_, high=top, low=bottom, close=close)


def test_any_log_folds_to_the_view_of_its_final_bars() -> None:
    seed = os.environ.get("TAPELINE_LONG")
    if seed is None:
        run_state_machine_as_test(Corrections, settings=settings(stateful_step_count=50))
        return
    machine = hypothesis.seed(int(seed))(Corrections)
    long = settings(settings.get_profile("long"), stateful_step_count=100)
    run_state_machine_as_test(machine, settings=long)


BOOKS = PairOfBooks("equity minutes", "2025-11-26", 5, 3, 3, 0.0, 0, False, True)


def random_log(seed: int) -> list[LogRecord]:
    bars = [bar for symbol in SYMBOLS for bar in BOOKS.book(symbol)]
    return disordered(bars, BOOKS.config(), seed)


@pytest.mark.parametrize("seed", range(3))
def test_a_disordered_log_of_clean_books_folds_to_their_view(seed: int) -> None:
    tape = CorrectedTape(BOOKS.config(), GROUP)
    for record in random_log(seed):
        tape.take(record)
    assert {"late", "changed", "cancelled", "duplicates", "clocks"} <= set(tape.outcomes)
    clean = {symbol: {bar.start_ms: bar for bar in BOOKS.book(symbol)} for symbol in SYMBOLS}
    assert tape.books.bars == clean
    tape.check()
    tape.check_with_oracle()


def test_state_that_was_stored_piece_by_piece_restores_the_engine_at_every_point() -> None:
    tape = CorrectedTape(BOOKS.config(), GROUP)
    engine = tape.engine
    assert isinstance(engine, GroupEngine)
    records: dict[str, bytes] = {}
    for record in random_log(7)[:400]:
        tape.take(record)
        records |= stored(engine.changed())
        snapshot = stored(engine.snapshot())
        assert stored(restored(tape.plan, records).snapshot()) == snapshot
        assert stored(restored(tape.plan, snapshot).snapshot()) == snapshot


class BrokenEngine:
    """A sound engine whose outputs are spoilt on the way out."""

    def __init__(self, plan: GroupPlan) -> None:
        self.sound = GroupEngine(plan)

    def apply(self, record: LogRecord, offset: int) -> Outcome:
        outcome = self.sound.apply(record, offset)
        if outcome.correction is not None:
            outcome.events = [
                msgspec.structs.replace(event, seq=offset * 1_000_000 + number)
                for number, event in enumerate(self.spoilt(outcome.events, outcome.correction))
            ]
        return outcome

    def spoilt(self, events: list[Output], correction: Correction) -> list[Output]:
        """What is left of the events of a correction."""
        return list(events)

    def watermark_ms(self, symbol: str) -> int | None:
        return self.sound.watermark_ms(symbol)


class ForgetsToRetract(BrokenEngine):
    def spoilt(self, events: list[Output], correction: Correction) -> list[Output]:
        correction.changes[:] = [each for each in correction.changes if each.new is not None]
        return [event for event in events if not isinstance(event, Retract)]


class LeavesAStalePrior(BrokenEngine):
    def spoilt(self, events: list[Output], correction: Correction) -> list[Output]:
        stale: dict[str, Event] = {}
        for change in list(correction.changes):
            old, new = change.old, change.new
            if isinstance(old, Swing) and isinstance(new, Swing) and old.prior != new.prior:
                correction.changes.remove(change)
                stale[new.id] = msgspec.structs.replace(new, prior=old.prior)
                if content(stale[new.id]) == content(old):
                    events = [event for event in events if event.id != new.id]
                else:
                    correction.changes.append(Change(old, stale[new.id]))
        return [stale.get(event.id, event) for event in events]


class CountsNoRevisions(BrokenEngine):
    def spoilt(self, events: list[Output], correction: Correction) -> list[Output]:
        return [msgspec.structs.replace(event, rev=0) for event in events]


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (ForgetsToRetract, "facts differ"),
        (LeavesAStalePrior, "facts differ"),
        (CountsNoRevisions, "rev 1 was due"),
    ],
)
def test_a_broken_engine_is_caught(broken: type[BrokenEngine], complaint: str) -> None:
    tape = CorrectedTape(BOOKS.config(), GROUP, broken)

    def run() -> None:
        for record in random_log(1):
            if tape.take(record) in CORRECTIONS:
                tape.check()

    with pytest.raises(AssertionError, match=complaint):
        run()
