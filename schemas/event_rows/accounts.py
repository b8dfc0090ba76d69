"""Decisions on signals, and the paper accounts that follow them."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.event_rows.signals import BY_BOOK
from tapeline.schemas.event_types import DELIVERY, EventType, Nested, always, symbol_if_any
from tapeline.schemas.host_events import Account, Check, Decision, Fill, Order, Position
from tapeline.schemas.topic_settings import FACTS

WITH_CAUSE = DELIVERY | {"cause"}
SIGNAL_ID = "signal|sma_crossover|ES|1765204200000|0"
ORDER_ID = "order|signal|sma_crossover|ES|1765204200000|0|entry"


COMMON = 12
"""Fields that all events of a host begin with."""


def _all_fields(struct: Any) -> frozenset[str]:
    """Names of what a type has beyond those, and the session; every one may differ later."""
    names: tuple[str, ...] = struct.__struct_fields__
    return frozenset(("session", *names[COMMON:]))


def _is_done(event: Any) -> bool:
    return bool(event.state != "working")


DECISION = EventType(
    struct=Decision,
    topic="decisions.v1",
    settings=FACTS,
    position=None,
    partitioning=BY_BOOK,
    origin="host",
    names=symbol_if_any,
    is_final=always,
    delivery=WITH_CAUSE,
    meaning="Whether the account takes a signal, by checks in a fixed order: one for each signal,"
    " in the same record.",
    fields={
        "signal": "Id of the signal.",
        "approved": "Whether all checks passed.",
        "code": "The first check that failed; null if approved.",
        "reason": "The same in words, with limit and value; null if approved.",
        "quality": "100 x actual / due slots of the symbol's session so far; null if none was due.",
        "quantity": "Lots approved; 0 if rejected. Of a `close` those of the position.",
        "checks": "All checks in their order, those without a limit among them.",
    },
    nested=(
        Nested(
            "checks",
            Check,
            {
                "name": "What is checked.",
                "limit": "What is allowed; null: no limit is set.",
                "value": "What was found; null if it is not known, which fails.",
                "pass": "Whether it passed.",
            },
        ),
    ),
    example=Decision(
        id="decision|signal|sma_crossover|ES|1765204200000|0",
        op="upsert",
        seq=1855500001,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204200000,
        watermark_ms=1765204200000,
        corrects=None,
        account="default",
        strategy="sma_crossover",
        cause={"0": 1855},
        signal=SIGNAL_ID,
        approved=True,
        code=None,
        reason=None,
        quality=99.8,
        quantity=10,
        checks=(
            Check("trading_state", "active", "active", True),
            Check("muted", None, None, True),
            Check("cold", None, 0, True),
            Check("stale", 5, 0, True),
            Check("quality", 95.0, 99.8, True),
            Check("quantity", 100, 10, True),
            Check("confidence", 0.5, 0.5125, True),
            Check("buying_power", None, 3472375.0, True),
            Check("per_trade", None, 3472375.0, True),
            Check("per_symbol", None, 3472375.0, True),
            Check("positions", None, 1, True),
            Check("cooldown", None, None, True),
            Check("drawdown", None, 0.0, True),
            Check("stop_guard", None, None, True),
        ),
    ),
)

ORDER = EventType(
    struct=Order,
    topic="account.v1",
    settings=FACTS,
    position=None,
    partitioning=BY_BOOK,
    origin="host",
    names=symbol_if_any,
    grows=frozenset({"session", "state", "closed_ms", "reason"}),
    is_final=_is_done,
    delivery=WITH_CAUSE,
    meaning="An order of the paper account. It is filled as a whole, once, or cancelled.",
    fields={
        "signal": "Id of its signal; null of an order that ends the position of a failed strategy.",
        "side": "Whether it buys or sells.",
        "kind": "How it is filled; what it is for is the last part of its id.",
        "quantity": "Lots.",
        "price": "Of a limit or stop; null of a market order.",
        "tif": "How long it works: `session` until valid_until_ms of the signal, `bars` likewise"
        " where that was given in bars, `gtc` until the position is flat.",
        "state": "`working`, then `filled` or `cancelled`.",
        "placed_ms": "`event_ms` of the record that placed it.",
        "closed_ms": "`event_ms` of its end; null while it works.",
        "reason": "Why it was cancelled; else null.",
    },
    example=Order(
        id=ORDER_ID,
        op="upsert",
        seq=1855500002,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204200000,
        watermark_ms=1765204200000,
        corrects=None,
        account="default",
        strategy="sma_crossover",
        cause={"0": 1855},
        signal=SIGNAL_ID,
        side="buy",
        kind="market",
        quantity=10,
        price=None,
        tif="session",
        state="working",
        placed_ms=1765204200000,
        closed_ms=None,
        reason=None,
    ),
)

FILL = EventType(
    struct=Fill,
    topic="account.v1",
    settings=FACTS,
    position=None,
    partitioning=BY_BOOK,
    origin="host",
    names=symbol_if_any,
    is_final=always,
    delivery=WITH_CAUSE,
    meaning="An order was filled by a base bar. A correction of that bar changes nothing of it.",
    fields={
        "order": "Id of the order.",
        "signal": "Id of its signal, as the order has it.",
        "side": "Whether lots were bought or sold.",
        "quantity": "Lots.",
        "price": "With slippage.",
        "fill_ms": "Start of the bar.",
        "bar_ms": "Label of the bar: its start.",
        "delay_ms": "From placed_ms of the order to fill_ms, elapsed.",
        "slippage_ticks": "Ticks against the account that the price holds.",
        "commission": "Of this fill, rounded once.",
        "ambiguous": "Whether stop and target lay in the bar, and its order is not known.",
        "quality": "Quality of the symbol's session at the fill, as decisions have it.",
    },
    example=Fill(
        id="fill|order|signal|sma_crossover|ES|1765204200000|0|entry",
        op="upsert",
        seq=1856500001,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204260000,
        watermark_ms=1765204260000,
        corrects=None,
        account="default",
        strategy="sma_crossover",
        cause={"0": 1856},
        order=ORDER_ID,
        signal=SIGNAL_ID,
        side="buy",
        quantity=10,
        price=6944.75,
        fill_ms=1765204200000,
        bar_ms=1765204200000,
        delay_ms=0,
        slippage_ticks=1,
        commission=0.0,
        ambiguous=False,
        quality=99.8,
    ),
)

POSITION = EventType(
    struct=Position,
    topic="account.v1",
    settings=FACTS,
    position=None,
    partitioning=BY_BOOK,
    origin="host",
    names=symbol_if_any,
    grows=_all_fields(Position),
    delivery=WITH_CAUSE,
    meaning="What the account holds of a symbol: after each fill, and at a close of its session"
    " unless it is flat.",
    fields={
        "quantity": "Lots, negative if short.",
        "cost": "What the open lots cost, without commission.",
        "realised": "Result of what was closed, without commission, of all time.",
        "commission": "Paid of all time.",
        "opened_ms": "fill_ms of the fill that left zero; null if flat.",
        "marked_price": "Price that `open` is reckoned with; null if flat.",
        "open": "Result of the open lots at that price.",
    },
    example=Position(
        id="position|default|ES",
        op="upsert",
        seq=1856500002,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204260000,
        watermark_ms=1765204260000,
        corrects=None,
        account="default",
        strategy=None,
        cause={"0": 1856},
        quantity=10,
        cost=3472375.0,
        realised=0.0,
        commission=0.0,
        opened_ms=1765204200000,
        marked_price=6945.25,
        open=250.0,
    ),
)

ACCOUNT = EventType(
    struct=Account,
    topic="account.v1",
    settings=FACTS,
    position=None,
    partitioning=BY_BOOK,
    origin="host",
    names=symbol_if_any,
    grows=_all_fields(Account) - {"currency"},
    delivery=WITH_CAUSE,
    meaning="Money of the account: after each fill, and at each close of the session of its first"
    " symbol.",
    fields={
        "currency": "Of all its money.",
        "cash": "At the start, with what was realised, less commission.",
        "equity": "cash + open.",
        "realised": "Sum of its positions, of all time.",
        "open": "Sum of its positions.",
        "commission": "Paid of all time.",
        "exposure": "Sum of the absolute values of its positions at their marked prices.",
        "positions": "Symbols that are not flat.",
        "trades": "Returns of a symbol to zero, or through it.",
        "drawdown": "Greatest equity of its events so far, less equity.",
        "state": "`halted` from the record on that left no equity; else as configured.",
    },
    example=Account(
        id="account|default|2025-12-08",
        op="upsert",
        seq=1856500003,
        rev=0,
        symbol=None,
        session="2025-12-08",
        event_ms=1765204260000,
        watermark_ms=1765204260000,
        corrects=None,
        account="default",
        strategy=None,
        cause={"0": 1856},
        currency="USD",
        cash=100000.0,
        equity=100250.0,
        realised=0.0,
        open=250.0,
        commission=0.0,
        exposure=3472625.0,
        positions=1,
        trades=0,
        drawdown=0.0,
        state="active",
    ),
)

ROWS = (DECISION, ORDER, FILL, POSITION, ACCOUNT)
