"""Figures of an account: what it earned, at what cost, how often and how deep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from tapeline.replay.report.amounts import Instruments, amount
from tapeline.replay.report.book import HostBook
from tapeline.replay.report.doubts import Doubts
from tapeline.replay.report.equity import Drawdown, SessionEquity
from tapeline.replay.report.ratios import MEANINGFUL, ReturnRatios
from tapeline.replay.report.trades import RoundTrip
from tapeline.streams.core.ratio import ratio

NOT_MEANINGFUL: Final = "not meaningful"


class Figure(Struct, frozen=True):
    """One number of a report.

    Attributes
    ----------
    value
        None where it is not defined: a share of nothing.
    unit
        Currency, ``%``, ``sessions``; empty for a count or a ratio.
    inputs
        What it is made of.
    """

    value: int | float | None
    unit: str
    inputs: str


class FigureSources(Struct, frozen=True, kw_only=True):
    """What the figures of one account are made of; money in units.

    Attributes
    ----------
    nets
        Of the trades that ended.
    held_bars, all_bars
        Base bars with a position, and all of the symbols of the account.
    """

    currency: str
    start: int
    end: int
    nets: Sequence[int]
    open_trades: int
    sessions: Sequence[SessionEquity]
    drawdown: Drawdown
    ratios: ReturnRatios
    doubts: Doubts
    commission: int
    slippage: int
    turnover: int
    held_bars: int
    all_bars: int


def figures_of(sources: FigureSources) -> dict[str, Figure]:
    """All figures by name, in the order in which the page shows them."""
    return {
        **_earned(sources),
        **_of_trades(sources),
        **_of_sessions(sources),
        **_of_doubts(sources),
    }


def _earned(sources: FigureSources) -> dict[str, Figure]:
    currency = sources.currency
    net = sources.end - sources.start
    costs = sources.commission + sources.slippage
    share = _percent(net, sources.start) if sources.start > 0 else None
    return {
        "start": _money(sources.start, currency, "cash of the account before its first event"),
        "end": _money(sources.end, currency, "equity of the last account event"),
        "net": _money(net, currency, "end - start; open positions as last marked"),
        "net_share": Figure(share, "%", "net / start"),
        "gross": _money(net + costs, currency, "net + costs"),
        "costs": _money(costs, currency, "commission + slippage"),
        "commission": _money(sources.commission, currency, "fills"),
        "slippage": _money(sources.slippage, currency, "ticks of slippage of fills"),
    }


def _of_trades(sources: FigureSources) -> dict[str, Figure]:
    nets, currency = sources.nets, sources.currency
    count = len(nets)
    won = sum(each for each in nets if each > 0)
    lost = -sum(each for each in nets if each < 0)
    wins = sum(1 for each in nets if each > 0)
    held = _percent(sources.held_bars, sources.all_bars) if sources.all_bars else None
    mean = ratio(sum(nets), count) if count else None
    return {
        "trades": Figure(count, "", "times a position returned to 0"),
        "open_trades": Figure(sources.open_trades, "", "positions at the end"),
        "win_rate": Figure(
            _percent(wins, count) if count else None, "%", "trades with net above 0 / trades"
        ),
        "profit_factor": Figure(
            ratio(won, lost) if lost else None, "", "net of winning / net of losing trades"
        ),
        "expectancy": Figure(
            None if mean is None else amount(round(mean)), currency, "mean net of a trade"
        ),
        "best_trade": _money_or_none(max(nets, default=None), currency, "greatest net of a trade"),
        "worst_trade": _money_or_none(min(nets, default=None), currency, "least net of a trade"),
        "bars_held": Figure(held, "%", "base bars with a position / base bars of its symbols"),
        "turnover": _money(sources.turnover, currency, "notional of all fills"),
    }


def _of_sessions(sources: FigureSources) -> dict[str, Figure]:
    ratios, drawdown = sources.ratios, sources.drawdown
    note = "" if ratios.meaningful else f"; {NOT_MEANINGFUL} below {MEANINGFUL} sessions"
    inputs = (
        f"returns of {ratios.sessions} sessions, {ratios.sessions_a_year:.1f} sessions a year of"
        f" the calendar{note}"
    )
    share = drawdown.share
    exposure = max((each.exposure for each in sources.sessions), default=0)
    return {
        "max_drawdown": _money(drawdown.depth, sources.currency, "equity of account events"),
        "max_drawdown_share": Figure(
            None if share is None else 100.0 * share, "%", "of the peak before it"
        ),
        "longest_drawdown": Figure(
            drawdown.sessions, "sessions", "closes below an earlier one, in a row"
        ),
        "max_exposure": _money(exposure, sources.currency, "exposure of account events"),
        "sharpe": Figure(ratios.sharpe, "", inputs),
        "sortino": Figure(ratios.sortino, "", inputs),
    }


def _of_doubts(sources: FigureSources) -> dict[str, Figure]:
    doubts, currency = sources.doubts, sources.currency
    extremes = doubts.extremes
    net = sources.end - sources.start
    return {
        "ambiguous_fills": Figure(extremes.fills, "", "fills whose bar held both stop and target"),
        "net_worst": _money(
            net + extremes.worst, currency, "net, with the worse of both in each ambiguous fill"
        ),
        "net_best": _money(
            net + extremes.best, currency, "net, with the better of both in each ambiguous fill"
        ),
        "waiting_exits": Figure(
            doubts.waits,
            "",
            "stops and targets that waited though the bar of their entry held them",
        ),
        "delayed_fills": Figure(doubts.delayed, "", "market orders whose next bar was missing"),
        "thin_fills": Figure(doubts.thin, "", "fills in sessions under 95 % quality"),
        "bars_behind_clocks": Figure(
            doubts.behind_clocks, "", "bars that a clock had passed: no hook, no fill"
        ),
    }


def _money(whole: int, currency: str, inputs: str) -> Figure:
    return Figure(amount(whole), currency, inputs)


def _money_or_none(whole: int | None, currency: str, inputs: str) -> Figure:
    return Figure(None if whole is None else amount(whole), currency, inputs)


def _percent(part: int, whole: int) -> float:
    return ratio(100 * part, whole)


def count_bars(trades: Iterable[RoundTrip], book: HostBook) -> tuple[int, int]:
    """Base bars with a position, and all base bars of the symbols of an account."""
    bars = book.bars
    if bars is None:
        return 0, 0
    held = 0
    for trade in trades:
        seen = bars.symbols.get(trade.symbol)
        if seen is not None and seen.starts:
            ended = trade.exit
            end = seen.starts[-1] + 1 if ended is None else ended.bar_ms
            held += seen.between(trade.entry.bar_ms, end)
    every = sum(len(bars.symbols[each].starts) for each in book.symbols() if each in bars.symbols)
    return held, every


def turnover_of(book: HostBook, instruments: Instruments) -> int:
    """Notional of all fills, in units of money."""
    total = 0
    for fill in book.fills:
        assert fill.symbol is not None
        ticks = instruments.ticks(fill.symbol, fill.price)
        total += abs(ticks) * instruments.value(fill.symbol) * fill.quantity
    return total
