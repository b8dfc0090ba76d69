"""From a fact to the bars that made it, by the rules of its type.

Only bars are named that matter: were one of them another one, or not there, the fact would be
another one, or not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import singledispatchmethod
from typing import Any

from msgspec import Struct

from tapeline.replay.explain.look_back import look_back_ms
from tapeline.schemas.codec import plain
from tapeline.schemas.events import (
    DerivedBar,
    Event,
    Gap,
    Indicators,
    Pair,
    Quality,
    Range,
    Session,
    Swing,
    Touch,
    WindowValue,
)
from tapeline.schemas.ids import parsed_id, range_id, range_label, swing_id, touch_id
from tapeline.schemas.instants import DAY_MS, day_of
from tapeline.schemas.records import Bar
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.plan import GroupPlan, InstrumentPlan
from tapeline.streams.core.ranges.schedule import RangeSchedule, RangeSpec
from tapeline.streams.core.windows.spans import WindowSpan
from tapeline.streams.core.windows.tracker import NO_SESSION

PREVIOUS_CLOSE_REACH_MS = 5 * DAY_MS
NEIGHBOUR_REACH_MS = 15 * DAY_MS
"""A bar whose neighbour is farther away is named without it."""
TRUE_OPEN = "true open"
ONE_OF_DAY = {"open": "first", "close": "last"}
"""Fields of a window that one bar of a session gives."""
BREAKS = ("first_break", "return", "second_break", "resolved")


class SlotSpan(Struct, frozen=True):
    """Bars [start_ms, end_ms) of a symbol by label; `only` picks the ``first`` or ``last``."""

    symbol: str
    start_ms: int
    end_ms: int
    only: str | None = None


class LoggedBar(Struct, frozen=True):
    """A bar, and the record of the log that brought it."""

    bar: Bar
    offset: int


class Slots(Struct, frozen=True):
    """Slots [start_ms, end_ms) of a symbol that have no bar."""

    symbol: str
    start_ms: int
    end_ms: int
    missing: int


class Cause(Struct):
    """What a fact came from: another fact, bars, slots without a bar.

    Attributes
    ----------
    role
        What it did, such as ``window``.
    fact
        The fact as it was then.
    spans
        Where its bars lie.
    bars, missing
        What lay there, once it was looked up.
    gives
        Fields of the fact, and the labels of the bars that gave them.
    """

    role: str
    fact: dict[str, Any] | None = None
    spans: tuple[SlotSpan, ...] = ()
    with_missing: bool = False
    bars: list[LoggedBar] = []
    missing: list[Slots] = []
    gives: dict[str, int] = {}
    causes: list[Cause] = []

    def everything(self) -> Iterator[Cause]:
        """The cause itself and all behind it."""
        yield self
        for cause in self.causes:
            yield from cause.everything()


def _none_in_part(_: str) -> int:
    return NO_SESSION


class Chain:
    """Makes the causes of facts of one group.

    Parameters
    ----------
    facts
        The facts of the group as they are now, by id; read when a chain is made.
    in_part
        Session of a symbol that does not count for windows; `WindowTracker.in_part`.
    """

    def __init__(
        self,
        plan: GroupPlan,
        facts: Mapping[str, Event],
        in_part: Callable[[str], int] = _none_in_part,
    ) -> None:
        self._plan = plan
        self._facts = facts
        self._in_part = in_part
        first = plan.instruments[0]
        self._schedule = RangeSchedule(first.calendar, first.base_ms, first.kinds)

    def instrument(self, symbol: str) -> InstrumentPlan:
        """Plan of a member."""
        return next(each for each in self._plan.instruments if each.symbol == symbol)

    @singledispatchmethod
    def causes(self, fact: Event) -> list[Cause]:
        """What a fact came from; nothing of a type that has no chain here."""
        return []

    @causes.register
    def _derived_bar(self, fact: DerivedBar) -> list[Cause]:
        return [_covered("base bars", fact.symbol, fact.start_ms, fact.end_ms)]

    @causes.register
    def _session(self, fact: Session) -> list[Cause]:
        if fact.state == "closed":
            return [_covered("bars of the session", fact.symbol, fact.open_ms, fact.close_ms)]
        end = fact.event_ms
        return [_covered("first slot", fact.symbol, fact.open_ms, end)]

    @causes.register
    def _quality(self, fact: Quality) -> list[Cause]:
        calendar = self.instrument(fact.symbol).calendar
        index = calendar.session_of(fact.as_of_ms - 1)
        return [_covered("slots due", fact.symbol, calendar.open_ms(index), fact.as_of_ms)]

    @causes.register
    def _gap(self, fact: Gap) -> list[Cause]:
        plan = self.instrument(fact.symbol)
        symbol = fact.symbol
        found = [_covered("slots without a bar", symbol, fact.start_ms, fact.end_ms)]
        session = plan.calendar.session_of(fact.start_ms)
        opened = plan.calendar.open_ms(session)
        closes = plan.calendar.close_ms(session)
        if fact.start_ms > opened:
            before = SlotSpan(symbol, opened, fact.start_ms, "last")
            found.append(Cause("the bar before", spans=(before,)))
        if fact.state == "closed" and fact.end_ms < closes:
            after = SlotSpan(symbol, fact.end_ms, closes, "first")
            found.append(Cause("the bar that ended it", spans=(after,)))
        return found

    @causes.register
    def _indicators(self, fact: Indicators) -> list[Cause]:
        symbol, start = fact.symbol, fact.start_ms
        found = [_covered("the bar", symbol, start, fact.end_ms)]
        plan = self.instrument(symbol)
        planned = next(each for each in plan.indicators if each.interval.name == fact.interval)
        starts = sorted(
            each.start_ms
            for each in self._facts.values()
            if isinstance(each, Indicators) and each.start_ms <= start
        )
        first = look_back_ms(planned, plan.calendar, starts or [start], start)
        if first < start:
            found.append(Cause("look-back", spans=(SlotSpan(symbol, first, start),)))
        return found

    @causes.register
    def _window(self, fact: WindowValue) -> list[Cause]:
        if fact.have == 0:
            return []
        plan = self.instrument(fact.symbol)
        calendar = plan.calendar
        name = parsed_id(fact.id).rest[0]
        [spec] = [spec for known, spec in plan.windows if known == name]
        index = calendar.index_of_day(day_of(fact.session))
        in_part = self._in_part(fact.symbol)
        only = ONE_OF_DAY.get(spec.field) if spec.granularity == "daily" else None
        spans = tuple(
            SlotSpan(fact.symbol, calendar.open_ms(each), calendar.close_ms(each), only)
            for each in WindowSpan(calendar, spec).sessions(index)
            if each != in_part
        )
        return [Cause("bars of its sessions", spans=spans)]

    @causes.register
    def _range(self, fact: Range) -> list[Cause]:
        found = self._levels(fact)
        for name in BREAKS:
            label = getattr(fact, f"{name}_ms")
            if label is not None:
                found.append(_bar(name, fact.symbol, label))
        for event in ("touched_high", "touched_low"):
            touch = self._facts.get(touch_id(fact.symbol, range_label(fact.kind, fact.name), event))
            if isinstance(touch, Touch):
                # The range itself holds when it was touched last, and not what came before.
                latest = touch.event_ms == fact.event_ms
                cause = _bar(event, fact.symbol, touch.bar_ms, plain(touch))
                found.append(cause if latest else Cause(event, cause.fact))
        return found

    def _levels(self, fact: Range) -> list[Cause]:
        """Window, previous close and TO bar of a range."""
        symbol = fact.symbol
        spec = self._spec(fact)
        found = [_covered("window", symbol, fact.start_ms, spec.window_end_ms)]
        if spec.previous_close:
            reach = SlotSpan(symbol, fact.start_ms - PREVIOUS_CLOSE_REACH_MS, fact.start_ms, "last")
            if fact.reason is None:
                found.append(Cause("previous close", spans=(reach,)))
        if not spec.first_touch:
            found.append(_bar(TRUE_OPEN, symbol, fact.to_ms))
        return found

    def _spec(self, fact: Range) -> RangeSpec:
        for planned in self._schedule.kinds:
            if planned.kind.kind == fact.kind:
                try:
                    spec = self._schedule.find(planned.index, fact.start_ms)
                except LookupError:
                    continue
                if spec.name == fact.name:
                    return spec
        raise LookupError(f"{fact.id}: the configuration has no such range")

    @causes.register
    def _touch(self, fact: Touch) -> list[Cause]:
        found = []
        if fact.level is not None:
            found.append(_bar("the bar that touched", fact.symbol, fact.bar_ms))
        label = range_label(fact.kind, fact.name)
        owner = self._facts.get(range_id(fact.symbol, label))
        if isinstance(owner, Range):
            causes = self._levels(owner)
            if fact.level is None:
                # It would expire with other levels, too; it must have some.
                causes = [each for each in causes if each.role == TRUE_OPEN]
            found.append(Cause("range", plain(owner), causes=causes))
        for event in ("first_break", "return", "second_break_same", "second_break_opposite"):
            # Their bars are another matter: a later one might have done the same.
            earlier = self._facts.get(
                touch_id(fact.symbol, range_label(fact.kind, fact.name), event)
            )
            if isinstance(earlier, Touch) and earlier.bar_ms < fact.bar_ms:
                found.append(Cause("earlier touch", plain(earlier)))
        return found

    @causes.register
    def _pair(self, fact: Pair) -> list[Cause]:
        found = []
        for symbol, bar_ms in fact.times.items():
            touch = self._facts.get(touch_id(symbol, range_label(fact.kind, fact.name), fact.event))
            if bar_ms is not None and isinstance(touch, Touch):
                causes = self._touch(touch)
                found.append(Cause(f"touch of {symbol}", plain(touch), causes=causes))
        return found

    @causes.register
    def _swing(self, fact: Swing) -> list[Cause]:
        symbol, label = fact.symbol, fact.start_ms
        found = [
            _bar("the swing's bar", symbol, label),
            Cause(
                "the bar before",
                spans=(SlotSpan(symbol, label - NEIGHBOUR_REACH_MS, label, "last"),),
            ),
            Cause(
                "the bar after",
                spans=(SlotSpan(symbol, label + 1, label + NEIGHBOUR_REACH_MS, "first"),),
            ),
        ]
        found += self._class_neighbours(fact)
        if fact.prior is not None:
            side = "low" if fact.side == "high" else "high"
            found.append(self._named("prior", swing_id(symbol, fact.prior.start_ms, side)))
        if fact.touch is not None:
            found.append(self._named("latest touch", fact.touch.id))
        return found

    def _named(self, role: str, fact_id: str) -> Cause:
        """A fact with its own bar."""
        fact = self._facts.get(fact_id)
        if isinstance(fact, Swing):
            return _bar(role, fact.symbol, fact.start_ms, plain(fact))
        assert isinstance(fact, Touch), fact_id
        return _bar(role, fact.symbol, fact.bar_ms, plain(fact))

    def _class_neighbours(self, fact: Swing) -> list[Cause]:
        """For each class above 1, the swings of the class below on both sides."""
        sides = sorted(
            (each.start_ms, each.class_, each)
            for each in self._facts.values()
            if isinstance(each, Swing) and each.symbol == fact.symbol and each.side == fact.side
        )
        found: list[Cause] = []
        named: set[int] = set()
        for number in range(2, fact.class_ + 1):
            level = [each for _, known, each in sides if known >= number - 1]
            at = next(at for at, each in enumerate(level) if each.id == fact.id)
            for neighbour in (level[at - 1], level[at + 1]):
                if neighbour.start_ms not in named:
                    named.add(neighbour.start_ms)
                    swing = plain(neighbour)
                    label = neighbour.start_ms
                    found.append(_bar(f"class {number}", fact.symbol, label, swing))
        return found


def _covered(role: str, symbol: str, start_ms: int, end_ms: int) -> Cause:
    """All bars of a span, and the slots in it that have none."""
    return Cause(role, spans=(SlotSpan(symbol, start_ms, end_ms),), with_missing=True)


def _bar(role: str, symbol: str, label: int, fact: dict[str, Any] | None = None) -> Cause:
    return Cause(role, fact, spans=(SlotSpan(symbol, label, label + 1),))


def slots(calendar: Calendar, base_ms: int, start_ms: int, end_ms: int) -> Iterator[int]:
    """Labels of the calendar's slots in [start_ms, end_ms)."""
    index = calendar.session_of(start_ms)
    while calendar.has_session(index) and calendar.open_ms(index) < end_ms:
        edges = zip(calendar.segment_opens(index), calendar.segment_closes(index), strict=True)
        for opened, closes in edges:
            first = opened
            if start_ms > opened:
                first += -((opened - start_ms) // base_ms) * base_ms
            yield from range(first, min(closes, end_ms), base_ms)
        index += 1


def without_bar(plan: InstrumentPlan, span: SlotSpan, present: set[int]) -> list[Slots]:
    """Runs of slots of a span that have no bar."""
    found: list[Slots] = []
    calendar, base_ms = plan.calendar, plan.base_ms
    for label in slots(calendar, base_ms, span.start_ms, span.end_ms):
        if label in present:
            continue
        end = calendar.slot_end(label, base_ms)
        last = found[-1] if found else None
        if last is not None and last.end_ms == label:
            found[-1] = Slots(span.symbol, last.start_ms, end, last.missing + 1)
        else:
            found.append(Slots(span.symbol, label, end, 1))
    return found


def extremes(bars: list[LoggedBar], fact: Mapping[str, Any]) -> dict[str, int]:
    """Which bars gave the prices of a fact: fields and labels."""
    found: dict[str, int] = {}
    if not bars:
        return found
    if fact.get("open") == bars[0].bar.open and "close" in fact:
        found["open"] = bars[0].bar.start_ms
        found["close"] = bars[-1].bar.start_ms
    for name in ("high", "low"):
        for each in bars:
            if getattr(each.bar, name) == fact.get(name):
                found[name] = each.bar.start_ms
                break
    return found
