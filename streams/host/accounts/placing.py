"""A signal becomes a decision, and orders where it is approved (docs/rules.md 20 and 21.3)."""

from __future__ import annotations

from tapeline.schemas.host_events import Decision, IssuedSignal, Order
from tapeline.streams.host.accounts.decisions import Found, checks_of, decision_on
from tapeline.streams.host.accounts.ledger import SymbolLedger, after_order
from tapeline.streams.host.accounts.model import RecordTime, SignalMarket, WorkingOrder
from tapeline.streams.host.accounts.orders import (
    OrderEvents,
    entry_order,
    flatten_order,
)
from tapeline.streams.host.accounts.paper import PaperAccount


def place_signal(
    account: PaperAccount,
    ledger: SymbolLedger,
    signal: IssuedSignal,
    market: SignalMarket,
    now: RecordTime,
) -> list[Decision | Order]:
    """The decision on a signal, then the orders it leads to: what closes before what opens."""
    contract = ledger.contract
    position = ledger.lots.quantity
    opens = signal.action in {"buy", "sell"}
    quantity = 0
    if opens:
        given = signal.quantity
        quantity = account.settings.quantity if given is None else given
    signed = quantity if signal.action == "buy" else -quantity
    placed: list[WorkingOrder] = []
    if (signal.action == "close" and position) or position * signed < 0:
        placed.append(flatten_order(signal, position))
    if opens:
        placed.append(entry_order(signal, quantity, contract.scale, market))
    found = _found(account, ledger, signal, market, placed)
    found.quantity = abs(position) if signal.action == "close" else quantity
    decision = decision_on(signal, found, checks_of(signal.action, account.limits, found))
    events: list[Decision | Order] = [decision]
    if decision.approved:
        made = OrderEvents(account.name, contract.symbol, contract.scale)
        for order in placed:
            ledger.working.append(order)
            ledger.changed = True
            events.append(made.order(order, now, "working"))
    return events


def _found(
    account: PaperAccount,
    ledger: SymbolLedger,
    signal: IssuedSignal,
    market: SignalMarket,
    placed: list[WorkingOrder],
) -> Found:
    """What the checks look at, all working entries and flattens and the new ones as filled."""
    found = Found(account.state, market)
    found.confidence = signal.confidence
    after = ledger.projected()
    entered = 0
    price = ledger.mark
    for order in placed:
        opens = order.role == "entry"
        after = after_order(after, order.signed, opens)
        if opens:
            entered = order.quantity
            if order.kind != "market":
                price = order.ticks
    found.positions = 1 if after else 0
    power = None if price is None else ledger.notional(after, price)
    for other in account.ledgers.values():
        if other is ledger:
            continue
        held = other.projected()
        if held:
            found.positions += 1
            mark = other.mark
            power = None if power is None or mark is None else power + other.notional(held, mark)
    found.buying_power = power
    if price is not None:
        found.per_trade = ledger.notional(entered, price)
        found.per_symbol = ledger.notional(after, price)
    found.cooldown = ledger.cooled_bars()
    found.drawdown = account.drawdown()
    guard = account.settings.stop_guard
    found.stops = None if guard is None else ledger.stops_within(guard.bars)
    return found
