"""From specifications to indicators."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from tapeline.schemas.indicators.counts import BY_EVENTS, first_count, range_warm_count, warm_count
from tapeline.schemas.indicators.sets import followed
from tapeline.schemas.indicators.specification import Specification
from tapeline.streams.core.indicators.averages import Closes, Ema, Hma, Keltner, Sma, Vwma, Wma
from tapeline.streams.core.indicators.followed import (
    ChangeSeries,
    DeviationSeries,
    Following,
    HistvolSeries,
    HmaSeries,
    MovesSeries,
    SmaSeries,
    WmaSeries,
)
from tapeline.streams.core.indicators.levels import PivotPoints, SwingLevel
from tapeline.streams.core.indicators.model import NEVER, BarRing, Indicator
from tapeline.streams.core.indicators.momentum import (
    Aroon,
    Cci,
    Mfi,
    Mom,
    Moves,
    Roc,
    Stochastic,
    UltimateOsc,
    WilliamsR,
)
from tapeline.streams.core.indicators.relative import Rvol
from tapeline.streams.core.indicators.series import (
    EmaSeries,
    KamaSeries,
    MacdSeries,
    Recursive,
    RsiSeries,
    Series,
)
from tapeline.streams.core.indicators.trends import Adx, Ichimoku, Psar, Supertrend
from tapeline.streams.core.indicators.unit import unit_of
from tapeline.streams.core.indicators.volatility import (
    Atr,
    BarRange,
    Deviation,
    Extremes,
    GapStats,
    Histvol,
    SimpleAtr,
)
from tapeline.streams.core.indicators.volumes import MeanVolume, Obv, Pvt, Twap, Vwap
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.core.windows.volumes import SlotVolumes


class IndicatorInputs:
    """What indicators of an instrument need beside its bars.

    Attributes
    ----------
    scale
        Of its prices.
    periods_a_year
        Bars of the interval in a year of its calendar; histvol needs it.
    volumes
        Volumes of the base bars by session; rvol needs them.
    """

    __slots__ = ("periods_a_year", "scale", "unit", "volumes")

    def __init__(
        self, scale: TickScale, periods_a_year: float, volumes: SlotVolumes | None = None
    ) -> None:
        self.volumes = volumes
        self.scale = scale
        self.unit = unit_of(scale)
        self.periods_a_year = periods_a_year


def make_all(
    made: Sequence[Specification], ring: BarRing, inputs: IndicatorInputs
) -> list[Indicator]:
    """Indicators of specifications in one interval, in their order, each once for all its values.

    Parameters
    ----------
    made
        What a specification follows stands before it.
    ring
        Bars of the interval; empty.
    """
    listed: dict[str, Specification] = {}
    found: dict[str, Indicator] = {}
    for each in made:
        if each.of:
            inner, number = followed(each, listed)
            counts = (first_count(each), warm_count(each))
            series = _series(each, inputs.periods_a_year)
            found[each.stem] = Following(found[inner.stem], number, counts, series)
        else:
            found[each.stem] = make(each, ring, inputs)
        listed[each.stem] = each
    return list(found.values())


def make(made: Specification, ring: BarRing, inputs: IndicatorInputs) -> Indicator:
    """One indicator of bars."""
    for family in (_average, _ratio, _extreme, _range, _volume, _trend):
        found = family(made, ring, inputs)
        if found is not None:
            return found
    raise ValueError(f"{made.name} is no indicator of this version")


def _counts(made: Specification) -> tuple[int, int]:
    warm_from = warm_count(made)
    return first_count(made), NEVER if warm_from == BY_EVENTS else warm_from


def _average(made: Specification, ring: BarRing, inputs: IndicatorInputs) -> Indicator | None:
    name = made.name
    unit = inputs.unit
    if name == "sma":
        return Sma(ring, made.whole("n"), unit)
    if name == "wma":
        return Wma(ring, made.whole("n"), unit)
    if name == "hma":
        return Hma(ring, made.whole("n"), unit)
    if name == "vwma":
        return Vwma(ring, made.whole("n"), unit)
    if name == "vwap":
        return Vwap(ring, _by_session(made), unit)
    if name == "twap":
        return Twap(ring, _by_session(made), unit)
    if name == "ema":
        return Ema(ring, _counts(made), made.whole("n"), unit)
    if name in ("dema", "tema", "kama", "macd"):
        return Closes(ring, _counts(made), _recursive(made, True), unit, True)
    if name == "keltner":
        periods = (made.whole("n"), made.whole("atr_period"))
        simple = made.text("smoothing") == "simple"
        return Keltner(ring, _counts(made), periods, float(made.text("multiplier")), simple, unit)
    return None


def _ratio(made: Specification, ring: BarRing, inputs: IndicatorInputs) -> Indicator | None:
    name = made.name
    if name == "rsi":
        if made.text("smoothing") == "simple":
            return Moves(ring, made.whole("n"), False)
        return Closes(ring, _counts(made), _recursive(made, True), inputs.unit, False)
    if name == "cmo":
        return Moves(ring, made.whole("n"), True)
    if name == "stochastic":
        return Stochastic(ring, made.whole("n"), made.whole("smooth"))
    if name == "cci":
        return Cci(ring, made.whole("n"))
    if name == "roc":
        return Roc(ring, made.whole("n"))
    if name == "mom":
        return Mom(ring, made.whole("n"), inputs.unit)
    if name == "williams_r":
        return WilliamsR(ring, made.whole("n"))
    if name == "ultimate_osc":
        return UltimateOsc(ring, made.whole("short"), made.whole("medium"), made.whole("long"))
    if name == "mfi":
        return Mfi(ring, made.whole("n"))
    return None


def _extreme(made: Specification, ring: BarRing, inputs: IndicatorInputs) -> Indicator | None:
    name = made.name
    unit = inputs.unit
    if name in ("donchian", "high_low"):
        return Extremes(ring, made.whole("n"), name == "donchian", unit)
    if name in ("swing_high", "swing_low"):
        return SwingLevel(ring, made.whole("n"), name == "swing_high", unit)
    if name == "aroon":
        return Aroon(ring, made.whole("n"))
    if name == "ichimoku":
        periods = (made.whole("conversion"), made.whole("base"), made.whole("span"))
        return Ichimoku(ring, periods, unit)
    if name == "pivot_points":
        return PivotPoints(ring, unit)
    return None


def _range(made: Specification, ring: BarRing, inputs: IndicatorInputs) -> Indicator | None:
    name = made.name
    unit = inputs.unit
    if name in ("atr", "atr_daily"):
        if made.text("smoothing") == "simple":
            return SimpleAtr(ring, made.whole("n"), unit)
        return Atr(ring, _counts(made), made.whole("n"), unit)
    if name == "bbands":
        return Deviation(ring, made.whole("n"), float(made.text("num_std")), False, unit)
    if name == "stddev":
        return Deviation(ring, made.whole("n"), 0.0, True, unit)
    if name == "histvol":
        return Histvol(ring, made.whole("n"), inputs.periods_a_year)
    if name in ("range_ratio", "avg_range"):
        return BarRange(ring, made.whole("n"), name == "range_ratio", unit)
    if name == "gap_stats":
        # A decimal text as a fraction.
        threshold = TickScale(made.text("threshold"), True)
        fraction = (threshold.numerator, threshold.denominator)
        return GapStats(ring, made.whole("n"), fraction, unit)
    return None


def _volume(made: Specification, ring: BarRing, inputs: IndicatorInputs) -> Indicator | None:
    name = made.name
    if name == "obv":
        return Obv(ring, _by_session(made))
    if name == "pvt":
        return Pvt(ring, _by_session(made))
    if name == "rvol":
        if inputs.volumes is None:
            raise ValueError("rvol needs the volumes of base bars")
        return Rvol(ring, made.whole("n"), inputs.volumes)
    if name in ("volume_sma", "avg_volume", "volume_ratio"):
        return MeanVolume(ring, made.whole("n"), name == "volume_ratio")
    return None


def _trend(made: Specification, ring: BarRing, inputs: IndicatorInputs) -> Indicator | None:
    name = made.name
    unit = inputs.unit
    if name == "adx":
        return Adx(ring, _counts(made), made.whole("n"))
    if name == "psar":
        return Psar(ring, float(made.text("step")), float(made.text("maximum")), unit)
    if name == "supertrend":
        n = made.whole("n")
        return Supertrend(ring, n, range_warm_count(n), float(made.text("multiplier")), unit)
    return None


def _by_session(made: Specification) -> bool:
    return made.text("anchor") == "session"


def _recursive(made: Specification, whole: bool) -> Recursive:
    """A recursive indicator of closes, over any doubles.

    Parameters
    ----------
    whole
        The doubles are whole numbers.
    """
    name = made.name
    if name == "macd":
        return MacdSeries(made.whole("fast"), made.whole("slow"), made.whole("signal"))
    n = made.whole("n")
    if name == "kama":
        return KamaSeries(n, made.whole("fast"), made.whole("slow"), whole)
    if name == "rsi":
        return RsiSeries(n)
    return EmaSeries(n, ("ema", "dema", "tema").index(name) + 1)


def _series(made: Specification, periods_a_year: float) -> Series:
    """An indicator of closes, over any doubles."""
    name = made.name
    if made.kind.arithmetic == "R" and "simple" not in made.arguments:
        return _recursive(made, False)
    n = made.whole("n")
    if name == "sma":
        return SmaSeries(n)
    if name == "wma":
        return WmaSeries(n)
    if name == "hma":
        return HmaSeries(n)
    if name in ("roc", "mom"):
        return ChangeSeries(n, name == "roc")
    if name == "bbands":
        return DeviationSeries(n, float(made.text("num_std")), False)
    if name == "stddev":
        return DeviationSeries(n, 0.0, True)
    if name == "histvol":
        return HistvolSeries(n, sqrt(periods_a_year))
    return MovesSeries(n, name == "cmo")
