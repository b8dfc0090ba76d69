"""Pairs of a group's two symbols."""

from __future__ import annotations

from tests.oracle.book import Fact
from tests.oracle.ranges import Touch
from tests.oracle.trading_days import MINUTE_MS, Timeline


def pairs(
    group: str, members: tuple[str, ...], touches: dict[str, list[Touch]], timeline: Timeline
) -> list[Fact]:
    """One row per kind, name, level and event; `touches` are those that are paired, by symbol."""
    rows: dict[tuple[str, str, str, str], dict[str, Touch]] = {}
    for symbol in members:
        for touch in touches.get(symbol, []):
            assert touch.level is not None
            key = (touch.window.kind.kind, touch.window.name, touch.level, touch.event)
            rows.setdefault(key, {})[symbol] = touch
    return [_pair(group, members, key, row, timeline) for key, row in rows.items()]


def _pair(
    group: str,
    members: tuple[str, ...],
    key: tuple[str, str, str, str],
    row: dict[str, Touch],
    timeline: Timeline,
) -> Fact:
    kind, name, level, event = key
    earlier, *_ = sorted(row, key=lambda symbol: row[symbol].bar_ms)
    delta_min = leader = None
    if len(row) == len(members):
        labels = [touch.bar_ms for touch in row.values()]
        apart_ms = max(labels) - min(labels)
        delta_min = apart_ms // MINUTE_MS
        leader = "simultaneous" if apart_ms < MINUTE_MS else earlier
    return {
        "type": "pair",
        "id": f"pair|{group}|{kind}|{name}|{level}|{event}",
        "op": "upsert",
        "symbol": group,
        "session": timeline.session_at(row[earlier].bar_ms),
        "event_ms": max(touch.event_ms for touch in row.values()),
        "group": group,
        "kind": kind,
        "name": name,
        "level": level,
        "event": event,
        "times": {symbol: row[symbol].bar_ms if symbol in row else None for symbol in members},
        "delta_min": delta_min,
        "leader": leader,
    }
