"""From specifications to indicators."""

from __future__ import annotations

from tapeline.schemas.indicators.counts import BY_EVENTS, warm_count
from tapeline.schemas.indicators.specification import Specification
from tapeline.streams.core.indicators.averages import Ema, Sma
from tapeline.streams.core.indicators.model import NEVER, BarRing, Indicator
from tapeline.streams.core.indicators.unit import unit_of
from tapeline.streams.core.ticks import TickScale


class IndicatorInputs:
    """What indicators of an instrument need beside its bars.

    Attributes
    ----------
    scale
        Of its prices.
    periods_a_year
        Bars of the interval in a year of its calendar.
    """

    __slots__ = ("periods_a_year", "scale")

    def __init__(self, scale: TickScale, periods_a_year: float) -> None:
        self.scale = scale
        self.periods_a_year = periods_a_year


def make_all(
    made: tuple[Specification, ...], ring: BarRing, inputs: IndicatorInputs
) -> list[Indicator]:
    """Indicators of specifications in one interval, in their order, each once for all its values.

    Parameters
    ----------
    made
        What a specification follows stands before it.
    ring
        Bars of the interval; empty.
    """
    return [make(each, ring, inputs) for each in made]


def make(made: Specification, ring: BarRing, inputs: IndicatorInputs) -> Indicator:
    """One indicator of bars."""
    unit = unit_of(inputs.scale)
    warm_from = warm_count(made)
    if warm_from == BY_EVENTS:
        warm_from = NEVER
    if made.name == "sma":
        return Sma(ring, made.whole("n"), unit)
    if made.name == "ema":
        return Ema(ring, made.whole("n"), warm_from, unit)
    raise ValueError(f"{made.name} is no indicator of this version")
