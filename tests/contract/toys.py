"""Trackers that no driver knows: they are added by the plan of a group alone."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from tapeline.schemas.event_types import EventType
from tapeline.schemas.events import Event
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topic_settings import FACTS
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import NEVER_MS, NO_LEVEL, ClosedBar, Tracker

SPAN_MS = 7 * 60_000
"""No derived bar ends with it, but by chance."""


class Vwap(Struct, frozen=True, gc=False, tag_field="type", tag="session_vwap"):
    """Volume-weighted average price of a session, as far as its complete bars go."""

    id: str
    op: str
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    price: float
    volume: float
    bars: int


class SpanHigh(Struct, frozen=True, gc=False, tag_field="type", tag="span_high"):
    """High of seven minutes by the bars that begin in them."""

    id: str
    op: str
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    price: float
    state: str


class SessionVwap(Tracker):
    """Session VWAP on complete 5m bars, or on those of the finest interval there is."""

    def __init__(self, plan: InstrumentPlan) -> None:
        names = [interval.name for interval in plan.intervals]
        interval = "5m" if "5m" in names else names[0]
        super().__init__("session_vwap", 1, ("session_vwap",), (interval,), takes_runs=True)
        self._plan = plan
        self._date = ""
        self.reset()

    def reset(self) -> None:
        self._begin_session("")

    def _begin_session(self, date: str) -> None:
        self._date = date
        self._amount = 0.0
        self._volume = 0.0
        self._bars = 0
        self._event_ms = 0
        self._due: list[list[Any]] = []

    def on_session(self, index: int, date: str) -> None:
        due = self._due
        self._begin_session(date)
        self._due = due

    def take(self, rows: list[PackedRow]) -> None:
        """It looks at derived bars alone."""

    def on_derived(self, bar: ClosedBar) -> None:
        if not bar.complete or not bar.volume:
            return
        self._amount += (bar.high + bar.low + bar.close) * bar.volume
        self._volume += bar.volume
        self._bars += 1
        self._event_ms = bar.end_ms
        self._due = [each for each in self._due if each[0] != self._date]
        self._due.append(self._values())
        self.pending = True

    def _values(self) -> list[Any]:
        return [self._date, self._amount, self._volume, self._bars, self._event_ms]

    def _event(self, values: list[Any], stamp: Stamp) -> Any:
        date, amount, volume, bars, event_ms = values
        scale = self._plan.scale
        price = amount / volume / 3 * scale.numerator / scale.denominator
        symbol = self._plan.symbol
        return Vwap(
            f"session_vwap|{symbol}|{date}", "upsert", stamp.first_seq + len(stamp.out), 0, symbol,
            date, event_ms, stamp.watermark_ms, None, price, volume, bars,
        )  # fmt: skip

    def publish(self, part: str, stamp: Stamp) -> None:
        for values in self._due:
            stamp.out.append(self._event(values, stamp))
        self._due = []

    def restore_point(self) -> Any:
        return self._values()

    def rewind(self, point: Any) -> None:
        self._date, self._amount, self._volume, self._bars, self._event_ms = point
        self._due = []

    def open_ids(self, point: Any = None) -> list[str]:
        date = self._date if point is None else point[0]
        return [f"session_vwap|{self._plan.symbol}|{date}"]

    def standing(self, point: Any, ids: list[str]) -> list[Event]:
        return [self._event(point, Stamp())] if point[3] else []


class SpanHighs(Tracker):
    """The high of every seven minutes: when it is made, and when they are over."""

    def __init__(self, plan: InstrumentPlan) -> None:
        super().__init__("span_highs", 1, ("span_high",), takes_runs=True)
        self._plan = plan
        self._date = ""
        self.reset()

    def reset(self) -> None:
        self._date = ""
        self._due: list[list[Any]] = []
        self._set([None, "", 0, "", 0])

    def _set(self, fact: list[Any]) -> None:
        """The minutes so far: their start, session, high, state, and when that was decided."""
        self._fact = fact
        is_open = fact[3] == "open"
        self.next_ms = fact[0] + SPAN_MS if is_open else NEVER_MS
        self.ceiling = fact[2] if is_open else -NO_LEVEL

    def on_session(self, index: int, date: str) -> None:
        self._date = date

    def on_bar(self, row: PackedRow, end_ms: int) -> None:
        if self._fact[3] == "open" and row[2] <= self._fact[2]:
            return
        span_ms, date = row[0] // SPAN_MS * SPAN_MS, self._date
        if self._fact[3] == "open":
            span_ms, date = self._fact[:2]
        self._note([span_ms, date, row[2], "open", end_ms])

    def take(self, rows: list[PackedRow]) -> None:
        for row in rows:
            self.on_bar(row, row[0] + self._plan.base_ms)

    def on_time(self, instant_ms: int) -> None:
        span_ms, date, high, _, event_ms = self._fact
        over_ms = span_ms + SPAN_MS
        self._note([span_ms, date, high, "closed", max(over_ms, event_ms)])

    def _note(self, fact: list[Any]) -> None:
        self._due = [each for each in self._due if each[0] != fact[0]]
        self._due.append(fact)
        self._set(fact)
        self.pending = True

    def _event(self, fact: list[Any], stamp: Stamp) -> Any:
        span_ms, date, high, state, event_ms = fact
        symbol = self._plan.symbol
        return SpanHigh(
            f"span_high|{symbol}|{span_ms}", "upsert", stamp.first_seq + len(stamp.out), 0, symbol,
            date, event_ms, stamp.watermark_ms, None, self._plan.scale.price(high), state,
        )  # fmt: skip

    def publish(self, part: str, stamp: Stamp) -> None:
        for fact in self._due:
            stamp.out.append(self._event(fact, stamp))
        self._due = []

    def restore_point(self) -> Any:
        return [self._date, *self._fact]

    def rewind(self, point: Any) -> None:
        self._date = point[0]
        self._due = []
        self._set(point[1:])

    def open_ids(self, point: Any = None) -> list[str]:
        return [f"span_high|{self._plan.symbol}|"]

    def standing(self, point: Any, ids: list[str]) -> list[Event]:
        return [] if point[1] is None else [self._event(point[1:], Stamp())]


class Peak(Struct, frozen=True, gc=False, tag_field="type", tag="peaks"):
    """Bars of a whole history that were as high as both their neighbours."""

    id: str
    op: str
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    count: int
    days: list[int]


class Peaks(Tracker):
    """One fact that stays open for ever, from bars that are handed over one by one."""

    def __init__(self, plan: InstrumentPlan) -> None:
        super().__init__("peaks", 1, ("peaks",))
        self.edge = True
        self._symbol = plan.symbol
        self._stored: list[int] = []
        self.reset()

    def reset(self) -> None:
        self._days: list[int] = []
        self._date = ""
        self._count = 0
        self._fact: list[Any] = []

    def on_session(self, index: int, date: str) -> None:
        self._days = [*self._days, self._count]
        self._date = date

    def on_edge(self, row: PackedRow, high: bool, end_ms: int) -> None:
        if high:
            self._count += 1
            self._fact = [self._days, self._date, self._count, end_ms]
            self.pending = True

    def _event(self, fact: list[Any], stamp: Stamp) -> Any:
        days, date, count, event_ms = fact
        return Peak(
            f"peaks|{self._symbol}|all", "upsert", stamp.first_seq + len(stamp.out), 0,
            self._symbol, date, event_ms, stamp.watermark_ms, None, count, days,
        )  # fmt: skip

    def publish(self, part: str, stamp: Stamp) -> None:
        stamp.out.append(self._event(self._fact, stamp))

    def restore_point(self) -> Any:
        return [self._days, self._date, self._count, self._fact]

    def rewind(self, point: Any) -> None:
        self._days, self._date, self._count, self._fact = point

    def pack(self, point: Any) -> Any:
        days, date, count, fact = point
        return [len(days), date, count, [len(fact[0]), *fact[1:]] if fact else []]

    def unpack(self, data: Any) -> Any:
        days, date, count, fact = data
        return [
            self._days[:days], date, count, [self._days[: fact[0]], *fact[1:]] if fact else []
        ]  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {f"day/{number}": count for number, count in enumerate(self._days)}

    def changed(self) -> dict[str, Any]:
        stored, self._stored = self._stored, self._days
        return {
            f"day/{number}": count
            for number, count in enumerate(self._days)
            if stored[number : number + 1] != [count]
        }

    def restore(self, records: dict[str, Any]) -> None:
        # Those of days that a correction took away are left over: the restore point has the count.
        self._days = [records[f"day/{number}"] for number in range(len(records))]
        self._stored = []

    def open_ids(self, point: Any = None) -> list[str]:
        return [f"peaks|{self._symbol}|all"]

    def standing(self, point: Any, ids: list[str]) -> list[Event]:
        return [self._event(point[3], Stamp())] if point[3] else []


_COMMON: dict[str, Any] = {
    "op": "upsert", "seq": 1, "rev": 0, "symbol": "A", "session": "2025-12-08",
    "event_ms": 1, "watermark_ms": 1, "corrects": None,
}  # fmt: skip

REGISTRY = (
    EVENTS.with_(
        EventType(
            struct=Vwap,
            topic="vwap.v1",
            settings=FACTS,
            position=45,
            grows=frozenset({"price", "volume", "bars"}),
            meaning="Volume-weighted average price of a session.",
            fields={"price": "Average.", "volume": "Sum of volumes.", "bars": "Complete bars."},
            example=Vwap(id="session_vwap|A|2025-12-08", price=1.0, volume=1.0, bars=1, **_COMMON),
        )
    )
    .with_(
        EventType(
            struct=SpanHigh,
            topic="span_highs.v1",
            settings=FACTS,
            position=46,
            grows=frozenset({"price", "state"}),
            meaning="High of seven minutes.",
            fields={"price": "High.", "state": "`open` or `closed`."},
            example=SpanHigh(id="span_high|A|1", price=1.0, state="open", **_COMMON),
        )
    )
    .with_(
        EventType(
            struct=Peak,
            topic="peaks.v1",
            settings=FACTS,
            position=47,
            grows=frozenset({"count", "days"}),
            meaning="Peaks of a history.",
            fields={"count": "Peaks.", "days": "Peaks before each session."},
            example=Peak(id="peaks|A|all", count=1, days=[0], **_COMMON),
        )
    )
)
"""The shipped types, and those of the toys."""
