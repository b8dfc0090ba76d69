"""The report of a run: figures of each account, computed from its events."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.replay.report.book import HostBook
from tapeline.replay.report.report import strategy_report
from tapeline.schemas.instants import day_of
from tapeline.streams.calendars import load_calendar
from tapeline.streams.errors import InputError
from tests.unit.replay.report.books import (
    account,
    bars,
    book,
    configuration,
    decision,
    fill,
    order,
    position,
    signal,
    strategy,
)

CALENDAR = load_calendar("XNYS")
CLOSE_MS = CALENDAR.close_ms(CALENDAR.index_of_day(day_of("2025-07-02")))


def a_run(**settings: Any) -> HostBook:
    """One long trade that wins 0.98 after costs, one signal that is refused, a session."""
    buy, sell = signal(0, metadata={}), signal(2, "sell", state="expired")
    refused = signal(5)
    entry, leave = order(buy, "entry", "buy"), order(sell, "flatten", "sell")
    return book(
        strategy(),
        buy,
        decision(buy),
        entry,
        fill(entry, 1, 10.01, slippage_ticks=1, commission=0.01),
        sell,
        decision(sell),
        leave,
        fill(leave, 3, 11.01, slippage_ticks=1, commission=0.01),
        refused,
        decision(refused, "confidence"),
        position(3, 0, 1.0),
        account("2025-07-02", "1000.98", CLOSE_MS, exposure=0.0),
        seen=bars(
            [
                (10.0, 10.0, 10.0, 10.0),
                (10.0, 10.5, 9.9, 10.4),
                (10.4, 11.0, 10.4, 11.0),
                (11.02, 11.5, 11.0, 11.0),
            ]
        ),
        **settings,
    )


def figure(name: str, **settings: Any) -> Any:
    [only] = strategy_report(configuration(), a_run(**settings)).accounts
    return only.figures[name].value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", 1000.0),
        ("end", 1000.98),
        ("net", 0.98),
        ("commission", 0.02),
        ("slippage", 0.02),
        ("costs", 0.04),
        ("gross", 1.02),
        ("trades", 1),
        ("open_trades", 0),
        ("win_rate", 100.0),
        ("profit_factor", None),
        ("expectancy", 0.98),
        ("best_trade", 0.98),
        ("bars_held", 50.0),
        ("turnover", 21.02),
        ("max_drawdown", 0.0),
        ("ambiguous_fills", 0),
        ("net_worst", 0.98),
        ("sharpe", None),
    ],
)
def test_a_figure_of_one_trade(name: str, value: float | None) -> None:
    assert figure(name) == value


def test_a_trade_names_what_it_came_from_and_how_it_went() -> None:
    [only] = strategy_report(configuration(), a_run()).accounts
    [trade] = only.trades
    assert (trade.side, trade.entry_price, trade.exit_price, trade.bars) == (
        "long",
        10.01,
        11.01,
        3,
    )
    assert (trade.against_ticks, trade.in_favour_ticks) == (11.0, 100.0)
    assert (trade.gross, trade.slippage, trade.commission, trade.net) == (1.02, 0.02, 0.02, 0.98)
    assert trade.reason == "because"
    assert trade.signals == tuple(a_run().signals)[:2]
    assert trade.decisions == tuple(a_run().decisions)[:2]


def test_decisions_are_counted_by_code_and_signals_by_state() -> None:
    found = strategy_report(configuration(), a_run())
    assert found.accounts[0].decisions == {"approved": 2, "confidence": 1}
    [row] = found.strategies
    assert row.signals == {"expired": 1, "issued": 2}
    assert (row.approved, row.rejected) == (2, 1)


def test_the_headlines_of_the_accounts_come_first() -> None:
    found = strategy_report(configuration(), a_run(slippage_ticks=0))
    assert "NO COSTS" in found.headlines[0]
    assert "no max_buying_power" in found.headlines[1]


def test_a_run_as_corrected_has_no_number_of_notes() -> None:
    assert strategy_report(configuration(), a_run(as_corrected=True)).notes is None
    assert strategy_report(configuration(), a_run()).notes == 0


def test_a_session_that_has_not_closed_gives_no_return() -> None:
    whole = a_run()
    early = account("2025-07-02", "1000.98", CLOSE_MS - 1)
    found = strategy_report(
        configuration(), book(strategy(), *whole.fills, *whole.orders.values(), early)
    )
    assert "returns of 0 sessions" in found.accounts[0].figures["sharpe"].inputs


def test_sharpe_of_minutes() -> None:
    run = a_run()
    [only] = strategy_report(configuration(), run).accounts
    assert len(run.fills) > 1, "each of them has an event of the account"
    assert "returns of 1 sessions" in only.figures["sharpe"].inputs


def test_another_multiplier_than_that_of_the_run_is_refused() -> None:
    run = a_run()
    wrong = book(*run.orders.values(), *run.fills, position(3, 0, 50.0))
    with pytest.raises(InputError, match=r"ACME do not add up.*--config"):
        strategy_report(configuration(), wrong)


def test_a_run_without_strategies_is_refused_with_the_way_out() -> None:
    with pytest.raises(InputError, match="--strategy"):
        strategy_report(configuration(), book())


def test_a_strategy_that_emitted_nothing_has_a_report() -> None:
    found = strategy_report(configuration(), book(strategy()))
    assert found.accounts == ()
    assert found.headlines == ("No signal was emitted.",)
