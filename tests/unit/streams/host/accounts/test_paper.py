"""Money of an account: slippage, commission, marks, drawdown, and an account that is ruined."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.accounts import (
    AccountConfig,
    AccountMoneyError,
    ContractConfig,
)
from tapeline.schemas.config.model import InstrumentConfig
from tapeline.schemas.host_events import Account
from tests.unit.streams.host.accounts.desk import (
    MINUTE,
    START,
    Desk,
    Published,
    Wanted,
    account_event,
    config_of,
    decision,
    fills,
    orders,
    position_event,
)

CALM = (100.0, 100.0, 100.0, 100.0)
FREE = AccountConfig(slippage_ticks=0)


def at(minute: int) -> int:
    return START + minute * MINUTE


def roles(found: list[Published]) -> list[str]:
    return [fill.id.rsplit("|", 1)[1] for fill in fills(found)]


# Prices and money


def test_slippage_is_against_market_and_stop_and_not_limit_and_target() -> None:
    desk = Desk(AccountConfig(slippage_ticks=2))
    desk.long(Wanted(stop=90, target=110))
    (entry,) = fills(desk.published)
    assert (entry.price, entry.slippage_ticks) == (102.0, 2)
    (target,) = fills(desk.bar(2, (100, 111, 100, 100)))
    assert (target.price, target.slippage_ticks) == (110.0, 0)
    desk.signal(Wanted("sell", 1, order="limit", price=100, stop=105))
    (entry,) = fills(desk.bar(3, CALM))
    assert (entry.price, entry.slippage_ticks) == (100.0, 0)
    (stop,) = fills(desk.bar(4, (101, 106, 101, 101)))
    assert (stop.price, stop.slippage_ticks) == (107.0, 2)
    desk.signal(Wanted("sell", 1))
    (short,) = fills(desk.bar(5, CALM))
    assert (short.price, short.slippage_ticks) == (98.0, 2)


def test_a_sale_is_never_below_one_tick() -> None:
    desk = Desk(AccountConfig(slippage_ticks=50))
    desk.bar(0, (3, 3, 3, 3))
    desk.signal(Wanted("sell", 1))
    (fill,) = fills(desk.bar(1, (3, 3, 3, 3)))
    assert (fill.price, fill.slippage_ticks) == (1.0, 2)


def test_a_limit_must_be_gone_through() -> None:
    desk = Desk(replace(FREE, limit_through=2))
    desk.bar(0, CALM)
    desk.signal(Wanted(order="limit", price=98))
    assert fills(desk.bar(1, (100, 100, 97, 100))) == []
    (fill,) = fills(desk.bar(2, (100, 100, 96, 100)))
    assert fill.price == 98.0


def test_an_account_adds_up_after_a_fill() -> None:
    account = AccountConfig(
        slippage_ticks=1, commission_per_unit="0.5", commission_per_order="1", commission_bps="10"
    )
    desk = Desk(account)
    desk.bar(0, CALM)
    desk.signal(Wanted(quantity=3))
    found = desk.bar(1, (100, 120, 100, 110))
    (fill,) = fills(found)
    # 3 x 0.5 + 1 + 0.1 % of 303.
    assert fill.commission == 2.8
    position = position_event(found)
    assert (position.quantity, position.cost, position.realised) == (3, 303.0, 0.0)
    assert (position.commission, position.marked_price, position.open) == (2.8, 110.0, 27.0)
    money = account_event(found)
    assert (money.cash, money.equity, money.open) == (99997.2, 100024.2, 27.0)
    assert (money.exposure, money.positions, money.drawdown) == (330.0, 1, 0.0)
    desk.signal(Wanted("close", None))
    found = desk.bar(2, (90, 90, 80, 80))
    position = position_event(found)
    assert (position.quantity, position.cost, position.open) == (0, 0.0, 0.0)
    assert (position.opened_ms, position.marked_price) == (None, None)
    # Sold at 89: 267 - 303, and 2.767 of commission.
    money = account_event(found)
    assert (money.realised, money.commission) == (-36.0, 5.57)
    assert (money.cash, money.equity) == (99958.43, 99958.43)
    assert (money.exposure, money.positions, money.trades) == (0.0, 0, 1)
    assert money.drawdown == 65.77


def test_a_fill_is_marked_at_the_close_of_its_bar() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    desk.signal()
    position = position_event(desk.bar(1, (100, 130, 90, 120)))
    assert (position.marked_price, position.open) == (120.0, 200.0)


def test_a_contract_is_worth_its_multiplier_and_its_lot() -> None:
    future = InstrumentConfig(tick="0.25", calendar="24/7")
    config = config_of(FREE, {"A": future}, {"A": ContractConfig(multiplier="50", lot="2")})
    desk = Desk(config=config, symbols=("A",))
    desk.bar(0, (100.25, 100.25, 100.25, 100.25))
    desk.signal(Wanted(quantity=2))
    position = position_event(desk.bar(1, (100.25, 101, 100.25, 100.5)))
    assert (position.cost, position.open) == (100.25 * 50 * 2 * 2, 0.25 * 50 * 2 * 2)


def test_small_ticks_and_lots_are_counted_exactly() -> None:
    coin = InstrumentConfig(tick="0.00000001", calendar="24/7")
    config = config_of(replace(FREE, cash="100"), {"A": coin}, {"A": ContractConfig(lot="0.001")})
    desk = Desk(config=config, symbols=("A",))
    price = 0.00012345
    desk.bar(0, (price, price, price, price))
    desk.signal(Wanted(quantity=7))
    found = desk.bar(1, (price, price, price, 0.00012346))
    assert position_event(found).cost == 0.00000086415
    assert position_event(found).open == 7e-11
    assert account_event(found).equity == 100.00000000007


def test_a_tick_finer_than_any_unit_is_refused() -> None:
    fine = InstrumentConfig(tick="0.0000000001", calendar="24/7")
    config = config_of(FREE, {"A": fine}, {"A": ContractConfig(lot="0.001")})
    with pytest.raises(AccountMoneyError, match="symbol A"):
        Desk(config=config, symbols=("A",))


def test_a_fill_that_leaves_more_money_than_can_be_counted_is_cancelled() -> None:
    # Cash is 2^53 cents less a thousand: a gain of as many in the bar of the fill is too much.
    cash = f"{2**53 - 1000}"
    desk = Desk(replace(FREE, cash=f"{cash[:-2]}.{cash[-2:]}"))
    desk.bar(0, CALM)
    desk.signal(Wanted(quantity=10))
    found = desk.bar(1, (100, 101, 100, 101))
    assert orders(found) == [("entry", "cancelled", "money")]
    assert len(found) == 1
    assert desk.accounts.position("default", "A").quantity == 0
    desk.signal(Wanted(quantity=9))
    assert roles(desk.bar(2, (100, 101, 100, 101))) == ["entry"]


def test_a_drawdown_counts_from_the_greatest_equity_of_its_events() -> None:
    desk = Desk(FREE)
    desk.long()
    desk.bar(2, (100, 150, 100, 150))
    (_, first) = desk.accounts.close("A", "2024-01-01", desk.instant("A"))
    assert isinstance(first, Account)
    assert (first.equity, first.drawdown) == (100500.0, 0.0)
    # No event is published at 200: it is no peak.
    desk.bar(3, (150, 200, 150, 200))
    desk.bar(4, (120, 120, 120, 120))
    (_, second) = desk.accounts.close("A", "2024-01-01", desk.instant("A"))
    assert isinstance(second, Account)
    assert (second.equity, second.drawdown) == (100200.0, 300.0)


def test_the_cash_that_it_began_with_is_the_first_peak() -> None:
    desk = Desk(replace(FREE, commission_per_order="5"))
    desk.bar(0, CALM)
    desk.signal()
    assert account_event(desk.bar(1, CALM)).drawdown == 5.0


def test_an_account_without_equity_is_halted_and_its_stops_go_on() -> None:
    desk = Desk(replace(FREE, cash="1000"))
    desk.long(Wanted(quantity=11, stop=3))
    desk.bar(2, (100, 100, 5, 10))
    assert desk.accounts.state_of("default") == "active"
    desk.bar(3, (100, 100, 5, 9))
    assert desk.accounts.state_of("default") == "halted"
    # It stays so, whatever the marks do.
    desk.bar(4, CALM)
    assert decision(desk.signal(Wanted("close", None))).code == "trading_state"
    found = desk.bar(5, (100, 100, 3, 3))
    assert roles(found) == ["stop"]
    assert account_event(found).state == "halted"
