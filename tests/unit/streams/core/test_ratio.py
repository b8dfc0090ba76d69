"""Ratios of integers are the nearest doubles, whatever the build and however large the integers."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tapeline.schemas.records import Bar
from tapeline.streams.core.ratio import bar_ratios, ratio, root_ratio
from tapeline.streams.core.ticks import TickScale
from tests.unit.streams.core.scenario import MINUTE_MS, Tape, utc

LARGE = 1 << 80


@given(numerator=st.integers(-LARGE, LARGE), denominator=st.integers(1, LARGE))
@example(numerator=44899471904985972, denominator=10_000)
@example(numerator=(1 << 53) + 1, denominator=3)
@example(numerator=10, denominator=(1 << 53) + 1)
def test_a_ratio_is_the_nearest_double(numerator: int, denominator: int) -> None:
    assert ratio(numerator, denominator) == float(Fraction(numerator, denominator))


def test_no_ratio_of_large_integers_is_rounded_twice() -> None:
    random = Random(1)
    for bits in range(40, 81):
        for _ in range(200):
            numerator = random.getrandbits(bits)
            denominator = random.choice((3, 10, 128, 10**4, 10**8, 10**12, random.getrandbits(60)))
            wanted = float(Fraction(numerator, denominator or 1))
            assert ratio(numerator, denominator or 1) == wanted


@given(
    ticks=st.lists(st.integers(-LARGE, LARGE) | st.integers(-100, 100), min_size=4, max_size=4),
    numerator=st.integers(1, 10_000),
    denominator=st.integers(1, LARGE) | st.integers(1, 10_000),
)
@example(ticks=[1, 1, 1, (1 << 53) + 1], numerator=1, denominator=3)
@example(ticks=[-(1 << 53) - 1, 1, 1, 1], numerator=1, denominator=3)
@example(ticks=[1, 1, 1, 1], numerator=1, denominator=(1 << 53) + 1)
def test_the_four_prices_of_a_bar_are_the_ratios_of_each(
    ticks: list[int], numerator: int, denominator: int
) -> None:
    low, opened, close, high = sorted(ticks)
    wanted = tuple(ratio(each * numerator, denominator) for each in (opened, high, low, close))
    assert bar_ratios(opened, high, low, close, numerator, denominator) == wanted


@given(ticks=st.integers(1, LARGE), tick=st.sampled_from(("0.0001", "0.25", "1e-12", "0.03125")))
@example(ticks=44899471904985972, tick="0.0001")
def test_a_price_of_many_ticks_is_the_nearest_double_of_its_decimal(ticks: int, tick: str) -> None:
    scale = TickScale(tick, False)
    assert scale.price(ticks) == float(Fraction(ticks * scale.numerator, scale.denominator))


def test_facts_hold_the_prices_of_the_bars_at_any_size() -> None:
    """Derived bars, swings and ranges give back prices of 2^53 units and more as they came."""
    tape = Tape('[instruments.BIG]\ntick = "0.0001"\nranges = ["cme_index"]\n', "BIG")
    random = Random(2)
    start_ms = utc("2025-07-02 00:00")
    prices: set[float] = set()
    for number in range(1_500):
        low, opened, close, high = sorted(random.uniform(1e12, 9e12) for _ in range(4))
        prices.update((low, opened, close, high))
        start = start_ms + number * MINUTE_MS
        tape.take(Bar("BIG", "1m", start, opened, high, low, close, 1))
    assert len(tape.rejected) < 300
    fields = {
        "derived_bar": ("open", "high", "low", "close"),
        "swing": ("price",),
        "range": ("high", "low", "true_open"),
    }
    for kind, names in fields.items():
        found = [fact[name] for fact in tape.of(kind).values() for name in names]
        found = [price for price in found if price is not None]
        assert len(found) > 20
        assert [price for price in found if price not in prices] == []


@given(
    radicand=st.integers(0, LARGE),
    numerator=st.integers(1, 10_000),
    denominator=st.integers(1, 10_000),
)
def test_a_root_is_rounded_then_multiplied_then_divided(
    radicand: int, numerator: int, denominator: int
) -> None:
    wanted = math.sqrt(radicand) * numerator / denominator
    assert root_ratio(radicand, numerator, denominator) == wanted


def test_a_root_of_a_number_beyond_all_doubles_is_one() -> None:
    assert root_ratio(10**640, 1, 10**20) == 1e300
    assert root_ratio(10**602 * 2, 1, 1) == pytest.approx(math.sqrt(2) * 1e301)
