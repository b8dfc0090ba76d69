"""Averages of closes."""

from __future__ import annotations

import pytest

from tapeline.streams.core.indicators.series import EmaSeries
from tests.unit.streams.core.indicators.books import QUARTERS, bar, closes, run


def test_a_simple_average_is_the_mean_of_the_last_closes() -> None:
    assert run("sma(3)", closes(1, 2, 6, 10)) == [None, None, 3.0, 6.0]
    assert run("sma(3)", closes(1, 2, 6, 10), QUARTERS) == [None, None, 0.75, 1.5]


def test_a_weighted_average_weighs_the_last_close_most() -> None:
    assert run("wma(3)", closes(6, 0, 0, 6)) == [None, None, 1.0, 3.0]


def test_the_average_of_hull_reaches_a_line_without_delay() -> None:
    assert run("hma(4)", closes(1, 2, 3, 4, 5, 6)) == [None, None, None, None, 5.0, 6.0]


def test_an_exponential_average_begins_with_the_mean_of_its_first_closes() -> None:
    assert run("ema(3)", closes(1, 2, 6, 7)) == [None, None, 3.0, 5.0]


@pytest.mark.parametrize("price", [100, 10**9])
def test_an_exponential_average_arrives_where_the_market_stands_still(price: int) -> None:
    # At the greater price a step is lost in the last digit long before it is near.
    still = [price] * 1_000
    for before in (range(50), range(900, 870, -1)):
        assert run("ema(50)", closes(*before, *still))[-1] == float(price)


def test_an_exponential_average_is_that_of_the_series_to_the_bit() -> None:
    market = [*(n * n % 997 for n in range(200)), *([500] * 400)]
    series = EmaSeries(20, 1)
    expected = []
    for close in market:
        series.add(float(close))
        expected.append(series.value(0))
    assert run("ema(20)", closes(*market))[19:] == expected[19:]


def test_an_average_of_one_bar_is_that_bar() -> None:
    assert run("ema(1)", closes(4, 9, 2)) == [4.0, 9.0, 2.0]


def test_a_close_is_as_heavy_as_its_volume() -> None:
    bars = [bar(0, (2, 2, 2, 2), 1), bar(1, (6, 6, 6, 6), 3), bar(2, (9, 9, 9, 9), None)]
    assert run("vwma(2)", bars) == [None, 5.0, 6.0]


def test_without_a_volume_the_average_is_the_close() -> None:
    bars = [bar(0, (2, 2, 2, 2), None), bar(1, (6, 6, 6, 6), None)]
    assert run("vwma(2)", bars) == [None, 6.0]
    assert run("vwma(2)", [bar(0, (2, 2, 2, 2), 0.0), bar(1, (6, 6, 6, 6), 0.0)]) == [None, 6.0]


def test_a_band_of_ranges_lies_around_an_average() -> None:
    bars = [bar(n, (10, 11, 9, 10)) for n in range(6)]
    assert run("keltner(3, atr_period=2)", bars)[-1] == 14.0
    assert run("keltner(3, atr_period=2, smoothing=simple)", bars)[-1] == 14.0
