"""Momentum: how far and how steadily closes have moved."""

from __future__ import annotations

from tapeline.schemas.indicators.kinds import SMOOTHING, IndicatorKind, Parameter, period

_N = (period("n"),)

ROWS = (
    IndicatorKind(
        name="rsi",
        parameters=(period("n"), SMOOTHING),
        arithmetic="R",
        formula="100 G / (G + L), G and L the averages of gains and losses: the mean of the first"
        " n, then g += (x - g) / n; smoothing=simple: the sums of the last n (E)",
        first="n + 1",
        state="two averages",
        warm="2 (wilder(n) + 1); simple: none",
        neutral="50 where nothing moved",
        differs="of a flat market TA-Lib has 0, talipp 100, pandas-ta none",
        closes=True,
    ),
    IndicatorKind(
        name="macd",
        parameters=(period("fast", 12), period("slow", 26), period("signal", 9)),
        values=("macd", "signal", "histogram"),
        arithmetic="R",
        formula="macd = ema(fast) - ema(slow); signal = ema(signal) of it, seeded by its mean;"
        " histogram = macd - signal",
        first="slow + signal - 1",
        state="three averages",
        warm="2 (ema(slow) + ema(signal))",
        differs="TA-Lib seeds the fast average late",
        ascending=("fast", "slow"),
        closes=True,
    ),
    IndicatorKind(
        name="stochastic",
        parameters=(period("n"), Parameter(name="smooth", default="3", mark="s")),
        values=("k", "d"),
        formula="k = 100 (c - LL) / (HH - LL); d = the last k, rounded, added oldest first, /"
        " smooth",
        first="n + smooth - 1",
        state="two queues of extremes, the last k",
        neutral="50 where HH = LL",
        differs="of a flat market TA-Lib and pandas-ta have 0, talipp 100",
    ),
    IndicatorKind(
        name="cci",
        parameters=_N,
        formula="(t - mean(t)) / (0.015 * mean(abs(t - mean(t)))), t = (h + l + c) / 3",
        state="S(t)",
        neutral="0 where nothing moved",
        differs="of a flat market TA-Lib has 0, talipp fails, pandas-ta none",
    ),
    IndicatorKind(
        name="roc",
        parameters=_N,
        formula="100 (c - c_n) / c_n",
        first="n + 1",
        neutral="null where c_n = 0",
        closes=True,
    ),
    IndicatorKind(name="mom", parameters=_N, formula="c - c_n", first="n + 1", closes=True),
    IndicatorKind(
        name="williams_r",
        parameters=_N,
        formula="-100 (HH - c) / (HH - LL)",
        state="two queues of extremes",
        neutral="-50 where HH = LL",
        differs="of a flat market TA-Lib has 0, talipp and pandas-ta none",
    ),
    IndicatorKind(
        name="ultimate_osc",
        parameters=(period("short", 7), period("medium", 14), period("long", 28)),
        formula="100 * (4 * a + 2 * b + c) / 7 from the left; a, b, c = S(c - min(l, c1)) /"
        " S(max(h, c1) - min(l, c1)) over short, medium and long, rounded each",
        first="long + 1",
        state="six sums",
        neutral="50 where nothing moved in one of the three",
        differs="of a flat market TA-Lib has 0, pandas-ta none; pandas-ta's first value is a bar"
        " earlier",
        ascending=("short", "medium", "long"),
    ),
    IndicatorKind(
        name="mfi",
        parameters=(period("n", 14),),
        formula="100 P / (P + M), P and M the sums of (h + l + c) v where h + l + c rose and fell",
        first="n + 1",
        state="two sums",
        neutral="50 where P + M = 0",
        differs="of a flat market pandas-ta has none; its first value is a bar earlier",
        volume="window",
    ),
    IndicatorKind(
        name="cmo",
        parameters=(period("n", 14),),
        formula="100 (G - L) / (G + L), sums of gains and losses",
        first="n + 1",
        state="two sums",
        neutral="0 where nothing moved",
        differs="TA-Lib takes averages of Wilder instead of sums; of a flat market pandas-ta has"
        " none",
        closes=True,
    ),
    IndicatorKind(
        name="aroon",
        parameters=(period("n", 14),),
        values=("up", "down"),
        formula="100 (n - bars since HH or LL) / n over n + 1 bars; of equals the later bar",
        first="n + 1",
        state="two queues of extremes",
    ),
)
