"""Logarithms of ratios."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.core.indicators.logarithm import log_quotient, log_ratio


@given(later=st.integers(1, 10**13), earlier=st.integers(1, 10**13))
def test_a_logarithm_is_right_to_its_last_digits(later: int, earlier: int) -> None:
    expected = (
        math.log1p((later - earlier) / earlier)
        if abs(later - earlier) * 4 < earlier
        else math.log(later / earlier)
    )
    assert log_ratio(later, earlier) == pytest.approx(expected, rel=2e-14, abs=1e-15)
    assert log_quotient(float(later), float(earlier)) == pytest.approx(
        expected, rel=2e-14, abs=1e-15
    )


def test_equal_prices_have_none() -> None:
    assert log_ratio(7, 7) == log_quotient(7.0, 7.0) == 0.0


def test_the_way_back_is_as_long() -> None:
    assert log_ratio(9, 7) == -log_ratio(7, 9)
    assert log_ratio(9, 1) == -log_ratio(1, 9)
