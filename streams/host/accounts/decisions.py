"""Whether an account takes a signal: checks in a fixed order, all of them listed.

Rules: docs/rules.md 20.
"""

from __future__ import annotations

import json
from decimal import Decimal

from tapeline.schemas.config.accounts import AccountConfig
from tapeline.schemas.host_events import (
    Action,
    Check,
    Decision,
    DecisionCode,
    IssuedSignal,
    TradingState,
)
from tapeline.schemas.ids import decision_id
from tapeline.streams.host.accounts.model import SignalMarket
from tapeline.streams.host.accounts.money import MoneyUnit


class MoneyLimit:
    """A limit in money: as it is published, and the most whole units within it."""

    def __init__(self, amount: str | None, unit: MoneyUnit) -> None:
        self.number = None if amount is None else float(Decimal(amount))
        self.units = unit.most(amount)


class Limits:
    """What an account allows."""

    def __init__(self, settings: AccountConfig, unit: MoneyUnit) -> None:
        self.settings = settings
        self.unit = unit
        self.buying_power = MoneyLimit(settings.max_buying_power, unit)
        self.per_trade = MoneyLimit(settings.max_per_trade, unit)
        self.per_symbol = MoneyLimit(settings.max_per_symbol, unit)


class Found:
    """What the checks of a signal look at, the order of the signal counted as filled.

    Attributes
    ----------
    quantity
        Lots of the signal: of a close those of the position, of a hold 0.
    buying_power, per_trade, per_symbol
        Notional of all positions, of the entry, of the position of the symbol, in units; None
        without a price to reckon with.
    positions
        Symbols that are not flat.
    cooldown
        Bars since the symbol was last flat; None if no position of it was ever closed.
    drawdown
        Share of the peak that is lost.
    stops
        Filled stops that the guard counts; None without a guard.
    """

    def __init__(self, state: TradingState, market: SignalMarket) -> None:
        self.state = state
        self.market = market
        self.quantity = 0
        self.confidence = 0.0
        self.buying_power: int | None = None
        self.per_trade: int | None = None
        self.per_symbol: int | None = None
        self.positions = 0
        self.cooldown: int | None = None
        self.drawdown = 0.0
        self.stops: int | None = None


def checks_of(action: Action, limits: Limits, found: Found) -> tuple[Check, ...]:
    """All checks of a signal, in their order.

    Notes
    -----
    What opens a position must pass all of them. A close is refused by ``muted`` and a halted
    account alone, a hold by what is known about the symbol.
    """
    settings, market = limits.settings, found.market
    opens = action in {"buy", "sell"}
    closes = action == "close"
    quality = market.quality
    drawdown, guard = settings.max_drawdown, settings.stop_guard
    return (
        Check("trading_state", "active", found.state, _may_trade(action, found.state)),
        Check("muted", None, market.muted, market.muted is None),
        Check("cold", None, market.cold, closes or market.cold == 0),
        _most("stale", settings.stale_slots, market.stale_slots, not closes),
        Check(
            "quality",
            settings.min_quality,
            quality,
            closes or (quality is not None and quality >= settings.min_quality),
        ),
        _most("quantity", settings.max_quantity, found.quantity, opens),
        Check(
            "confidence",
            settings.min_confidence,
            found.confidence,
            closes or found.confidence >= settings.min_confidence,
        ),
        _money("buying_power", limits.buying_power, found.buying_power, limits.unit, opens),
        _money("per_trade", limits.per_trade, found.per_trade, limits.unit, opens),
        _money("per_symbol", limits.per_symbol, found.per_symbol, limits.unit, opens),
        _most("positions", settings.max_open_positions, found.positions, opens),
        _cooldown(settings.cooldown_bars, found.cooldown, opens),
        Check(
            "drawdown",
            drawdown,
            found.drawdown,
            not opens or drawdown is None or found.drawdown <= drawdown,
        ),
        Check(
            "stop_guard",
            None if guard is None else {"stops": guard.stops, "bars": guard.bars},
            found.stops,
            not opens or guard is None or found.stops is None or found.stops < guard.stops,
        ),
    )


def _may_trade(action: Action, state: TradingState) -> bool:
    if action == "hold" or state == "active":
        return True
    return action == "close" and state == "reducing"


def _most(name: DecisionCode, limit: int | None, value: int, applies: bool) -> Check:
    return Check(name, limit, value, not applies or limit is None or value <= limit)


def _cooldown(limit: int | None, value: int | None, applies: bool) -> Check:
    passes = not applies or limit is None or value is None or value >= limit
    return Check("cooldown", limit, value, passes)


def _money(
    name: DecisionCode, limit: MoneyLimit, value: int | None, unit: MoneyUnit, applies: bool
) -> Check:
    if value is None:
        # What cannot be reckoned is refused once: by the first of the three.
        passes = not applies or (limit.units is None and name != "buying_power")
        return Check(name, limit.number, None, passes)
    passes = not applies or limit.units is None or value <= limit.units
    return Check(name, limit.number, unit.number(value), passes)


def decision_on(signal: IssuedSignal, found: Found, checks: tuple[Check, ...]) -> Decision:
    """The decision that the checks of a signal give: the first that fails is its code."""
    failed = [check for check in checks if not check.pass_]
    code = failed[0].name if failed else None
    return Decision(
        id=decision_id(signal.id),
        op="upsert",
        seq=0,
        rev=0,
        symbol=signal.symbol,
        session=signal.session,
        event_ms=signal.event_ms,
        watermark_ms=signal.watermark_ms,
        corrects=None,
        account=signal.account,
        strategy=signal.strategy,
        cause={},
        signal=signal.id,
        approved=not failed,
        code=code,
        reason=_reason(failed[0]) if failed else None,
        quality=found.market.quality,
        quantity=0 if failed else found.quantity,
        checks=checks,
    )


def _reason(check: Check) -> str:
    """The check in words, with its numbers as they are published: never rounded."""
    value, limit = (json.dumps(each, separators=(",", ":")) for each in (check.value, check.limit))
    return f"{check.name}: value {value}, limit {limit}"
