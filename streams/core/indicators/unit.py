"""The tick of an instrument as a fraction in lowest terms."""

from __future__ import annotations

from math import gcd

from tapeline.streams.core.ratio import scaled
from tapeline.streams.core.ticks import TickScale


class PriceUnit:
    """What one tick is: numerator / denominator, without a common factor.

    Doubles are multiplied by the one and divided by the other, so a common factor would change
    their last digit.
    """

    __slots__ = ("denominator", "down", "numerator", "up")

    def __init__(self, numerator: int, denominator: int) -> None:
        common = gcd(numerator, denominator)
        self.numerator = numerator // common
        self.denominator = denominator // common
        self.up = float(self.numerator)
        self.down = float(self.denominator)

    def price(self, ticks: float) -> float:
        """Ticks, also parts of them, as a price."""
        return scaled(ticks, self.up, self.down)


def unit_of(scale: TickScale) -> PriceUnit:
    """The tick of a scale."""
    return PriceUnit(scale.numerator, scale.denominator)
