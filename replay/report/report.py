"""The report of a run: everything that page, JSON and files show, computed from its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from tapeline.replay.report.amounts import Instruments, units, units_of
from tapeline.replay.report.book import HostBook
from tapeline.replay.report.doubts import doubts_of
from tapeline.replay.report.equity import SessionEquity, deepest, equity_by_session, start_of
from tapeline.replay.report.figures import (
    Figure,
    FigureSources,
    count_bars,
    figures_of,
    turnover_of,
)
from tapeline.replay.report.headlines import headlines_of, joined_headlines
from tapeline.replay.report.ratios import return_ratios
from tapeline.replay.report.tables import (
    EquityRow,
    OrderRow,
    TradeRow,
    commissions_of,
    equity_rows,
    last_positions,
    net_of,
    order_rows,
    trade_row,
)
from tapeline.replay.report.trades import RoundTrip, round_trips
from tapeline.schemas.config.model import Config
from tapeline.streams.calendars import load_calendar
from tapeline.streams.errors import InputError


class StrategyRow(Struct, frozen=True):
    """A strategy as it was last reported, with what it emitted and what became of it.

    Attributes
    ----------
    signals
        Number of signals by state.
    approved, rejected
        Its decisions.
    """

    name: str
    version: str
    state: str
    error: str | None
    unsafe: bool
    signals: dict[str, int]
    approved: int
    rejected: int


class AccountReport(Struct, frozen=True):
    """One account of a run.

    Attributes
    ----------
    headlines
        What a reader must know before any number.
    decisions
        Number of decisions by code, ``approved`` first.
    """

    account: str
    currency: str
    headlines: tuple[str, ...]
    figures: dict[str, Figure]
    decisions: dict[str, int]
    sessions: tuple[EquityRow, ...]
    trades: tuple[TradeRow, ...]
    orders: tuple[OrderRow, ...]


class StrategyReport(Struct, frozen=True):
    """One run.

    Attributes
    ----------
    facts
        Of its manifest: what was run, and how many records and bars it took.
    notes
        Number of notes; None of a run as corrected, which has none.
    """

    run: str
    as_corrected: bool
    headlines: tuple[str, ...]
    strategies: tuple[StrategyRow, ...]
    accounts: tuple[AccountReport, ...]
    notes: int | None
    facts: Mapping[str, Any]


def strategy_report(config: Config, book: HostBook) -> StrategyReport:
    """The report of a run.

    Parameters
    ----------
    config
        That of the run.

    Raises
    ------
    InputError
        When the run has no events of strategies, or `config` gives other money than the run had.
    """
    names = book.account_names()
    if not book.strategies and not names:
        raise InputError(
            f"{book.name}: holds no strategies; run it with `tapeline replay --strategy NAME`"
        )
    accounts = tuple(_account_report(config, book, name) for name in names)
    headlines = joined_headlines({each.account: each.headlines for each in accounts})
    if not accounts:
        headlines = ("No signal was emitted.",)
    return StrategyReport(
        run=book.name,
        as_corrected=book.as_corrected,
        headlines=headlines,
        strategies=tuple(strategy_rows(book)),
        accounts=accounts,
        notes=None if book.as_corrected else len(book.notes),
        facts=book.facts,
    )


def _account_report(config: Config, whole: HostBook, name: str) -> AccountReport:
    book = whole.of_account(name)
    account = book.settings[name]
    instruments = Instruments(config, book.symbols())
    trades = round_trips(book.fills, commissions_of(book))
    check_money(book, trades, instruments)
    calendar = load_calendar(calendar_of(config, book, name))
    sessions = equity_by_session(book.accounts, calendar) if book.accounts else []
    marks = last_positions(book)
    closed = [each for each in sessions if each.closed and each.change is not None]
    start = start_of(book.accounts) if book.accounts else units_of(Decimal(account.cash))
    held, every = count_bars(trades, book)
    figures = figures_of(
        FigureSources(
            currency=account.currency,
            start=start,
            end=units(book.accounts[-1].equity) if book.accounts else start,
            nets=[net_of(each, instruments, marks) for each in trades if each.closed],
            open_trades=sum(1 for each in trades if not each.closed),
            sessions=sessions,
            drawdown=deepest(book.accounts, sessions),
            ratios=return_ratios(_changes(closed), calendar),
            doubts=doubts_of(book, instruments, account),
            commission=sum(commissions_of(book).values()),
            slippage=sum(each.slippage(instruments) for each in trades),
            turnover=turnover_of(book, instruments),
            held_bars=held,
            all_bars=every,
        )
    )
    return AccountReport(
        account=name,
        currency=account.currency,
        headlines=headlines_of(account, book),
        figures=figures,
        decisions=decision_counts(book),
        sessions=tuple(equity_rows(name, sessions)),
        trades=tuple(trade_row(each, book, instruments, marks) for each in trades),
        orders=tuple(order_rows(book)),
    )


def _changes(sessions: Iterable[SessionEquity]) -> list[float]:
    return [each.change for each in sessions if each.change is not None]


def calendar_of(config: Config, book: HostBook, account: str) -> str:
    """Id of the calendar of an account: that of its first symbol by name."""
    for symbol in sorted({*book.listed.get(account, ()), *book.symbols()}):
        instrument = config.instrument(symbol)
        if instrument is not None:
            return instrument.calendar
    return "24/7"


def check_money(book: HostBook, trades: Iterable[RoundTrip], instruments: Instruments) -> None:
    """Compare the fills with what the positions report.

    Raises
    ------
    InputError
        When they are not worth the same: multiplier or lot are not those of the run.
    """
    realised: Counter[str] = Counter()
    for trade in trades:
        realised[trade.symbol] += trade.profit(instruments)
    for symbol, position in last_positions(book).items():
        if position.quantity == 0 and units(position.realised) != realised[symbol]:
            raise InputError(
                f"{book.name}: the fills of {symbol} do not add up to its position; name the"
                " configuration of the run with --config (multiplier, lot, tick)"
            )


def decision_counts(book: HostBook) -> dict[str, int]:
    """Number of decisions by code, approved ones first, then by number."""
    codes = Counter(each.code or "approved" for each in book.decisions.values())
    approved = {"approved": codes.pop("approved", 0)}
    return {**approved, **dict(sorted(codes.items(), key=lambda each: (-each[1], each[0])))}


def strategy_rows(book: HostBook) -> list[StrategyRow]:
    """Strategies by name."""
    last = {each.strategy: each for each in book.strategies if each.strategy is not None}
    states: dict[str, Counter[str]] = {name: Counter() for name in last}
    for signal in book.signals.values():
        if signal.strategy is not None:
            states.setdefault(signal.strategy, Counter())[signal.state] += 1
    verdicts = Counter((each.strategy, each.approved) for each in book.decisions.values())
    found = []
    for name, counts in sorted(states.items()):
        known = last.get(name)
        found.append(
            StrategyRow(
                name=name,
                version="" if known is None else known.version,
                state="running" if known is None else known.state,
                error=None if known is None else known.error,
                unsafe=known is not None and known.unsafe,
                signals=dict(sorted(counts.items())),
                approved=verdicts[name, True],
                rejected=verdicts[name, False],
            )
        )
    return found
