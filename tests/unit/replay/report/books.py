"""Host events as an account publishes them, made of few words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal

from tapeline.replay.report.book import HostBook, last_versions
from tapeline.replay.report.seen_bars import BarsOfRun, bars_of
from tapeline.schemas.config.accounts import AccountConfig
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.host_events import (
    Account,
    Decision,
    Fill,
    IssuedSignal,
    Order,
    OrderKind,
    Position,
    StrategyState,
)
from tapeline.schemas.ids import OrderRole, decision_id, order_id, signal_id
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar
from tapeline.streams.outputs.run_bars import BarLine

OPEN_MS = 1_751_463_000_000
"""2025-07-02 09:30 in New York."""
CONFIG = """
[instruments.ACME]
tick = "0.01"
calendar = "XNYS"

[instruments.FUT]
tick = "0.25"
calendar = "XNYS"
multiplier = "50"
"""


def configuration() -> Config:
    """ACME of a cent, and FUT whose tick of 0.25 is worth 12.50."""
    return read_config(CONFIG, "test")


def minute(number: int) -> int:
    """Start of a minute of the session."""
    return OPEN_MS + number * MINUTE_MS


def common(number: int, symbol: str | None = "ACME", **others: Any) -> dict[str, Any]:
    """Common fields of what a bar of that number led to."""
    return {
        "op": "upsert",
        "seq": number * 1_000_000 + 500_000,
        "rev": 0,
        "symbol": symbol,
        "session": "2025-07-02",
        "event_ms": minute(number + 1),
        "watermark_ms": minute(number + 1),
        "corrects": None,
        "account": "default",
        "strategy": "test",
        "cause": {"0": number},
        **others,
    }


def signal(number: int, action: str = "buy", symbol: str = "ACME", **others: Any) -> IssuedSignal:
    """A signal of the bar of that number."""
    fields: dict[str, Any] = {
        "version": "0123456789ab",
        "action": action,
        "order": "market",
        "quantity": None,
        "price": None,
        "stop": None,
        "target": None,
        "confidence": 1.0,
        "interval": None,
        "bar_ms": None,
        "reason": "because",
        "metadata": {},
        "inputs": (),
        "spans": (),
        "inputs_truncated": False,
        "group": None,
        "replaces": None,
        "valid_until_ms": minute(390),
        "muted": None,
        "state": "issued",
        "closed_ms": None,
        "close_reason": None,
        **others,
    }
    return IssuedSignal(
        id=signal_id("test", symbol, minute(number + 1), 0), **common(number, symbol), **fields
    )


def decision(of: IssuedSignal, code: Any = None) -> Decision:
    """The decision on a signal; without a code it is approved."""
    number = (of.event_ms - OPEN_MS) // MINUTE_MS - 1
    return Decision(
        id=decision_id(of.id),
        **common(number, of.symbol),
        signal=of.id,
        approved=code is None,
        code=code,
        reason=None,
        quality=100.0,
        quantity=1 if code is None else 0,
        checks=(),
    )


def order(
    of: IssuedSignal,
    role: OrderRole,
    side: Literal["buy", "sell"],
    kind: OrderKind = "market",
    price: float | None = None,
    **others: Any,
) -> Order:
    """An order of a signal."""
    return Order(
        id=order_id(of.id, role),
        **common(0, of.symbol),
        signal=of.id,
        side=side,
        kind=kind,
        quantity=others.pop("quantity", 1),
        price=price,
        tif="gtc",
        state=others.pop("state", "filled"),
        placed_ms=minute(0),
        closed_ms=None,
        reason=None,
    )


def fill(of: Order, number: int, price: float, **others: Any) -> Fill:
    """The fill of an order by the bar of that number."""
    fields: dict[str, Any] = {
        "quantity": of.quantity,
        "delay_ms": 0,
        "slippage_ticks": 0,
        "commission": 0.0,
        "ambiguous": False,
        "quality": 100.0,
        **others,
    }
    return Fill(
        id=f"fill|{of.id}",
        **common(number, of.symbol),
        order=of.id,
        signal=of.signal,
        side=of.side,
        price=price,
        fill_ms=minute(number),
        bar_ms=minute(number),
        **fields,
    )


def position(
    number: int, quantity: int, realised: float, symbol: str = "ACME", mark: float | None = None
) -> Position:
    """A position after the bar of that number."""
    return Position(
        id=f"position|default|{symbol}",
        **common(number, symbol),
        quantity=quantity,
        cost=0.0,
        realised=realised,
        commission=0.0,
        opened_ms=None,
        marked_price=mark,
        open=0.0,
    )


def account(
    session: str, equity: str, watermark_ms: int, cash: str = "1000", **others: Any
) -> Account:
    """An account whose equity is all realised, of a session."""
    realised = float(Decimal(equity) - Decimal(cash))
    at = {"session": session, "event_ms": watermark_ms, "watermark_ms": watermark_ms}
    fields: dict[str, Any] = {
        **common(0, None),
        **at,
        "exposure": 0.0,
        "positions": 0,
        "trades": 0,
        "drawdown": 0.0,
        "state": "active",
        **others,
    }
    return Account(
        id=f"account|default|{session}",
        currency="USD",
        cash=float(equity),
        equity=float(equity),
        realised=realised,
        open=0.0,
        commission=0.0,
        **fields,
    )


def strategy(state: Any = "running", **others: Any) -> StrategyState:
    """What is reported of the strategy."""
    fields: dict[str, Any] = {"error_type": None, "error": None, "record": None, "unsafe": False}
    return StrategyState(
        id="strategy|test",
        **common(0, None),
        version="0123456789ab",
        state=state,
        step=0,
        **{**fields, **others},
    )


def bars(
    rows: Iterable[Sequence[float]], symbol: str = "ACME", outcome: str = "accepted"
) -> BarsOfRun:
    """Bars of minutes from the open on, of rows of open, high, low and close."""
    return bars_of(
        BarLine(number, outcome, Bar(symbol, "1m", minute(number), opened, high, low, close))
        for number, (opened, high, low, close) in enumerate(rows)
    )


def book(*events: Any, seen: BarsOfRun | None = None, **settings: Any) -> HostBook:
    """A run with one account, of events in order of publication."""
    return HostBook(
        name="run",
        as_corrected=settings.pop("as_corrected", False),
        signals=last_versions(each for each in events if isinstance(each, IssuedSignal)),
        orders=last_versions(each for each in events if isinstance(each, Order)),
        decisions=last_versions(each for each in events if isinstance(each, Decision)),
        notes={},
        fills=tuple(each for each in events if isinstance(each, Fill)),
        positions=tuple(each for each in events if isinstance(each, Position)),
        accounts=tuple(each for each in events if isinstance(each, Account)),
        strategies=tuple(each for each in events if isinstance(each, StrategyState)),
        bars=seen,
        settings={"default": AccountConfig(cash="1000", **settings)},
        listed={"default": ("ACME",)},
        facts={"rows": 3},
    )
