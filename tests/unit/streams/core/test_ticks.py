"""Decimals outside, ticks inside: exact both ways."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.core.ticks import TickScale

TICKS = ("0.25", "0.01", "0.0001", "0.05", "0.03125", "1", "5", "2.5", "0.000001")


@given(tick=st.sampled_from(TICKS), count=st.integers(1, 10**9))
def test_a_multiple_comes_back_as_the_nearest_double_of_its_decimal(tick: str, count: int) -> None:
    scale = TickScale(tick, False)
    price = float(Decimal(tick) * count)
    assert scale.ticks(price) == count
    assert scale.price(count) == price


@given(tick=st.sampled_from(TICKS), price=st.floats(1e-6, 1e9))
def test_any_double_is_a_multiple_exactly_when_its_shortest_text_is(
    tick: str, price: float
) -> None:
    exact = Decimal(repr(price)) % Decimal(tick) == 0
    if exact:
        assert TickScale(tick, False).ticks(price) * Decimal(tick) == Decimal(repr(price))
    else:
        with pytest.raises(RecordRejected, match="off_tick"):
            TickScale(tick, False).ticks(price)


# Tick, price, and the number of ticks; None where the price is off the tick.
CASES: dict[str, tuple[str, float, int | None]] = {
    "a quarter": ("0.25", 20000.75, 80003),
    "half a quarter": ("0.25", 20000.125, None),
    "decimals enough, but not a quarter": ("0.25", 100.26, None),
    "a whole number": ("0.25", 100.0, 400),
    "a 32nd": ("0.03125", 112.15625, 3589),
    "half a 32nd": ("0.03125", 112.171875, None),
    "five": ("5", 100.0, 20),
    "not five": ("5", 101.0, None),
    "two and a half": ("2.5", 7.5, 3),
    "not two and a half": ("2.5", 7.0, None),
    "a ten thousandth": ("0.0001", 207.7696, 2077696),
    "a neighbour of it": ("0.0001", 207.76960000000003, None),
    "a sum that is no decimal": ("0.1", 0.1 + 0.2, None),
    "a text with exponent": ("0.000001", 1e-06, 1),
    "less than a tick": ("0.01", 0.001, None),
    "below zero": ("0.25", -0.75, -3),
    "below zero, off the tick": ("0.25", -0.76, None),
}


@pytest.mark.parametrize(("tick", "price", "count"), CASES.values(), ids=CASES.keys())
def test_a_price_is_a_whole_number_of_ticks_or_refused(
    tick: str, price: float, count: int | None
) -> None:
    scale = TickScale(tick, True)
    if count is None:
        with pytest.raises(RecordRejected, match="off_tick"):
            scale.ticks(price)
        return
    assert (scale.ticks(price), scale.price(count)) == (count, price)


NO_PRICES = {
    "nan": (float("nan"), False, False),
    "infinity": (float("inf"), False, False),
    "minus infinity": (float("-inf"), False, False),
    "zero": (0.0, False, True),
    "minus zero": (-0.0, False, True),
    "negative": (-37.63, False, True),
    "positive": (37.63, True, True),
}


@pytest.mark.parametrize(
    ("price", "accepted", "with_negative"), NO_PRICES.values(), ids=NO_PRICES.keys()
)
def test_what_is_no_price(price: float, accepted: bool, with_negative: bool) -> None:
    for allowed, fine in ((False, accepted), (True, with_negative)):
        scale = TickScale("0.01", allowed)
        if fine:
            scale.check_sign(price)
            continue
        with pytest.raises(RecordRejected, match="bad_price"):
            scale.check_sign(price)


@pytest.mark.parametrize("price", [1e16, 123456789012345.25, 2.0**60])
def test_prices_of_many_digits_are_read_from_their_text(price: float) -> None:
    assert TickScale("0.25", False).ticks(price) * Decimal("0.25") == Decimal(repr(price))


def test_the_nearest_double_is_not_enough() -> None:
    with pytest.raises(RecordRejected, match=r"207\.76960000000003"):
        TickScale("0.0001", False).ticks(207.76960000000003)


def test_the_memory_of_prices_is_bounded() -> None:
    scale = TickScale("0.01", False)
    for count in range(1, 70_000):
        scale.ticks(scale.price(count))
    assert len(scale.cache) < 70_000
