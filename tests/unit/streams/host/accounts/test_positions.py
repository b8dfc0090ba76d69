"""Lots that are bought and sold: cost, what was realised, and when a position ended."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.host.accounts.positions import Lots

# Trades (lots, price of a lot); then quantity, cost, realised, and whether the last one ended it.
CASES: dict[str, tuple[list[tuple[int, int]], tuple[int, int, int, bool]]] = {
    "bought": ([(10, 100)], (10, 1000, 0, False)),
    "sold short": ([(-10, 100)], (-10, -1000, 0, False)),
    "added to": ([(10, 100), (5, 130)], (15, 1650, 0, False)),
    "a part closed": ([(10, 100), (-4, 110)], (6, 600, 40, False)),
    "a part of a short closed": ([(-10, 100), (4, 90)], (-6, -600, 40, False)),
    "a part of a cost that does not divide": ([(1, 100), (2, 101), (-1, 110)], (2, 201, 9, False)),
    "half a unit of cost goes away from zero": (
        [(1, 100), (1, 101), (-1, 100)],
        (1, 100, -1, False),
    ),
    "of a short too": ([(-1, 100), (-1, 101), (1, 100)], (-1, -100, 1, False)),
    "the rest of a cost stays until the end": (
        [(1, 100), (2, 101), (-1, 110), (-1, 110), (-1, 110)],
        (0, 0, 28, True),
    ),
    "closed": ([(10, 100), (-10, 90)], (0, 0, -100, True)),
    "turned": ([(10, 100), (-15, 110)], (-5, -550, 100, True)),
    "a short turned": ([(-10, 100), (15, 90)], (5, 450, 100, True)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_trades_leave(
    case: tuple[list[tuple[int, int]], tuple[int, int, int, bool]],
) -> None:
    trades, expected = case
    lots = Lots()
    ended = False
    for signed, price in trades:
        ended = lots.trade(signed, price, 0)
    assert (lots.quantity, lots.cost, lots.realised, ended) == expected


def test_a_position_is_as_old_as_the_fill_that_left_zero_or_turned_it() -> None:
    lots = Lots()
    opened = []
    for fill_ms, signed in enumerate((5, 5, -3, -9)):
        lots.trade(signed, 100, fill_ms)
        opened.append(lots.opened_ms)
    assert opened == [0, 0, 0, 3]
    lots.trade(2, 100, 9)
    assert lots.opened_ms is None


@given(
    trades=st.lists(
        st.tuples(st.integers(-50, 50).filter(bool), st.integers(-1000, 10_000)), max_size=30
    ),
    mark=st.integers(-1000, 10_000),
)
def test_no_unit_is_won_or_lost_but_by_prices(trades: list[tuple[int, int]], mark: int) -> None:
    lots = Lots()
    paid = 0
    held = 0
    average = Fraction(0)
    for signed, price in trades:
        paid += signed * price
        if held * signed >= 0:
            average = (average * abs(held) + Fraction(price) * abs(signed)) / (
                abs(held) + abs(signed)
            )
        elif abs(signed) > abs(held):
            average = Fraction(price)
        held += signed
        lots.trade(signed, price, 0)
        assert lots.quantity == held
        # Each exit rounds what it releases by half a unit at most.
        assert abs(lots.cost - average * held) <= len(trades)
        assert held != 0 or lots.cost == 0
    assert lots.realised + lots.result(mark) == held * mark - paid
