"""Decimals outside, ticks inside: exact both ways."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.rejection import RecordRejected
from streams.core.ticks import TickScale

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
