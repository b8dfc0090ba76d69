"""Accounts of several symbols and sessions, what a host asks of them, and their state."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.accounts import (
    AccountConfig,
)
from tapeline.schemas.config.model import InstrumentConfig
from tapeline.schemas.host_events import Account, Position
from tapeline.streams.calendars import load_calendar
from tapeline.streams.host.accounts.ledger import AccountStateError
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
)

CALM = (100.0, 100.0, 100.0, 100.0)
FREE = AccountConfig(slippage_ticks=0)


def at(minute: int) -> int:
    return START + minute * MINUTE


def roles(found: list[Published]) -> list[str]:
    return [fill.id.rsplit("|", 1)[1] for fill in fills(found)]


# Sessions, closes, and accounts of several symbols


def test_a_fill_in_the_last_bar_of_a_session_is_of_that_session() -> None:
    desk = Desk(FREE)
    desk.bar(1438, CALM)
    desk.signal()
    found = desk.bar(1439, CALM)
    assert desk.market.watermarks["A"] == at(1440)
    assert {event.session for event in found} == {"2024-01-01"}
    assert account_event(found).id == "account|default|2024-01-01"
    # A signal at the close belongs to the next session, and so does its order.
    assert {event.session for event in desk.signal()} == {"2024-01-02"}


def test_a_close_reports_the_account_always_and_the_position_unless_flat() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    (only,) = desk.accounts.close("A", "2024-01-01", desk.instant("A"))
    assert isinstance(only, Account)
    assert (only.id, only.session, only.symbol) == (
        "account|default|2024-01-01",
        "2024-01-01",
        None,
    )
    assert only.watermark_ms == only.event_ms == at(1)
    desk.long()
    position, account = desk.accounts.close("A", "2024-01-01", desk.instant("A"))
    assert isinstance(position, Position)
    assert isinstance(account, Account)
    assert (position.symbol, position.session, position.strategy) == ("A", "2024-01-01", None)


def test_an_account_of_two_calendars_is_reported_at_closes_of_its_first_symbol() -> None:
    xnys = load_calendar("XNYS")
    desk = Desk(FREE, calendars={"B": xnys})
    desk.bar(0, CALM)
    assert desk.accounts.close("B", "2024-01-02", desk.instant("A")) == []
    desk.bar(1440 + 870, CALM, "B")
    desk.signal(symbol="B")
    found = desk.bar(1440 + 871, CALM, "B")
    assert account_event(found).id == "account|default|2024-01-02"
    (position,) = desk.accounts.close("B", "2024-01-02", desk.instant("B"))
    assert isinstance(position, Position)


def test_accounts_of_one_symbol_do_not_know_each_other() -> None:
    desk = Desk(FREE, names=("other", "default"))
    desk.bar(0, CALM)
    desk.signal(account="other")
    desk.signal(Wanted("sell", 3), account="default")
    found = desk.bar(1, CALM)
    assert [fill.account for fill in fills(found)] == ["default", "other"]
    assert desk.accounts.position("default", "A").quantity == -3
    assert desk.accounts.position("other", "A").quantity == 10


def test_a_bar_of_a_symbol_that_no_account_has_does_nothing() -> None:
    assert Desk(FREE).bar(0, CALM, "C") == []


# What a host asks


def test_a_signal_is_exposed_from_its_fill_until_its_position_is_closed() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    first = decision(desk.signal(Wanted(target=110))).signal
    assert not desk.accounts.is_exposed(first)
    desk.bar(1, CALM)
    second = decision(desk.signal(Wanted(quantity=3), strategy="t")).signal
    desk.bar(2, CALM)
    assert desk.accounts.is_exposed(first)
    assert desk.accounts.is_exposed(second)
    desk.bar(3, (100, 110, 100, 100))
    assert not desk.accounts.is_exposed(first)
    assert desk.accounts.is_exposed(second)
    desk.signal(Wanted("close", None))
    desk.bar(4, CALM)
    assert not desk.accounts.is_exposed(second)


def test_the_bars_that_filled_its_orders_are_inputs_of_a_signal_until_it_is_forgotten() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    signal = decision(desk.signal(Wanted(target=110))).signal
    assert desk.accounts.fill_inputs(signal) == ()
    desk.bar(1, CALM)
    desk.bar(5, (100, 110, 100, 100))
    found = desk.accounts.fill_inputs(signal)
    assert [(bar.symbol, bar.interval, bar.start_ms) for bar in found] == [
        ("A", "1m", at(1)),
        ("A", "1m", at(5)),
    ]
    desk.accounts.forget(signal)
    assert desk.accounts.fill_inputs(signal) == ()


def test_a_strategy_that_failed_is_flattened_where_its_signals_hold_a_position() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM, "B")
    desk.signal(symbol="B", strategy="t")
    desk.bar(1, CALM, "B")
    desk.bar(0, CALM)
    desk.signal(strategy="s")
    desk.bar(2, CALM)
    (order,) = desk.accounts.flatten("default", "s", 77, desk.instant("B"))
    assert order.id == "order|strategy|s|A|77|flatten"
    assert (order.signal, order.strategy, order.quantity, order.side) == (None, "s", 10, "sell")
    assert (order.symbol, order.watermark_ms, order.placed_ms) == ("A", at(3), at(3))
    found = desk.bar(3, CALM)
    (fill,) = fills(found)
    assert fill.id == "fill|order|strategy|s|A|77|flatten"
    assert desk.accounts.position("default", "A").quantity == 0
    assert desk.accounts.position("default", "B").quantity == 10
    assert desk.accounts.flatten("default", "s", 78, desk.instant("B")) == []


def test_a_holding_is_marked_at_the_last_bar() -> None:
    desk = Desk(FREE)
    desk.long()
    desk.bar(2, (100, 130, 90, 120))
    held = desk.accounts.position("default", "A")
    assert (held.quantity, held.cost, held.open, held.marked_price) == (10, 1000.0, 200.0, 120.0)


# State


def test_state_holds_only_what_changed() -> None:
    desk = Desk(FREE)
    assert desk.accounts.changed() == {}
    desk.bar(0, CALM)
    assert list(desk.accounts.changed()) == ["account|default|A"]
    assert desk.accounts.changed() == {}
    desk.signal()
    desk.bar(1, CALM)
    assert sorted(desk.accounts.changed()) == ["account|default", "account|default|A"]


def test_a_unit_that_became_finer_keeps_the_money_of_a_state() -> None:
    desk = Desk(FREE)
    desk.long()
    desk.state = dict(desk.accounts.changed())
    fine = InstrumentConfig(tick="0.0001", calendar="24/7")
    coarse = InstrumentConfig(tick="1", calendar="24/7")
    desk.config = config_of(FREE, {"A": coarse, "B": fine})
    desk.restart()
    assert desk.accounts.position("default", "A").cost == 1000.0


def test_a_unit_that_became_too_coarse_is_refused() -> None:
    fine = InstrumentConfig(tick="0.001", calendar="24/7")
    coarse = InstrumentConfig(tick="1", calendar="24/7")
    desk = Desk(config=config_of(FREE, {"A": coarse, "B": fine}))
    price = 0.003
    desk.bar(0, (price, price, price, price), "B")
    desk.signal(Wanted(quantity=1), "B")
    desk.bar(1, (price, price, price, price), "B")
    desk.config = config_of(FREE, {"A": coarse, "B": coarse})
    with pytest.raises(AccountStateError, match="no whole number"):
        desk.restart()


def test_a_position_of_a_symbol_that_is_gone_is_refused_and_a_flat_one_is_not() -> None:
    desk = Desk(FREE)
    desk.long()
    desk.bar(0, CALM, "B")
    desk.state = dict(desk.accounts.changed())
    desk.symbols = ("A",)
    desk.restart()
    desk.symbols = ("B",)
    with pytest.raises(AccountStateError, match="10 lots of A"):
        desk.restart()
