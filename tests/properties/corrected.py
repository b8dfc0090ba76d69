"""An engine under corrections, followed record by record: what it owes its consumers, as checks.

`CorrectedTape` hands records to an engine and keeps what a consumer would keep (the fold) and what
the truth is (the final bars and watermarks). Every check is a plain assertion, so that a broken
engine can be shown to fail it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import orjson

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import DerivedBar, Event, Indicators, Output, Retract, type_of
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.plan import GroupPlan, TrackerFactory
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.planning import plan_group
from tests.oracle import Plan, view
from tests.properties.folding import DELIVERY

CORRECTIONS = ("late", "changed", "cancelled")
"""Outcomes that rebuild: the events of such a record carry `corrects`."""

WITHOUT_EVENTS = ("duplicates", "idle", "beyond_horizon")
"""Outcomes after which nothing has changed."""

OUTPUTS_OF_A_RECORD = 1_000_000


class Engine(Protocol):
    """What a tape needs of an engine; a broken one wraps a sound one."""

    def apply(self, record: LogRecord, offset: int) -> Outcome:
        """Take one record."""

    def watermark_ms(self, symbol: str) -> int | None:
        """Watermark of a symbol."""


class FinalBooks:
    """The accepted bars and watermarks of a group, and what must become of the next record."""

    def __init__(self, plan: GroupPlan) -> None:
        self.plan = plan
        self._plans = {each.symbol: each for each in plan.instruments}
        self.bars: dict[str, dict[int, Bar]] = {symbol: {} for symbol in self._plans}
        self.marks: dict[str, int | None] = dict.fromkeys(self._plans)
        self._had_bars: set[str] = set()
        self._oldest: dict[str, int] = {}

    def end_ms(self, symbol: str, start_ms: int) -> int:
        """End of a slot, or of an off-session bar."""
        plan = self._plans[symbol]
        return plan.calendar.slot_end(start_ms, plan.base_ms)

    def session_of(self, symbol: str, instant_ms: int) -> int:
        """Index of the session of an instant."""
        return self._plans[symbol].calendar.session_of(instant_ms)

    def outcomes(self, record: LogRecord) -> tuple[str, ...]:
        """What may become of a record; more than one only for a symbol that lost its last bar."""
        mark = self.marks[record.symbol]
        if isinstance(record, Clock):
            return ("clocks",) if mark is None or record.time_ms > mark else ("idle",)
        kind = self._outcome_in_horizon(record, mark)
        if mark is None or record.symbol not in self._had_bars:
            return (kind,)
        horizon = self._plans[record.symbol].horizon_sessions
        oldest = self.session_of(record.symbol, mark) - horizon
        if self.session_of(record.symbol, record.start_ms) >= oldest:
            return (kind,)
        return ("beyond_horizon",) if self.bars[record.symbol] else ("beyond_horizon", kind)

    def _outcome_in_horizon(self, record: Bar | Cancel, mark: int | None) -> str:
        known = self.bars[record.symbol].get(record.start_ms)
        if isinstance(record, Cancel):
            return "idle" if known is None else "cancelled"
        if known is not None:
            return "duplicates" if _bar_content(known) == _bar_content(record) else "changed"
        if mark is not None and self.end_ms(record.symbol, record.start_ms) <= mark:
            return "late"
        calendar = self._plans[record.symbol].calendar
        index = calendar.session_of(record.start_ms)
        return "accepted" if calendar.segment_of(index, record.start_ms) >= 0 else "off_session"

    def pairs_remember(self, record: Bar) -> bool:
        """Whether its partner may still hold the touches that bar's ranges are paired with.

        For a symbol without bars the partner keeps nothing from before its own horizon.
        """
        oldest = self._oldest.get(record.symbol)
        return oldest is None or self.session_of(record.symbol, record.start_ms) >= oldest

    def take(self, record: LogRecord, kind: str) -> None:
        """Note what became of a record."""
        symbol = record.symbol
        if kind not in WITHOUT_EVENTS:
            if isinstance(record, Clock):
                end_ms = record.time_ms
            else:
                end_ms = self.end_ms(symbol, record.start_ms)
            if isinstance(record, Bar):
                self.bars[symbol][record.start_ms] = record
                self._had_bars.add(symbol)
            elif isinstance(record, Cancel):
                del self.bars[symbol][record.start_ms]
            mark = self.marks[symbol]
            self.marks[symbol] = end_ms if mark is None else max(mark, end_ms)
        self._note_what_is_forgotten()

    def _note_what_is_forgotten(self) -> None:
        for symbol, plan in self._plans.items():
            if self.bars[symbol]:
                continue
            for partner, mark in self.marks.items():
                if partner != symbol and mark is not None and self.bars[partner]:
                    oldest = self.session_of(partner, mark) - plan.horizon_sessions
                    self._oldest[symbol] = max(oldest, self._oldest.get(symbol, oldest))

    def sorted_log(self) -> list[LogRecord]:
        """The final bars by end and symbol, then one clock a symbol at its watermark."""
        bars = [bar for book in self.bars.values() for bar in book.values()]
        bars.sort(key=lambda bar: (self.end_ms(bar.symbol, bar.start_ms), bar.symbol))
        marks = sorted(self.marks.items())
        return [*bars, *(Clock(symbol, mark) for symbol, mark in marks if mark is not None)]


class CorrectedTape:
    """One engine, everything it published, and the checks on it.

    Parameters
    ----------
    make
        Makes the engine; the fresh engine it is compared with is always a `GroupEngine`.
    trackers, registry
        Rules beside the shipped ones, and the types that all publish.
    """

    def __init__(
        self,
        config: Config,
        group: str,
        make: Callable[[GroupPlan], Engine] = GroupEngine,
        trackers: tuple[TrackerFactory, ...] = (),
        registry: Registry = EVENTS,
    ) -> None:
        self.config = config
        self.plan = plan_group(config, group)
        self.plan.trackers = trackers
        self.plan.registry = registry
        self._kinds = registry.published()
        self.books = FinalBooks(self.plan)
        self.engine = make(self.plan)
        self.fold: dict[str, Event] = {}
        self.revs: dict[str, int] = {}
        self.log: list[LogRecord] = []
        self.outcomes: list[str] = []
        self._published: list[bytes] = []
        self._checked = -1
        self._checked_with_oracle = -1

    def take(self, record: LogRecord) -> str:
        """Hand one record over, check what the engine publishes for it, and return its outcome."""
        expected = self.books.outcomes(record)
        offset = len(self.log)
        events, kind, correction = _applied(self.engine, record, offset)
        assert kind in expected, f"{record} at {offset}: {kind}, not {expected}"
        self.log.append(record)
        self.outcomes.append(kind)
        self._published.append(_encoded(events))
        self.books.take(record, kind)
        for symbol, mark in self.books.marks.items():
            assert self.engine.watermark_ms(symbol) == mark
        if kind in WITHOUT_EVENTS:
            assert events == [], f"{kind}, but {events}"
        self._check_events(record, kind, events, offset)
        self._check_correction(record, kind, events, correction)
        for event in events:
            self.revs[event.id] = event.rev
            if isinstance(event, Retract):
                del self.fold[event.id]
            else:
                self.fold[event.id] = event
        return kind

    def _check_events(
        self, record: LogRecord, kind: str, events: list[Output], offset: int
    ) -> None:
        corrects = None
        if kind in CORRECTIONS:
            assert not isinstance(record, Clock)
            corrects = record.start_ms
        marks = [mark for mark in self.books.marks.values() if mark is not None]
        order = []
        for number, event in enumerate(events):
            assert event.seq == offset * OUTPUTS_OF_A_RECORD + number, event
            assert event.corrects == corrects, event
            is_pair = event.symbol == self.plan.group and len(self.plan.instruments) == 2
            mark = max(marks) if is_pair else self.books.marks[event.symbol]
            assert event.watermark_ms == mark, event
            assert event.event_ms <= event.watermark_ms, event
            self._check_rev(event)
            self._check_is_news(event)
            order.append(_order_key(event, self.fold, self._kinds))
        ids = [event.id for event in events]
        assert len(ids) == len(set(ids)), f"an id twice for {record}"
        assert order == sorted(order), f"order of outputs for {record}"

    def _check_rev(self, event: Output) -> None:
        known = self.revs.get(event.id)
        expected = 0 if known is None else known + (event.corrects is not None)
        assert event.rev == expected, f"rev {expected} was due: {event}"

    def _check_is_news(self, event: Output) -> None:
        known = self.fold.get(event.id)
        if not isinstance(event, Retract):
            assert event.op == "upsert", event
            assert known is None or content(known) != content(event), f"nothing new: {event}"
            return
        assert event.op == "retract", event
        assert known is not None, f"not in the view: {event}"
        removed = (type_of(known), known.symbol, known.session, known.event_ms)
        assert (event.type, event.symbol, event.session, event.event_ms) == removed, event

    def _check_correction(
        self,
        record: LogRecord,
        kind: str,
        events: list[Output],
        correction: Correction | None,
    ) -> None:
        if kind not in CORRECTIONS:
            assert correction is None, f"{kind}, but a correction of {record}"
            return
        assert correction is not None
        assert not isinstance(record, Clock)
        assert (correction.symbol, correction.start_ms) == (record.symbol, record.start_ms)
        assert (correction.before is None) == (kind == "late")
        assert (correction.after is None) == (kind == "cancelled")
        after = None if correction.after is None else _bar_content(correction.after)
        assert after == (_bar_content(record) if isinstance(record, Bar) else None)
        results = {event.id: _content_of(event) for event in events}
        changes: dict[str, bytes | None] = {}
        for change in correction.changes:
            old, new = change.old, change.new
            named = old if new is None else new
            assert named is not None, "a change of nothing"
            changes[named.id] = None if new is None else content(new)
            known = self.fold.get(named.id)
            before = None if known is None else content(known)
            assert (None if old is None else content(old)) == before, f"old {old}, not {known}"
        assert changes == results, "what was published is not what the correction holds"

    def check(self) -> None:
        """The fold is the view of a fresh engine over the sorted final bars, to the byte."""
        if self._checked == self._changes():
            return
        self._checked = self._changes()
        engine = GroupEngine(self.plan)
        fresh: dict[str, Event] = {}
        for offset, record in enumerate(self.books.sorted_log()):
            for event in engine.apply(record, offset).events:
                assert not isinstance(event, Retract), f"a retract in order: {event}"
                fresh[event.id] = event
        assert_equal_views(contents(self.fold), contents(fresh))

    def check_with_oracle(self) -> None:
        """The fold is the view that the naive second implementation computes of shipped rules."""
        if self._checked_with_oracle == self._changes():
            return
        self._checked_with_oracle = self._changes()
        bars = {symbol: list(book.values()) for symbol, book in self.books.bars.items()}
        marks = {symbol: mark for symbol, mark in self.books.marks.items() if mark is not None}
        expected = view(Plan(self.config, self.plan.group), bars, marks)
        assert_equal_views(
            {
                identity: _fact(event)
                for identity, event in self.fold.items()
                if type_of(event) in EVENTS
            },
            {identity: _sorted_json(fact) for identity, fact in expected.items()},
        )

    def _changes(self) -> int:
        """Number of records that could change anything: neither fold nor books move without one."""
        return sum(kind not in WITHOUT_EVENTS for kind in self.outcomes)

    def go_on_from(self, records: dict[str, bytes]) -> None:
        """A crash: a new engine from stored records, given again what came since, repeats it."""
        engine = restored(self.plan, records)
        for offset in range(engine.offset + 1, len(self.log)):
            events, kind, _ = _applied(engine, self.log[offset], offset)
            assert kind == self.outcomes[offset], f"{self.log[offset]}: {kind} after a restart"
            assert _encoded(events) == self._published[offset], (
                f"{self.log[offset]} after a restart"
            )
        self.engine = engine


def restored(plan: GroupPlan, records: dict[str, bytes]) -> GroupEngine:
    """An engine from state records as they are stored."""
    return GroupEngine.restore(plan, {key: orjson.loads(text) for key, text in records.items()})


def stored(records: dict[str, Any]) -> dict[str, bytes]:
    """State records as bytes, each by itself, as a table stores them."""
    return {key: orjson.dumps(record) for key, record in records.items()}


def content(event: Event) -> bytes:
    """The event without the fields of delivery."""
    bare = msgspec.structs.replace(event, seq=0, rev=0, corrects=None, watermark_ms=0)
    return msgspec.json.encode(bare)


def _content_of(event: Output) -> bytes | None:
    return None if isinstance(event, Retract) else content(event)


def contents(facts: dict[str, Event]) -> dict[str, bytes]:
    """A view by id, as bytes."""
    return {identity: content(event) for identity, event in facts.items()}


def assert_equal_views(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """Same ids, same bytes; names some of those that differ."""
    if found == expected:
        return
    ids = found.keys() | expected.keys()
    wrong = sorted(each for each in ids if found.get(each) != expected.get(each))
    shown = [f"{each}:\n  {found.get(each)!r}\n  {expected.get(each)!r}" for each in wrong[:5]]
    raise AssertionError(f"{len(wrong)} facts differ (found, expected)\n" + "\n".join(shown))


def labels_before(tape: CorrectedTape, symbol: str, count: int) -> list[int]:
    """The last slots, so many at most, that have ended at the watermark of a symbol, in order."""
    mark = tape.books.marks[symbol]
    assert mark is not None
    plan = next(each for each in tape.plan.instruments if each.symbol == symbol)
    calendar, base_ms = plan.calendar, plan.base_ms
    index = calendar.session_of(mark)
    labels: list[int] = []
    while len(labels) < count:
        slots = calendar.slot_count(index, base_ms)
        labels = [calendar.slot_start(index, slot, base_ms) for slot in range(slots)] + labels
        del labels[bisect_left(labels, mark) :]
        index -= 1
    return labels[-count:]


def _applied(
    engine: Engine, record: LogRecord, offset: int
) -> tuple[list[Output], str, Correction | None]:
    """What a record led to: events, its outcome or the code of its rejection, the correction."""
    try:
        outcome = engine.apply(record, offset)
    except RecordRejected as error:
        return [], error.code, None
    return outcome.events, outcome.kind, outcome.correction


def _order_key(
    event: Output, fold: dict[str, Event], kinds: tuple[str, ...]
) -> tuple[int, int, int, str]:
    """Sort key of an output among those of its record (docs/rules.md 7.4)."""
    known = fold[event.id] if isinstance(event, Retract) else event
    length = 0
    if isinstance(known, DerivedBar | Indicators):
        length = parse_interval(known.interval).length_ms
    return kinds.index(type_of(known)), event.event_ms, length, event.id


def _bar_content(bar: Bar) -> tuple[float | int | None, ...]:
    """What makes two bars of one slot duplicates."""
    return bar.open, bar.high, bar.low, bar.close, bar.volume


def _encoded(events: list[Output]) -> bytes:
    return msgspec.json.Encoder().encode_lines(events)


def _fact(event: Event) -> bytes:
    fact = json.loads(msgspec.json.encode(event))
    for name in DELIVERY:
        del fact[name]
    return _sorted_json(fact)


def _sorted_json(fact: dict[str, Any]) -> bytes:
    """As JSON, so that 1, 1.0 and true differ."""
    return json.dumps(fact, sort_keys=True).encode()
