"""The one true division of the core: nearest doubles of ratios and roots, on every build."""

from __future__ import annotations

from math import isqrt, sqrt
from operator import truediv
from typing import Final

# Below 2**53 an integer is a double, so the division of two doubles rounds once. It is a literal
# below: a name of the module is looked up at each use.

GREATEST_RADICAND: Final = 1 << 1000
"""Its root, and the products with it, are doubles."""


def ratio(numerator: int, denominator: int) -> float:
    """Nearest double of numerator / denominator.

    Parameters
    ----------
    numerator
        Of any size and sign.
    denominator
        Above zero.

    Notes
    -----
    Python divides integers exactly and rounds once. The compiler divides those of up to 62 bits as
    doubles, which rounds three times beyond 53 bits; its result then differs by a unit in the last
    digit for one price in four.
    """
    if -9007199254740992 < numerator < 9007199254740992 and denominator < 9007199254740992:
        return numerator / denominator
    # A call of a Python function is not compiled into arithmetic.
    result: float = truediv(numerator, denominator)
    return result


def bar_ratios(
    opened: int, high: int, low: int, close: int, numerator: int, denominator: int
) -> tuple[float, float, float, float]:
    """Nearest doubles of the four prices of a bar, each in units of numerator / denominator.

    Parameters
    ----------
    opened, high, low, close
        In ticks; the other two lie between low and high, so that these decide for all.
    numerator, denominator
        Above zero.
    """
    top = high * numerator
    bottom = low * numerator
    if bottom > -9007199254740992 and top < 9007199254740992 and denominator < 9007199254740992:
        return (
            opened * numerator / denominator,
            top / denominator,
            bottom / denominator,
            close * numerator / denominator,
        )
    return (
        ratio(opened * numerator, denominator),
        ratio(top, denominator),
        ratio(bottom, denominator),
        ratio(close * numerator, denominator),
    )


def scaled(value: float, numerator: float, denominator: float) -> float:
    """Double of a product, divided: value * numerator / denominator; the last is not 0."""
    return value * numerator / denominator


def quotient(dividend: float, divisor: float) -> float:
    """Nearest double of a division of doubles; the divisor is not 0."""
    return dividend / divisor


def root_ratio(radicand: int, numerator: int, denominator: int) -> float:
    """Square root of an integer, in units of numerator / denominator.

    The root is rounded to the nearest double, then its product with the numerator, then the
    quotient: the order is part of the value.

    Parameters
    ----------
    radicand
        Not negative.
    numerator, denominator
        Above zero.
    """
    if radicand < GREATEST_RADICAND:
        return sqrt(radicand) * numerator / denominator
    # No double is as large; of so many digits those behind the point do not count.
    return ratio(isqrt(radicand) * numerator, denominator)
