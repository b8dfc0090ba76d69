"""What an engine knew after one record, as far as it matters for one fact: small, and in prices."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.ids import FactId, parsed_id
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.history.ring import HOUR, RestorePoint
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ranges.live_range import LEVELS, NO_BAR, STATES, LiveRange
from tapeline.streams.core.ranges.windows import RangeWindow
from tapeline.streams.core.swings.sides import SwingsPoint
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.core.tracks import SymbolTracks

SIDES = ("low", "high")


def engine_view(engine: GroupEngine, fact_id: str) -> dict[str, Any]:
    """State of the symbols a fact is of, between two records.

    Fields of every symbol: ``watermark_ms`` (None before its first record), ``bars`` (in session,
    so far), ``last_bar_ms``. By the rule of its type: the open window of the interval, the session
    with its open gap, the range, the latest swings of each class.
    """
    fact = parsed_id(fact_id)
    row = engine.plan.registry.row(fact.type)
    of_group = row.scope == "group"
    members = [each for each in engine.plan.instruments if of_group or each.symbol == fact.name]
    return {each.symbol: _of_symbol(engine, each, row.rule, fact) for each in members}


def _of_symbol(
    engine: GroupEngine, plan: InstrumentPlan, rule: str, fact: FactId
) -> dict[str, Any]:
    tracks = engine.tracks(plan.symbol)
    watermark_ms = engine.watermark_ms(plan.symbol)
    if watermark_ms is None or tracks.first_label_ms == NO_BAR:
        return {"watermark_ms": watermark_ms, "bars": 0, "last_bar_ms": None}
    point = tracks.capture(HOUR)
    last = point.last[0]
    found: dict[str, Any] = {
        "watermark_ms": watermark_ms,
        "bars": point.position,
        "last_bar_ms": None if last == NO_BAR else last,
    }
    if rule == "bars":
        found["window"] = _window(tracks, plan.scale, fact.rest[0])
    elif rule == "sessions":
        found["session"] = _session(plan, _point(tracks, point, "sessions"))
    elif rule == "ranges":
        found["range"] = _range(tracks, plan.scale, fact.label)
    elif rule == "swings":
        found["swings"] = _swings(_point(tracks, point, "swings"))
    return found


def _point(tracks: SymbolTracks, point: RestorePoint, name: str) -> Any:
    """The restore point of one rule."""
    names = [tracker.name for tracker in tracks.rules.all.trackers]
    return point.points[names.index(name)]


def _window(tracks: SymbolTracks, scale: TickScale, interval: str) -> dict[str, Any] | None:
    """The open window of an interval, as far as closed finer windows have fed it."""
    for window in tracks.derived.windows:
        values = window.snapshot()
        if window.name != interval or not values or values[1] is None:
            continue
        prices = {
            name: scale.price(ticks)
            for name, ticks in zip(("open", "high", "low", "close"), values[5:9], strict=True)
        }
        return {
            "start_ms": values[0],
            "end_ms": values[1],
            **prices,
            "have": values[9],
            "need": values[2],
            "volume": values[10],
        }
    return None


def _session(plan: InstrumentPlan, point: list[Any]) -> dict[str, Any] | None:
    day, _, due, _, _, quality, gap, _ = point
    index = plan.calendar.index_from_day(day)
    if not plan.calendar.has_session(index):
        return None
    return {
        "date": plan.calendar.date(index),
        "due": due,
        "last_quality": {"as_of_ms": quality[0], "due": quality[1], "actual": quality[2]},
        "open_gap": None if gap is None else {"start_ms": gap[0], "end_ms": gap[1]},
    }


def _range(tracks: SymbolTracks, scale: TickScale, label: str) -> dict[str, Any] | None:
    ranges = tracks.ranges
    for live in (*ranges.alive.values(), *ranges.finished.values()):
        if live.label == label:
            return _live_range(live, scale)
    for window in (*ranges.filling.windows, *ranges.filling.awaiting):
        if window.spec.label == label:
            return _range_window(window, scale, tracks.position)
    return None


def _live_range(live: LiveRange, scale: TickScale) -> dict[str, Any]:
    found: dict[str, Any] = {
        "state": STATES[live.state],
        "expired": live.expired,
        "high": scale.price(live.high),
        "low": scale.price(live.low),
        "watched": [scale.price(ticks) for ticks in live.watched()],
    }
    if not live.spec.first_touch:
        found["true_open"] = scale.price(live.true_open)
        found["side"] = LEVELS[live.side] if live.side else None
    return found


def _range_window(window: RangeWindow, scale: TickScale, position: int) -> dict[str, Any]:
    empty = window.high < window.low
    return {
        "state": "window",
        "have": position - window.opened_at if window.have < 0 else window.have,
        "high": None if empty else scale.price(window.high),
        "low": None if empty else scale.price(window.low),
    }


def _swings(point: SwingsPoint) -> dict[str, dict[str, str]]:
    """By side, the latest swing of each class or more."""
    return {
        side: {
            str(number): swing.event.id
            for number, swing in enumerate(then.last)
            if swing is not None
        }
        for side, then in zip(SIDES, point.sides, strict=True)
    }
