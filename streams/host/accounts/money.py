"""Money of an account in whole units of 10^-decimals of its currency (docs/rules.md 21.2)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from tapeline.schemas.config.accounts import MONEY_LIMIT, AccountConfig
from tapeline.streams.core.ratio import ratio

BASIS_POINTS: Final = 10_000


def half_away(numerator: int, denominator: int) -> int:
    """Nearest integer of numerator / denominator, halves away from zero; the latter above 0."""
    if numerator < 0:
        return -((-2 * numerator + denominator) // (2 * denominator))
    return (2 * numerator + denominator) // (2 * denominator)


def power_of_ten(exponent: int) -> int:
    """10^exponent; the exponent is not negative."""
    return int(10**exponent)


def is_countable(units: int) -> bool:
    """Whether every whole number of units up to this one is a double of its own."""
    return -MONEY_LIMIT < units < MONEY_LIMIT


class MoneyUnit:
    """The unit of an account.

    Parameters
    ----------
    decimals
        A unit is 10^-decimals of the currency.
    """

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals
        self.per_currency = power_of_ten(decimals)

    def number(self, units: int) -> float:
        """Nearest double of an amount, in the currency."""
        return ratio(units, self.per_currency)

    def most(self, amount: str | None) -> int | None:
        """The greatest number of units that is not above an amount, given as decimal text."""
        if amount is None:
            return None
        numerator, denominator = Decimal(amount).as_integer_ratio()
        return numerator * self.per_currency // denominator


class Commission:
    """What an account pays for a fill: one sum of three parts, rounded once (docs/rules.md 21.9).

    Parameters
    ----------
    settings
        Of the account.
    unit
        In which it pays.
    """

    def __init__(self, settings: AccountConfig, unit: MoneyUnit) -> None:
        scale = unit.per_currency
        per_unit = Fraction(Decimal(settings.commission_per_unit)) * scale
        per_order = Fraction(Decimal(settings.commission_per_order)) * scale
        share = Fraction(Decimal(settings.commission_bps)) / BASIS_POINTS
        self._parts = per_unit.denominator * per_order.denominator * share.denominator
        self._per_unit = _of(per_unit, self._parts)
        self._per_order = _of(per_order, self._parts)
        self._share = _of(share, self._parts)

    def units(self, quantity: int, notional: int) -> int:
        """Units for a fill of so many lots, worth so many units in all (their absolute value)."""
        parts = self._per_unit * quantity + self._per_order + self._share * notional
        return half_away(parts, self._parts)


def _of(value: Fraction, parts: int) -> int:
    return value.numerator * (parts // value.denominator)
