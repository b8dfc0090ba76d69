"""The one true division of the core: the nearest double of a ratio of integers, on every build."""

from __future__ import annotations

from operator import truediv
from typing import Final

EXACT_INTEGERS: Final = 1 << 53
"""Below it an integer is a double, so the division of two doubles rounds once."""


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
    place for one price in four.
    """
    if -EXACT_INTEGERS < numerator < EXACT_INTEGERS and denominator < EXACT_INTEGERS:
        return numerator / denominator
    # A call of a Python function is not compiled into arithmetic.
    result: float = truediv(numerator, denominator)
    return result
