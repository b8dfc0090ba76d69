"""Ratios of moves over a window."""

from __future__ import annotations

import pytest

from tapeline.streams.core.ticks import TickScale
from tests.unit.streams.core.indicators.books import Indicators, bar, closes, run


@pytest.mark.parametrize(
    ("text", "flat"),
    [
        ("rsi(3)", 50.0),
        ("rsi(3, smoothing=simple)", 50.0),
        ("stochastic(3)", 50.0),
        ("cci(3)", 0.0),
        ("roc(3)", 0.0),
        ("mom(3)", 0.0),
        ("williams_r(3)", -50.0),
        ("ultimate_osc(1, 2, 3)", 50.0),
        ("mfi(3)", 50.0),
        ("cmo(3)", 0.0),
        ("aroon(3)", 100.0),
    ],
)
def test_a_flat_market_has_a_neutral_value(text: str, flat: float) -> None:
    found = run(text, closes(*([7] * 12)))[-1]
    assert str(found) == str(flat)


@pytest.mark.parametrize(
    ("text", "rising"),
    [
        ("rsi(3)", 100.0),
        ("rsi(3, smoothing=simple)", 100.0),
        ("stochastic(3)", 100.0),
        ("williams_r(3)", 0.0),
        ("ultimate_osc(1, 2, 3)", 100.0),
        ("mfi(3)", 100.0),
        ("cmo(3)", 100.0),
        ("aroon(3)", 100.0),
        ("roc(3)", 12.5),
        ("mom(3)", 3.0),
    ],
)
def test_a_market_that_only_rises_is_at_the_upper_end(text: str, rising: float) -> None:
    found = run(text, closes(*range(16, 28)))[-1]
    assert str(found) == str(rising)


def test_one_quiet_window_makes_the_oscillator_neutral() -> None:
    assert run("ultimate_osc(1, 2, 3)", closes(1, 2, 5, 5))[-1] == 50.0


def test_a_change_from_a_price_of_zero_has_no_value() -> None:
    assert run("roc(1)", closes(0, 5, -5, 5)) == [None, None, -200.0, -200.0]


def test_of_equal_highs_the_later_one_counts() -> None:
    bars = [bar(n, (5, high, 1, 5)) for n, high in enumerate((9, 7, 9, 8))]
    assert run("aroon(3)", bars)[-1] == 200 / 3


def test_money_flows_by_volume() -> None:
    bars = [bar(0, (1, 1, 1, 1)), bar(1, (2, 2, 2, 2), 3), bar(2, (1, 1, 1, 1), 2)]
    assert run("mfi(2)", bars) == [None, None, 75.0]
    assert run("mfi(2)", [bars[0], bar(1, (2, 2, 2, 2), 1.5), bars[2]])[-1] == 60.0


def test_prices_below_zero_have_ratios_too() -> None:
    # Both flows are below 0.
    assert run("mfi(2)", closes(-3, -1, -2)) == [None, None, 100 / 3]


def test_the_mean_of_positions_is_of_rounded_ones() -> None:
    indicators = Indicators("stochastic(3, smooth=2)", scale=TickScale("0.25", False))
    for each in closes(1, 4, 2, 3):
        indicators.push(each)
    assert indicators.values() == [50.0, (100 / 3 + 50.0) / 2]
