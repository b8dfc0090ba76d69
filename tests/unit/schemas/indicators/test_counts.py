"""Counts of bars until a value, and until history's beginning is gone."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

import pytest

from tapeline.schemas.indicators.counts import (
    BY_EVENTS,
    ema_bound,
    first_count,
    warm_count,
    wilder_bound,
)
from tapeline.schemas.indicators.specification import parse_specification
from tapeline.schemas.indicators.table import INDICATORS


@pytest.mark.parametrize("name", INDICATORS)
def test_the_first_bar_is_that_of_the_table(name: str) -> None:
    kind = INDICATORS[name]
    if name == "pivot_points":
        assert kind.first == "1 session"
        return
    for shift in (0, 4):
        given = {
            each.name: 17 + 5 * position + shift
            for position, each in enumerate(kind.parameters)
            if each.form == "period"
        }
        words = ", ".join(f"{word}={value}" for word, value in given.items())
        made = parse_specification(f"{name}({words})")
        # The expressions of the table are Python.
        expected = eval(kind.first, {"isqrt": isqrt, "max": max}, dict(given))
        assert first_count(made) == expected


@pytest.mark.parametrize(
    ("bound", "n", "expected"),
    [
        (ema_bound, 9, 165),
        (ema_bound, 20, 368),
        (ema_bound, 50, 919),
        (ema_bound, 200, 3_674),
        (ema_bound, 1, 0),
        (wilder_bound, 14, 496),
        (wilder_bound, 20, 717),
        (wilder_bound, 1, 0),
    ],
)
def test_the_bound_of_an_average_is_rounded_up(
    bound: Callable[[int], int], n: int, expected: int
) -> None:
    assert bound(n) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sma(20)", 20),
        ("hma(16)", 19),
        ("stochastic(14)", 16),
        ("rsi(14, smoothing=simple)", 15),
        ("atr(14, smoothing=simple)", 15),
        ("atr_daily(14)", 15),
        ("ema(9)", 9 + 2 * 165),
        ("dema(9)", 17 + 4 * 165),
        ("tema(9)", 25 + 6 * 165),
        ("macd", 34 + 2 * (ema_bound(26) + 165)),
        ("rsi(14)", 15 + 2 * 497),
        ("atr(14)", 15 + 2 * 497),
        ("keltner(20)", 20 + 2 * 368),
        ("keltner(20, atr_period=14)", 20 + 2 * 497),
        ("keltner(20, atr_period=14, smoothing=simple)", 20 + 2 * 368),
        ("adx", 28 + 2 * (2 * 496 + 1)),
        ("kama", 11 + 2 * 8_808),
        ("vwap", BY_EVENTS),
        ("pvt", BY_EVENTS),
        ("psar", BY_EVENTS),
        ("supertrend", BY_EVENTS),
        ("rvol", BY_EVENTS),
        ("pivot_points", BY_EVENTS),
    ],
)
def test_an_indicator_is_warm_from_a_bar_on(text: str, expected: int) -> None:
    assert warm_count(parse_specification(text)) == expected
