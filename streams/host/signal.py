"""What a strategy emits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tapeline.schemas.host_events import Action, OrderKind


class Signal(Struct, frozen=True):
    """What a strategy wants done with a symbol; docs/rules.md 19 has what becomes of it.

    Attributes
    ----------
    action
        ``buy`` and ``sell`` aim at a position, ``close`` at none, ``hold`` at no change.
    order
        How the entry is placed: at the next open, or as a limit or stop at `price`.
    quantity
        Lots, above 0; None: those of the account.
    price, stop, target
        On the tick, in quote currency: of a limit or stop entry, of the protective stop, of the
        target. Of a buy stop < price < target, of a sell the other way round.
    confidence
        0 to 1.
    interval, bar_ms
        Interval and start of the bar that it is about, None where it is about none.
    reason
        At most 200 characters.
    metadata
        Plain data, at most 4 KiB as JSON.
    group
        Name of signals that belong together.
    valid_until_ms, valid_bars, valid_minutes
        How long it is valid, one of them: an instant, slots of the calendar from the watermark of
        the symbol on, minutes from now on. None given: until the session of the watermark closes.
    """

    symbol: str
    action: Action
    order: OrderKind = "market"
    quantity: int | None = None
    price: float | None = None
    stop: float | None = None
    target: float | None = None
    confidence: float = 1.0
    interval: str | None = None
    bar_ms: int | None = None
    reason: str = ""
    metadata: Mapping[str, Any] = {}
    group: str | None = None
    valid_until_ms: int | None = None
    valid_bars: int | None = None
    valid_minutes: int | None = None
