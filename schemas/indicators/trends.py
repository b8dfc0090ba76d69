"""Trends and levels: direction, stops, and prices of bars and sessions before."""

from __future__ import annotations

from tapeline.schemas.indicators.kinds import IndicatorKind, Parameter, period

ROWS = (
    IndicatorKind(
        name="adx",
        parameters=(period("n", 14, least=2),),
        arithmetic="R",
        formula="sums s of +DM, -DM and the true range over n - 1 bars, then s = s - s / n + x;"
        " DI = 100 s / tr, DX = 100 abs(a - b) / (a + b); adx: the mean of n DX, then e += (x - e)"
        " / n",
        first="2 * n",
        state="three sums, one average",
        warm="2 (2 wilder(n) + 1)",
        neutral="DX 0 where nothing moved",
        differs="talipp begins its sums otherwise",
    ),
    IndicatorKind(
        name="psar",
        parameters=(
            Parameter("step", "0.02", "factor", mark="s", positional=True),
            Parameter("maximum", "0.2", "factor", mark="m", positional=True),
        ),
        arithmetic="R",
        formula="parabolic stop of Wilder: begins short if the second low falls below the first by"
        " more than the high rises, with extreme and stop of bars 2 and 1; a bar that touches it"
        " turns it; factor = min(factor + step, maximum) at each new extreme",
        first="2",
        state="stop, extreme, factor, direction",
        warm="until its 25th turn; where nothing moves it turns at every bar, and forgets nothing",
        differs="pandas-ta begins a step later, turns only where a bar goes beyond the stop, and"
        " does not hold the new stop behind the last two bars",
    ),
    IndicatorKind(
        name="supertrend",
        parameters=(
            period("n", 10),
            Parameter("multiplier", "3", "factor", always=True, positional=True),
        ),
        values=("supertrend", "direction"),
        arithmetic="R",
        formula="basic = (h + l) / 2 +- multiplier * atr(n); upper = basic if basic < upper before"
        " or c1 > upper before, else upper before; lower mirrored; it turns when c < lower"
        " (up) or c > upper (down); 1 (up) at its first bar, whatever its close",
        first="n + 1",
        state="atr, two bands, direction",
        warm="until its first turn once its atr is warm",
        differs="pandas-ta ratchets the band in use alone; charts often average the range simply",
    ),
    IndicatorKind(
        name="ichimoku",
        parameters=(period("conversion", 9), period("base", 26), period("span", 52)),
        values=("tenkan", "kijun", "senkou_a", "senkou_b"),
        formula="midpoints (HH + LL) / 2 over conversion, base and span; senkou_a ="
        " (tenkan + kijun) / 2; all at the bar that computes them (a chart shifts the cloud 26 bars"
        " ahead); no chikou, which is a close of 26 bars later",
        first="span",
        state="six queues of extremes",
        ascending=("conversion", "base", "span"),
    ),
    IndicatorKind(
        name="pivot_points",
        values=("pp", "r1", "r2", "r3", "s1", "s2", "s3"),
        formula="of high H, low L and close C of the latest session before that has bars: P = (H +"
        " L + C) / 3; r1 = 2 P - L, s1 = 2 P - H; r2 = P + H - L, s2 = P - H + L; r3 = H + 2 (P -"
        " L), s3 = L - 2 (H - P)",
        first="1 session",
        state="six prices",
        warm="the second session",
        on="below_weeks",
    ),
    IndicatorKind(
        name="swing_high",
        parameters=(period("n"),),
        formula="the high of the bar n bars before, if it is not below any of the 2 n + 1 highs up"
        " to now; null otherwise",
        first="2 * n + 1",
        state="one queue of extremes",
        differs="the events `swing` are those of n = 1",
        gaps=True,
    ),
    IndicatorKind(
        name="swing_low",
        parameters=(period("n"),),
        formula="the low of the bar n bars before, if it is not above any of the 2 n + 1 lows up to"
        " now; null otherwise",
        first="2 * n + 1",
        state="one queue of extremes",
        differs="the events `swing` are those of n = 1",
        gaps=True,
    ),
)
