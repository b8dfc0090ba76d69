"""Volatility: how widely prices have moved."""

from __future__ import annotations

from tapeline.schemas.indicators.kinds import SMOOTHING, IndicatorKind, Parameter, period, word

_N = (period("n"),)

ROWS = (
    IndicatorKind(
        name="atr",
        parameters=(period("n"), SMOOTHING),
        arithmetic="R",
        formula="average of the true range max(h, c1) - min(l, c1), from the second bar on: the"
        " mean of the first n, then e += (x - e) / n; smoothing=simple: the mean of the last n (E)",
        first="n + 1",
        state="one average",
        warm="2 (wilder(n) + 1); simple: none",
        differs="talipp and LEAN count h - l of the first bar; Nautilus' is always simple",
    ),
    IndicatorKind(
        name="bbands",
        parameters=(period("n"), Parameter("num_std", "2", "factor", mark="k")),
        values=("upper", "middle", "lower", "bandwidth"),
        arithmetic="Q",
        formula="root = sqrt(n S(c c) - S(c)^2) in ticks, tick = tn / td in lowest terms: upper,"
        " lower = (S(c) +- num_std * root) * tn / (n * td); middle = sma(n); bandwidth = 2 *"
        " num_std * root / S(c)",
        state="S(c), S(c c)",
        neutral="bandwidth 0 where S(c) = 0",
        differs="bandwidth is 100 times as large in LEAN and pandas-ta",
        closes=True,
    ),
    IndicatorKind(
        name="stddev",
        parameters=_N,
        arithmetic="Q",
        formula="root * tn / (n * td), root and tick as for bbands (population)",
        state="S(c), S(c c)",
        closes=True,
    ),
    IndicatorKind(
        name="donchian",
        parameters=_N,
        values=("upper", "middle", "lower"),
        formula="HH, (HH + LL) / 2, LL, this bar included",
        state="two queues of extremes",
    ),
    IndicatorKind(
        name="high_low",
        parameters=_N,
        values=("high", "low"),
        formula="HH, LL, this bar included",
        state="two queues of extremes",
    ),
    IndicatorKind(
        name="histvol",
        parameters=_N,
        arithmetic="X",
        formula="population deviation of ln(c / c1) over n, times 100 sqrt(periods a year); ln(c /"
        " c1) = 2 atanh((c - c1) / (c + c1)); periods a year: sessions of 2015 to 2024 / 10 times"
        " windows of the full session of 2024-12-31; on 1d those sessions, on 1w 52",
        first="n + 1",
        state="n logarithms",
        neutral="null where a close of the window is not above 0",
        differs="libraries take 252 periods for every interval, or the deviation of a sample",
        closes=True,
        gaps=True,
    ),
    IndicatorKind(
        name="range_ratio",
        parameters=_N,
        formula="(h - l) n / S(h - l), this bar included",
        state="one sum",
        neutral="1 where nothing moved",
    ),
    IndicatorKind(
        name="avg_range",
        parameters=_N,
        formula="S(h - l) / n",
        state="one sum",
        on="days",
    ),
    IndicatorKind(
        name="atr_daily",
        parameters=(period("n"), word("smoothing", "simple", "wilder")),
        formula="atr(n, smoothing=simple) of days",
        first="n + 1",
        state="one sum",
        warm="smoothing=wilder: 2 (wilder(n) + 1)",
        on="days",
    ),
    IndicatorKind(
        name="gap_stats",
        parameters=(period("n"), Parameter("threshold", "0.01", "level", mark="t")),
        values=("avg_gap", "gap_count", "gap_up_count", "gap_down_count"),
        formula="of the gaps o - c1 of the last n days: their mean; how many are greater than"
        " threshold (a price) either way; how many are up, how many down",
        first="n + 1",
        state="four sums",
        on="days",
    ),
)
