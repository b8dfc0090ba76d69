"""Prices as ticks and amounts of money as whole numbers, so that sums are exact."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

from tapeline.schemas.config.accounts import tick_value
from tapeline.schemas.config.model import Config
from tapeline.streams.core.ratio import ratio
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.errors import InputError

DIGITS: Final = 12
"""No account has a finer unit: docs/rules.md."""
_UNITS: Final = 10**DIGITS
_EXACT: Final = Context(prec=100)


def units(money: float) -> int:
    """A published amount in units of 10^-12 of its currency: the shortest decimal of the double."""
    return units_of(Decimal(repr(money)))


def units_of(exact: Decimal) -> int:
    """A decimal amount in the same units."""
    return int(exact.scaleb(DIGITS, _EXACT).to_integral_value(context=_EXACT))


def amount(whole: int) -> float:
    """The nearest double of a number of units."""
    return ratio(whole, _UNITS)


class Instruments:
    """Ticks of the symbols of a run, and what a tick of one unit of quantity is worth.

    Parameters
    ----------
    config
        The configuration of the run.
    symbols
        Those with fills or bars.

    Raises
    ------
    InputError
        When it does not know a symbol.
    """

    def __init__(self, config: Config, symbols: Iterable[str]) -> None:
        self._scales: dict[str, TickScale] = {}
        self._values: dict[str, int] = {}
        for symbol in symbols:
            instrument = config.instrument(symbol)
            if instrument is None:
                raise InputError(
                    f"{symbol}: the configuration has no such instrument; name that of the run"
                    " with --config"
                )
            self._scales[symbol] = TickScale(instrument.tick, True)
            self._values[symbol] = units_of(tick_value(instrument.tick, config.contract(symbol)))

    def ticks(self, symbol: str, price: float) -> int:
        """A price in ticks; of one between two ticks, which no order has, the nearest."""
        return round(self.exact_ticks(symbol, price))

    def exact_ticks(self, symbol: str, price: float) -> Fraction:
        """A price in ticks, also of an average."""
        scale = self._scales[symbol]
        return Fraction(repr(price)) * scale.denominator / scale.numerator

    def price(self, symbol: str, ticks: Fraction) -> float:
        """The nearest double of a price in ticks, also of an average."""
        scale = self._scales[symbol]
        return ratio(ticks.numerator * scale.numerator, ticks.denominator * scale.denominator)

    def value(self, symbol: str) -> int:
        """What a tick of one unit of quantity is worth, in units of money."""
        return self._values[symbol]
