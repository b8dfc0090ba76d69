"""Orders of signals, and the events of orders and fills."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from tapeline.schemas.host_events import Fill, IssuedSignal, Order, OrderSide, OrderState
from tapeline.schemas.ids import fault_order_id, fill_id, order_id
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.host.accounts.model import RecordTime, SignalMarket, WorkingOrder

FLAT = "flat"
"""Why an order ends that has nothing left to close."""
BRACKET = "bracket"
"""Why a stop ends where the target of its signal filled, and the other way round."""
MONEY = "money"
"""Why an order ends whose fill would leave more money than an account counts."""


def entry_order(
    signal: IssuedSignal, quantity: int, scale: TickScale, market: SignalMarket
) -> WorkingOrder:
    """The order by which a signal opens a position."""
    return WorkingOrder(
        id=order_id(signal.id, "entry"),
        signal=signal.id,
        strategy=str(signal.strategy),
        role="entry",
        side="buy" if signal.action == "buy" else "sell",
        kind=signal.order,
        quantity=quantity,
        ticks=None if signal.order == "market" else price_ticks(scale, signal.price),
        tif=market.tif,
        placed_ms=signal.event_ms,
        valid_until_ms=signal.valid_until_ms,
        stop=price_ticks(scale, signal.stop),
        target=price_ticks(scale, signal.target),
    )


def flatten_order(signal: IssuedSignal, position: int) -> WorkingOrder:
    """The market order by which a signal closes the position first; it does not expire."""
    order = fault_order(str(signal.strategy), "", position, 0, signal.event_ms)
    return replace(order, id=order_id(signal.id, "flatten"), signal=signal.id)


def fault_order(
    strategy: str, symbol: str, position: int, step: int, placed_ms: int
) -> WorkingOrder:
    """The market order that closes a position of a strategy which failed at that step."""
    return WorkingOrder(
        id=fault_order_id(strategy, symbol, step),
        signal=None,
        strategy=strategy,
        role="flatten",
        side="sell" if position > 0 else "buy",
        kind="market",
        quantity=abs(position),
        ticks=None,
        tif="gtc",
        placed_ms=placed_ms,
    )


def exit_orders(entry: WorkingOrder, placed_ms: int) -> list[WorkingOrder]:
    """Stop and target that the fill of an entry places, the stop first."""
    found: list[WorkingOrder] = []
    if entry.signal is None:
        return found
    side: OrderSide = "sell" if entry.side == "buy" else "buy"
    stop = WorkingOrder(
        id=order_id(entry.signal, "stop"),
        signal=entry.signal,
        strategy=entry.strategy,
        role="stop",
        side=side,
        kind="stop",
        quantity=entry.quantity,
        ticks=entry.stop,
        tif="gtc",
        placed_ms=placed_ms,
    )
    if entry.stop is not None:
        found.append(stop)
    if entry.target is not None:
        target_id = order_id(entry.signal, "target")
        found.append(replace(stop, id=target_id, role="target", kind="limit", ticks=entry.target))
    return found


def price_ticks(scale: TickScale, price: float | None) -> int | None:
    """A price of a signal in ticks; the host has refused what is off the tick."""
    return None if price is None else scale.ticks(price)


class OrderFill(NamedTuple):
    """What a bar did to an order.

    Attributes
    ----------
    ticks
        Price with slippage.
    slippage
        Ticks of it against the account.
    start_ms
        Label of the bar.
    commission
        In the currency of the account.
    quality
        Of the symbol's session, as of the bar's record.
    """

    quantity: int
    ticks: int
    slippage: int
    start_ms: int
    commission: float
    ambiguous: bool
    quality: float | None


class OrderEvents:
    """Events of the orders of one account and symbol.

    Parameters
    ----------
    account, symbol
        Names.
    scale
        Of the symbol.
    """

    def __init__(self, account: str, symbol: str, scale: TickScale) -> None:
        self._account = account
        self._symbol = symbol
        self._scale = scale

    def order(
        self, order: WorkingOrder, at: RecordTime, state: OrderState, reason: str | None = None
    ) -> Order:
        """That an order works, is filled, or is cancelled and why."""
        return Order(
            id=order.id,
            op="upsert",
            seq=0,
            rev=0,
            symbol=self._symbol,
            session=at.session,
            event_ms=at.ms,
            watermark_ms=at.watermark_ms,
            corrects=None,
            account=self._account,
            strategy=order.strategy,
            cause={},
            signal=order.signal,
            side=order.side,
            kind=order.kind,
            quantity=order.quantity,
            price=None if order.ticks is None else self._scale.price(order.ticks),
            tif=order.tif,
            state=state,
            placed_ms=order.placed_ms,
            closed_ms=None if state == "working" else at.ms,
            reason=reason,
        )

    def fill(self, order: WorkingOrder, at: RecordTime, done: OrderFill) -> Fill:
        """That a bar filled an order."""
        return Fill(
            id=fill_id(order.id),
            op="upsert",
            seq=0,
            rev=0,
            symbol=self._symbol,
            session=at.session,
            event_ms=at.ms,
            watermark_ms=at.watermark_ms,
            corrects=None,
            account=self._account,
            strategy=order.strategy,
            cause={},
            order=order.id,
            signal=order.signal,
            side=order.side,
            quantity=done.quantity,
            price=self._scale.price(done.ticks),
            fill_ms=done.start_ms,
            bar_ms=done.start_ms,
            # An exit fills in the bar of its entry, or in one that began before this record.
            delay_ms=max(done.start_ms - order.placed_ms, 0),
            slippage_ticks=done.slippage,
            commission=done.commission,
            ambiguous=done.ambiguous,
            quality=done.quality,
        )
