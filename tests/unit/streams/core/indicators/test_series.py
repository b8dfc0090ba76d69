"""Recursive averages of doubles."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tapeline.streams.core.indicators.series import (
    EmaSeries,
    KamaSeries,
    MacdSeries,
    RsiSeries,
    Series,
    exponential,
    wilder,
)


def test_an_average_of_a_market_that_stands_still_arrives() -> None:
    average = exponential(50)
    for x in (*range(50), *([100.0] * 700)):
        average.add(float(x))
    assert average.value == 100.0


def test_two_averages_that_began_apart_are_equal_once_the_market_stands_still() -> None:
    one, other = wilder(14), wilder(14)
    for x in range(40):
        one.add(float(x * x % 17))
    for x in range(14):
        other.add(float(x))
    for _ in range(480):
        one.add(5.0)
        other.add(5.0)
    assert one.value == other.value == 5.0


def test_a_flat_market_has_an_rsi_of_50_whatever_it_did_before() -> None:
    rsi = RsiSeries(14)
    for x in (*range(30), *([30] * 600)):
        rsi.add(float(x))
    assert rsi.value(0) == 50.0


def test_an_adaptive_average_follows_at_full_speed_where_nothing_moved() -> None:
    kama = KamaSeries(3, 2, 30, True)
    for x in (7.0, 7.0, 7.0, 7.0):
        kama.add(x)
    assert kama.value(0) == 7.0


MADE: dict[str, Callable[[], Series]] = {
    "ema": lambda: EmaSeries(3, 1),
    "dema": lambda: EmaSeries(3, 2),
    "tema": lambda: EmaSeries(3, 3),
    "macd": lambda: MacdSeries(2, 4, 3),
    "rsi": lambda: RsiSeries(3),
    "kama": lambda: KamaSeries(3, 2, 30, True),
    "kama of doubles": lambda: KamaSeries(3, 2, 30, False),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 6, 9, 150])
def test_a_series_goes_on_from_its_snapshot(name: str, cut: int) -> None:
    whole: Series = MADE[name]()
    before: Series = MADE[name]()
    after: Series = MADE[name]()
    values = [float(n * n % 23) for n in range(160)]
    for x in values:
        whole.add(x)
    for x in values[:cut]:
        before.add(x)
    after.restore(before.snapshot())
    for x in values[cut:]:
        after.add(x)
    assert after.value(0) == whole.value(0)
    assert after.snapshot() == whole.snapshot()
