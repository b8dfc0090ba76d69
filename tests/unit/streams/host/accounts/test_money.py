"""Money in whole units: rounding, limits and commissions."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.accounts import AccountConfig
from tapeline.streams.host.accounts.money import Commission, MoneyUnit, half_away, is_countable


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(5, 2, 3), (-5, 2, -3), (3, 2, 2), (-3, 2, -2), (1, 3, 0), (2, 3, 1), (-2, 3, -1), (0, 7, 0)],
)
def test_halves_are_rounded_away_from_zero(numerator: int, denominator: int, expected: int) -> None:
    assert half_away(numerator, denominator) == expected


@given(numerator=st.integers(-(10**20), 10**20), denominator=st.integers(1, 10**9))
def test_a_rounded_quotient_is_nowhere_further_than_a_half(
    numerator: int, denominator: int
) -> None:
    exact = Fraction(numerator, denominator)
    error = abs(half_away(numerator, denominator)) - abs(exact)
    assert -Fraction(1, 2) < error <= Fraction(1, 2)


def test_an_amount_is_the_nearest_double_of_its_decimal() -> None:
    assert MoneyUnit(2).number(12_345) == 123.45
    assert MoneyUnit(12).number(1) == 1e-12
    assert MoneyUnit(4).number(-1) == -0.0001


@pytest.mark.parametrize(
    ("amount", "units"), [("100", 10_000), ("0.019", 1), ("0.001", 0), (None, None)]
)
def test_a_limit_is_the_most_whole_units_within_it(amount: str | None, units: int | None) -> None:
    assert MoneyUnit(2).most(amount) == units


def test_money_is_counted_below_two_to_the_53() -> None:
    assert is_countable(2**53 - 1)
    assert is_countable(1 - 2**53)
    assert not is_countable(2**53)
    assert not is_countable(-(2**53))


# Per unit, per order, basis points; lots, notional in units of a cent; commission in units.
COMMISSIONS: dict[str, tuple[str, str, str, int, int, int]] = {
    "none": ("0", "0", "0", 10, 100_000, 0),
    "a lot": ("2.25", "0", "0", 10, 100_000, 2250),
    "an order, whatever its size": ("0", "1.5", "0", 10, 100_000, 150),
    "a share of what is traded": ("0", "0", "1", 10, 1_000_000, 100),
    "half a cent goes away from zero": ("0", "0", "1", 1, 5_000, 1),
    "less than half a cent": ("0", "0", "1", 1, 4_999, 0),
    "three parts of 0.004 are rounded once": ("0.004", "0.004", "0.4", 1, 10_000, 1),
    "parts that are no decimal of the unit": ("0.0033", "0.0033", "0", 3, 0, 1),
}


@pytest.mark.parametrize("case", COMMISSIONS.values(), ids=COMMISSIONS.keys())
def test_a_commission_is_one_sum_rounded_once(case: tuple[str, str, str, int, int, int]) -> None:
    per_unit, per_order, bps, quantity, notional, expected = case
    settings = AccountConfig(
        commission_per_unit=per_unit, commission_per_order=per_order, commission_bps=bps
    )
    assert Commission(settings, MoneyUnit(2)).units(quantity, notional) == expected


@given(
    parts=st.tuples(*[st.decimals(0, 100, places=places) for places in (4, 3, 2)]),
    quantity=st.integers(1, 1000),
    notional=st.integers(0, 10**12),
    decimals=st.integers(2, 6),
)
def test_any_commission_is_the_decimal_one(
    parts: tuple[Decimal, Decimal, Decimal], quantity: int, notional: int, decimals: int
) -> None:
    per_unit, per_order, bps = parts
    settings = AccountConfig(
        commission_per_unit=str(per_unit),
        commission_per_order=str(per_order),
        commission_bps=str(bps),
    )
    scale = 10**decimals
    exact = (per_unit * quantity + per_order) * scale + bps * notional / 10_000
    expected = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    assert Commission(settings, MoneyUnit(decimals)).units(quantity, notional) == expected
