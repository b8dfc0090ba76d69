"""What every tracker owes its owner: tests to inherit."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, ClassVar

import msgspec
import orjson
import pytest

from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Retract, type_of
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.history.ring import HOUR
from tapeline.streams.core.plan import GroupPlan, TrackerFactory
from tapeline.streams.pipeline.planning import plan_group
from tests.contract.toys import REGISTRY
from tests.properties.books import BookShape, config_for, make_book
from tests.properties.corrected import (
    CorrectedTape,
    assert_equal_views,
    contents,
    restored,
    stored,
)
from tests.properties.disorder import disordered
from tests.properties.folding import encoded
from tests.properties.markets import GROUP, SYMBOLS, PairOfBooks

BOOKS = PairOfBooks(
    market="equity minutes", start="2024-11-27", seed=7, horizon=2, step=3, missing=0.1,
    off_session=4, fractional=False, quality=True,
)  # fmt: skip
"""Two symbols over Thanksgiving: a holiday, an early close, holes, bars outside the sessions."""
DENSE = PairOfBooks(
    market="futures hours", start="2025-11-26", seed=11, horizon=3, step=12, missing=0.05,
    off_session=4, fractional=True, quality=True,
)  # fmt: skip


@cache
def minutes() -> tuple[LogRecord, ...]:
    """Unbroken runs of minutes, with holes, breaks, two ends of sessions and a weekend."""
    return tuple(_run("A", 700, 3) + _run("B", 500, 5))


def _run(symbol: str, count: int, seed: int) -> list[LogRecord]:
    shape = BookShape("XNYS", "1m", "2025-12-05", 3, seed, 4, 0.004, 2, 0, 2, False)
    return list(make_book(symbol, shape)[:count])


def in_order() -> list[LogRecord]:
    """The minutes of both symbols by start, and clocks beyond the last bars."""
    bars = [bar for bar in minutes() if isinstance(bar, Bar)]
    bars.sort(key=lambda bar: (bar.start_ms, bar.symbol))
    last = bars[-1].start_ms
    return [*bars, *(Clock(symbol, last + 5 * 86_400_000) for symbol in SYMBOLS)]


class TrackerContract:
    """Tests of one tracker, inside an engine and with all others.

    Attributes
    ----------
    name
        Name of the tracker.
    types
        Types of the events it must publish in these tests.
    added
        Factories of the plan.
    hot_bytes
        What its restore point may take as JSON.
    toml
        More of the configuration, where that asks for the tracker.
    """

    name: ClassVar[str]
    types: ClassVar[tuple[str, ...]]
    added: ClassVar[tuple[TrackerFactory, ...]] = ()
    hot_bytes: ClassVar[int] = 1_024
    toml: ClassVar[str] = ""

    def config(self, given: Config) -> Config:
        """The configuration of a test, with what the tracker needs of it."""
        return given

    def plan(self, books: PairOfBooks = BOOKS) -> GroupPlan:
        """Plan of a group of two symbols with the tracker."""
        plan = plan_group(self.config(books.config(self.toml)), GROUP)
        plan.trackers = self.added
        plan.registry = REGISTRY
        return plan

    def plan_of_minutes(self) -> GroupPlan:
        """The same with all intervals there are by default."""
        shape = BookShape("XNYS", "1m", "2025-12-05", 3, 0, 4, 0.0, 0, 0, 0, False)
        plan = plan_group(self.config(config_for(shape, SYMBOLS, self.toml)), "TWO")
        plan.trackers = self.added
        plan.registry = REGISTRY
        return plan

    def of_type(self, events: list[Any]) -> list[Any]:
        """Those of the tracker."""
        return [event for event in events if _type(event) in self.types]

    def run(self, plan: GroupPlan, log: list[LogRecord]) -> list[Any]:
        """All events of a log."""
        engine = GroupEngine(plan)
        return [event for at, record in enumerate(log) for event in engine.apply(record, at).events]

    def test_it_publishes_every_type_that_it_names(self) -> None:
        events = self.run(self.plan_of_minutes(), in_order())
        assert {_type(event) for event in self.of_type(events)} == set(self.types)

    def test_its_events_come_at_their_position_in_the_order_of_publication(self) -> None:
        plan = self.plan_of_minutes()
        engine = GroupEngine(plan)
        parts = plan.registry.published()
        for at, record in enumerate(in_order()):
            kinds = [parts.index(_type(event)) for event in engine.apply(record, at).events]
            assert kinds == sorted(kinds), record

    def test_no_event_knows_what_comes_after_its_record(self) -> None:
        log = in_order()
        whole = self.run(self.plan_of_minutes(), log)
        for event in self.of_type(whole):
            assert event.event_ms <= event.watermark_ms, event
        for count in (1, 7, 391, len(log) // 2):
            part = self.run(self.plan_of_minutes(), log[:count])
            assert encoded(part) == encoded([each for each in whole if each.seq < count * 10**6])

    def test_every_event_comes_with_the_first_record_that_can_know_it(self) -> None:
        engine = GroupEngine(self.plan_of_minutes())
        for at, record in enumerate(in_order()):
            known = {symbol: engine.watermark_ms(symbol) or 0 for symbol in SYMBOLS}
            known["TWO"] = min(known.values())
            for event in self.of_type(engine.apply(record, at).events):
                assert event.event_ms > known[event.symbol], event

    @pytest.mark.parametrize("every", [1, 7, 61, 400])
    def test_restarts_do_not_change_the_events(self, every: int) -> None:
        log = in_order()
        if every == 1:
            # Around the end of a session and the beginning of the next one.
            log = log[560:860]
        plan = self.plan_of_minutes()
        engine = GroupEngine(plan)
        events: list[Any] = []
        for at, record in enumerate(log):
            if at % every == every - 1:
                engine = GroupEngine.restore(plan, json.loads(json.dumps(engine.snapshot())))
            events += engine.apply(record, at).events
        assert encoded(events) == encoded(self.run(plan, log))

    def test_the_records_that_changed_make_the_same_state_as_a_snapshot(self) -> None:
        plan = self.plan()
        config = self.config(BOOKS.config(self.toml))
        tape = CorrectedTape(config, GROUP, trackers=self.added, registry=REGISTRY)
        records: dict[str, bytes] = {}
        bars = [bar for symbol in SYMBOLS for bar in BOOKS.book(symbol)]
        for number, record in enumerate(disordered(bars, BOOKS.config(), 3)[:300]):
            tape.take(record)
            if number % 3:
                continue
            assert isinstance(tape.engine, GroupEngine)
            records |= stored(tape.engine.changed())
            snapshot = stored(tape.engine.snapshot())
            assert stored(restored(plan, records).snapshot()) == snapshot
            assert stored(restored(plan, snapshot).snapshot()) == snapshot

    @pytest.mark.parametrize("books", [BOOKS, DENSE], ids=["minutes", "hours"])
    def test_corrections_lead_to_the_facts_of_a_fresh_run_over_the_final_bars(
        self, books: PairOfBooks
    ) -> None:
        config = self.config(books.config(self.toml))
        tape = CorrectedTape(config, GROUP, trackers=self.added, registry=REGISTRY)
        bars = [bar for symbol in SYMBOLS for bar in books.book(symbol)]
        log = disordered(bars, books.config(), 5)
        for number, record in enumerate(log):
            tape.take(record)
            if number % 50 == 0:
                tape.check()
        tape.check()
        assert {"late", "changed", "cancelled"} <= set(tape.outcomes)

    def test_a_correction_that_is_taken_back_leaves_no_trace(self) -> None:
        plan = self.plan_of_minutes()
        log = in_order()[:600]
        engine = GroupEngine(plan)
        fold: dict[str, Any] = {}
        for at, record in enumerate(log):
            _fold(fold, engine.apply(record, at).events)
        before, view = json.dumps(self.hot_part(engine)), contents(fold)
        bar = log[450]
        assert isinstance(bar, Bar)
        changed = msgspec.structs.replace(bar, high=bar.high + 40)
        _fold(fold, engine.apply(changed, len(log)).events)
        assert contents(fold) != view
        _fold(fold, engine.apply(bar, len(log) + 1).events)
        assert_equal_views(contents(fold), view)
        assert json.dumps(self.hot_part(engine)) == before

    def test_a_restore_point_stays_as_it_is(self) -> None:
        engine = GroupEngine(self.plan_of_minutes())
        log = in_order()
        for at, record in enumerate(log[:500]):
            engine.apply(record, at)
        tracks = engine.tracks("A")
        point = tracks.capture(HOUR)
        packed = json.dumps(point.pack(tracks.rules.all))
        for at, record in enumerate(log[500:700], 500):
            engine.apply(record, at)
        assert json.dumps(point.pack(tracks.rules.all)) == packed

    def test_its_hot_part_is_small(self) -> None:
        engine = GroupEngine(self.plan_of_minutes())
        for at, record in enumerate(in_order()):
            engine.apply(record, at)
            if at % 50 == 0:
                assert len(orjson.dumps(self.hot_part(engine))) <= self.hot_bytes

    def hot_part(self, engine: GroupEngine) -> Any:
        """The present restore point of the tracker, as it is stored."""
        tracks = engine.tracks("A")
        tracks.flush()
        tracker = next(each for each in tracks.rules.all.trackers if each.name == self.name)
        return tracker.pack(tracker.restore_point())

    def test_a_history_that_lost_all_its_bars_begins_anew(self) -> None:
        plan = self.plan_of_minutes()
        log = in_order()[:200]
        engine = GroupEngine(plan)
        fold: dict[str, Any] = {}
        cancels: list[LogRecord] = [
            Cancel(record.symbol, record.interval, record.start_ms)
            for record in log
            if isinstance(record, Bar)
        ]
        for at, record in enumerate([*log, *cancels]):
            _fold(fold, engine.apply(record, at).events)
        assert fold == {}
        fresh: dict[str, Any] = {}
        again = GroupEngine(plan)
        for at, record in enumerate(log):
            _fold(fold, engine.apply(record, 1000 + at).events)
            _fold(fresh, again.apply(record, at).events)
        assert_equal_views(contents(fold), contents(fresh))


def _type(event: Any) -> str:
    return event.type if isinstance(event, Retract) else type_of(event)


def _fold(fold: dict[str, Any], events: list[Any]) -> None:
    for event in events:
        if isinstance(event, Retract):
            del fold[event.id]
        else:
            fold[event.id] = event
