"""A trade goes from no position to none; what it earned is what its fills paid and received."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from tapeline.replay.report.amounts import Instruments, units
from tapeline.replay.report.trades import RoundTrip, exit_reason, round_trips
from tapeline.schemas.host_events import Fill, Order
from tests.unit.replay.report.books import book, configuration, fill, order, signal

INSTRUMENTS = Instruments(configuration(), ["ACME", "FUT"])


def filled(number: int, size: int, price: float, symbol: str = "ACME", **others: object) -> Fill:
    """A fill of a signal of its own, bought or sold by the sign of its size."""
    side = "buy" if size > 0 else "sell"
    made = order(signal(number, symbol=symbol), "entry", side, quantity=abs(size))  # type: ignore[arg-type]
    return fill(made, number, price, **others)


def trips(*fills: Fill) -> list[RoundTrip]:
    return round_trips(fills, {each.id: units(each.commission) for each in fills})


def test_a_long_and_a_short_trade_earn_the_difference_of_their_prices() -> None:
    found = trips(filled(1, 2, 10.0), filled(2, -2, 10.5), filled(3, -3, 11.0), filled(4, 3, 11.25))
    assert [each.sign for each in found] == [1, -1]
    assert [each.profit(INSTRUMENTS) for each in found] == [units(1.0), units(-0.75)]


def test_a_tick_of_a_future_is_worth_what_its_multiplier_makes_of_it() -> None:
    [trade] = trips(filled(1, 1, 6000.0, "FUT"), filled(2, -1, 6000.25, "FUT"))
    assert trade.profit(INSTRUMENTS) == units(12.5)


def test_entries_of_one_side_make_one_trade_at_their_average() -> None:
    [trade] = trips(
        filled(1, 1, 10.0), filled(2, 2, 10.03), filled(3, -1, 11.0), filled(4, -2, 11.0)
    )
    assert trade.closed
    assert trade.quantity == 3
    assert trade.average_ticks(INSTRUMENTS, True) == Fraction(3006, 3)
    assert trade.profit(INSTRUMENTS) == units(2.94)


def test_a_fill_that_turns_the_position_ends_one_trade_and_begins_another() -> None:
    first, second = trips(filled(1, 2, 10.0), filled(2, -5, 11.0, commission=0.05))
    assert first.closed
    assert (first.sign, first.quantity, first.commission) == (1, 2, units(0.02))
    assert not second.closed
    assert (second.sign, second.held, second.commission) == (-1, 3, units(0.03))


def test_an_open_trade_is_worth_its_mark() -> None:
    [trade] = trips(filled(1, 4, 10.0), filled(2, -1, 12.0))
    assert trade.held == 3
    assert trade.profit(INSTRUMENTS) == units(2.0)
    assert trade.profit(INSTRUMENTS, 11.0) == units(5.0)


def test_symbols_have_trades_of_their_own_in_order_of_their_entries() -> None:
    found = trips(
        filled(1, 1, 10.0),
        filled(2, 1, 6000.0, "FUT"),
        filled(3, -1, 6001.0, "FUT"),
        filled(4, -1, 9.0),
    )
    assert [each.symbol for each in found] == ["ACME", "FUT"]


def test_slippage_is_counted_in_money() -> None:
    [trade] = trips(
        filled(1, 2, 6000.0, "FUT", slippage_ticks=1),
        filled(2, -2, 6001.0, "FUT", slippage_ticks=2),
    )
    assert trade.slippage(INSTRUMENTS) == units(75.0)


@pytest.mark.parametrize("seed", range(20))
def test_trades_earn_what_cash_gained_however_the_position_went(seed: int) -> None:
    draw = Random(seed)
    fills, cash, held, returns = [], Fraction(0), 0, 0
    for number in range(1, 60):
        size = draw.choice([-3, -2, -1, 1, 2, 3])
        price = draw.randrange(900, 1100) / 100
        fee = draw.randrange(4) / 100
        fills.append(filled(number, size, price, commission=fee))
        cash -= Fraction(str(price)) * size + Fraction(str(fee))
        after = held + size
        returns += held != 0 and (after == 0 or (after > 0) != (held > 0))
        held = after
    found = trips(*fills)
    mark = 10.5
    net = sum(each.profit(INSTRUMENTS, mark) - each.commission for each in found)
    assert Fraction(net, units(1.0)) == cash + held * Fraction("10.5")
    assert sum(each.closed for each in found) == returns
    assert [each.held * each.sign for each in found if not each.closed] == [held] * (held != 0)


def ended(role: str, reason: str = "crossed below") -> str:
    entry = signal(1)
    leaving = signal(2, "sell", reason=reason)
    first = order(entry, "entry", "buy")
    last: Order = order(leaving if role == "flatten" else entry, role, "sell")  # type: ignore[arg-type]
    fills = fill(first, 2, 10.0), fill(last, 3, 11.0)
    [trade] = round_trips(fills, {each.id: 0 for each in fills})
    return exit_reason(trade, book(entry, leaving, first, last, *fills))


def test_a_trade_ends_by_its_stop_its_target_or_the_reason_of_a_signal() -> None:
    assert ended("stop") == "stop"
    assert ended("target") == "target"
    assert ended("flatten") == "crossed below"
    assert ended("flatten", "") == "sell"
