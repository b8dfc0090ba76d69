"""Excursions count what certainly came while the position was held."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import pytest

from tapeline.replay.report.amounts import Instruments
from tapeline.replay.report.excursions import Excursion, excursion
from tapeline.replay.report.trades import round_trips
from tapeline.schemas.host_events import OrderKind
from tests.unit.replay.report.books import bars, book, configuration, fill, order, signal

INSTRUMENTS = Instruments(configuration(), ["ACME"])
QUIET = (10.0, 10.0, 10.0, 10.0)
WIDE = (10.0, 10.5, 9.5, 10.2)


def path(
    rows: list[tuple[float, float, float, float]],
    entry: tuple[int, float],
    leave: tuple[int, float] | None,
    kind: OrderKind = "market",
    side: Literal["buy", "sell"] = "buy",
) -> Excursion | None:
    other: Literal["buy", "sell"] = "sell" if side == "buy" else "buy"
    first = order(signal(0, side), "entry", side, kind, None if kind == "market" else entry[1])
    last = order(signal(1, other), "flatten", other)
    fills = [fill(first, *entry)]
    if leave is not None:
        fills.append(fill(last, *leave))
    seen = bars(rows)
    [trade] = round_trips(fills, {each.id: 0 for each in fills})
    return excursion(trade, seen.symbols["ACME"], INSTRUMENTS, book(first, last, *fills, seen=seen))


def test_a_long_trade_counts_lows_against_it_and_highs_for_it() -> None:
    found = path([WIDE, (10.2, 10.9, 10.1, 10.3), QUIET], (0, 10.0), (2, 10.0))
    assert found == Excursion(3, Fraction(50), Fraction(90))


def test_a_short_trade_counts_the_other_way_round() -> None:
    found = path([WIDE, (10.2, 10.9, 10.1, 10.3), QUIET], (0, 10.0), (2, 10.0), side="sell")
    assert found == Excursion(3, Fraction(90), Fraction(50))


def test_of_the_bar_of_the_exit_only_the_fill_counts() -> None:
    found = path([QUIET, (10.0, 19.0, 1.0, 10.0)], (0, 10.0), (1, 9.9))
    assert found == Excursion(2, Fraction(10), Fraction(0))


@pytest.mark.parametrize(
    ("kind", "side", "price", "against", "in_favour"),
    [
        ("limit", "buy", 9.7, 20, 50),
        ("stop", "buy", 10.3, 10, 20),
        ("limit", "sell", 10.3, 20, 10),
        ("stop", "sell", 9.7, 50, 20),
    ],
)
def test_inside_the_bar_of_the_entry_only_what_came_after_it_counts(
    kind: OrderKind, side: Literal["buy", "sell"], price: float, against: int, in_favour: int
) -> None:
    found = path([WIDE, (10.2, 10.2, 10.2, 10.2)], (0, price), (1, 10.2), kind, side)
    assert found == Excursion(2, Fraction(against), Fraction(in_favour))


def test_a_limit_that_the_open_fills_counts_the_whole_bar() -> None:
    found = path([WIDE, QUIET], (0, 10.0), (1, 10.0), "limit")
    assert found == Excursion(2, Fraction(50), Fraction(50))


def test_a_trade_within_one_bar_counts_its_two_prices() -> None:
    assert path([WIDE], (0, 10.0), (0, 9.8)) == Excursion(1, Fraction(20), Fraction(0))


def test_an_open_trade_lasts_to_the_last_bar() -> None:
    found = path([QUIET, WIDE], (0, 10.0), None)
    assert found == Excursion(2, Fraction(50), Fraction(50))


def test_without_the_bar_of_its_entry_there_are_no_excursions() -> None:
    assert path([QUIET], (5, 10.0), None) is None
