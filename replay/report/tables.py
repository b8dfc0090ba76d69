"""Rows of a report: trades, fills, sessions and returns, as pages, JSON and files show them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tapeline.replay.report.amounts import Instruments, amount, units
from tapeline.replay.report.book import HostBook
from tapeline.replay.report.equity import SessionEquity
from tapeline.replay.report.excursions import excursion
from tapeline.replay.report.trades import (
    RoundTrip,
    exit_reason,
    signal_of,
    signals_of,
)
from tapeline.schemas.host_events import Position
from tapeline.schemas.ids import order_role
from tapeline.schemas.instants import iso_time


class TradeRow(Struct, frozen=True):
    """A trade; times UTC, prices in quote currency, money in that of the account.

    Attributes
    ----------
    against_ticks, in_favour_ticks
        Greatest excursions (MAE, MFE); None without the bars of the run.
    gross, slippage, commission, net
        gross - slippage - commission = net; of an open trade at the price it was last marked with.
    quality
        The least of its fills.
    """

    account: str
    strategy: str | None
    symbol: str
    side: str
    quantity: int
    entry_time: str
    entry_price: float
    exit_time: str | None
    exit_price: float | None
    reason: str
    exit: str
    bars: int | None
    against_ticks: float | None
    in_favour_ticks: float | None
    gross: float
    slippage: float
    commission: float
    net: float
    ambiguous: bool
    quality: float | None
    signals: tuple[str, ...]
    decisions: tuple[str, ...]


class OrderRow(Struct, frozen=True):
    """An order that filled; `size` is signed, `fees` the commission."""

    time: str
    bar_ms: int
    symbol: str
    size: int
    price: float
    fees: float
    account: str
    strategy: str | None
    order: str
    role: str
    kind: str
    slippage_ticks: int
    delay_ms: int
    ambiguous: bool
    quality: float | None


class EquityRow(Struct, frozen=True):
    """An account at the end of a session.

    Attributes
    ----------
    exposure
        Greatest within the session.
    change
        Return of the session.
    """

    account: str
    session: str
    time: str
    closed: bool
    equity: float
    realised: float
    open: float
    commission: float
    exposure: float
    drawdown: float
    change: float | None


def net_of(trade: RoundTrip, instruments: Instruments, marks: dict[str, Position]) -> int:
    """What a trade earned after all costs, in units of money."""
    mark = marks.get(trade.symbol)
    price = None if mark is None else mark.marked_price
    return trade.profit(instruments, price) - trade.commission


def last_positions(book: HostBook) -> dict[str, Position]:
    """The last position of each symbol of one account."""
    return {each.symbol: each for each in book.positions if each.symbol is not None}


def trade_row(
    trade: RoundTrip, book: HostBook, instruments: Instruments, marks: dict[str, Position]
) -> TradeRow:
    """The row of a trade of one account."""
    seen = None if book.bars is None else book.bars.symbols.get(trade.symbol)
    path = None if seen is None else excursion(trade, seen, instruments, book)
    entry, ended = trade.entry, trade.exit
    signal = signal_of(entry, book)
    signals = signals_of(trade)
    by_signal = {each.signal: each.id for each in book.decisions.values()}
    net = net_of(trade, instruments, marks)
    slippage, commission = trade.slippage(instruments), trade.commission
    qualities = [fill.quality for fill in trade.fills() if fill.quality is not None]
    ticks = trade.average_ticks(instruments, True)
    assert entry.account is not None
    return TradeRow(
        account=entry.account,
        strategy=entry.strategy,
        symbol=trade.symbol,
        side="long" if trade.sign > 0 else "short",
        quantity=trade.quantity,
        entry_time=iso_time(entry.fill_ms),
        entry_price=instruments.price(trade.symbol, ticks),
        exit_time=None if ended is None else iso_time(ended.fill_ms),
        exit_price=None
        if ended is None
        else instruments.price(trade.symbol, trade.average_ticks(instruments, False)),
        reason="" if signal is None else signal.reason,
        exit=exit_reason(trade, book),
        bars=None if path is None else path.bars,
        against_ticks=None if path is None else float(path.against),
        in_favour_ticks=None if path is None else float(path.in_favour),
        gross=amount(net + slippage + commission),
        slippage=amount(slippage),
        commission=amount(commission),
        net=amount(net),
        ambiguous=any(fill.ambiguous for fill in trade.fills()),
        quality=min(qualities, default=None),
        signals=tuple(signals),
        decisions=tuple(by_signal[each] for each in signals if each in by_signal),
    )


def order_rows(book: HostBook) -> list[OrderRow]:
    """Orders of one account that filled, in order of their fills."""
    found = []
    for fill in book.fills:
        order = book.orders[fill.order]
        assert fill.account is not None
        assert fill.symbol is not None
        found.append(
            OrderRow(
                time=iso_time(fill.fill_ms),
                bar_ms=fill.bar_ms,
                symbol=fill.symbol,
                size=fill.quantity if fill.side == "buy" else -fill.quantity,
                price=fill.price,
                fees=fill.commission,
                account=fill.account,
                strategy=fill.strategy,
                order=fill.order,
                role=order_role(fill.order),
                kind=order.kind,
                slippage_ticks=fill.slippage_ticks,
                delay_ms=fill.delay_ms,
                ambiguous=fill.ambiguous,
                quality=fill.quality,
            )
        )
    return found


def equity_rows(account: str, sessions: Sequence[SessionEquity]) -> list[EquityRow]:
    """Sessions of one account."""
    return [
        EquityRow(
            account=account,
            session=each.session,
            time=iso_time(each.event_ms),
            closed=each.closed,
            equity=amount(each.equity),
            realised=amount(each.realised),
            open=amount(each.open),
            commission=amount(each.commission),
            exposure=amount(each.exposure),
            drawdown=amount(each.drawdown),
            change=each.change,
        )
        for each in sessions
    ]


def commissions_of(book: HostBook) -> dict[str, int]:
    """Commission of each fill by its id, in units of money."""
    return {fill.id: units(fill.commission) for fill in book.fills}
