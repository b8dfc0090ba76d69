"""Averages of closes."""

from __future__ import annotations

from tapeline.schemas.indicators.kinds import ANCHOR, IndicatorKind, Parameter, period

_N = (period("n"),)

ROWS = (
    IndicatorKind(
        name="sma",
        parameters=_N,
        formula="S(c) / n",
        state="S(c)",
        differs="TA-Lib keeps a running sum of doubles, which drifts",
        closes=True,
    ),
    IndicatorKind(
        name="ema",
        parameters=_N,
        arithmetic="R",
        formula="the mean of the first n closes, then e += 2 / (n + 1) * (c - e)",
        state="e; the sum while cold",
        warm="2 ema(n)",
        differs="Nautilus begins with the first price",
        closes=True,
    ),
    IndicatorKind(
        name="wma",
        parameters=_N,
        formula="S(i c) / (n (n + 1) / 2), i from 1 for the oldest",
        state="S(i c), S(c)",
        closes=True,
    ),
    IndicatorKind(
        name="dema",
        parameters=_N,
        arithmetic="R",
        formula="2 E - E(E), E = ema(n)",
        first="2 * n - 1",
        state="two averages",
        warm="4 ema(n)",
        closes=True,
    ),
    IndicatorKind(
        name="tema",
        parameters=_N,
        arithmetic="R",
        formula="3 E - 3 E(E) + E(E(E)), E = ema(n)",
        first="3 * n - 2",
        state="three averages",
        warm="6 ema(n)",
        closes=True,
    ),
    IndicatorKind(
        name="hma",
        parameters=(period("n", least=2),),
        formula="wma(r) of 2 wma(n // 2) - wma(n), r the whole part of the root of n",
        first="n + isqrt(n) - 1",
        state="r numerators",
        closes=True,
    ),
    IndicatorKind(
        name="kama",
        parameters=(period("n", 10, least=2), period("fast", 2), period("slow", 30)),
        arithmetic="R",
        formula="from the close before: e += (x (f - s) + s)^2 (c - e), f = 2 / (fast + 1), s = 2 /"
        " (slow + 1), x = abs(c - c_n) / S(abs(c - c1))",
        first="n + 1",
        state="e, S(abs(c - c1))",
        warm="twice the bound of (2 / (slow + 1))^2",
        neutral="x = 1 where nothing moved",
        differs="where nothing moved, talipp has x = 0 and pandas-ta nearly; wickra averages"
        " otherwise; pandas-ta's first value is a bar earlier",
        closes=True,
    ),
    IndicatorKind(
        name="vwap",
        parameters=(ANCHOR,),
        formula="sum((h + l + c) v) / (3 sum(v)) since the anchor",
        first="1",
        state="two sums",
        warm="the first session",
        neutral="c where no volume is known",
        differs="TA-Lib begins with the array, LEAN with the calendar date, Nautilus with the day"
        " of UTC",
        volume="anchored",
    ),
    IndicatorKind(
        name="twap",
        parameters=(ANCHOR,),
        formula="mean of c since the anchor",
        first="1",
        state="sum, count",
        warm="the first session",
    ),
    IndicatorKind(
        name="vwma",
        parameters=(period("n", 20),),
        formula="S(c v) / S(v)",
        state="two sums",
        neutral="c where no volume is known",
        volume="window",
    ),
    IndicatorKind(
        name="keltner",
        parameters=(
            period("n"),
            Parameter(name="atr_period", default="10", mark="a"),
            Parameter(name="multiplier", default="2", form="factor", mark="m"),
            Parameter(name="smoothing", default="wilder", form="word", words=("wilder", "simple")),
        ),
        values=("upper", "middle", "lower"),
        arithmetic="R",
        formula="middle = ema(n); upper, lower = middle +- multiplier * atr(atr_period, smoothing)",
        first="max(n, atr_period + 1)",
        state="ema, atr",
        warm="twice the greater of ema(n) and wilder(atr_period) + 1",
        differs="TA-Lib's middle is of typical prices, its atr begins elsewhere; pandas-ta's band"
        " is an ema of the range; LEAN's middle is simple",
    ),
)
