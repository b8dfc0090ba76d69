"""The first lines of a report are what a reader must know before any number."""

from __future__ import annotations

from typing import Any

from tapeline.replay.report.headlines import headlines_of, joined_headlines
from tapeline.schemas.config.accounts import AccountConfig
from tests.unit.replay.report.books import account, bars, book, strategy

BARS = bars([])


def lines(*events: Any, **settings: Any) -> tuple[str, ...]:
    return headlines_of(AccountConfig(**settings), book(*events, seen=BARS))


def test_a_run_without_costs_says_so_first() -> None:
    first, *_ = lines(slippage_ticks=0)
    assert "NO COSTS" in first


def test_costs_are_printed_with_their_defaults() -> None:
    first, *_ = lines()
    assert first == ("costs: slippage 1 tick a fill of market and stop orders; commission none.")


def test_no_slippage_beside_a_commission_is_remarked() -> None:
    first, *_ = lines(slippage_ticks=0, commission_bps="2.5")
    assert "NO SLIPPAGE" in first
    assert "2.5 bps" in first


def test_an_account_without_max_buying_power_is_named_in_the_second_line() -> None:
    assert "no max_buying_power" in lines()[1]
    assert "max_buying_power 50000" in lines(max_buying_power="50000")[1]


def test_faults_unsafe_code_and_ruin_are_named() -> None:
    found = lines(strategy("faulted", unsafe=True), account("2025-07-02", "-5", 0))
    text = "\n".join(found)
    assert "Stopped by an error of its own: test." in text
    assert "--unsafe" in text
    assert "halted" in text


def test_a_folder_without_bars_is_named() -> None:
    assert "holds no bars" in headlines_of(AccountConfig(), book())[-1]
    assert "holds no bars" not in "".join(lines())


def test_equal_lines_of_accounts_are_one_and_runs_without_costs_come_first() -> None:
    free, paid = lines(slippage_ticks=0)[0], lines()[0]
    limits = lines()[1]
    found = joined_headlines({"a": (paid, limits), "b": (paid, limits), "c": (free, limits)})
    assert found == (f"Account c: {free}", f"Accounts a, b: {paid}", f"Accounts a, b, c: {limits}")
