"""Decimals outside, integer ticks inside: the exact conversion, both ways."""

from __future__ import annotations

from typing import Final

from tapeline.streams.core.ratio import ratio
from tapeline.streams.core.rejection import RecordRejected

CACHE_LIMIT: Final = 1 << 16
NEAR_TICKS: Final = 16
EXACT_UNITS: Final = 10**15
"""Below it a numerator has at most 15 digits: one double, one decimal."""
GREATEST_PRICE: Final = 1e300
"""Beyond it a mirrored level is no longer a finite double."""


class TickScale:
    """Scale of one instrument: price = ticks x numerator / denominator, exact in decimal.

    Parameters
    ----------
    tick
        Decimal text of the tick, such as ``0.25``; a positive number.
    allow_negative
        Whether prices at or below zero are accepted.

    Notes
    -----
    A double equals m / 10^k (one correctly rounded division of exact integers) if and only if its
    shortest decimal text is that decimal, as long as m has at most 15 digits; beyond that a price
    is read from its text.
    """

    def __init__(self, tick: str, allow_negative: bool) -> None:
        numerator, denominator = _fraction(tick)
        self.tick = tick
        self.numerator = numerator
        self.denominator = denominator
        self._allow_negative = allow_negative
        self.cache: dict[float, int] = {}

    def price(self, ticks: int) -> float:
        """Nearest double of the decimal of a number of ticks."""
        return ratio(ticks * self.numerator, self.denominator)

    def ticks(self, price: float) -> int:
        """Number of ticks of a price; also remembered in `cache`.

        Raises
        ------
        RecordRejected
            ``off_tick`` when the shortest decimal of the price is no whole multiple of the tick.
        """
        known = self.cache.get(price)
        if known is not None:
            return known
        ticks = self._exact(price)
        if len(self.cache) >= CACHE_LIMIT:
            self.cache.clear()
        self.cache[price] = ticks
        self._remember_near(ticks)
        return ticks

    def _remember_near(self, ticks: int) -> None:
        """Prices come in neighbourhoods: the next ones then cost a look-up."""
        if (abs(ticks) + NEAR_TICKS) * self.numerator >= EXACT_UNITS:
            return
        first = ticks - NEAR_TICKS
        if first < 1 and not self._allow_negative:
            first = 1
        for near in range(first, ticks + NEAR_TICKS + 1):
            self.cache[self.price(near)] = near

    def check_sign(self, price: float) -> None:
        """Refuse what is no price: not finite, or zero or negative where that is not allowed.

        Raises
        ------
        RecordRejected
            ``bad_price``.
        """
        if not -GREATEST_PRICE < price < GREATEST_PRICE:
            raise RecordRejected("bad_price", f"price {price!r} is not finite, or too large")
        if price <= 0 and not self._allow_negative:
            raise RecordRejected("bad_price", f"price {price!r} is not above zero")

    def _exact(self, price: float) -> int:
        scaled = price * self.denominator
        if -1e15 < scaled < 1e15:
            units = round(scaled)
            if ratio(units, self.denominator) == price and units % self.numerator == 0:
                return units // self.numerator
        else:
            numerator, denominator = _fraction(repr(price))
            whole, rest = divmod(numerator * self.denominator, denominator * self.numerator)
            if rest == 0:
                return whole
        raise RecordRejected("off_tick", f"price {price!r} is not a multiple of tick {self.tick}")


def _fraction(text: str) -> tuple[int, int]:
    """Numerator and power of ten of a decimal text."""
    mantissa, _, exponent_text = text.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    exponent = int(exponent_text or "0") - len(fraction)
    digits = int(whole + fraction)
    if exponent >= 0:
        return digits * 10**exponent, 1
    return digits, int("1" + "0" * -exponent)
