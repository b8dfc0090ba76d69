"""The arithmetic of historical windows: exact, and rounded once."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.windows import KINDS, WindowKind
from tapeline.streams.core.windows.values import WindowArithmetic

LARGE = 1 << 70
TICKS = ((1, 4), (1, 10_000), (1, 1), (5, 2))


def prices(kind: WindowKind, tick: tuple[int, int], ticks: list[int]) -> int | float | None:
    """A window over prices."""
    return WindowArithmetic(kind, *tick, is_volume=False).value(list(ticks))


def volumes(kind: WindowKind, found: list[int | float]) -> int | float | None:
    """A window over volumes."""
    return WindowArithmetic(kind, 1, 1, is_volume=True).value(list(found))


@given(
    ticks=st.lists(st.integers(-LARGE, LARGE) | st.integers(-9, 9), min_size=1, max_size=20),
    tick=st.sampled_from(TICKS),
)
def test_a_value_over_prices_is_the_nearest_double(ticks: list[int], tick: tuple[int, int]) -> None:
    unit = Fraction(*tick)
    assert prices("sum", tick, ticks) == float(sum(ticks) * unit)
    assert prices("trailing_average", tick, ticks) == float(Fraction(sum(ticks), len(ticks)) * unit)
    assert prices("trailing_max", tick, ticks) == float(max(ticks) * unit)
    assert prices("trailing_min", tick, ticks) == float(min(ticks) * unit)


@given(
    ticks=st.lists(st.integers(-LARGE, LARGE) | st.integers(-9, 9), min_size=1, max_size=20),
    tick=st.sampled_from(TICKS),
)
def test_a_deviation_has_one_root_of_an_integer(ticks: list[int], tick: tuple[int, int]) -> None:
    count = len(ticks)
    radicand = count * sum(each * each for each in ticks) - sum(ticks) ** 2
    wanted = math.sqrt(radicand) * tick[0] / (count * tick[1])
    assert prices("stddev", tick, ticks) == wanted
    mean = Fraction(sum(ticks), count)
    variance = sum((each - mean) ** 2 for each in ticks) / count
    assert wanted == pytest.approx(math.sqrt(variance) * tick[0] / tick[1], rel=1e-12)


@pytest.mark.parametrize("ticks", [[7], [7, 7, 7], [-3] * 50])
def test_a_constant_has_no_deviation(ticks: list[int]) -> None:
    assert prices("stddev", (1, 4), ticks) == 0.0


def test_a_deviation_of_numbers_beyond_all_doubles_is_one() -> None:
    size = 10**200
    assert volumes("stddev", [0, 2 * size]) == pytest.approx(1e200)
    assert prices("stddev", (1, 10**12), [0, 2 * size]) == pytest.approx(1e188)


def test_volumes_stay_whole_numbers_where_all_are() -> None:
    found: list[int | float] = [10, 3, 9]
    values = {kind: volumes(kind, found) for kind in KINDS}
    assert values["trailing_average"] == 22 / 3
    assert [values[kind] for kind in ("trailing_max", "trailing_min", "sum")] == [10, 3, 22]
    assert all(type(values[kind]) is int for kind in ("trailing_max", "trailing_min", "sum"))
    assert values["stddev"] == math.sqrt(3 * (100 + 9 + 81) - 22 * 22) / 3


def test_volumes_that_are_no_whole_numbers_are_added_oldest_first() -> None:
    found = [0.1, 0.2, 7, 1e16, -1e16 + 3]
    assert volumes("sum", found) == ((0.1 + 0.2 + 7) + 1e16) + (-1e16 + 3)
    assert volumes("trailing_max", [0.5, 3]) == 3
    assert volumes("trailing_average", [0.5, 3]) == 1.75
    assert volumes("stddev", [0.5, 3]) == 1.25
    assert volumes("sum", [0.5, 1.5]) == 2
    assert type(volumes("sum", [0.5, 1.5])) is int
