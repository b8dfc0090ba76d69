"""Events of session ranges and their touches."""

from __future__ import annotations

from schemas.events import Range, Touch
from schemas.ids import range_id, touch_id
from streams.core.live_range import (
    LEVELS,
    NO_BAR,
    RESOLVED,
    SECOND_SAME,
    STATES,
    LiveRange,
    RangeTouch,
)
from streams.core.schedule import NEVER_MS
from streams.core.stamp import Stamp
from streams.core.ticks import TickScale


def publish_ranges(ranges: list[LiveRange], symbol: str, scale: TickScale, stamp: Stamp) -> None:
    """Append the ranges that a record changed, by event_ms, then id."""
    if len(ranges) > 1:
        ranges.sort(key=_range_order)
    for live in ranges:
        stamp.out.append(_range_event(live, symbol, scale, stamp))


def publish_touches(touches: list[RangeTouch], symbol: str, scale: TickScale, stamp: Stamp) -> None:
    """Append the touches of a record, by event_ms, then id."""
    if len(touches) > 1:
        touches.sort(key=_touch_order)
    for touch in touches:
        stamp.out.append(_touch_event(touch, symbol, scale, stamp))


def _range_event(live: LiveRange, symbol: str, scale: TickScale, stamp: Stamp) -> Range:
    spec = live.spec
    complete = not live.reason
    poi = complete and not spec.first_touch
    bars = [None if bar == NO_BAR or not poi else bar for bar in live.bars_ms]
    return Range(
        range_id(symbol, spec.kind, spec.name),
        "upsert",
        stamp.first_seq + len(stamp.out),
        0,
        symbol,
        spec.session,
        live.event_ms,
        stamp.watermark_ms,
        None,
        spec.kind,
        spec.name,
        spec.start_ms,
        spec.to_ms,
        None if spec.expires_ms == NEVER_MS else spec.expires_ms,
        STATES[live.state],
        live.expired,
        scale.price(live.high) if complete else None,
        scale.price(live.low) if complete else None,
        scale.price(live.true_open) if poi else None,
        scale.price(live.poc) if poi else None,
        scale.price(live.rpp) if poi else None,
        live.have,
        spec.need,
        live.reason or None,
        LEVELS[live.side] if live.side else None,
        _resolution(live) if poi else None,
        bars[0],
        bars[1],
        bars[2],
        bars[3],
    )


def _resolution(live: LiveRange) -> str | None:
    if live.state != RESOLVED:
        return None
    return "single_sided" if live.second == SECOND_SAME else "double_sided"


def _touch_event(touch: RangeTouch, symbol: str, scale: TickScale, stamp: Stamp) -> Touch:
    spec = touch.owner.spec
    expiry = touch.level < 0
    return Touch(
        touch_id(symbol, spec.kind, spec.name, touch.event),
        "upsert",
        stamp.first_seq + len(stamp.out),
        0,
        symbol,
        touch.session,
        touch.event_ms,
        stamp.watermark_ms,
        None,
        range_id(symbol, spec.kind, spec.name),
        spec.kind,
        spec.name,
        touch.event,
        None if expiry else LEVELS[touch.level],
        None if expiry else scale.price(touch.price),
        touch.bar_ms,
        touch.ambiguous,
    )


def _range_order(live: LiveRange) -> tuple[int, str]:
    return live.event_ms, f"{live.spec.kind}|{live.spec.name}"


def _touch_order(touch: RangeTouch) -> tuple[int, str]:
    spec = touch.owner.spec
    return touch.event_ms, f"{spec.kind}|{spec.name}|{touch.event}"
