"""Events of session ranges and their touches."""

from __future__ import annotations

from tapeline.schemas.events import Range, Touch
from tapeline.schemas.ids import range_id
from tapeline.streams.core.ranges.live_range import (
    LEVELS,
    NO_BAR,
    RESOLVED,
    SECOND_SAME,
    STATES,
    LiveRange,
    RangeTouch,
)
from tapeline.streams.core.ranges.schedule import NEVER_MS
from tapeline.streams.core.ratio import ratio
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.ticks import TickScale


def publish_ranges(ranges: list[LiveRange], symbol: str, scale: TickScale, stamp: Stamp) -> None:
    """Append the ranges that a record changed, by event_ms, then id."""
    if len(ranges) > 1:
        ranges.sort(key=_range_order)
    for live in ranges:
        stamp.out.append(range_event(live, symbol, scale, stamp))


def publish_touches(touches: list[RangeTouch], symbol: str, scale: TickScale, stamp: Stamp) -> None:
    """Append the touches of a record, by event_ms, then id."""
    if len(touches) > 1:
        touches.sort(key=_touch_order)
    for touch in touches:
        stamp.out.append(_touch_event(touch, symbol, scale, stamp))


def range_event(live: LiveRange, symbol: str, scale: TickScale, stamp: Stamp) -> Range:
    """The present content of a range."""
    spec = live.spec
    complete = not live.reason
    poi = complete and not spec.first_touch
    numerator, denominator = scale.numerator, scale.denominator
    first, returned, second, resolved = live.bars_ms
    return Range(
        range_id(symbol, live.label),
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
        ratio(live.high * numerator, denominator) if complete else None,
        ratio(live.low * numerator, denominator) if complete else None,
        ratio(live.true_open * numerator, denominator) if poi else None,
        ratio(live.poc * numerator, denominator) if poi else None,
        ratio(live.rpp * numerator, denominator) if poi else None,
        live.have,
        spec.need,
        live.reason or None,
        LEVELS[live.side] if live.side else None,
        _resolution(live) if poi else None,
        first if poi and first != NO_BAR else None,
        returned if poi and returned != NO_BAR else None,
        second if poi and second != NO_BAR else None,
        resolved if poi and resolved != NO_BAR else None,
    )


def _resolution(live: LiveRange) -> str | None:
    if live.state != RESOLVED:
        return None
    return "single_sided" if live.second == SECOND_SAME else "double_sided"


def _touch_event(touch: RangeTouch, symbol: str, scale: TickScale, stamp: Stamp) -> Touch:
    spec = touch.owner.spec
    expiry = touch.level < 0
    return Touch(
        touch.touch_id,
        "upsert",
        stamp.first_seq + len(stamp.out),
        0,
        symbol,
        touch.session,
        touch.event_ms,
        stamp.watermark_ms,
        None,
        range_id(symbol, touch.owner.label),
        spec.kind,
        spec.name,
        touch.event,
        None if expiry else LEVELS[touch.level],
        None if expiry else scale.price(touch.price),
        touch.bar_ms,
        touch.ambiguous,
    )


def _range_order(live: LiveRange) -> tuple[int, str]:
    return live.event_ms, live.label


def _touch_order(touch: RangeTouch) -> tuple[int, str]:
    return touch.event_ms, touch.touch_id
