"""Ranges, channels and deviations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from tapeline.streams.core.indicators.model import Value
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.core.tracker import ClosedBar
from tests.unit.streams.core.indicators.books import QUARTERS, Indicators, bar, closes, run


def values(text: str, bars: Sequence[ClosedBar]) -> list[Value]:
    indicators = Indicators(text, scale=QUARTERS)
    for each in bars:
        indicators.push(each)
    return indicators.values()


def test_a_gap_belongs_to_the_true_range() -> None:
    bars = [bar(0, (5, 5, 5, 5)), bar(1, (9, 11, 9, 10)), bar(2, (3, 4, 2, 3))]
    assert run("atr(2, smoothing=simple)", bars) == [None, None, 7.0]
    assert run("atr(2)", [*bars, bar(3, (3, 4, 3, 3))])[-1] == 4.0


def test_bands_lie_at_deviations_of_the_population() -> None:
    assert values("bbands(2, num_std=3)", closes(2, 4)) == [1.5, 0.75, 0.0, 2.0]
    assert values("stddev(2)", closes(2, 4)) == [0.25]


def test_bands_are_scaled_by_the_tick_in_lowest_terms() -> None:
    # 25 / 100 instead of 1 / 4 would change the last digit of one in three.
    for shift in range(40):
        window = [
            24_000 + shift * 7,
            24_003,
            24_001 + shift,
            24_011,
            24_002,
            24_007 - shift,
            24_000,
        ]
        total, root = sum(window), math.sqrt(7 * sum(c * c for c in window) - sum(window) ** 2)
        upper, _, lower, bandwidth = values("bbands(7)", closes(*window))
        assert upper == (total + 2 * root) * 1 / (7 * 4)
        assert lower == (total - 2 * root) * 1 / (7 * 4)
        assert bandwidth == 2 * 2 * root / total
        assert values("stddev(7)", closes(*window)) == [root * 1 / (7 * 4)]
        halves = Indicators("bbands(7)", scale=TickScale("2.5", False))
        for each in closes(*window):
            halves.push(each)
        assert halves.values()[0] == (total + 2 * root) * 5 / (7 * 2)


def test_a_market_that_stands_still_has_no_band() -> None:
    assert values("bbands(3)", closes(8, 8, 8)) == [2.0, 2.0, 2.0, 0.0]


def test_a_mean_of_zero_has_no_bandwidth() -> None:
    assert values("bbands(2)", closes(-4, 4))[3] == 0.0


def test_channels_hold_this_bar() -> None:
    bars = [bar(n, (5, high, low, 5)) for n, (high, low) in enumerate([(9, 4), (7, 1), (6, 3)])]
    assert values("donchian(2)", bars) == [1.75, 1.0, 0.25]
    assert values("high_low(2)", bars) == [1.75, 0.25]


def test_volatility_of_a_year_is_of_logarithms() -> None:
    found = values("histvol(2)", closes(100, 110, 100))[0]
    log = math.log(1.1)
    assert found == pytest.approx(log * math.sqrt(252) * 100, rel=1e-13)


@pytest.mark.parametrize("odd", [0, -3])
def test_a_close_without_a_logarithm_has_no_volatility(odd: int) -> None:
    found = run("histvol(2)", closes(5, 5, odd, 5, 5, 5))
    assert found == [None, None, None, None, None, 0.0]


def test_the_last_range_is_compared_with_its_mean() -> None:
    bars = [bar(n, (5, 5 + reach, 5, 5)) for n, reach in enumerate((1, 3, 4))]
    assert run("range_ratio(2)", bars) == [None, 1.5, 8 / 7]
    assert run("range_ratio(2)", closes(5, 5)) == [None, 1.0]
    assert values("avg_range(2)", bars) == [0.875]


def test_gaps_are_counted_by_size_and_direction() -> None:
    bars = [bar(n, (opened, 9, 1, 5)) for n, opened in enumerate((5, 6, 3, 5, 8))]
    # In quarters: gaps of 0.25, -0.5, 0 and 0.75.
    assert values("gap_stats(4, threshold=0.5)", bars) == [0.125, 1, 2, 1]
    assert values("gap_stats(4, threshold=0.49)", bars) == [0.125, 2, 2, 1]
    assert values("gap_stats(2)", bars) == [0.375, 1, 1, 0]
