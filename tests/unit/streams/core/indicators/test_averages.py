"""Averages of closes."""

from __future__ import annotations

import pytest

from tapeline.streams.core.indicators.averages import Average, exponential
from tests.unit.streams.core.indicators.books import QUARTERS, closes, run


def test_a_simple_average_is_the_mean_of_the_last_closes() -> None:
    assert run("sma(3)", closes(1, 2, 6, 10)) == [None, None, 3.0, 6.0]
    assert run("sma(3)", closes(1, 2, 6, 10), QUARTERS) == [None, None, 0.75, 1.5]


def test_an_exponential_average_begins_with_the_mean_of_its_first_closes() -> None:
    assert run("ema(3)", closes(1, 2, 6, 7)) == [None, None, 3.0, 5.0]


def test_an_average_of_one_bar_is_that_bar() -> None:
    assert run("ema(1)", closes(4, 9, 2)) == [4.0, 9.0, 2.0]


def test_an_average_of_a_market_that_stands_still_arrives() -> None:
    average = exponential(50)
    for x in (*range(50), *([100.0] * 700)):
        average.add(float(x))
    assert average.value == 100.0


def test_two_averages_that_began_apart_are_equal_once_the_market_stands_still() -> None:
    one, other = Average(14, 1 / 14), Average(14, 1 / 14)
    for x in range(40):
        one.add(float(x * x % 17))
    for x in range(14):
        other.add(float(x))
    for _ in range(480):
        one.add(5.0)
        other.add(5.0)
    assert one.value == other.value == 5.0


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_an_average_goes_on_from_its_snapshot(cut: int) -> None:
    whole, before, after = exponential(3), exponential(3), exponential(3)
    values = [1.0, 2.0, 4.5, 8.25, 3.0, 1.5]
    for x in values:
        whole.add(x)
    for x in values[:cut]:
        before.add(x)
    after.restore(before.snapshot())
    for x in values[cut:]:
        after.add(x)
    assert after.value == whole.value
